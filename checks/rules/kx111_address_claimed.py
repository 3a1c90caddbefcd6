"""KX111: another Service claims an address of the bridge for itself, in the whole cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from k8sext.model.bridge import Bridge, Kind
from k8sext.model.data import dataclass
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Object, Objects, Rule, Subject, key_of
from k8sext.model.plan import join_address
from k8sext.model.words import Severity

from ._pieces import ANOTHER_ANSWERS, NOBODY_THERE, patch

EXPLAINS = (*NOBODY_THERE, "KX303", "KX306", "KX307", *ANOTHER_ANSWERS, "KX601")


@dataclass(frozen=True, slots=True)
class AddressClaim:
    """A Service that every node answers for at an address and port that are not the cluster's."""

    service: Object
    address: str
    external: bool  # by spec.externalIPs; else by its load balancer's address

    @property
    def ref(self) -> str:
        """`NAMESPACE/SERVICE`."""
        return "/".join(key_of(self.service))


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each bridge and claim; headless Services and aliases claim nothing."""
    claims = _claims(subject.objects)
    for bridge in subject.bridges if claims else ():
        transports = {p.name: p.transport for p in bridge.ports}
        hit: dict[str, list[tuple[AddressClaim, str]]] = {}
        for end in bridge.endpoints:
            transport = transports.get(end.port_name, "TCP")
            claim = claims.get((end.address, end.port, transport))
            if claim and claim.ref != bridge.ref:
                target = join_address(end.address, end.port)
                hit.setdefault(claim.ref, []).append((claim, target))
        for found in hit.values():
            yield _finding(bridge, found[0][0], [target for _, target in found])
        if bridge.kind is Kind.EXTERNAL_NAME:
            yield from _of_alias(bridge, claims)


def _of_alias(
    bridge: Bridge, claims: Mapping[tuple[str, int, str], AddressClaim]
) -> Iterator[Finding]:
    """Which addresses an outside name has is seen by the probe only, so each claim may be one."""
    for port in bridge.ports:
        for (address, number, transport), claim in claims.items():
            if (number, transport) == (port.port, port.transport):
                said = _finding(bridge, claim, [join_address(address, number)])
                yield replace(said, ports=(port.key,), only_as_cause=True)


def _claims(objects: Objects) -> Mapping[tuple[str, int, str], AddressClaim]:
    """By address, port and transport. The first Service has it, as in kube-proxy."""
    known: dict[tuple[str, int, str], AddressClaim] = {}
    for service in objects.service_of.values():
        spec = service.get("spec") or {}
        if spec.get("clusterIP") == "None" or spec.get("type") == "ExternalName":
            continue
        for address, external in _addresses(service):
            for port in spec.get("ports") or ():
                key = (address, int(port["port"]), str(port.get("protocol") or "TCP"))
                known.setdefault(key, AddressClaim(service, address, external))
    return known


def _addresses(service: Object) -> Iterator[tuple[str, bool]]:
    """Those that kube-proxy programs on every node: externalIPs, and a balancer's unless Proxy."""
    for address in (service.get("spec") or {}).get("externalIPs") or ():
        yield str(address), True
    balancer = (service.get("status") or {}).get("loadBalancer") or {}
    for entry in balancer.get("ingress") or ():
        if entry.get("ip") and entry.get("ipMode") != "Proxy":
            yield str(entry["ip"]), False


def _finding(bridge: Bridge, claim: AddressClaim, targets: list[str]) -> Finding:
    """A load balancer's address is claimed rightly; it is the cause only where something fails."""
    namespace, name = key_of(claim.service)
    command = _command(claim)
    how = "spec.externalIPs" if claim.external else "its load balancer's address"
    return Finding(
        code=RULE.code,
        severity=Severity.WARN if claim.external else Severity.NOTE,
        object=f"Service/{claim.ref}",
        summary=f"Service {name} of namespace {namespace} claims {', '.join(targets)} by {how}: "
        "every node sends connections for it to that Service's own endpoints, or refuses them "
        "where there are none",
        fix=f"externalIPs is for traffic that comes in, so take the address out: {command}"
        if command
        else f"let applications use {name}.{namespace} in place of {bridge.service}, or give "
        f"Service {name} ready endpoints",
        command=command,
        bridge=bridge.ref,
        addresses=tuple(targets),
        explains=EXPLAINS,
    )


def _command(claim: AddressClaim) -> str:
    """The Service without the address; what a load balancer has given cannot be taken back."""
    if not claim.external:
        return ""
    kept = [a for a in claim.service["spec"]["externalIPs"] if str(a) != claim.address]
    change = {"op": "replace", "path": "/spec/externalIPs", "value": kept}
    return patch("service", *key_of(claim.service), change)


RULE = Rule(
    code="KX111",
    line="another Service claims an address of the bridge for itself, in the whole cluster",
    judge=judge,
)
