"""KX154: an image names a bridge as its registry; nodes pull images, and do not ask cluster DNS."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.model.bridge import Bridge
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Rule, Subject
from k8sext.model.words import Severity
from k8sext.model.workload import How, Use, Workload


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each workload and registry; a node may know the name from its own files."""
    bridges = {b.ref: b for b in subject.bridges}
    for workload in subject.workloads:
        said = {u.text: u for u in workload.uses if u.how is How.IMAGE and u.bridge in bridges}
        for use in said.values():
            yield _finding(workload, use, bridges[use.bridge])


def _finding(workload: Workload, use: Use, bridge: Bridge) -> Finding:
    return Finding(
        code=RULE.code,
        severity=Severity.WARN,
        object=workload.ref,
        summary=f"the image of container {use.container} is taken from {use.text}, which is the "
        f"name of Service {bridge.service}: the node pulls images, and it does not ask cluster DNS",
        fix=f"write {_outside(bridge)} in `image:`, or let containerd on every node know "
        f"{use.text} (/etc/containerd/certs.d/{use.text}/hosts.toml)",
        confidence="likely",
        bridge=bridge.ref,
    )


def _outside(bridge: Bridge) -> str:
    """The registry as a node can reach it."""
    name = bridge.external_name or bridge.origin
    if name:
        return f"the registry's outside name {name}"
    end = next(iter(bridge.endpoints), None)
    return f"the registry's outside name or {end.address}:{end.port}" if end else "its outside name"


RULE = Rule(
    code="KX154",
    line="an image names a bridge as its registry, and nodes do not ask cluster DNS",
    judge=judge,
)
