"""Which Ingresses and nodes lead to a bridge: facts from objects."""

import json
from typing import Any

import pytest

from k8sext.bridges import fronts
from k8sext.doctor import plan
from k8sext.model.bridge import Bridge, BridgeClass, Kind, Port
from k8sext.model.front import Front
from k8sext.model.plan import Beside, Target
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Route
from tests.support.front_objects import (
    CONTROLLER,
    HOST,
    HTTP,
    front,
    ingress,
    ingress_class,
    kibana,
)

MODULES = {"http": "http", "https": "http", "redis": "redis"}


def led(*ingresses: dict[str, Any], bridge: Bridge | None = None, **more: Any) -> tuple[Front, ...]:
    classes = more.get("classes", [ingress_class()])
    (found,) = fronts.with_fronts([bridge or kibana()], ingresses, classes)
    assert found.fronts_read
    return found.fronts


def test_a_rule_that_leads_here() -> None:
    (found,) = led(ingress())
    expected = front(controller="k8s.io/ingress-nginx")
    assert found == expected
    assert (found.leads, found.via) == (HOST, f"Ingress/kibana {HOST}")


def test_only_its_own_service_in_its_own_namespace() -> None:
    assert led(ingress(service="other"), ingress(namespace="shop")) == ()


@pytest.mark.parametrize(
    ("port", "key"),
    [("http", "http"), (5601, "http"), ("5601", ""), ("web", ""), (80, "")],
)
def test_names_are_compared_with_names_and_numbers_with_numbers(port: object, key: str) -> None:
    """The API refuses a name of digits only; a Service has none either."""
    (found,) = led(ingress(port=port))
    assert found.port == str(port)
    if port != "5601":
        assert found.port_key == key


def test_an_unnamed_port_is_found_by_its_number() -> None:
    bare = kibana(ports=(Port(name="", port=5601, protocol="http", protocol_source="x"),))
    assert led(ingress(port=5601), bridge=bare)[0].port_key == "5601"


def test_the_default_backend_leads_every_host() -> None:
    item = ingress()
    backend = {"service": {"name": "kibana-svc", "port": {"number": 5601}}}
    item["spec"] = {"defaultBackend": backend}
    (found,) = led(item)
    assert (found.host, found.path, found.port_key, found.leads) == ("", "/", "http", "*")


def test_a_backend_that_is_no_service_leads_nowhere() -> None:
    item = ingress()
    item["spec"] = {"defaultBackend": {"resource": {"kind": "Bucket", "name": "x"}}}
    assert led(item) == ()


@pytest.mark.parametrize(
    "item",
    [
        {"metadata": {"name": "x", "namespace": "dev"}},
        {"metadata": {"name": "x", "namespace": "dev"}, "spec": None},
        {
            "metadata": {"name": "x", "namespace": "dev"},
            "spec": {"rules": [{"host": "a"}, {"http": None}]},
        },
    ],
)
def test_what_is_left_out_is_no_rule(item: dict[str, Any]) -> None:
    assert led(item) == ()


def test_classes() -> None:
    assert led(ingress(), classes=None)[0].class_known is None
    assert led(ingress(), classes=[ingress_class("other")])[0].class_known is False
    old = ingress(
        spec={"ingressClassName": None}, annotations={"kubernetes.io/ingress.class": "nginx"}
    )
    (found,) = led(old)
    assert (found.class_name, found.class_by) == ("nginx", "annotation")
    (none,) = led(ingress(spec={"ingressClassName": None}))
    assert (none.class_name, none.class_by) == ("", "")


@pytest.mark.parametrize(
    ("entries", "tls", "secret"),
    [
        ([], False, ""),
        ([{"hosts": [HOST], "secretName": "s"}], True, "s"),
        ([{"hosts": ["*.example.com"], "secretName": "s"}], True, "s"),
        ([{"hosts": ["*.com"], "secretName": "s"}], False, ""),
        ([{"hosts": ["other.example.com"], "secretName": "s"}], False, ""),
        ([{"secretName": "s"}], True, "s"),
        ([{"hosts": [HOST]}], True, ""),
    ],
)
def test_which_certificate(entries: list[Any], tls: bool, secret: str) -> None:
    (found,) = led(ingress(spec={"tls": entries}))
    assert (found.tls, found.tls_secret) == (tls, secret)


def test_addresses_of_the_controller() -> None:
    status = {
        "loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "lb.example.com"}, {}]}
    }
    assert led(ingress(status=status))[0].addresses == ("192.0.2.1", "lb.example.com")
    nothings: list[dict[str, Any]] = [{}, {"loadBalancer": {}}, {"loadBalancer": {"ingress": None}}]
    for nothing in nothings:
        assert led(ingress(status=nothing))[0].addresses == ()


@pytest.mark.parametrize(
    ("path", "kind", "asked"),
    [
        ("/kibana(/|$)(.*)", "ImplementationSpecific", "/kibana"),
        ("/.*", "ImplementationSpecific", "/."),
        ("/a", "Prefix", "/a"),
        ("", "ImplementationSpecific", "/"),
    ],
)
def test_what_can_be_asked_for_of_an_expression(path: str, kind: str, asked: str) -> None:
    assert led(ingress(path=path, type=kind))[0].path == asked


def test_two_that_claim_the_same() -> None:
    one, other, elsewhere = ingress(), ingress(name="b", service="b"), ingress(namespace="shop")
    (found,) = led(one, other, elsewhere)
    assert found.rivals == ("b", "shop/kibana")
    inner = ingress(name="b", service="b", spec={"ingressClassName": "internal"})
    assert led(one, inner)[0].rivals == ()
    canary = {"nginx.ingress.kubernetes.io/canary": "true"}
    assert led(one, ingress(name="b", service="b", annotations=canary))[0].rivals == ()
    assert [f.rivals for f in led(one, ingress(name="b"))] == [(), ()]


@pytest.mark.parametrize(
    ("host", "path", "asked", "covered"),
    [
        (HOST, "/", HOST, True),
        (HOST, "/", f"{HOST}/ui", True),
        (HOST, "/ui", f"{HOST}/ui/a", True),
        (HOST, "/ui", f"{HOST}/uik", False),
        (HOST, "/ui", HOST, False),
        ("*.example.com", "/", HOST, True),
        ("*.example.com", "/", "a.b.example.com", False),
        ("", "/", HOST, True),
        ("other.example.com", "/", HOST, False),
    ],
)
def test_what_a_rule_covers(host: str, path: str, asked: str, covered: bool) -> None:
    assert front(host=host, path=path).covers(asked) is covered


def test_the_manifest_of_old() -> None:
    applied = json.dumps({"apiVersion": "extensions/v1beta1"})
    key = "kubectl.kubernetes.io/last-applied-configuration"
    assert led(ingress(annotations={key: applied}))[0].applied_as == "extensions/v1beta1"
    for other in ("{", "[]", "[" * 100_000, json.dumps({"apiVersion": "networking.k8s.io/v1"})):
        assert led(ingress(annotations={key: other}))[0].applied_as == ""


def test_an_external_name_without_ports_may_be_led_to_by_any_number() -> None:
    outside = {"kind": Kind.EXTERNAL_NAME, "external_name": "kibana.corp.example", "endpoints": ()}
    bare = kibana(ports=(Port(name="", port=80, protocol="http", protocol_source="x"),), **outside)
    assert led(ingress(port=5601), bridge=bare) == ()
    assert led(ingress(port=80), bridge=bare)[0].port_key == "80"


def test_when_ingresses_are_worth_reading() -> None:
    redis = Port(name="redis", port=6379, protocol="redis", protocol_source="x")
    assert fronts.wanted([kibana()])
    assert not fronts.wanted([kibana(ports=(redis,))])
    assert fronts.wanted([kibana(ports=(redis,), front_wanted="a.example.com")])
    assert not fronts.wanted([kibana(bridge_class=BridgeClass.INTERNAL)])
    assert not fronts.wanted([])


# -- what is asked -------------------------------------------------------------------------------


def targets(bridge: Bridge, vantage: str = "pod") -> list[Target]:
    made = plan.make([bridge], run_id="r", namespace="dev", modules=MODULES, vantage=vantage)
    return [t for t in made.targets if t.route in (Route.INGRESS, Route.NODE_PORT)]


def test_the_page_is_asked_of_the_controller_and_of_the_bridge() -> None:
    (target,) = targets(kibana(front(path="/ui")))
    assert (target.address, target.protocol, target.route) == (
        f"{CONTROLLER}:80",
        "http",
        "ingress",
    )
    assert (target.tls.server_name, target.expect) == (HOST, {"path": "/ui"})
    assert target.credentials is None
    assert target.beside == Beside(host="kibana-svc", port=5601, protocol="http", path="/ui")


def test_a_host_with_a_certificate_is_asked_by_https() -> None:
    (target,) = targets(kibana(front(tls=True, host="*.example.com", rewrites=True, path="/ui")))
    assert (target.port, target.protocol, target.tls.mode) == (443, "https", TlsMode.REQUIRE)
    assert target.tls.server_name == "k8sext.example.com"
    assert target.beside and target.beside.path == "/"


def test_a_server_with_tls_is_asked_with_tls() -> None:
    (target,) = targets(kibana(front(), tls=TlsSpec(mode=TlsMode.REQUIRE)))
    assert target.beside and target.beside.protocol == "https"


def test_what_cannot_be_asked_is_not() -> None:
    assert targets(kibana(front(addresses=()))) == []
    assert targets(kibana(front(port_key=""))) == []
    assert targets(kibana(front()), "local") == []
    many = [front(host=f"h{n}.example.com") for n in range(20)]
    assert len(targets(kibana(*many))) == fronts.MAX_FRONTS


def test_node_ports_of_at_most_four_nodes() -> None:
    listed = [
        {
            "metadata": {"name": f"node{n}"},
            "status": {"addresses": [{"type": "InternalIP", "address": f"192.0.2.{n}"}]},
        }
        for n in range(9)
    ]
    port = Port(name="http", port=80, protocol="http", protocol_source="x", node_port=30080)
    nameless: list[dict[str, Any]] = [{"metadata": {"name": "x"}, "status": {}}]
    (bridge,) = fronts.with_nodes([kibana(ports=(port,))], [*nameless, *listed])
    found = targets(bridge)
    assert [(t.address, t.via) for t in found[:2]] == [
        ("192.0.2.0:30080", "Node/node0"),
        ("192.0.2.1:30080", "Node/node1"),
    ]
    assert len(found) == fronts.MAX_NODES
    (plain,) = fronts.with_nodes([kibana()], listed)
    assert targets(plain) == []
    assert HTTP.node_port is None
