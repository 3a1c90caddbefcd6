"""`doctor -f`: the file says where to; what the live Service says beside it is a finding."""

from dataclasses import replace

import pytest

from k8sext.bridges import filed
from k8sext.lint import run as lint
from k8sext.model.bridge import Bridge, Endpoint, Kind, Port
from k8sext.model.lint import Subject
from k8sext.model.words import Severity
from k8sext.provision import desired
from k8sext.provision.spec import BridgeSpec, PortSpec

A, B = "198.51.100.21", "198.51.100.66"
PORT = Port(name="redis", port=6379, protocol="redis", protocol_source="port name")


def live(*addresses: str, port_name: str = "redis", **more: object) -> Bridge:
    ends = tuple(
        Endpoint(address=a, port=6379, port_name=port_name, source="EndpointSlice/x-1")
        for a in addresses
    )
    base: dict[str, object] = {
        "namespace": "dev", "service": "redis-svc", "kind": Kind.SELECTORLESS, "ports": (PORT,),
        "endpoints": ends, "cluster_ips": ("198.19.0.9",),
    }  # fmt: skip
    return Bridge(**{**base, **more})  # type: ignore[arg-type]


def alias(name: str) -> Bridge:
    return live(kind=Kind.EXTERNAL_NAME, external_name=name, cluster_ips=())


def of_file(*to: str, resolve: bool = False) -> Bridge:
    ports = (PortSpec(port=6379, target_port=6379, name="redis"),)
    spec = BridgeSpec(
        name="redis-svc", namespace="dev", to=to, ports=ports, protocol="redis", resolve=resolve,
        source="bridges.yaml:4",
    )  # fmt: skip
    (made,) = desired.to_bridges([spec])
    return made


@pytest.mark.parametrize(
    ("now", "said", "elsewhere"),
    [
        (live(A), of_file(A), ()),
        (live(), of_file(A), ()),
        (live(A, B), of_file(A), (f"{B}:6379",)),
        (live(B), of_file(A), (f"{B}:6379",)),
        (live(B), of_file(A, B), ()),
        (alias("evil.example"), of_file(A), ("evil.example",)),
        (alias("evil.example"), of_file("db.corp.example"), ("evil.example",)),
        (alias("DB.corp.example."), of_file("db.corp.example"), ()),
        (live(B), of_file("db.corp.example"), (f"{B}:6379",)),
        (live(A), of_file("db.corp.example", resolve=True), ()),
        (live(A, port_name="other"), of_file(A), ()),
        (live(A, B, kind=Kind.HEADLESS, cluster_ips=()), of_file(A), (f"{B}:6379",)),
    ],
)
def test_where_the_live_service_leads_beside_it(
    now: Bridge, said: Bridge, elsewhere: tuple[str, ...]
) -> None:
    (made,) = filed.over([now], [said])
    assert made.elsewhere == elsewhere
    found = [f for f in lint.findings(Subject(bridges=(made,))) if f.code == "KX621"]
    assert len(found) == bool(elsewhere)
    for finding in found:
        assert (finding.severity, finding.harmful) == (Severity.FAIL, True)
        assert all(word in finding.summary for word in (*elsewhere, "bridges.yaml:4"))


def test_the_file_s_addresses_are_what_is_looked_at() -> None:
    (made,) = filed.over([live(B)], [of_file(A)])
    assert [e.address for e in made.endpoints] == [A]
    assert made.given == (A,)
    (made,) = filed.over([alias("evil.example")], [of_file(A)])
    assert (made.kind, [e.address for e in made.endpoints]) == (Kind.SELECTORLESS, [A])
    assert not made.external_name


def test_conditions_are_those_of_the_cluster() -> None:
    now = live(A)
    now = replace(now, endpoints=(replace(now.endpoints[0], ready=False),))
    (made,) = filed.over([now], [of_file(A)])
    assert [(e.ready, e.source) for e in made.endpoints] == [(False, "EndpointSlice/x-1")]


def test_a_resolved_bridge_leads_where_its_own_slices_do() -> None:
    (made,) = filed.over([live(A)], [of_file("db.corp.example", resolve=True)])
    assert (made.kind, made.given) == (Kind.SELECTORLESS, ("redis-svc.dev",))
    assert [e.address for e in made.endpoints] == [A]
    assert made.origin == "db.corp.example"


def test_a_bridge_that_is_not_there_yet_is_the_file_s() -> None:
    assert filed.over([], [of_file(A)]) == (of_file(A),)
