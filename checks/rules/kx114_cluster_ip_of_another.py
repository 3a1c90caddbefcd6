"""KX114: an endpoint is the cluster IP of a Service of another namespace."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.model.bridge import Bridge
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Key, Rule, Subject, key_of
from k8sext.model.plan import join_address
from k8sext.model.service_names import DOMAIN
from k8sext.model.words import Severity


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each bridge; of the same namespace the differential knows it (KX322)."""
    owners = {
        ip: key_of(s)
        for s in subject.objects.service_of.values()
        for ip in (s.get("spec") or {}).get("clusterIPs") or ()
        if ip != "None"
    }
    for bridge in subject.bridges:
        hit = [
            e for e in bridge.endpoints
            if e.address in owners and e.address not in bridge.virtual
        ]  # fmt: skip
        if hit:
            targets = tuple(join_address(e.address, e.port) for e in hit)
            yield _finding(bridge, owners[hit[0].address], targets)


def _finding(bridge: Bridge, other: Key, targets: tuple[str, ...]) -> Finding:
    namespace, service = other
    return Finding(
        code=RULE.code,
        severity=Severity.WARN,
        object=f"Service/{bridge.ref}",
        summary=f"the endpoint {targets[0]} of Service {bridge.service} is the cluster IP of "
        f"Service {service} in namespace {namespace}, and kube-proxy does not lead from one "
        "cluster IP to another",
        fix=f"let applications use {service}.{namespace}, or make {bridge.service} an alias: "
        f"spec.type ExternalName with spec.externalName {service}.{namespace}{DOMAIN}",
        bridge=bridge.ref,
        addresses=targets,
        explains=("KX303", "KX306", "KX301", "KX302", "KX308", "KX310"),
    )


RULE = Rule(
    code="KX114",
    line="an endpoint is the cluster IP of a Service of another namespace",
    judge=judge,
)
