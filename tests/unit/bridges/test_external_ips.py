"""Services that take an address outside for themselves."""

from __future__ import annotations

from typing import Any

import pytest

from k8sext.bridges import external_ips
from k8sext.doctor import gather
from k8sext.doctor.plan import make
from k8sext.kube.snapshot import Snapshot
from k8sext.model.bridge import Bridge, CredentialRef, Endpoint, Kind, Port
from k8sext.model.plan import Plan
from k8sext.model.words import Route

A, B = "198.51.100.21", "198.51.100.22"


def service(
    name: str, *external: str, port: int = 6379, namespace: str = "evil", **more: Any
) -> Any:
    ports = [{"port": port, "protocol": more.pop("protocol", "TCP")}]
    spec = {"selector": {"app": name}, "ports": ports, "externalIPs": list(external)}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec, **more}


def bridge(**more: Any) -> Bridge:
    port = Port(name="redis", port=6379, protocol="redis", protocol_source="port name")
    ends = tuple(Endpoint(address=a, port=6379, port_name="redis") for a in (A, B))
    base: dict[str, Any] = {
        "namespace": "dev", "service": "redis-svc", "kind": Kind.SELECTORLESS, "ports": (port,),
        "endpoints": ends, "cluster_ips": ("198.19.0.9",),
        "credentials": CredentialRef(secret="s"),
    }  # fmt: skip
    return Bridge(**{**base, **more})


BALANCER: dict[str, Any] = {"status": {"loadBalancer": {"ingress": [{"ip": A}]}}}


@pytest.mark.parametrize(
    ("services", "claimed"),
    [
        ([service("theirs", A)], (f"{A}:6379",)),
        ([service("theirs", A, B), service("more", A)], (f"{A}:6379", f"{B}:6379")),
        ([service("theirs", A, port=80)], (f"{A}:80",)),
        ([service("theirs", A, protocol="UDP")], ()),
        ([service("theirs", **BALANCER)], ()),
        ([service("redis-svc", A, namespace="dev")], ()),
        ([service("theirs", "2001:db8::1")], ("[2001:db8::1]:6379",)),
        ([], ()),
    ],
)
def test_what_others_claim(services: list[Any], claimed: tuple[str, ...]) -> None:
    (made,) = external_ips.noted([bridge()], services)
    assert made.claimed == claimed


def planned(one: Bridge) -> Plan:
    return make([one], run_id="r", namespace="dev", modules={"redis": "redis"})


def test_a_claim_concerns_the_addresses_of_that_port() -> None:
    def told(one: Bridge) -> dict[tuple[Route, str], tuple[str, ...]]:
        return {(t.route, t.host): t.trail.claimed for t in planned(one).targets if t.trail}

    mine = told(bridge(claimed=(f"{A}:6379",)))
    assert mine[Route.ENDPOINT, A] == (A,)
    assert mine[Route.NAME, "redis-svc"] == (A,)
    assert not any(told(bridge(claimed=(f"{A}:80", "203.0.113.1:6379"))).values())
    outside = bridge(kind=Kind.EXTERNAL_NAME, external_name="x.example", endpoints=())
    assert told(outside) == {(Route.NAME, "redis-svc"): (), (Route.CLUSTER_IP, "198.19.0.9"): ()}
    more = {**vars_of(outside), "claimed": (f"{B}:6379", f"{A}:80")}
    (by_name, _) = told(bridge(**more)).values()
    assert by_name == (B,)


def vars_of(one: Bridge) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ("kind", "external_name", "endpoints")}


def test_services_of_every_namespace_are_asked() -> None:
    snapshot = Snapshot(services=(), endpoints=(), endpointslices=(), server_version="v1.35.0")
    asked: list[int] = []

    def elsewhere() -> Any:
        asked.append(1)
        return {"services": (service("theirs", A),)}, ()

    noted = gather.with_claims
    (made,) = noted((bridge(),), snapshot, elsewhere, given=False)
    assert made.claimed == (f"{A}:6379",)
    without = (bridge(credentials=None),)
    assert noted(without, snapshot, elsewhere, given=False) == without
    assert len(asked) == 1
    assert noted(without, snapshot, elsewhere, given=True)[0].claimed
    unread = noted((bridge(),), snapshot, lambda: ({"services": None}, ()), given=False)
    assert unread[0].claimed == ()
