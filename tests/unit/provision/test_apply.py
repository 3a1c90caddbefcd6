"""Against a stand-in of the session that keeps objects in memory."""

import copy
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from k8sext.errors import K8sextError
from k8sext.kube.session import ApiError
from k8sext.provision import apply
from k8sext.provision.desired import complete
from k8sext.provision.spec import BridgeSpec

REDIS = complete(
    BridgeSpec(name="redis-svc", namespace="dev", to=("198.51.100.21",), protocol="redis")
)
SERVICE = "/api/v1/namespaces/dev/services/redis-svc"
SLICE = "/apis/discovery.k8s.io/v1/namespaces/dev/endpointslices/redis-svc-k8sext-ipv4"
FORBIDDEN = 'services "x" is forbidden: User "u" cannot patch resource "services" in the namespace'


@dataclass
class StandIn:
    """Applies by replacing; what it refuses is told by `refusals` (method and path to error)."""

    kept: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    refusals: dict[tuple[str, str], ApiError] = field(
        default_factory=dict[tuple[str, str], ApiError]
    )
    written: list[str] = field(default_factory=list[str])

    def _refuse(self, method: str, path: str) -> None:
        if (method, path) in self.refusals:
            raise self.refusals[method, path]

    def get(self, path: str, /, **params: object) -> dict[str, Any]:
        self._refuse("GET", path)
        if path.endswith("endpointslices"):
            assert "kubernetes.io/service-name=" in str(params["labelSelector"])
            return {"items": [v for k, v in self.kept.items() if k.startswith(path + "/")]}
        if path not in self.kept:
            raise error(404, "not found")
        return copy.deepcopy(self.kept[path])

    def patch(
        self, path: str, body: object, content_type: str, /, **params: object
    ) -> dict[str, Any]:
        self._refuse("PATCH", path)
        assert content_type == "application/apply-patch+yaml"
        assert params["fieldManager"] == "k8sext"
        made: dict[str, Any] = copy.deepcopy(cast("dict[str, Any]", body))
        made["metadata"]["uid"] = "u-1"
        if "dryRun" not in params:
            self.kept[path] = made
            self.written.append(path)
        return made

    def delete(self, path: str, body: object = None, /, **params: object) -> dict[str, Any]:
        return self.kept.pop(path)


def error(status: int, message: str) -> ApiError:
    return ApiError(status, "", message, {}, "https://192.0.2.11:6443")


def marks(api: StandIn, spec: BridgeSpec = REDIS, *, adopt: bool = False) -> list[str]:
    return [p.change.mark for p in apply.plan(api, [spec], adopt=adopt, force=False)]


def provisioned() -> StandIn:
    api = StandIn()
    apply.apply(api, apply.plan(api, [REDIS], adopt=False, force=False), force=False)
    return api


def test_planning_writes_nothing() -> None:
    api = StandIn()
    assert marks(api) == ["+", "+"]
    assert api.written == []


def test_the_service_comes_first_and_owns_its_slice() -> None:
    api = provisioned()
    assert api.written == [SERVICE, SLICE]
    (owner,) = api.kept[SLICE]["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Service", "redis-svc", "u-1")


def test_a_second_time_there_is_nothing_to_do() -> None:
    assert marks(provisioned()) == ["=", "="]


def test_a_difference_names_its_field() -> None:
    moved = replace(REDIS, to=("198.51.100.22",))
    service, piece = apply.plan(provisioned(), [moved], adopt=False, force=False)
    assert service.change.mark == "="
    assert piece.change == apply.Change(
        "~",
        "EndpointSlice/dev/redis-svc-k8sext-ipv4",
        "endpoints[0].addresses[0] 198.51.100.21 → 198.51.100.22",
    )


def test_what_the_cluster_allocates_is_no_difference() -> None:
    api = provisioned()
    api.kept[SERVICE]["spec"] |= {"clusterIP": "198.19.3.7", "clusterIPs": ["198.19.3.7"]}
    assert marks(api) == ["=", "="]


def test_words_of_live_objects_cannot_reach_the_terminal_as_commands() -> None:
    api = provisioned()
    api.kept[SERVICE]["metadata"]["annotations"]["note"] = "\x1b[2J"
    service, _ = apply.plan(api, [REDIS], adopt=False, force=False)
    assert "note" in service.change.detail
    assert "\x1b" not in service.change.detail


def test_a_selector_is_refused_even_with_adopt() -> None:
    api = provisioned()
    api.kept[SERVICE]["spec"]["selector"] = {"app": "redis"}
    with pytest.raises(K8sextError, match="has a selector"):
        marks(api, adopt=True)


def test_what_others_manage_is_refused_without_adopt() -> None:
    api = provisioned()
    api.kept[SERVICE]["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
    with pytest.raises(K8sextError, match=r"managed by Helm.*--adopt"):
        marks(api)
    assert marks(api, adopt=True) == ["~", "="]


def test_managers_are_named_where_no_label_does() -> None:
    api = provisioned()
    meta = api.kept[SERVICE]["metadata"]
    meta["labels"], meta["managedFields"] = {}, [{"manager": "kubectl-create"}]
    with pytest.raises(K8sextError, match="managed by kubectl-create"):
        marks(api)


@pytest.mark.parametrize(
    ("method", "status", "message", "code", "said"),
    [
        ("PATCH", 409, 'conflict with "kubectl"', 1, "--force-conflicts"),
        ("PATCH", 403, FORBIDDEN, 3, "k8sext rbac --for provision"),
        ("GET", 403, FORBIDDEN, 3, "k8sext rbac --for provision"),
        ("PATCH", 403, "exceeded quota: compute", 3, "exceeded quota"),
        ("PATCH", 404, 'namespaces "dev" not found', 2, "not found"),
        ("PATCH", 422, "spec.ports is wrong", 2, "spec.ports is wrong"),
    ],
)
def test_refusals(method: str, status: int, message: str, code: int, said: str) -> None:
    api = StandIn(refusals={(method, SERVICE): error(status, message)})
    with pytest.raises(K8sextError, match=said) as caught:
        marks(api)
    assert caught.value.exit_code == code
    assert api.written == []


def test_a_quota_is_not_told_as_a_missing_right() -> None:
    api = StandIn(refusals={("PATCH", SERVICE): error(403, "exceeded quota: compute")})
    with pytest.raises(K8sextError) as caught:
        marks(api)
    assert "rbac" not in str(caught.value)


def test_a_refused_slice_keeps_the_service_from_being_written() -> None:
    api = StandIn(refusals={("PATCH", SLICE): error(422, "no")})
    with pytest.raises(K8sextError):
        marks(api)
    assert api.written == []


def test_slices_that_are_no_longer_wanted() -> None:
    api = provisioned()
    assert apply.stale(api, [REDIS]) == []
    assert apply.stale(api, [replace(REDIS, to=("2001:db8::1",))]) == [SLICE]
    assert apply.stale(api, [replace(REDIS, to=("redis.example.com",))]) == [SLICE]
