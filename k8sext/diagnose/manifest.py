"""What lint rules found of a bridge, put beside what was seen of it: pure.

The manifest is consulted first: where a finding explains a failure, the finding is the cause, and
neither the server nor the network is blamed. Where the bridge works, it is a warning or a note.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from k8sext.model.bridge import Bridge
from k8sext.model.diagnosis import Diagnosis, Finding
from k8sext.model.words import Severity

from .case import Case, Context, failed, findings_of

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job", "Pod", "ReplicaSet")


def instead(case: Case, root: Diagnosis | None) -> Diagnosis | None:
    """`root`, or in its place the finding that explains it, with the same evidence."""
    if root is None or root.severity is not Severity.FAIL:
        return root
    finding = next((f for f in case.findings if _explains(f, root, case)), None)
    if finding is None:
        return root
    cause = _diagnosis(finding, Severity.FAIL)
    return replace(cause, why=root.why, because=(*root.because, finding.object))


def _explains(finding: Finding, root: Diagnosis, case: Case) -> bool:
    """Whether a failure of this kind follows from it, and at no address that it does not name."""
    if root.code not in finding.explains:
        return False
    dead = {o.target for o in failed(case.endpoints)}
    return not finding.addresses or dead <= set(finding.addresses)


def beside(bridge: Bridge, context: Context, said: Iterable[Diagnosis]) -> list[Diagnosis]:
    """The findings of a bridge that are no cause of a failure here."""
    known = {d.code for d in said}
    return [_standing(f) for f in findings_of(bridge, context) if _is_new(f, known)]


def _is_new(finding: Finding, known: set[str]) -> bool:
    """What is found of a workload is told of the workload, not of each bridge that it uses."""
    return finding.code not in known and finding.object.partition("/")[0] not in WORKLOADS


def _standing(finding: Finding) -> Diagnosis:
    """A working bridge is failed by proven harm alone."""
    weaker = Severity.WARN if finding.severity is Severity.FAIL else finding.severity
    return _diagnosis(finding, Severity.FAIL if finding.harmful else weaker)


def _diagnosis(finding: Finding, severity: Severity) -> Diagnosis:
    return Diagnosis(
        code=finding.code,
        severity=severity,
        culprit=finding.culprit,
        summary=finding.summary,
        because=(finding.object,),
        fix=finding.fix,
        see=f"k8sext explain {finding.code} · {_by_hand(finding.object)}",
    )


def _by_hand(ref: str) -> str:
    """How to look at the object `KIND/NAMESPACE/NAME`."""
    kind, _, rest = ref.partition("/")
    namespace, _, name = rest.rpartition("/")
    where = f"-n {namespace} " if namespace else ""
    return f"kubectl get {kind.lower()} {where}{name} -o yaml"
