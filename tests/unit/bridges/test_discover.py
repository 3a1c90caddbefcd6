"""Objects as the API gives them, bridges as they should be seen."""

from collections.abc import Mapping
from typing import Any

import pytest

from k8sext.bridges import discover
from k8sext.kube.snapshot import Snapshot
from k8sext.model.bridge import Bridge, BridgeClass, Endpoint, Kind

PORT = {"name": "redis", "port": 6379, "targetPort": 26379, "protocol": "TCP"}


def service(name: str = "redis-svc", *, meta: Any = None, **spec: Any) -> dict[str, Any]:
    base = {"type": "ClusterIP", "clusterIP": "198.19.0.9", "ports": [PORT]}
    return {
        "metadata": {"name": name, "namespace": "dev", **(meta or {})},
        "spec": {**base, **spec},
    }


def external(name: str = "db", target: str = "db.example.com", **more: Any) -> dict[str, Any]:
    return service(name, type="ExternalName", externalName=target, clusterIP="", **more)


def piece(
    *addresses: str,
    name: str = "redis-svc-1",
    of: str = "redis-svc",
    kind: str = "IPv4",
    ports: Any = None,
    conditions: Any = None,
    labels: Any = None,
) -> dict[str, Any]:
    made: list[dict[str, Any]] = [{"addresses": [a]} for a in addresses]
    if conditions is not None:
        made = [{**e, "conditions": conditions} for e in made]
    return {
        "metadata": {
            "name": name,
            "namespace": "dev",
            "labels": {"kubernetes.io/service-name": of, **(labels or {})},
        },
        "addressType": kind,
        "endpoints": made,
        "ports": [{"name": "redis", "port": 26379}] if ports is None else ports,
    }


def legacy(*addresses: str, not_ready: tuple[str, ...] = (), meta: Any = None) -> dict[str, Any]:
    subset = {
        "addresses": [{"ip": a} for a in addresses] or None,
        "notReadyAddresses": [{"ip": a} for a in not_ready] or None,
        "ports": [{"name": "redis", "port": 26379}],
    }
    return {"metadata": {"name": "redis-svc", "namespace": "dev", **(meta or {})},
            "subsets": [subset]}  # fmt: skip


def seen(*services: Any, **objects: Any) -> tuple[Bridge, ...]:
    lists: dict[str, Any] = {k: tuple(v) for k, v in objects.items()}
    return discover.bridges(Snapshot(services=services, **lists))


def one(*services: Any, **objects: Any) -> Bridge:
    (bridge,) = seen(*services, **objects)
    return bridge


def addresses(bridge: Bridge) -> list[tuple[str, int, bool]]:
    return [(e.address, e.port, e.ready) for e in bridge.endpoints]


# -- which Services lead out, and how -----------------------------------------------------------


BY_PODS = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
APPLIED = '{"kind":"Endpoints","subsets":[{"addresses":[{"ip":"198.51.100.21"}]}]}'


def wrote(manager: str, *fields: str) -> dict[str, Any]:
    return {"managedFields": [{"manager": manager, "fieldsV1": {f: {} for f in fields}}]}


LEFT_IN: list[tuple[str, bool, dict[str, Any]]] = [
    ("nothing", False, {}),
    ("pods that are gone", False, {"endpointslices": [piece(labels=BY_PODS)]}),
    ("pods", False, {"endpointslices": [piece("198.18.1.7", labels=BY_PODS)]}),
    ("another cluster's pods", False, {"endpointslices": [piece("198.18.9.7", labels={
        "endpointslice.kubernetes.io/managed-by": "endpointslice-mesh-controller.cilium.io"})]}),
    ("a slice of people", True, {"endpointslices": [piece("198.51.100.21")]}),
    ("a slice of a word of theirs", True, {"endpointslices": [piece("198.51.100.21", labels={
        "endpointslice.kubernetes.io/managed-by": "cluster-admins"})]}),
    ("both", True, {"endpointslices": [piece("198.18.1.7", labels=BY_PODS),
                                       piece("198.51.100.21", name="mine")]}),
    ("Endpoints that were applied", True,
     {"endpoints": [legacy(meta={"annotations": {
         "kubectl.kubernetes.io/last-applied-configuration": APPLIED}})]}),
    ("Endpoints that were applied empty", False,
     {"endpoints": [legacy(meta={"annotations": {
         "kubectl.kubernetes.io/last-applied-configuration": '{"kind":"Endpoints"}'}})]}),
    ("Endpoints and a broken copy", False,
     {"endpoints": [legacy(meta={"annotations": {
         "kubectl.kubernetes.io/last-applied-configuration": "{"}})]}),
    ("Endpoints by Helm", True, {"endpoints": [legacy(meta=wrote("helm", "f:subsets"))]}),
    ("Endpoints of a release", True,
     {"endpoints": [legacy(meta={"annotations": {"meta.helm.sh/release-name": "shop"}})]}),
    ("Endpoints of Argo CD", True, {"endpoints": [legacy(meta={"annotations": {
        "argocd.argoproj.io/tracking-id": "shop:/Endpoints:dev/redis-svc"}})]}),
    ("Argo CD's mark copied from the Service", False, {"endpoints": [legacy(meta={"annotations": {
        "argocd.argoproj.io/tracking-id": "shop:/Service:dev/redis-svc"}})]}),
    ("Endpoints by Flux", True,
     {"endpoints": [legacy(meta=wrote("kustomize-controller", "f:subsets"))]}),
    ("Endpoints with a label by Helm", False,
     {"endpoints": [legacy(meta=wrote("helm", "f:metadata"))]}),
    ("the controller's Endpoints", False,
     {"endpoints": [legacy("198.18.1.7", meta=wrote("kube-controller-manager", "f:subsets"))]}),
]  # fmt: skip


@pytest.mark.parametrize(("case", "shown", "objects"), LEFT_IN, ids=[c[0] for c in LEFT_IN])
def test_a_selector_beside_what_people_wrote_is_left_in(
    case: str, shown: bool, objects: dict[str, Any]
) -> None:
    found = seen(service(selector={"app": "x"}), **objects)
    assert [b.selector for b in found] == ([(("app", "x"),)] if shown else [])


def test_a_selector_leads_to_pods() -> None:
    assert seen(service(selector={"app": "x"})) == ()
    assert len(seen(service(selector={}))) == 1
    assert len(seen(external(selector={"app": "x"}))) == 1  # a selector of an alias does nothing


@pytest.mark.parametrize(
    ("spec", "kind", "service_type", "ips"),
    [
        ({}, Kind.SELECTORLESS, "ClusterIP", ("198.19.0.9",)),
        ({"clusterIP": "None"}, Kind.HEADLESS, "ClusterIP", ()),
        ({"type": "NodePort", "ports": [{**PORT, "nodePort": 30001}]}, Kind.SELECTORLESS,
         "NodePort", ("198.19.0.9",)),
        ({"type": "LoadBalancer"}, Kind.SELECTORLESS, "LoadBalancer", ("198.19.0.9",)),
        ({"clusterIPs": ["198.19.0.9", "fd00::9"]}, Kind.SELECTORLESS, "ClusterIP",
         ("198.19.0.9", "fd00::9")),
    ],
)  # fmt: skip
def test_kinds(spec: Any, kind: Kind, service_type: str, ips: tuple[str, ...]) -> None:
    bridge = one(service(**spec))
    assert (bridge.kind, bridge.service_type, bridge.cluster_ips) == (kind, service_type, ips)
    assert bridge.bridge_class is BridgeClass.BRIDGE
    assert bridge.ports[0].node_port == (spec.get("ports") or [{}])[0].get("nodePort")


def test_bridges_come_by_namespace_and_name() -> None:
    other = service("a", meta={"namespace": "zzz"})
    found = seen(other, service("c"), service("b"))
    assert [b.ref for b in found] == ["dev/b", "dev/c", "zzz/a"]


def test_an_object_with_the_least_there_can_be() -> None:
    bridge = one({"metadata": {"name": "x", "namespace": "dev"}, "spec": {"clusterIP": "None"}})
    assert (bridge.kind, bridge.ports, bridge.endpoints) == (Kind.HEADLESS, (), ())


# -- ports --------------------------------------------------------------------------------------


def test_several_ports() -> None:
    ports = [{"name": "amqp", "port": 5672}, {"name": "http-mgmt", "port": 15672,
             "appProtocol": "http"}]  # fmt: skip
    bridge = one(service("rabbitmq-svc", ports=ports))
    assert [(p.key, p.protocol, p.protocol_source) for p in bridge.ports] == [
        ("amqp", "rabbitmq", "port name"),
        ("http-mgmt", "rabbitmq-management", "well-known port"),
    ]
    assert [p.fallback for p in bridge.ports] == ["", "http"]


ASKED: list[tuple[dict[str, str], str]] = [
    ({}, "http"),
    ({"credentials": "s"}, "http"),
    ({"expect": '{"status": 200, "unreachable": true}'}, "http"),
    ({"expect": '{"index": "x"}'}, ""),
    ({"expect.http": '{"index": "x"}'}, ""),
    ({"expect.other": '{"index": "x"}'}, "http"),
]


@pytest.mark.parametrize(("words", "fallback"), ASKED)
def test_who_asks_for_more_than_the_word_can_give_has_no_guess(
    words: dict[str, str], fallback: str
) -> None:
    meta = {"annotations": {f"k8sext.io/{k}": v for k, v in words.items()}}
    ports = [{"name": "http", "port": 9200}]
    (port,) = one(service("logs", meta=meta, ports=ports)).ports
    assert (port.protocol, port.fallback) == ("elasticsearch", fallback)


def test_who_names_a_login_wants_more_than_a_connection() -> None:
    meta = {"annotations": {"k8sext.io/credentials": "s"}}
    (port,) = one(service("db", meta=meta, ports=[{"name": "tcp", "port": 5432}])).ports
    assert (port.protocol, port.fallback) == ("postgresql", "")


def test_a_port_keeps_its_target_and_its_transport() -> None:
    (port,) = one(service()).ports
    assert (port.target_port, port.transport) == ("26379", "TCP")
    (named,) = one(service(ports=[{"port": 53, "targetPort": "dns", "protocol": "UDP"}])).ports
    assert (named.key, named.target_port, named.transport) == ("53", "dns", "UDP")


def test_an_external_name_has_the_ports_of_its_annotation() -> None:
    notes = {"k8sext.io/ports": "5432/postgresql, 9200"}
    bridge = one(external(meta={"annotations": notes}, ports=None))
    assert bridge.external_name == "db.example.com"
    assert [(p.port, p.protocol, p.protocol_source) for p in bridge.ports] == [
        (5432, "postgresql", "annotation"),
        (9200, "elasticsearch", "well-known port"),
    ]


def test_an_external_name_without_any_has_the_protocols_own() -> None:
    (port,) = one(external("mysql-svc", ports=None)).ports
    assert (port.port, port.protocol, port.protocol_source) == (3306, "mysql", "service name")
    assert one(external("thing", ports=None)).ports == ()


def test_ports_of_the_service_come_before_the_annotation() -> None:
    notes = {"k8sext.io/ports": "6379/http"}
    bridge = one(external(meta={"annotations": notes}))
    assert [(p.port, p.protocol) for p in bridge.ports] == [(6379, "http")]


def test_an_annotation_of_one_port_by_name_or_number() -> None:
    notes = {"k8sext.io/protocol.a": "mysql", "k8sext.io/protocol.2": "http"}
    ports = [{"name": "a", "port": 1}, {"port": 2}]
    bridge = one(service(ports=ports, meta={"annotations": notes}))
    assert [p.protocol for p in bridge.ports] == ["mysql", "http"]


# -- endpoints ----------------------------------------------------------------------------------


def test_a_slice() -> None:
    bridge = one(service(), endpointslices=[piece("198.51.100.21", "198.51.100.22")])
    assert bridge.endpoints[0] == Endpoint(
        address="198.51.100.21",
        port=26379,
        port_name="redis",
        ready=True,
        source="EndpointSlice/redis-svc-1",
    )
    assert len(bridge.endpoints_of(bridge.ports[0])) == 2


def test_several_slices_and_families() -> None:
    slices = [
        piece("198.51.100.21"),
        piece("2001:db8::21", name="redis-svc-2", kind="IPv6"),
        piece("198.51.100.99", name="x", of="other"),
        {"metadata": {"name": "stray", "namespace": "dev"}, "endpoints": []},
    ]
    assert addresses(one(service(), endpointslices=slices)) == [
        ("198.51.100.21", 26379, True),
        ("2001:db8::21", 26379, True),
    ]


def test_a_slice_of_another_namespace_is_not_ours() -> None:
    foreign = piece("198.51.100.21")
    foreign["metadata"]["namespace"] = "prod"
    assert one(service(), endpointslices=[foreign]).endpoints == ()


def test_every_address_serves_every_port() -> None:
    ports = [{"name": "amqp", "port": 5672}, {"name": "mgmt", "port": 15672}]
    bridge = one(service(ports=ports), endpointslices=[piece("198.51.100.1", ports=ports)])
    assert [e.port for e in bridge.endpoints] == [5672, 15672]
    assert [e.port for e in bridge.endpoints_of(bridge.ports[1])] == [15672]


def test_an_endpoint_has_one_address_whatever_its_slice_lists() -> None:
    two = piece("198.51.100.21")
    two["endpoints"][0]["addresses"].append("198.51.100.22")
    assert len(one(service(), endpointslices=[two]).endpoints) == 1


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [(None, True), ({}, True), ({"ready": None}, True), ({"ready": True}, True),
     ({"ready": False}, False)],
)  # fmt: skip
def test_unset_means_ready(conditions: Any, ready: bool) -> None:
    slices = [piece("198.51.100.21", conditions=conditions)]
    assert addresses(one(service(), endpointslices=slices)) == [("198.51.100.21", 26379, ready)]


def test_a_slice_without_ports_or_endpoints() -> None:
    bare: Mapping[str, Any] = {**piece(), "ports": None, "endpoints": None}
    empty = piece("198.51.100.21", ports=[{"name": "redis"}])
    assert one(service(), endpointslices=[bare, empty]).endpoints == ()


def test_host_names_in_a_slice_are_a_problem() -> None:
    slices = [piece("db.example.com", kind="FQDN"), piece("198.51.100.21", name="b")]
    bridge = one(service(), endpointslices=slices)
    assert addresses(bridge) == [("198.51.100.21", 26379, True)]
    assert bridge.problems == ("EndpointSlice redis-svc-1 has addressType FQDN: nothing routes it",)


def test_a_slice_of_a_family_that_the_service_has_not_is_dead() -> None:
    slices = [piece("198.51.100.21"), piece("2001:db8::21", name="six", kind="IPv6")]
    bridge = one(service(ipFamilies=["IPv4"]), endpointslices=slices)
    assert addresses(bridge) == [("198.51.100.21", 26379, True)]
    assert bridge.problems == ("EndpointSlice six has addressType IPv6: the Service has IPv4 only",)
    both = one(service(ipFamilies=["IPv4", "IPv6"]), endpointslices=slices)
    assert (len(both.endpoints), both.problems) == (2, ())


def test_an_endpoint_that_is_the_cluster_ip_of_a_service() -> None:
    other = service("other", clusterIP="198.19.0.77", selector={"app": "x"})
    bridge = one(service(), other, endpointslices=[piece("198.19.0.77", "198.51.100.21")])
    assert bridge.virtual == ("198.19.0.77",)
    assert one(service(), endpointslices=[piece("198.51.100.21")]).virtual == ()


@pytest.mark.parametrize(("policy", "told"), [(None, ""), ("Cluster", ""), ("Local", "Local")])
def test_traffic_that_is_kept_on_the_node(policy: str | None, told: str) -> None:
    assert one(service(internalTrafficPolicy=policy)).internal_traffic == told


def test_legacy_endpoints() -> None:
    bridge = one(service(), endpoints=[legacy("198.51.100.21", not_ready=("198.51.100.22",))])
    assert addresses(bridge) == [("198.51.100.21", 26379, True), ("198.51.100.22", 26379, False)]
    assert bridge.endpoints[0].source == "Endpoints/redis-svc"


MIRRORED = {"endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io"}


def test_a_mirrored_slice_is_not_counted_twice() -> None:
    mirror = piece("198.51.100.21", name="redis-svc-x7k", labels=MIRRORED)
    bridge = one(service(), endpoints=[legacy("198.51.100.21")], endpointslices=[mirror])
    assert addresses(bridge) == [("198.51.100.21", 26379, True)]


def test_what_two_slices_name_is_one_endpoint_and_ready_where_one_is() -> None:
    mirror = piece("198.51.100.21", name="m", labels=MIRRORED, conditions={"ready": False})
    bridge = one(service(), endpointslices=[mirror, piece("198.51.100.21")])
    assert addresses(bridge) == [("198.51.100.21", 26379, True)]


def test_an_external_name_has_no_endpoints() -> None:
    assert one(external("redis-svc"), endpointslices=[piece("198.51.100.21")]).endpoints == ()


# -- whose it is --------------------------------------------------------------------------------


NODES = [{"metadata": {"name": "node1"}, "status": {"addresses": [{"address": "192.0.2.11"}]}}]
PODS = [{"metadata": {"name": "p", "namespace": "dev"}, "status": {"podIPs": [{"ip": "10.0.0.7"}]}}]
SLICE_OF_NODE = [piece("192.0.2.11")]


def managed(*managers: Any) -> dict[str, Any]:
    fields = [m if isinstance(m, dict) else {"manager": m} for m in managers]
    return {"managedFields": [{"fieldsV1": {"f:spec": {}}, **f} for f in fields]}


def owned(*pairs: str) -> dict[str, Any]:
    return {"ownerReferences": [{"kind": k, "name": n} for k, n in zip(pairs[::2], pairs[1::2],
                                                                     strict=True)]}  # fmt: skip


CASES: dict[str, tuple[BridgeClass, str, Any, dict[str, Any]]] = {
    "owner": (BridgeClass.CONTROLLER_OWNED, "owned by Kafka/k",
              service(meta=owned("Kafka", "k")), {}),
    "operator": (BridgeClass.CONTROLLER_OWNED, "written by strimzi-cluster-operator",
                 service(meta=managed("strimzi-cluster-operator")), {}),
    "controller manager": (BridgeClass.CONTROLLER_OWNED, "written by acme-controller-manager",
                           service(meta=managed("kubectl", "acme-controller-manager")), {}),
    "kubelet of prometheus-operator": (
        BridgeClass.CONTROLLER_OWNED, "written by PrometheusOperator",
        service(clusterIP="None", meta=managed("PrometheusOperator")),
        {"nodes": NODES, "endpointslices": SLICE_OF_NODE}),
    "Patroni's leader": (
        BridgeClass.CONTROLLER_OWNED, "Patroni's keys", service(),
        {"endpoints": [legacy("10.0.0.7", meta={"annotations": {
            "leader": "pg-0", "ttl": "30", "optime": "1"}})]}),
    "Patroni's configuration": (
        BridgeClass.CONTROLLER_OWNED, "Patroni's keys", service(),
        {"endpoints": [legacy(meta={"annotations": {"initialize": "719", "config": "{}"}})]}),
    "Patroni's fields": (
        BridgeClass.CONTROLLER_OWNED, "written by Patroni", service(),
        {"endpoints": [legacy("10.0.0.7", meta=managed("Patroni"))]}),
    "leader election": (
        BridgeClass.CONTROLLER_OWNED, "leader election", service(),
        {"endpoints": [legacy(meta={"annotations": {
            "control-plane.alpha.kubernetes.io/leader": "{}"}})]}),
    "nodes": (BridgeClass.INTERNAL, "(192.0.2.11: node node1)", service(),
              {"nodes": NODES, "endpointslices": SLICE_OF_NODE}),
    "pods": (BridgeClass.INTERNAL, "(10.0.0.7: pod dev/p)", service(),
             {"pods": PODS, "endpointslices": [piece("10.0.0.7")]}),
    "a Service": (BridgeClass.INTERNAL, "is a Service of this cluster",
                  external(target="x.knative.svc.cluster.local."), {}),
    "a Service, cut short: no such name": (BridgeClass.BRIDGE, "",
                                           external(target="X.Knative.SVC"), {}),
    "the API": (BridgeClass.INTERNAL, "the API server's own",
                service("kubernetes", meta={"namespace": "default"}), {}),
    "people": (BridgeClass.BRIDGE, "", service(meta=managed("kubectl-client-side-apply", "Helm",
               "argocd-controller", "kustomize-controller", "helm-controller", "Terraform",
               "k8sext")), {"nodes": NODES, "endpointslices": [piece("198.51.100.21")]}),
    "some addresses outside": (BridgeClass.BRIDGE, "", service(),
                               {"nodes": NODES, "endpointslices": [
                                   piece("192.0.2.11", "198.51.100.21")]}),
    "no addresses": (BridgeClass.BRIDGE, "", service(), {"nodes": NODES}),
    "a name like ours": (BridgeClass.BRIDGE, "", external(target="svc.cluster.local.example"), {}),
    "a controller's status": (
        BridgeClass.BRIDGE, "", service(type="LoadBalancer", meta=managed(
            "kubectl", {"manager": "cloud-controller-manager", "subresource": "status"})), {}),
    "a controller's annotation": (
        BridgeClass.BRIDGE, "", service(meta=managed("kubectl", {
            "manager": "cilium-operator", "fieldsV1": {"f:metadata": {}}})), {}),
    "an application's key": (
        BridgeClass.BRIDGE, "", service(),
        {"endpoints": [legacy("198.51.100.1", meta={"annotations": {"leader": "x"}})]}),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(CASES))
def test_classes_and_the_fact_that_decided(case: str) -> None:
    wanted, reason, item, objects = CASES[case]
    bridge = one(item, **objects)
    assert bridge.bridge_class is wanted
    assert reason in bridge.class_reason
    assert bool(reason) == bool(bridge.class_reason)


def test_problems_of_annotations_come_with_the_bridge() -> None:
    bridge = one(service(meta={"annotations": {"k8sext.io/expect": "{"}}))
    assert bridge.problems == ("k8sext.io/expect: its value is not JSON",)
    assert bridge.expect == {}


@pytest.mark.parametrize("case", ["nodes", "pods", "a Service", "the API"])
@pytest.mark.parametrize("word", ["protocol", "credentials", "expect.redis"])
def test_what_people_annotate_is_looked_at(case: str, word: str) -> None:
    """An internal one, and a controller's: whoever wrote the annotation asks for the check."""
    _, _, what, objects = CASES[case]
    meta = {**what["metadata"], "annotations": {f"k8sext.io/{word}": "redis"}}
    bridge = one({**what, "metadata": meta}, **objects)
    assert bridge.bridge_class is BridgeClass.BRIDGE
    assert bridge.class_reason.startswith("annotated, although ")


def test_what_a_controller_owns_is_looked_at_once_it_is_annotated() -> None:
    owner = {"ownerReferences": [{"kind": "Redis", "name": "x"}]}
    assert one(service(meta=owner)).bridge_class is BridgeClass.CONTROLLER_OWNED
    meta = {**owner, "annotations": {"k8sext.io/protocol": "redis"}}
    assert one(service(meta=meta)).bridge_class is BridgeClass.BRIDGE
    meta = {**owner, "annotations": {"k8sext.io/ignore": "KX104 x"}}
    assert one(service(meta=meta)).bridge_class is BridgeClass.CONTROLLER_OWNED


def test_annotations_for_ports_that_are_not_there_have_no_effect() -> None:
    meta = {"annotations": {"k8sext.io/protocol.rediss": "redis"}}
    bridge = one(service(meta=meta))
    assert len(bridge.unknown) == 1
    assert bridge.unknown == bridge.problems
    assert "did you mean k8sext.io/protocol.redis?" in bridge.unknown[0]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, (True, True, False)),
        ({"ready": False}, (False, True, False)),
        ({"ready": None, "serving": None, "terminating": None}, (True, True, False)),
        ({"ready": False, "serving": True, "terminating": True}, (False, True, True)),
        ({"ready": False, "serving": False, "terminating": True}, (False, False, True)),
    ],
)
def test_conditions_of_an_endpoint(conditions: Any, expected: tuple[bool, bool, bool]) -> None:
    slices = [piece("198.51.100.21", conditions=conditions)]
    (end,) = one(service(), endpointslices=slices).endpoints
    assert (end.ready, end.serving, end.terminating) == expected


def test_publishing_what_is_not_ready_changes_nothing_for_slices_that_people_made() -> None:
    """Measured: kube-proxy refuses the name and CoreDNS has no address; the field speaks to the
    controllers that make slices.
    """
    slices = [piece("198.51.100.21", conditions={"ready": False})]
    bridge = one(service(publishNotReadyAddresses=True), endpointslices=slices)
    assert bridge.used(bridge.ports[0]) == ()


def test_of_one_address_in_two_slices_the_one_that_still_serves_counts() -> None:
    leaving = {"ready": False, "serving": True, "terminating": True}
    slices = [
        piece("198.51.100.21", name="a", conditions={"ready": False}),
        piece("198.51.100.21", name="b", conditions=leaving),
    ]
    for order in (slices, slices[::-1]):
        bridge = one(service(), endpointslices=order)
        assert [e.source for e in bridge.used(bridge.ports[0])] == ["EndpointSlice/b"]


def test_a_hostile_annotation_costs_its_own_bridge() -> None:
    """`tls-ca: x/y#k` became a volume of the one pod that looks at all bridges: none was tested."""
    hostile = {
        "tls-ca": "x/y#k", "credentials": "../../etc", "expect": '{"a": "\\ud800"}',
        "ports": "9" * 5000, "origin": "$(id)",
    }  # fmt: skip
    meta = {"annotations": {f"k8sext.io/{word}": value for word, value in hostile.items()}}
    good = {"annotations": {"k8sext.io/credentials": "redis-auth", "k8sext.io/tls-ca": "ca#ca.crt"}}
    first, second = seen(service("a", meta=meta), service("b", meta=good))
    assert len(first.unread) == len(hostile)
    assert (first.credentials, first.expect, first.origin) == (None, {}, "")
    assert first.tls is not None
    assert (first.tls.ca_secret, first.tls.ca_key) == ("", "")
    assert second.unread == ()
    assert second.credentials is not None
    assert second.tls is not None
    assert second.tls.ca_secret == "ca"


def test_ports_alike_are_one_only_where_the_name_of_the_service_has_no_say() -> None:
    web = {"name": "web", "port": 18080}
    alike = seen(service("a"), service("b"))
    assert alike[0].ports[0] is alike[1].ports[0]
    by_name = seen(service("grafana", ports=[web]), service("zipkin", ports=[web]))
    assert [b.ports[0].protocol for b in by_name] == ["grafana", "zipkin"]
    theirs = {"annotations": {"k8sext.io/protocol": "tcp"}}
    told = seen(service("a"), service("b", meta=theirs), service("c"))
    assert [b.ports[0].protocol for b in told] == ["redis", "tcp", "redis"]
    other = seen(service("a"), service("b", ports=[{**PORT, "targetPort": 7}]))
    assert [b.ports[0].target_port for b in other] == ["26379", "7"]
