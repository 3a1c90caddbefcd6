"""KX152: a workload has the address or outside name of a bridge's server, not the bridge's name."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.model.bridge import Bridge
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Rule, Subject
from k8sext.model.words import Severity
from k8sext.model.workload import PASSES_BY, How, Use, Workload, place_and_text


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each workload, bridge and host."""
    bridges = {b.ref: b for b in subject.bridges}
    for workload in subject.workloads:
        said: dict[tuple[str, str], list[Use]] = {}
        for use in workload.uses:
            if use.how in PASSES_BY and use.bridge in bridges:
                said.setdefault((use.bridge, use.host), []).append(use)
        for (ref, _), uses in said.items():
            yield _finding(workload, bridges[ref], uses)


def _finding(workload: Workload, bridge: Bridge, uses: list[Use]) -> Finding:
    use = uses[0]
    what = "an address behind" if use.how is How.ENDPOINT else "the outside name of"
    more = f" (and {len(uses) - 1} more)" if len(uses) > 1 else ""
    likely = "likely " if use.likely else ""
    name = _name(workload, bridge)
    return Finding(
        code=RULE.code,
        severity=Severity.WARN,
        object=workload.ref,
        summary=f"{place_and_text(use)}{more}, {likely}{what} {bridge.service}: what changes "
        "at the bridge does not reach this workload",
        fix=f"write {name} there",
        confidence="likely" if use.likely else "high",
        bridge=bridge.ref,
    )


def _name(workload: Workload, bridge: Bridge) -> str:
    """The bridge as the workload can write it."""
    here = workload.namespace == bridge.namespace
    name = bridge.service if here else f"{bridge.service}.{bridge.namespace}"
    return f"{name}:{bridge.ports[0].port}" if len(bridge.ports) == 1 else name


RULE = Rule(
    code="KX152",
    line="a workload has the address of a bridge's server in place of the bridge's name",
    judge=judge,
)
