"""KX150: a workload names a port that the bridge does not have."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.model.bridge import Bridge, Kind
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Rule, Subject
from k8sext.model.plan import join_address
from k8sext.model.words import Severity
from k8sext.model.workload import How, Use, Workload, place_and_text

THROUGH = (How.NAME, How.CLUSTER_IP)


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each workload, bridge and port; guesses are left out."""
    bridges = {b.ref: b for b in subject.bridges}
    for workload in subject.workloads:
        said: dict[tuple[str, int], list[Use]] = {}
        for use in workload.uses:
            bridge = bridges.get(use.bridge)
            if bridge and use.port and not _there(use, bridge):
                said.setdefault((use.bridge, use.port), []).append(use)
        for (ref, _), uses in said.items():
            yield _finding(workload, bridges[ref], uses)


def _there(use: Use, bridge: Bridge) -> bool:
    """Whether the port leads anywhere, as far as objects tell.

    An ExternalName is an alias: its ports are not looked at by anybody. Behind a headless Service
    there is no proxy that maps ports, so that those of the endpoints are the ones that count.
    """
    if use.likely or use.how not in THROUGH or bridge.kind is Kind.EXTERNAL_NAME:
        return True
    known = {p.port for p in bridge.ports}
    if bridge.kind is Kind.HEADLESS:
        known |= {e.port for e in bridge.endpoints}
    return not known or use.port in known


def _finding(workload: Workload, bridge: Bridge, uses: list[Use]) -> Finding:
    """A line that merely stands in a text, without a key, weighs less than a setting."""
    use = next((u for u in uses if u.keyed), uses[0])
    more = f" (and {len(uses) - 1} more)" if len(uses) > 1 else ""
    ports = ", ".join(f"{p.port} ({p.protocol})" for p in bridge.ports)
    implied = f", so that port {use.port} is meant" if use.implied else ""
    wanted = join_address(use.host, bridge.ports[0].port) if bridge.ports else use.host
    return Finding(
        code=RULE.code,
        severity=Severity.FAIL if use.keyed else Severity.WARN,
        object=workload.ref,
        summary=f"{place_and_text(use)}{implied}{more}, and {bridge.service} has port {ports}",
        fix=f"write {wanted} there, or give Service {bridge.service} the port {use.port}",
        confidence="high" if use.keyed else "medium",
        bridge=bridge.ref,
    )


RULE = Rule(code="KX150", line="a workload names a port that the bridge does not have", judge=judge)
