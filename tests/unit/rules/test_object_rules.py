"""KX101 to KX115: each rule with objects that must and must not be told of."""

import json
import random
import shlex
from collections.abc import Callable
from typing import Any

import pytest

from k8sext.bridges import aliases, discover
from k8sext.kube.snapshot import Snapshot
from k8sext.lint import run as lint
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Objects, Subject
from k8sext.model.words import Severity

Object = dict[str, Any]
A, B = "198.51.100.21", "198.51.100.22"
BY_PODS = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
MIRRORED = {"endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io"}


def meta(name: str, **more: Any) -> Object:
    return {"name": name, "namespace": "dev", **more}


def port(number: int = 6379, name: str = "redis", **more: Any) -> Object:
    return {"name": name, "port": number, **more}


def service(name: str = "redis-svc", *, ports: Any = None, **more: Any) -> Object:
    """`more` goes into spec, or into metadata where it is one of its words."""
    words = ("namespace", "labels", "annotations")
    about = {k: more.pop(k) for k in words if k in more}
    status = {"status": more.pop("status")} if "status" in more else {}
    base = {"clusterIP": "198.19.0.9", "clusterIPs": ["198.19.0.9"], "ipFamilies": ["IPv4"]}
    return {
        "metadata": meta(name, **about),
        "spec": {**base, "ports": ports or [port()], **more},
        **status,
    }


def alias(target: str, *, ports: Any = None) -> Object:
    return {
        "metadata": meta("redis-svc"),
        "spec": {"type": "ExternalName", "externalName": target, "ports": ports or [port()]},
    }


def piece(
    *endpoints: Any, name: str = "redis-svc-1", ports: Any = None, kind: str = "IPv4",
    labels: Any = None, of: str = "redis-svc",
) -> Object:  # fmt: skip
    made = [{"addresses": [e] if isinstance(e, str) else e} for e in endpoints]
    link = {"kubernetes.io/service-name": of} if of else {}
    return {
        "metadata": meta(name, labels={**link, **(labels or {})}),
        "addressType": kind,
        "endpoints": made,
        "ports": [port()] if ports is None else ports,
    }


def legacy(*addresses: str, name: str = "redis-svc", ports: Any = None, **more: Any) -> Object:
    subsets = [{"addresses": [{"ip": a} for a in addresses], "ports": ports or [port()]}]
    return {"metadata": meta(name, **more), "subsets": subsets if addresses else []}


def found(
    *services: Object,
    slices: tuple[Object, ...] = (),
    endpoints: tuple[Object, ...] = (),
    others: tuple[Object, ...] | None = (),
    complete: bool = True,
) -> list[Finding]:
    """What the rules find; `others` are Services of other namespaces."""
    snapshot = Snapshot(services=services, endpointslices=slices, endpoints=endpoints)
    everywhere = None if others is None else (*services, *others)
    bridges = discover.bridges(snapshot)
    bridges = aliases.looked_at(bridges, everywhere or ())
    objects = Objects(
        services=services,
        endpoints=endpoints,
        endpointslices=slices,
        all_services=everywhere,
        complete=complete,
    )
    return list(lint.findings(Subject(bridges=bridges, objects=objects)))


def one(code: str, *services: Object, **objects: Any) -> Finding:
    said = found(*services, **objects)
    assert [f.code for f in said] == [code]
    assert said[0].bridge == "dev/redis-svc"
    return said[0]


def operations(command: str) -> Any:
    """The JSON patch of a `kubectl patch`, as a shell would hand it over."""
    words = shlex.split(command)
    return json.loads(words[words.index("-p") + 1])


UDP: Object = {"protocol": "UDP"}
TARGET = port(6379, targetPort=26379)
PROXY = "service.kubernetes.io/service-proxy-name"
TRACKING = "argocd.argoproj.io/tracking-id"
CLAIM = service("web", namespace="prod", externalIPs=[A])
BALANCER = {"loadBalancer": {"ingress": [{"ip": A}]}}
Made = Callable[[], list[Finding]]

BAD: list[tuple[str, Severity, Made]] = [
    ("KX101", Severity.FAIL, lambda: found(service(selector={"a": "b"}), slices=(piece(A),))),
    ("KX102", Severity.FAIL, lambda: found(service(), slices=(piece(A, ports=[port(**UDP)]),))),
    ("KX102", Severity.FAIL,
     lambda: found(service(ports=[port(**UDP)]), endpoints=(legacy(A),))),
    ("KX102", Severity.WARN,
     lambda: found(service(), slices=(piece(A), piece(B, name="x", ports=[port(**UDP)])))),
    ("KX103", Severity.NOTE, lambda: found(service(ports=[TARGET]), slices=(piece(A),))),
    ("KX103", Severity.WARN,
     lambda: found(service(ports=[TARGET]), slices=(piece(A, ports=[port(16379)]),))),
    ("KX103", Severity.NOTE,
     lambda: found(service(ports=[TARGET], clusterIP="None"), slices=(piece(A),))),
    ("KX104", Severity.NOTE, lambda: found(alias("redis.example.com", ports=[TARGET]))),
    ("KX105", Severity.FAIL, lambda: found(alias("localhost"))),
    ("KX105", Severity.NOTE, lambda: found(alias("redis"))),
    ("KX105", Severity.NOTE, lambda: found(alias("redis.data.svc"))),
    ("KX105", Severity.NOTE,
     lambda: found(alias("redis.data"), others=(service("redis", namespace="data"),))),
    ("KX106", Severity.FAIL, lambda: found(alias("redis.data.svc.cluster.local"))),
    ("KX106", Severity.FAIL, lambda: found(alias("redis.dev.svc.cluster.local"), others=())),
    ("KX107", Severity.WARN, lambda: found(service(), endpoints=(legacy(A, name="redis-scv"),))),
    ("KX107", Severity.WARN, lambda: found(service(), slices=(piece(A, of=""),))),
    ("KX107", Severity.WARN, lambda: found(service(), slices=(piece(A, of="redis"),))),
    ("KX108", Severity.NOTE, lambda: found(service(labels={PROXY: "x"}), slices=(piece(A),))),
    ("KX109", Severity.WARN,
     lambda: found(service(), slices=(piece(A), piece(B, name="old", labels=BY_PODS)))),
    ("KX110", Severity.WARN, lambda: found(service(), slices=(piece([A, B]),))),
    ("KX111", Severity.WARN, lambda: found(service(), slices=(piece(A),), others=(CLAIM,))),
    ("KX111", Severity.NOTE, lambda: found(
        service(), slices=(piece(A),),
        others=(service("web", namespace="prod", type="LoadBalancer", status=BALANCER),))),
    ("KX112", Severity.WARN,
     lambda: found(service(), slices=(piece("db.example", kind="FQDN"), piece(A, name="x")))),
    ("KX112", Severity.NOTE,
     lambda: found(service(), slices=(piece("2001:db8::1", kind="IPv6"), piece(A, name="x")))),
    ("KX113", Severity.WARN,
     lambda: found(service(annotations={TRACKING: "shop:/Service:dev/redis-svc"}))),
    ("KX113", Severity.WARN,
     lambda: found(service(labels={"argocd.argoproj.io/instance": "shop"}))),
    ("KX114", Severity.WARN, lambda: found(
        service(), slices=(piece("198.19.7.7"),),
        others=(service("redis", namespace="data", clusterIPs=["198.19.7.7"]),))),
    ("KX116", Severity.WARN, lambda: found(service(externalIPs=[A]))),
    ("KX115", Severity.NOTE, lambda: found(
        alias("redis.data.svc.cluster.local"), others=(service("redis", namespace="data"),))),
]  # fmt: skip

GOOD: list[tuple[str, Made]] = [
    ("healthy", lambda: found(service(), slices=(piece(A, B),))),
    ("healthy Endpoints", lambda: found(service(), endpoints=(legacy(A),))),
    ("healthy alias", lambda: found(alias("redis.example.com"))),
    ("mirrored", lambda: found(
        service(), endpoints=(legacy(A),), slices=(piece(A, labels=MIRRORED),))),
    ("no endpoints yet", lambda: found(service())),
    ("101: no proof", lambda: found(
        service(selector={"a": "b"}), slices=(piece(labels=BY_PODS),))),
    ("102: said on both sides", lambda: found(
        service(ports=[port(**UDP)]), slices=(piece(A, ports=[port(**UDP)]),))),
    ("102: one name each", lambda: found(
        service(ports=[port(53, "dns", **UDP), port(53, "dns-tcp")]),
        slices=(piece(A, ports=[port(53, "dns", **UDP), port(53, "dns-tcp")]),))),
    ("103: filled in by the API", lambda: found(
        service(ports=[port(6379, targetPort=6379)]), slices=(piece(A, ports=[port(26379)]),))),
    ("103: what the endpoints say", lambda: found(
        service(ports=[TARGET]), slices=(piece(A, ports=[port(26379)]),))),
    ("103: a name", lambda: found(
        service(ports=[port(targetPort="redis")]), slices=(piece(A, ports=[port(26379)]),))),
    ("104: filled in by the API", lambda: found(
        alias("redis.example.com", ports=[port(6379, targetPort=6379)]))),
    ("105: two words of a zone of the company", lambda: found(alias("redis.corp"))),
    ("105: an address, which KX204 tells", lambda: found(alias("192.0.2.7"))),
    ("106: not known, as others could not be read", lambda: found(
        alias("redis.data.svc.cluster.local"), others=None)),
    ("106: of pods", lambda: found(
        alias("redis.data.svc.cluster.local"),
        others=(service("redis", namespace="data", selector={"a": "b"}),))),
    ("107: another name", lambda: found(service(), endpoints=(legacy(A, name="mysql"),))),
    ("107: a leader election", lambda: found(service(), endpoints=(
        legacy(A, name="redis-scv",
               annotations={"control-plane.alpha.kubernetes.io/leader": "{}"}),))),
    ("107: chosen by label", lambda: found(
        service(), endpoints=(legacy(A, name="redis-scv"),), complete=False)),
    ("107: of a controller", lambda: found(
        service(), slices=(piece(A, of="redis", labels=BY_PODS),))),
    ("107: has its own", lambda: found(
        service(), slices=(piece(A),), endpoints=(legacy(B, name="redis-scv"),))),
    ("108: headless", lambda: found(
        service(labels={PROXY: "x"}, clusterIP="None"), slices=(piece(A),))),
    ("109: empty", lambda: found(
        service(), slices=(piece(A), piece(name="old", labels=BY_PODS)))),
    ("110: headless", lambda: found(service(clusterIP="None"), slices=(piece([A, B]),))),
    ("110: used elsewhere", lambda: found(service(), slices=(piece([A, B], B),))),
    ("111: another port", lambda: found(service(), slices=(piece(A),), others=(
        service("web", namespace="prod", externalIPs=[A], ports=[port(8080)]),))),
    ("111: another transport", lambda: found(service(), slices=(piece(A),), others=(
        service("web", namespace="prod", externalIPs=[A], ports=[port(**UDP)]),))),
    ("111: headless claims nothing", lambda: found(service(), slices=(piece(A),), others=(
        service("web", namespace="prod", externalIPs=[A], clusterIP="None"),))),
    ("111: a balancer that is passed through", lambda: found(
        service(), slices=(piece(A),),
        others=(service("web", namespace="prod", status={
            "loadBalancer": {"ingress": [{"ip": A, "ipMode": "Proxy"}]}}),))),
    ("112: empty", lambda: found(service(), slices=(piece(kind="IPv6"), piece(A, name="x")))),
    ("116: it has endpoints", lambda: found(service(externalIPs=[B]), slices=(piece(A),))),
    ("113: copied from another", lambda: found(
        service(annotations={TRACKING: "shop:/Service:dev/web-svc"}))),
    ("113: Helm's label", lambda: found(service(labels={"app.kubernetes.io/instance": "shop"}))),
    ("113: has endpoints", lambda: found(
        service(annotations={TRACKING: "shop:/Service:dev/redis-svc"}), slices=(piece(A),))),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "severity", "made"), BAD, ids=[f"{c}-{n}" for n, (c, _, _) in enumerate(BAD)]
)
def test_what_must_be_told(code: str, severity: Severity, made: Made) -> None:
    (said,) = made()
    assert (said.code, said.severity, said.bridge) == (code, severity, "dev/redis-svc")
    assert said.fix
    assert said.command in said.fix
    assert "Service" in said.object or "Endpoint" in said.object


@pytest.mark.parametrize(("case", "made"), GOOD, ids=[c for c, _ in GOOD])
def test_what_must_not_be_told(case: str, made: Made) -> None:
    assert made() == []


def test_every_rule_of_objects_has_bad_and_good_data() -> None:
    codes = {c for c in lint.rules() if "KX101" <= c <= "KX129"}
    assert {c for c, _, _ in BAD} == codes
    assert codes - {f"KX{case[:3]}" for case, _ in GOOD} == {"KX114", "KX115"}


# -- what they say ---------------------------------------------------------------------------------


def test_a_selector_says_what_it_does() -> None:
    emptied = legacy(annotations={
        "kubectl.kubernetes.io/last-applied-configuration": '{"subsets":[{}]}'})  # fmt: skip
    said = one("KX101", service(selector={"app": "x"}), endpoints=(emptied,))
    assert "has a selector (app=x)" in said.summary
    assert "replaces the addresses that were written into Endpoints redis-svc" in said.summary
    assert operations(said.fix.partition(": ")[2]) == [{"op": "remove", "path": "/spec/selector"}]
    pods = piece("198.18.1.7", name="pods", labels=BY_PODS)
    said = one("KX101", service(selector={"app": "x"}), slices=(pods, piece(A)))
    assert "beside EndpointSlice redis-svc-1, pods get a share" in said.summary


def test_a_udp_port_that_leads_nowhere_is_harm_although_it_is_not_probed() -> None:
    (said,) = found(service(ports=[port(**UDP)]), endpoints=(legacy(A),))
    assert said.harmful
    assert said.object == "Endpoints/dev/redis-svc"
    assert operations(said.command) == [
        {"op": "add", "path": "/subsets/0/ports/0/protocol", "value": "UDP"}
    ]
    (tcp,) = found(service(), slices=(piece(A, ports=[port(**UDP)]),))
    assert not tcp.harmful
    assert "KX303" in tcp.explains


def test_the_fix_of_a_mirrored_slice_is_one_of_its_endpoints() -> None:
    bad = [port(6379, **UDP)]
    said = one(
        "KX102",
        service(),
        endpoints=(legacy(A, ports=bad),),
        slices=(piece(A, ports=bad, labels=MIRRORED),),
    )
    assert said.command.startswith("kubectl patch endpoints -n dev redis-svc ")


def test_the_target_port_is_written_into_every_slice_at_its_place() -> None:
    both = [port(9121, "metrics"), port()]
    said = one(
        "KX103",
        service(ports=[port(9121, "metrics"), TARGET]),
        slices=(piece(A, ports=both), piece(B, name="x", ports=both)),
    )
    assert said.ports == ("redis",)
    assert said.addresses == (f"{A}:6379", f"{B}:6379")
    first, second = said.command.split("; ")
    assert operations(first) == operations(second) == [
        {"op": "add", "path": "/ports/1/port", "value": 26379}
    ]  # fmt: skip


def test_a_headless_service_needs_the_port_on_both_sides() -> None:
    said = one("KX103", service(ports=[TARGET], clusterIP="None"), slices=(piece(A),))
    assert "/spec/ports/0/port" in said.fix
    assert "/ports/0/port" in said.fix


def test_an_alias_with_the_wrong_service_is_told_the_right_one() -> None:
    said = one(
        "KX106",
        alias("redis.data.svc.cluster.local"),
        others=(service("redis", namespace="base", selector={"a": "b"}),),
    )
    assert "there is one in namespace base" in said.summary
    assert "redis.base.svc.cluster.local" in said.fix


def test_a_name_cut_short_is_completed_where_the_service_exists() -> None:
    there = service("redis", namespace="data", selector={"a": "b"})
    (said,) = found(alias("redis.data.svc"), others=(there,))
    assert operations(said.command) == [
        {"op": "add", "path": "/spec/externalName", "value": "redis.data.svc.cluster.local"}
    ]


def test_two_addresses_become_two_endpoints_with_all_else_kept() -> None:
    item = piece([A, B])
    item["endpoints"][0]["conditions"] = {"ready": True}
    said = one("KX110", service(), slices=(item,))
    assert B in said.summary
    assert operations(said.command) == {
        "endpoints": [
            {"addresses": [A], "conditions": {"ready": True}},
            {"addresses": [B], "conditions": {"ready": True}},
        ]
    }


def test_only_the_claimed_address_is_taken_out_of_external_ips() -> None:
    claim = service("web", namespace="prod", externalIPs=[B, A])
    said = one("KX111", service(), slices=(piece(A),), others=(claim,))
    assert said.addresses == (f"{A}:6379",)
    assert said.command.startswith("kubectl patch service -n prod web ")
    assert operations(said.command) == [
        {"op": "replace", "path": "/spec/externalIPs", "value": [B]}
    ]


def test_a_claim_may_be_the_address_of_an_outside_name_and_is_a_cause_only() -> None:
    said = one("KX111", alias("redis.example.com"), others=(CLAIM,))
    assert said.only_as_cause
    assert (said.ports, said.addresses) == (("redis",), (f"{A}:6379",))
    far = service("web", namespace="prod", externalIPs=[A], ports=[port(443)])
    assert found(alias("redis.example.com"), others=(far,)) == []


def test_a_service_that_claims_its_own_address_is_no_other_one() -> None:
    assert found(service(externalIPs=[A]), slices=(piece(A),)) == []


def test_what_is_ignored_is_not_found() -> None:
    note = {"k8sext.io/ignore": "KX110 a template of ours"}
    assert found(service(annotations=note), slices=(piece([A, B]),)) == []


# -- whatever objects there are --------------------------------------------------------------------

NEVER_MISSING = ("metadata", "name", "namespace", "port", "ip")
FULL: dict[str, Any] = {
    "services": [service(
        selector={"a": "b"}, externalIPs=[A], labels={PROXY: "x"},
        annotations={TRACKING: "shop:/Service:dev/redis-svc"}, ports=[TARGET, port(53, "dns")],
    ), alias("redis.data.svc", ports=[TARGET])],
    "slices": [piece([A, B]), piece(B, name="old", labels=BY_PODS),
               piece("db.example", kind="FQDN", name="names"), piece(A, of="redis", name="stray")],
    "endpoints": [legacy(A), legacy(B, name="redis-scv")],
    "others": [CLAIM, service("web", namespace="prod", status=BALANCER, clusterIPs=[A])],
}  # fmt: skip


def thinned(value: Any, dice: random.Random) -> Any:
    """The same without some of its optional fields, or with null in their place."""
    if isinstance(value, list):
        return [thinned(v, dice) for v in value]
    if not isinstance(value, dict):
        return value
    kept = {k: v for k, v in value.items() if k in NEVER_MISSING or dice.random() > 0.1}
    return {
        k: None if k not in NEVER_MISSING and dice.random() < 0.05 else thinned(v, dice)
        for k, v in kept.items()
    }


def test_no_object_breaks_a_rule() -> None:
    """A field that is not there is what the API means by its default, never an error of ours."""
    said = set[str]()
    for seed in range(300):
        dice = random.Random(seed)
        made = {kind: thinned(objects, dice) for kind, objects in FULL.items()}
        slices, endpoints, others = (tuple(made[k]) for k in ("slices", "endpoints", "others"))
        told = found(*made["services"], slices=slices, endpoints=endpoints, others=others)
        said |= {f.code for f in told}
    assert len(said) >= 8
