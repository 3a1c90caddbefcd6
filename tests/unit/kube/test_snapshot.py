"""Lists as the API server gives them, over real HTTPS."""

from typing import Any

import pytest

from k8sext.errors import K8sextError
from k8sext.kube import snapshot
from k8sext.kube.kubeconfig import Access
from k8sext.kube.lists import listed
from k8sext.kube.session import ApiError, Session
from tests.support.api_server import ApiServer, Reply, Request, paths


@pytest.fixture
def session(server: ApiServer) -> Session:
    return Session(Access(server=server.url, ca_pem=server.pki.text("ca.crt")))


def named(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "dev"}}


def page(*names: str, token: str = "") -> Reply:
    meta = {"continue": token} if token else {}
    return Reply(200, {"metadata": meta, "items": [named(n) for n in names]})


GONE = Reply(410, {"kind": "Status", "reason": "Expired", "message": "too old"})


def names(items: Any) -> list[str]:
    return [i["metadata"]["name"] for i in items]


def test_pages_are_put_together(server: ApiServer, session: Session) -> None:
    server.replies = [page("a", token="t/1=="), page("b", token="t2"), page("c")]
    assert names(listed(session, "/api/v1/services", "a=b")) == ["a", "b", "c"]
    assert paths(server.requests) == [
        "GET /api/v1/services?labelSelector=a%3Db&resourceVersion=0",
        "GET /api/v1/services?labelSelector=a%3Db&continue=t%2F1%3D%3D",
        "GET /api/v1/services?labelSelector=a%3Db&continue=t2",
    ]


def test_a_page_that_is_gone_begins_the_list_anew(server: ApiServer, session: Session) -> None:
    server.replies = [page("a", token="t"), GONE, page("x", token="u"), page("y")]
    assert names(listed(session, "/api/v1/services")) == ["x", "y"]


def test_but_not_for_ever(server: ApiServer, session: Session) -> None:
    server.answers = lambda r: GONE if "continue" in r.path else page("a", token="t")
    with pytest.raises(ApiError) as caught:
        listed(session, "/api/v1/services")
    assert caught.value.status == 410
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "body", [{"items": None}, {"kind": "ServiceList"}, {"metadata": None, "items": []}]
)
def test_an_empty_list(server: ApiServer, session: Session, body: Any) -> None:
    server.replies = [Reply(200, body)]
    assert listed(session, "/api/v1/services") == ()


def cluster(*, refused: str = "", status: int = 403) -> Any:
    def answers(request: Request) -> Reply:
        path = request.path.partition("?")[0]
        if refused and path.endswith(refused):
            said = f'User "u" cannot list resource "{refused}"'
            return Reply(status, {"reason": "Forbidden", "message": said})
        if path == "/version":
            return Reply(200, {"gitVersion": "v1.35.4"})
        return page(path.rpartition("/")[2])

    return answers


def test_a_snapshot_of_a_namespace(server: ApiServer, session: Session) -> None:
    server.answers = cluster()
    got = snapshot.fetch(session, "dev", "team=a")
    assert names((*got.services, *got.endpoints, *got.endpointslices, *got.nodes, *got.pods)) == [
        "services", "endpoints", "endpointslices", "nodes", "pods",
    ]  # fmt: skip
    assert (got.server_version, got.namespace, got.skips) == ("v1.35.4", "dev", ())
    asked = {p.partition("?")[0].removeprefix("GET ") for p in paths(server.requests)}
    assert asked == {
        "/version", "/api/v1/nodes", "/api/v1/namespaces/dev/pods",
        "/api/v1/namespaces/dev/services", "/api/v1/namespaces/dev/endpoints",
        "/apis/discovery.k8s.io/v1/namespaces/dev/endpointslices",
    }  # fmt: skip
    selected = [p for p in paths(server.requests) if "labelSelector" in p]
    assert len(selected) == 1  # Endpoints need not have the labels of their Service
    assert "/services?" in selected[0]


def test_of_all_namespaces(server: ApiServer, session: Session) -> None:
    server.answers = cluster()
    assert snapshot.fetch(session, None).namespace is None
    assert not [p for p in paths(server.requests) if "/namespaces/" in p]


@pytest.mark.parametrize("kind", ["services", "endpoints", "endpointslices"])
@pytest.mark.parametrize("namespace", ["dev", None])
def test_without_the_right_to_see_bridges(
    server: ApiServer, session: Session, kind: str, namespace: str | None
) -> None:
    server.answers = cluster(refused=kind)
    with pytest.raises(K8sextError) as caught:
        snapshot.fetch(session, namespace)
    assert caught.value.exit_code == 3
    scope = "-n dev" if namespace else "-A"
    assert f"k8sext rbac --for doctor {scope}" in str(caught.value)
    assert f'cannot list resource "{kind}"' in str(caught.value)


@pytest.mark.parametrize("kind", ["nodes", "pods"])
def test_what_may_be_missing_is_a_named_skip(
    server: ApiServer, session: Session, kind: str
) -> None:
    server.answers = cluster(refused=kind)
    got = snapshot.fetch(session, "dev")
    assert got.skips == (f"{kind} were not read: Forbidden",)
    assert names(got.services) == ["services"]


def test_a_version_that_is_not_told(server: ApiServer, session: Session) -> None:
    server.answers = cluster(refused="version", status=500)
    got = snapshot.fetch(session, "dev")
    assert got.server_version == ""
    assert "version was not read" in got.skips[0]


def test_more_pods_than_are_worth_it(server: ApiServer, session: Session) -> None:
    def answers(request: Request) -> Reply:
        if "/pods" in request.path:
            assert f"limit={snapshot.PODS_AT_MOST}" in request.path
            return page("p", token="more")
        reply: Reply = cluster()(request)
        return reply

    server.answers = answers
    got = snapshot.fetch(session, "dev")
    assert (got.pods, got.skips) == ((), ("pods were not compared: more than 5000",))


def test_what_leads_to_bridges_from_outside(server: ApiServer, session: Session) -> None:
    server.answers = cluster()
    ingresses, classes, skips = snapshot.fronts(session, "dev")
    assert (names(ingresses), names(classes), skips) == (["ingresses"], ["ingressclasses"], ())
    assert {p.partition("?")[0] for p in paths(server.requests)} == {
        "GET /apis/networking.k8s.io/v1/namespaces/dev/ingresses",
        "GET /apis/networking.k8s.io/v1/ingressclasses",
    }


def test_who_may_not_read_ingresses_is_told_so_once(server: ApiServer, session: Session) -> None:
    server.answers = cluster(refused="ingresses")
    assert snapshot.fronts(session, "dev")[0] is None
    server.answers = cluster(refused="ingressclasses")
    ingresses, classes, skips = snapshot.fronts(session, None)
    assert names(ingresses) == ["ingresses"]
    assert (classes, skips) == (None, ("ingressclasses were not read: Forbidden",))


# -- workloads and ConfigMaps ---------------------------------------------------------------------

MORE = ("workloads", "configmaps")


def test_workloads_say_what_they_are(server: ApiServer, session: Session) -> None:
    server.answers = cluster()
    got = snapshot.fetch(session, "dev", extra=MORE)
    assert [(w["kind"], w["metadata"]["name"]) for w in got.workloads] == [
        ("Deployment", "deployments"), ("StatefulSet", "statefulsets"),
        ("DaemonSet", "daemonsets"), ("CronJob", "cronjobs"), ("Job", "jobs"),
    ]  # fmt: skip
    assert names(got.configmaps) == ["configmaps"]
    asked = {p.partition("?")[0].removeprefix("GET ") for p in paths(server.requests)}
    assert {"/apis/apps/v1/namespaces/dev/deployments", "/apis/batch/v1/namespaces/dev/cronjobs",
            "/api/v1/namespaces/dev/configmaps"} <= asked  # fmt: skip


def test_nobody_who_does_not_ask_reads_them(server: ApiServer, session: Session) -> None:
    server.answers = cluster()
    got = snapshot.fetch(session, None)
    assert (got.workloads, got.configmaps) == ((), ())
    assert not [p for p in paths(server.requests) if "configmaps" in p or "/batch/" in p]


@pytest.mark.parametrize(
    "kind", ["deployments", "statefulsets", "daemonsets", "cronjobs", "jobs", "configmaps"]
)
def test_each_list_may_be_missing(server: ApiServer, session: Session, kind: str) -> None:
    server.answers = cluster(refused=f"/{kind}")
    got = snapshot.fetch(session, "dev", extra=MORE)
    assert got.skips == (f"{kind} were not read: Forbidden",)
    assert len(got.workloads) + len(got.configmaps) == 5


def config(name: str, size: int = 1, token: str = "") -> Reply:
    item = {
        "metadata": {"name": name, "namespace": "dev", "managedFields": [{}]},
        "data": {"a": "x" * size, "huge": "x" * (snapshot.TEXT_AT_MOST + 1)},
        "binaryData": {"b": "eA=="},
    }
    return Reply(200, {"metadata": {"continue": token}, "items": [item]})


def test_of_configmaps_only_what_is_read_is_kept(server: ApiServer, session: Session) -> None:
    server.replies = [config("one", token="t"), config("two")]
    got, skip = snapshot._configmaps(session, "configmaps", "/api/v1/configmaps")  # pyright: ignore[reportPrivateUsage]
    assert got == tuple(
        {"metadata": {"name": n, "namespace": "dev"}, "data": {"a": "x"}} for n in ("one", "two")
    )
    assert skip == ""
    assert paths(server.requests) == [
        f"GET /api/v1/configmaps?limit={snapshot.CONFIGMAPS_PER_PAGE}",
        f"GET /api/v1/configmaps?limit={snapshot.CONFIGMAPS_PER_PAGE}&continue=t",
    ]


def test_more_configmaps_than_can_be_kept(
    server: ApiServer, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "CONFIG_AT_MOST", 1 << 20)
    server.answers = lambda r: config("big", size=600_000, token="t")
    got, skip = snapshot._configmaps(session, "configmaps", "/api/v1/configmaps")  # pyright: ignore[reportPrivateUsage]
    assert len(got) == 2
    assert skip == "configmaps were not all read: more than 1 MiB"


def test_a_page_of_configmaps_that_is_refused(server: ApiServer, session: Session) -> None:
    server.replies = [config("one", token="t"), GONE]
    got, skip = snapshot._configmaps(session, "configmaps", "/api/v1/configmaps")  # pyright: ignore[reportPrivateUsage]
    assert len(got) == 1
    assert skip == "configmaps were not all read: Expired"


# -- what only lint rules need -------------------------------------------------------------------


def test_lists_that_are_waited_for_later(server: ApiServer, session: Session) -> None:
    server.answers = cluster()
    lists, skips = snapshot.later(session, ("services", "networkpolicies"))()
    assert (names(lists["services"]), names(lists["networkpolicies"]), skips) == (
        ["services"], ["networkpolicies"], (),
    )  # fmt: skip
    assert not [p for p in paths(server.requests) if "/namespaces/" in p]


def test_a_list_that_is_refused_later_is_none_and_a_named_skip(
    server: ApiServer, session: Session
) -> None:
    server.answers = cluster(refused="services")
    assert snapshot.later(session, ("services",))() == (
        {"services": None},
        ("services of all namespaces were not read: Forbidden",),
    )
    assert snapshot.later(session, ())() == ({}, ())
