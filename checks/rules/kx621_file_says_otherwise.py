"""KX621: the live Service leads elsewhere than the file of `doctor -f` says."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Rule, Subject
from k8sext.model.words import Severity

MANY = 4  # addresses in one sentence


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each bridge of a file whose applications are led elsewhere, whatever the
    file's own addresses answer.
    """
    for bridge in subject.bridges:
        if not bridge.elsewhere:
            continue
        more = len(bridge.elsewhere) - MANY
        there = ", ".join(bridge.elsewhere[:MANY]) + (f" and {more} more" if more > 0 else "")
        yield Finding(
            code=RULE.code,
            severity=Severity.FAIL,
            object=f"Service/{bridge.ref}",
            summary=f"Service {bridge.service} leads to {there}, which {bridge.source} does not "
            "say; no login was sent there",
            fix="if the file is right, write it to the cluster (k8sext provision -f FILE); if the "
            "Service is, correct the file",
            bridge=bridge.ref,
            harmful=True,
        )


RULE = Rule(
    code="KX621",
    line="a Service leads elsewhere than the file of `doctor -f` says",
    judge=judge,
)
