"""KX154 to KX159: how pods resolve names, and what a mesh makes of a Service."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from k8sext.lint import run as lint
from k8sext.model.bridge import Bridge, Kind, Port
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Objects, Subject
from k8sext.model.words import Severity
from tests.support.workload_objects import (
    ALIAS,
    BRIDGES,
    REDIS,
    bridge,
    configmap,
    container,
    deployment,
    env,
    seen,
)

POSTGRES = bridge("postgres", 5432, "198.51.100.9", cluster_ips=("198.19.3.8",))
NODE_NET = {"hostNetwork": True}


def told(made: Any, bridges: Sequence[Bridge] = BRIDGES, **more: Any) -> tuple[Finding, ...]:
    workloads = tuple(seen(made, bridges=bridges, **more))
    return lint.findings(Subject(bridges=tuple(bridges), workloads=workloads))


# -- KX154 ---------------------------------------------------------------------------------------

IMAGES = [
    ("redis-svc:26379/shop:1", True),
    ("redis-svc.dev:26379/shop:1", True),
    ("redis-svc.dev.svc.cluster.local/shop", True),
    ("redis-svc.dev/shop@sha256:0", True),
    ("redis-svc/shop:1", False),  # no dot, no port: a folder of Docker Hub
    ("redis-svc:26379", False),  # an image called redis-svc with a tag
    ("other-svc:5000/shop", False),
    ("registry.example.com/redis-svc/shop", False),
    ("", False),
]


@pytest.mark.parametrize(("image", "named"), IMAGES)
def test_an_image_names_a_bridge(image: str, named: bool) -> None:
    found = told(deployment(container(image=image)))
    assert [f.code for f in found] == (["KX154"] if named else [])


def test_a_workload_whose_image_names_a_bridge_uses_it() -> None:
    (workload,) = seen(deployment(container(image="redis-svc:26379/shop")))
    assert workload.bridges == ("dev/redis-svc",)
    (found,) = told(deployment(container(image="redis-svc:26379/shop")))
    assert "198.51.100.21:26379" in found.fix


# -- KX155 ---------------------------------------------------------------------------------------


def test_a_variable_that_a_link_fills_is_a_warning() -> None:
    made = deployment(container(*env(URL="jdbc:x//postgres:${POSTGRES_PORT}/shop")))
    (found,) = told(made, [POSTGRES])
    assert (found.code, found.severity) == ("KX155", Severity.WARN)
    assert "POSTGRES_PORT=tcp://198.19.3.8:5432" in found.summary


READERS = [
    container(args=["--port", "$(POSTGRES_PORT)"]),
    container(command=["sh", "-c", "exec app --port $POSTGRES_PORT --host postgres"]),
]


@pytest.mark.parametrize("reader", READERS)
def test_references_of_the_kubelet_and_of_shells_are_seen(reader: Any) -> None:
    severities = {f.severity for f in told(deployment(reader), [POSTGRES]) if f.code == "KX155"}
    assert severities == {Severity.WARN}


HEALTHY_LINKS = [
    deployment(container(*env(POSTGRES_PORT="5432", A="postgres:$(POSTGRES_PORT)"))),
    deployment(
        container(args=["$(POSTGRES_PORT)"], env=env(A_HOST="postgres")),
        pod={"enableServiceLinks": False},
    ),
]


@pytest.mark.parametrize("made", HEALTHY_LINKS)
def test_a_variable_of_ones_own_and_links_that_are_off_are_no_warning(made: Any) -> None:
    assert not [f for f in told(made, [POSTGRES]) if f.severity is not Severity.NOTE]


def test_a_product_s_name_is_noted_once_where_pods_get_the_variable() -> None:
    made = deployment(container(*env(A_HOST="postgres")))
    (found,) = told(made, [POSTGRES])
    assert (found.code, found.severity, found.object) == (
        "KX155",
        Severity.NOTE,
        "Service/dev/postgres",
    )
    headless = replace(POSTGRES, kind=Kind.HEADLESS, cluster_ips=())
    assert not told(made, [headless])
    assert not told(deployment(container(*env(A_HOST="redis-svc"))), [REDIS])


# -- KX156 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (NODE_NET, ["KX156"]),
        ({**NODE_NET, "dnsPolicy": "Default"}, ["KX156"]),
        ({**NODE_NET, "dnsPolicy": "ClusterFirstWithHostNet"}, []),
        ({**NODE_NET, "dnsPolicy": "None"}, []),  # a resolver of its own
        ({}, []),
    ],
)
def test_pods_on_the_nodes_network(pod: dict[str, Any], expected: list[str]) -> None:
    found = told(deployment(container(*env(REDIS_HOST="redis-svc")), pod=pod))
    assert [f.code for f in found] == expected


def test_an_address_needs_no_dns() -> None:
    found = told(deployment(container(*env(A="198.51.100.21:26379")), pod=NODE_NET))
    assert [f.code for f in found] == ["KX152"]


def test_only_what_can_be_patched_gets_a_command() -> None:
    made = container(*env(REDIS_HOST="redis-svc"))
    (one,) = told(deployment(made, pod=NODE_NET, kind="DaemonSet"))
    assert one.command.startswith("kubectl patch daemonset -n dev shop -p ")
    (job,) = told(deployment(made, pod=NODE_NET, kind="CronJob"))
    assert job.command == ""


# -- KX157 ---------------------------------------------------------------------------------------

TO_DATABASE = {"to": [{"ipBlock": {"cidr": "198.51.100.21/32"}}], "ports": [{"port": 26379}]}
TO_DNS = {"ports": [{"port": 53, "protocol": "UDP"}]}
TO_ALL_OF_CLUSTER: dict[str, Any] = {"to": [{"namespaceSelector": {}}]}


def isolated(*rules: Any, selector: Any = None, pod: Any = None, **values: str) -> list[str]:
    spec = {"podSelector": selector or {}, "policyTypes": ["Egress"], "egress": list(rules)}
    policy = {"metadata": {"name": "narrow", "namespace": "dev"}, "spec": spec}
    made = deployment(container(*env(**(values or {"A_HOST": "redis-svc"}))), pod=pod)
    made["spec"]["template"]["metadata"] = {"labels": {"app": "shop"}}
    objects = Objects(networkpolicies=(policy,))
    subject = Subject(bridges=BRIDGES, workloads=tuple(seen(made)), objects=objects)
    return [f.code for f in lint.findings(subject)]


def test_a_policy_that_forgets_dns() -> None:
    assert isolated(TO_DATABASE) == ["KX157"]
    assert isolated() == ["KX157"]
    assert isolated({"to": [{"ipBlock": {"cidr": "198.51.100.21/32"}}]}) == ["KX157"]
    assert isolated(TO_DATABASE, selector={"matchLabels": {"app": "shop"}}) == ["KX157"]


def test_policies_that_let_it_ask() -> None:
    assert isolated(TO_DATABASE, TO_DNS) == []
    assert isolated(TO_ALL_OF_CLUSTER) == []
    assert isolated({"to": [{"ipBlock": {"cidr": "198.18.0.0/16"}}]}) == []
    assert isolated({}) == []
    assert isolated(TO_DATABASE, selector={"matchLabels": {"app": "other"}}) == []
    assert isolated(TO_DATABASE, A="198.51.100.21:26379") == ["KX152"]  # needs no DNS
    assert "KX157" not in isolated(TO_DATABASE, pod=NODE_NET)


# -- KX158, KX159 --------------------------------------------------------------------------------

ISTIO = {"istio-injection": "enabled"}


def in_mesh(bridges: Sequence[Bridge], labels: Any = None, **notes: str) -> list[Finding]:
    meta = {"name": "dev", "labels": labels or {}, "annotations": notes}
    spec = {"ports": [{"name": p.name, "port": p.port} for b in bridges for p in b.ports]}
    services = tuple(
        {"metadata": {"namespace": b.namespace, "name": b.service}, "spec": spec} for b in bridges
    )
    objects = Objects(namespaces=({"metadata": meta},), services=services)
    found = lint.findings(Subject(bridges=tuple(bridges), objects=objects))
    return [f for f in found if f.code in ("KX158", "KX159")]


def sql(name: str = "http", **more: Any) -> Bridge:
    ports = (Port(name=name, port=3306, protocol="mysql", protocol_source="annotation", **more),)
    return replace(bridge("db", 3306, "198.51.100.9"), ports=ports)


@pytest.mark.parametrize(
    "labels", [ISTIO, {"istio.io/rev": "a"}, {"istio.io/dataplane-mode": "ambient"}]
)
def test_a_name_that_says_http_of_a_database_in_a_mesh(labels: Any) -> None:
    (found,) = in_mesh([sql()], labels)
    assert (found.code, found.severity) == ("KX158", Severity.WARN)
    assert '"/spec/ports/0/appProtocol","value":"tcp"' in found.command


NO_FINDING: list[tuple[Bridge, dict[str, str]]] = [
    (sql(), {}),  # no mesh
    (sql(), {**ISTIO, "istio-injection": "disabled"}),
    (sql("tcp-mysql"), ISTIO),
    (sql("mysql"), ISTIO),
    (sql("httpish"), ISTIO),
    (sql(app_protocol="tcp"), ISTIO),  # goes before the name
]


@pytest.mark.parametrize(("one", "labels"), NO_FINDING)
def test_names_that_a_mesh_takes_rightly(one: Bridge, labels: dict[str, str]) -> None:
    assert not in_mesh([one], labels)


def test_linkerd_does_not_go_by_names() -> None:
    assert not in_mesh([sql()], **{"linkerd.io/inject": "enabled"})


def test_two_aliases_of_one_port() -> None:
    other = replace(ALIAS, service="post-svc", external_name="post.example.com")
    assert [f.code for f in in_mesh([ALIAS, other], ISTIO)] == ["KX159", "KX159"]
    assert not in_mesh([ALIAS, other])
    same = replace(ALIAS, service="post-svc")
    assert not in_mesh([ALIAS, same], ISTIO)
    elsewhere = replace(other, namespace="test")
    assert not in_mesh([ALIAS, elsewhere], ISTIO)


def test_configmaps_are_read_for_variables_too() -> None:
    maps = [configmap("cfg", {"application.yml": "db: postgres:${POSTGRES_PORT:5432}\n"})]
    mounts = [{"name": "cfg", "mountPath": "/etc/cfg"}]
    made = deployment(
        container(volumeMounts=mounts),
        pod={"volumes": [{"name": "cfg", "configMap": {"name": "cfg"}}]},
    )
    found = [f for f in told(made, [POSTGRES], configmaps=maps) if f.code == "KX155"]
    assert [f.severity for f in found] == [Severity.WARN]  # the variable goes before the default
