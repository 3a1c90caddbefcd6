"""KX116: a Service without endpoints has externalIPs, which do not say where it leads."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.model.bridge import Bridge, Kind
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Rule, Subject
from k8sext.model.plan import join_address
from k8sext.model.shell import word
from k8sext.model.words import Severity

from ._pieces import key_of_bridge, number_of, patch


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each such bridge (kubernetes/kubernetes 44516, 59869)."""
    for bridge in subject.bridges:
        service = subject.objects.service_of.get(key_of_bridge(bridge), {})
        claimed = (service.get("spec") or {}).get("externalIPs") or ()
        if claimed and not bridge.endpoints and bridge.kind is Kind.SELECTORLESS and bridge.ports:
            yield _finding(bridge, [str(a) for a in claimed])


def _finding(bridge: Bridge, claimed: list[str]) -> Finding:
    remove = patch(
        "service", bridge.namespace, bridge.service, {"op": "remove", "path": "/spec/externalIPs"}
    )
    port = bridge.ports[0]
    targets = (join_address(a, number_of(port.target_port) or port.port) for a in claimed)
    to = " ".join(f"--to {word(t)}" for t in targets)
    return Finding(
        code=RULE.code,
        severity=Severity.WARN,
        object=f"Service/{bridge.ref}",
        summary=f"Service {bridge.service} names {', '.join(claimed)} in spec.externalIPs, which "
        "is for traffic that comes in: it leads nowhere, and it takes that address away from the "
        "whole cluster",
        fix=f"{remove}; then, if it is the server's address: k8sext provision "
        f"{word(bridge.service)} -n {word(bridge.namespace)} {to} --adopt",
        bridge=bridge.ref,
        refines=("KX305",),
    )


RULE = Rule(
    code="KX116",
    line="a Service without endpoints has externalIPs, which do not say where it leads",
    judge=judge,
)
