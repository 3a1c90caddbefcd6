from typing import Any

import pytest

from k8sext.errors import K8sextError
from k8sext.model.bridge import CredentialRef
from k8sext.model.plan import Plan, Target
from k8sext.model.words import Route
from k8sext.vantage import job
from k8sext.vantage.job import PodOptions

PLAN = Plan(
    run_id="abcd1234",
    namespace="dev",
    modules=("redis",),
    targets=(
        Target(
            id="o1",
            service="redis-svc",
            port_key="redis",
            protocol="redis",
            route=Route.NAME,
            host="redis-svc",
            port=6379,
            credentials=CredentialRef(secret="redis-auth"),
        ),
    ),
)


def made(**options: Any) -> dict[str, Any]:
    return job.manifest(PLAN, ["python3", "-I"], {"K8SEXT_PLAN_0": "x"}, PodOptions(**options))


def pod_spec(manifest: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return spec


def test_the_job_can_outlive_nothing() -> None:
    spec = made(start_timeout_s=20)["spec"]
    assert spec["activeDeadlineSeconds"] == 20 + 60 + 10
    assert (spec["ttlSecondsAfterFinished"], spec["backoffLimit"]) == (60, 0)
    assert spec["completionMode"] == "Indexed"


def test_the_pod_has_no_token_and_no_service_links() -> None:
    spec = pod_spec(made())
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False


def test_secrets_are_mounted_whole_and_optional() -> None:
    spec = pod_spec(made())
    assert spec["volumes"] == [
        {"name": "secret-0", "secret": {"secretName": "redis-auth", "optional": True}}
    ]
    assert spec["containers"][0]["volumeMounts"][0]["readOnly"] is True


def test_where_the_platform_assigns_the_user_none_is_asked_for() -> None:
    assert pod_spec(made())["securityContext"]["runAsUser"] == 65532
    assert "runAsUser" not in pod_spec(made(run_as_user=None))["securityContext"]


def test_the_mesh_is_declined_unless_wanted() -> None:
    labels = made()["spec"]["template"]["metadata"]["labels"]
    assert labels["sidecar.istio.io/inject"] == "false"
    assert (
        "sidecar.istio.io/inject" not in made(mesh=True)["spec"]["template"]["metadata"]["labels"]
    )


def test_a_patch_adds_a_limit_without_repeating_the_container() -> None:
    patch = {"spec": {"containers": [{"name": "probe", "resources": {"limits": {"cpu": "500m"}}}]}}
    (container,) = pod_spec(made(patch=patch))["containers"]
    assert container["resources"]["limits"] == {"memory": "256Mi", "cpu": "500m"}
    assert container["command"] == ["python3", "-I"]


@pytest.mark.parametrize(
    "change",
    [
        {"command": ["sh"]},
        {"args": ["x"]},
        {"env": [{"name": "K8SEXT_PLAN_0", "value": "other"}]},
        {"env": [{"name": "K8SEXT_NEW", "value": "1"}]},
    ],
)
def test_a_patch_cannot_change_what_runs(change: dict[str, Any]) -> None:
    patch = {"spec": {"containers": [{"name": "probe", **change}]}}
    with pytest.raises(K8sextError, match="probe's command"):
        made(patch=patch)


def test_merge_removes_with_null_and_replaces_plain_lists() -> None:
    assert job.merge({"a": 1, "b": [1, 2]}, {"a": None, "b": [3]}) == {"b": [3]}


def labels_of(manifest: dict[str, Any]) -> dict[str, str]:
    labels: dict[str, str] = manifest["spec"]["template"]["metadata"]["labels"]
    return labels


def test_where_the_pod_goes_and_what_it_carries() -> None:
    toleration = {"key": "gpu", "operator": "Exists"}
    manifest = made(
        node_selector={"disk": "ssd"},
        tolerations=(toleration,),
        labels={"team": "db"},
        annotations={"note": "a b"},
        image_pull_secrets=("one", "two"),
        ttl_s=5,
    )
    spec = pod_spec(manifest)
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux", "disk": "ssd"}
    assert spec["tolerations"] == [toleration]
    assert spec["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]
    assert labels_of(manifest)["team"] == "db"
    assert manifest["spec"]["template"]["metadata"]["annotations"]["note"] == "a b"
    assert manifest["spec"]["ttlSecondsAfterFinished"] == 5


def test_the_pod_never_becomes_ready() -> None:
    assert pod_spec(made())["readinessGates"] == [{"conditionType": job.READINESS_GATE}]


def test_a_probe_like_a_workload_carries_its_labels_and_stays_findable() -> None:
    theirs = {"app.kubernetes.io/name": "shop", "sidecar.istio.io/inject": "true", "app": "shop"}
    labels = labels_of(made(like_labels=theirs, labels={"app": "mine"}))
    assert labels["app.kubernetes.io/name"] == "shop"
    assert labels["sidecar.istio.io/inject"] == "false"
    assert (labels["app"], labels[job.RUN_LABEL]) == ("mine", "abcd1234")
    assert labels_of(made(like_labels=theirs, mesh=True))["sidecar.istio.io/inject"] == "true"
