"""KX159: two ExternalName Services share a TCP port in a mesh; one gets the traffic of the other.

An ExternalName has no address of its own, so for TCP Istio listens on 0.0.0.0:PORT and can tell the
two apart no more (Istio documentation, TCP and ExternalName; istio/istio issues of conflicting
outbound listeners).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from k8sext.model.bridge import Bridge, Kind
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Rule, Subject
from k8sext.model.words import Severity

from ._mesh import meshes
from .kx158_port_name_in_a_mesh import HTTP_NAMES


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each bridge that shares a port with another one of its namespace."""
    known = {name for name, mesh in meshes(subject.objects).items() if mesh == "Istio"}
    sharing: dict[tuple[str, int], list[Bridge]] = {}
    for bridge in subject.bridges:
        if bridge.kind is Kind.EXTERNAL_NAME and bridge.namespace in known:
            for port in bridge.ports:
                if port.transport == "TCP" and port.name.partition("-")[0] not in HTTP_NAMES:
                    sharing.setdefault((bridge.namespace, port.port), []).append(bridge)
    for (_, number), bridges in sharing.items():
        if len({b.external_name for b in bridges}) > 1:
            yield from (_finding(b, number, bridges) for b in bridges)


def _finding(bridge: Bridge, number: int, sharing: Sequence[Bridge]) -> Finding:
    others = ", ".join(b.service for b in sharing if b is not bridge)
    return Finding(
        code=RULE.code,
        severity=Severity.WARN,
        object=f"Service/{bridge.ref}",
        summary=f"Service {bridge.service} and {others} are ExternalNames with TCP port {number}: "
        f"in the mesh of namespace {bridge.namespace} connections of one can reach the other",
        fix="give one of them addresses: k8sext provision NAME --to HOST:PORT --resolve --adopt; "
        "or make a ServiceEntry with addresses of its own",
        confidence="likely",
        bridge=bridge.ref,
    )


RULE = Rule(
    code="KX159",
    line="two ExternalName Services share one TCP port where a mesh cannot tell them apart",
    judge=judge,
)
