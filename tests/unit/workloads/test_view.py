"""From objects to workloads: who owns a pod, where it runs, which Secret it logs in with."""

from typing import Any

import pytest

from k8sext.kube.snapshot import Snapshot
from k8sext.model.diagnosis import Finding
from k8sext.model.words import Severity
from k8sext.model.workload import How, Workload, login_of
from k8sext.workloads import view
from tests.support.workload_objects import (
    BRIDGES,
    REDIS,
    bridge,
    container,
    deployment,
    env,
    from_secret,
    owned_pod,
    seen,
    snapshot,
    uses,
)

APP = container(*env(REDIS_HOST="redis-svc"))
SPEC = {"containers": [APP]}


def titles(found: list[Workload]) -> list[tuple[str, tuple[str, ...]]]:
    return [(w.title, w.nodes) for w in found]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job"])
def test_every_kind(kind: str) -> None:
    assert titles(seen(deployment(APP, kind=kind))) == [(f"{kind}/shop", ())]


def test_pods_are_their_owners() -> None:
    """A ReplicaSet's hash leads to its Deployment, a Job to its CronJob."""
    replica = {"kind": "ReplicaSet", "name": "shop-7d9f"}
    job = {"kind": "Job", "name": "nightly-28"}
    labels = {"pod-template-hash": "7d9f"}
    pods = [
        owned_pod("shop-7d9f-a", replica, "node2", SPEC, labels),
        owned_pod("shop-7d9f-b", replica, "node1", SPEC, labels),
        owned_pod("shop-7d9f-c", replica, "node3", SPEC, labels, phase="Succeeded"),
        owned_pod("db-0", {"kind": "StatefulSet", "name": "db"}, "node1", SPEC),
        owned_pod("nightly-28-x", job, "node1", SPEC),
        owned_pod("bare", None, "node1", SPEC),
        owned_pod("static", {"kind": "Node", "name": "node1"}, "node1", SPEC),
        owned_pod("roll-abc-x", {"kind": "ReplicaSet", "name": "roll-abc"}, "node1", SPEC),
        owned_pod("odd-1", {"kind": "Rollout", "name": "odd"}, "node1", SPEC),
        owned_pod("odd-2", {"kind": "Rollout", "name": "odd"}, "node2", SPEC),
    ]
    above = [{"kind": "CronJob", "name": "nightly", "controller": True}]
    owned = deployment(APP, kind="Job", name="nightly-28", ownerReferences=above)
    items = [deployment(APP), deployment(APP, kind="StatefulSet", name="db"),
             deployment(APP, kind="CronJob", name="nightly"), owned]  # fmt: skip
    assert titles(seen(*items, pods=pods)) == [
        ("CronJob/nightly", ("node1",)),
        ("Deployment/shop", ("node1", "node2")),
        ("Pod/bare", ("node1",)),
        ("Pod/static", ("node1",)),
        ("ReplicaSet/roll-abc", ("node1",)),
        ("Rollout/odd", ("node1", "node2")),
        ("StatefulSet/db", ("node1",)),
    ]


def test_without_the_right_to_list_deployments_their_replicasets_are_told() -> None:
    owner = {"kind": "ReplicaSet", "name": "shop-7d9f"}
    pod = owned_pod("shop-7d9f-a", owner, "node2", SPEC, {"pod-template-hash": "7d9f"})
    assert titles(seen(pods=[pod])) == [("ReplicaSet/shop-7d9f", ("node2",))]


def test_what_has_ended_and_what_is_ours_is_left_out() -> None:
    done = deployment(APP, kind="Job")
    done["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    ours = {"app.kubernetes.io/managed-by": "k8sext"}
    probe = deployment(APP, kind="Job", name="k8sext-1", labels=ours)
    pods = [owned_pod("k8sext-1-x", {"kind": "Job", "name": "k8sext-1"}, "n", SPEC, ours)]
    assert seen(done, probe, pods=pods) == []


def test_those_that_use_none_are_counted() -> None:
    items = [
        deployment(APP),
        deployment(container(*env(A="b")), name="other"),
        deployment(name="x"),
    ]
    found = view.view(snapshot(*items), BRIDGES, skipped=("configmaps were not read",))
    assert ([w.name for w in found.workloads], found.without) == (["shop"], 2)
    assert found.notes == ("configmaps were not read",)


def test_init_containers_count_too() -> None:
    made = deployment(pod={"initContainers": [{**APP, "name": "wait"}]})
    assert [u.container for w in seen(made) for u in w.uses] == ["wait"]


# -- logins ----------------------------------------------------------------------------------------


def logins(*variables: Any, **more: Any) -> list[tuple[str, str, bool]]:
    found = uses(container(*variables, **more))
    return [(u.bridge.removeprefix("dev/"), u.secret, u.inline) for u in found]


HOST = env(REDIS_HOST="redis-svc")
LOGINS: list[tuple[list[Any], tuple[str, bool]]] = [
    (HOST, ("", False)),
    ([*HOST, from_secret("REDIS_PASSWORD", "other")], ("other", False)),
    ([*HOST, from_secret("REDIS_USERNAME", "other")], ("other", False)),
    ([*HOST, from_secret("RABBIT_PASSWORD", "other")], ("", False)),
    ([*HOST, from_secret("RABBIT_PASSWORD", "redis-auth")], ("redis-auth", False)),
    ([*HOST, *env(REDIS_PASSWORD="x")], ("", True)),
    ([*HOST, *env(REDIS_USERNAME="x")], ("", False)),
    ([*HOST, *env(REDIS_PASSWORD="")], ("", False)),
    (env(U="redis://:x@redis-svc:1"), ("", True)),
    (env(U="redis://user@redis-svc:1"), ("", False)),
    ([from_secret("P", "other"), *env(U="redis://:$(P)@redis-svc:1")], ("other", False)),
    ([from_secret("P", "other"), *env(U="redis://redis-svc:1?password=$(P)")], ("other", False)),
]


@pytest.mark.parametrize(("variables", "expected"), LOGINS)
def test_whose_login_it_is(variables: list[Any], expected: tuple[str, bool]) -> None:
    assert logins(*variables) == [("redis-svc", *expected)]


@pytest.mark.parametrize(
    ("more", "pod", "where"),
    [
        ({"envFrom": [{"secretRef": {"name": "redis-auth"}}]}, {}, "envFrom Secret redis-auth"),
        ({"env": [from_secret("X", "redis-auth")]}, {}, "env X from Secret redis-auth"),
        ({"volumeMounts": [{"name": "b", "mountPath": "/bindings/redis"}]},
         {"volumes": [{"name": "b", "secret": {"secretName": "redis-auth"}}]},
         "volume Secret redis-auth at /bindings/redis"),
        ({"volumeMounts": [{"name": "b", "mountPath": "/b"}]},
         {"volumes": [{"name": "b", "projected": {"sources": [
             {"secret": {"name": "redis-auth"}}]}}]},
         "volume Secret redis-auth at /b"),
    ],
)  # fmt: skip
def test_a_binding_alone_is_a_likely_use(more: Any, pod: Any, where: str) -> None:
    made = deployment({"name": "app", **more}, pod=pod)
    (use,) = (u for w in seen(made) for u in w.uses)
    assert (use.bridge, use.how, use.likely, use.secret) == (
        "dev/redis-svc", How.SECRET, True, "redis-auth",
    )  # fmt: skip
    assert use.where == where


def test_a_secret_that_is_not_mounted_here_is_no_use() -> None:
    volumes = [{"name": "b", "secret": {"secretName": "redis-auth"}}]
    assert seen(deployment(container(), pod={"volumes": volumes})) == []


def test_a_secret_of_that_name_in_another_namespace_is_another() -> None:
    other = bridge("redis-svc", 1, namespace="prod", secret="redis-auth")
    app = container(from_secret("P", "redis-auth"))
    assert uses(app, bridges=(other,), namespace=None) == []


def test_the_login_in_words() -> None:
    assert login_of(tuple(uses(container(*HOST, from_secret("REDIS_PASSWORD", "s"))))) == "Secret s"
    assert login_of(tuple(uses(container(*env(U="redis://:x@redis-svc:1"))))) == "written in env U"
    assert login_of(tuple(uses(container(*HOST)))) == ""


# -- Services that do not exist --------------------------------------------------------------------

STRAYS = [
    ("REDIS_HOST", "redis-scv", [("dev", "redis-scv", False)]),
    ("U", "redis://redis-scv:1", [("dev", "redis-scv", False)]),
    ("U", "redis-scv.dev.svc.cluster.local", [("dev", "redis-scv", True)]),
    ("REDIS_HOST", "redis-scv.dev", [("dev", "redis-scv", False)]),
    ("REDIS_HOST", "redis-scv.elsewhere.svc", []),  # not among the namespaces that were seen
    ("REDIS_HOST", "web", []),  # a Service that is no bridge
    ("REDIS_HOST", "alias", []),  # of hostAliases
    ("REDIS_HOST", "db.example.com", []),
    ("REDIS_HOST", "localhost", []),
    ("REDIS_HOST", "127.0.0.1", []),
    ("USE_SERVER", "true", []),
    ("TEXT", "redis-scv", []),
]


@pytest.mark.parametrize(("name", "value", "expected"), STRAYS)
def test_names_that_are_no_service(name: str, value: str, expected: Any) -> None:
    pod = {"hostAliases": [{"ip": "198.51.100.1", "hostnames": ["alias"]}]}
    made = deployment(container(*env(**{name: value})), pod=pod)
    found = [s for w in seen(made, services=["web"]) for s in w.strays]
    assert [(s.namespace, s.service, s.only_a_service) for s in found] == expected


def test_they_are_not_looked_for_among_services_that_a_selector_chose() -> None:
    made = deployment(container(*env(REDIS_HOST="redis-scv")))
    found = view.view(snapshot(made), BRIDGES, complete=False)
    assert found.workloads == ()


def test_only_workloads_that_something_is_told_of_are_listed() -> None:
    items = [deployment(APP), deployment(container(*env(A_HOST="redis-scv")), name="b"),
             deployment(container(*env(A_HOST="other")), name="c")]  # fmt: skip
    found = view.view(snapshot(*items), BRIDGES)
    assert len(found.workloads) == 3
    said = Finding(code="KX151", severity=Severity.WARN, object="Deployment/dev/b", summary="x")
    kept = view.listed(found, [said])
    assert [(w.name, w.strays) for w in kept.workloads] == [("b", ()), ("shop", ())]
    assert kept.without == 1


def test_an_empty_cluster() -> None:
    assert view.view(Snapshot(), ()).workloads == ()
    assert view.view(Snapshot(), (REDIS,)).workloads == ()


def test_annotations_say_what_is_not_to_be_told() -> None:
    made = deployment(APP, annotations={"k8sext.io/ignore": "KX150,KX152 a profile of tests"})
    assert dict(seen(made)[0].ignore) == {
        "KX150": "a profile of tests",
        "KX152": "a profile of tests",
    }
