"""KX157: NetworkPolicies isolate a workload that names a bridge, and let it ask no DNS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from k8sext.model.diagnosis import Finding
from k8sext.model.egress import Policy, allows_dns, selecting_egress
from k8sext.model.lint import Rule, Subject
from k8sext.model.words import Culprit, Severity
from k8sext.model.workload import How, Use, Workload


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each workload; pods on the node's network are not selected by policies."""
    for workload in subject.workloads:
        named = next((u for u in workload.uses if u.how is How.NAME and not u.likely), None)
        if named and not workload.traits.host_network:
            selecting = _selecting(subject, workload)
            if selecting and not any(allows_dns(p) for p in selecting):
                yield _finding(workload, named, selecting)


def _selecting(subject: Subject, workload: Workload) -> list[Policy]:
    here = [
        p
        for p in subject.objects.networkpolicies or ()
        if p["metadata"].get("namespace") == workload.namespace
    ]
    return selecting_egress(here, dict(workload.traits.labels))


def _finding(workload: Workload, use: Use, selecting: Sequence[Policy]) -> Finding:
    names = ", ".join(sorted(str(p["metadata"]["name"]) for p in selecting))
    return Finding(
        code=RULE.code,
        severity=Severity.WARN,
        object=workload.ref,
        summary=f"NetworkPolicy {names} isolates its egress and allows no DNS, so it cannot "
        f"resolve {use.host or use.bridge}",
        fix="allow UDP and TCP 53 to the cluster's DNS in one of them (pods of namespace "
        "kube-system with k8s-app: kube-dns)",
        confidence="likely",
        bridge=use.bridge,
        culprit=Culprit.CLUSTER_NETWORK,
    )


RULE = Rule(
    code="KX157",
    line="policies isolate a workload that names a bridge, and let it ask no DNS",
    judge=judge,
    culprit=Culprit.CLUSTER_NETWORK,
)
