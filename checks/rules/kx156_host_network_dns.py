"""KX156: pods on the node's network ask the node's DNS, which knows no Service."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Rule, Subject
from k8sext.model.shell import word
from k8sext.model.words import Severity
from k8sext.model.workload import How, Use, Workload

# With hostNetwork ClusterFirst is Default (Kubernetes documentation, Pod's DNS Policy).
NODES_OWN = ("ClusterFirst", "Default")


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each workload and bridge that it names."""
    for workload in subject.workloads:
        traits = workload.traits
        if traits.host_network and traits.dns_policy in NODES_OWN:
            by_name = (u for u in workload.uses if u.how is How.NAME)
            for use in {u.bridge: u for u in by_name}.values():
                yield _finding(workload, use)


def _finding(workload: Workload, use: Use) -> Finding:
    command = _patch(workload)
    return Finding(
        code=RULE.code,
        severity=Severity.WARN if use.likely else Severity.FAIL,
        object=workload.ref,
        summary=f"it runs on the node's network with dnsPolicy {workload.traits.dns_policy}, so "
        f"the node's DNS is asked, which does not know {use.host or use.bridge}",
        fix="set dnsPolicy: ClusterFirstWithHostNet in its pod template"
        + (f": {command}" if command else ""),
        command=command,
        confidence="likely" if use.likely else "high",
        bridge=use.bridge,
    )


def _patch(workload: Workload) -> str:
    """Pods and templates of Jobs cannot be changed; a CronJob has it one level deeper."""
    if workload.kind not in ("Deployment", "StatefulSet", "DaemonSet"):
        return ""
    patch = '{"spec":{"template":{"spec":{"dnsPolicy":"ClusterFirstWithHostNet"}}}}'
    where = f"{workload.kind.lower()} -n {word(workload.namespace)} {word(workload.name)}"
    return f"kubectl patch {where} -p '{patch}'"


RULE = Rule(
    code="KX156",
    line="a workload on the node's network names a bridge, and asks the node's DNS",
    judge=judge,
)
