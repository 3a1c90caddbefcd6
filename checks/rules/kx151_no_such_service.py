"""KX151: a workload names a Service that does not exist, and a bridge is called nearly so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Rule, Subject
from k8sext.model.words import Severity
from k8sext.model.workload import Stray, Workload, told

SHORT = 6  # names of fewer letters may differ by one change, others by two


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each workload and name."""
    known: dict[str, list[str]] = {}
    for bridge in subject.bridges:
        known.setdefault(bridge.namespace, []).append(bridge.service)
    for workload in subject.workloads:
        for stray in workload.strays:
            meant = nearest(stray.service, known.get(stray.namespace, ()))
            if meant:
                yield _finding(workload, stray, meant)


def _finding(workload: Workload, stray: Stray, meant: str) -> Finding:
    """A short name may still be one of the nodes' search list; `….svc` can be nothing else."""
    return Finding(
        code=RULE.code,
        severity=Severity.FAIL if stray.only_a_service else Severity.WARN,
        object=workload.ref,
        summary=f"{told(stray)}, and there is no Service {stray.service} in namespace "
        f"{stray.namespace}; likely {meant} is meant",
        fix=f"did you mean {meant}? Write that name there, or make the Service {stray.service}",
        confidence="likely",
        bridge=f"{stray.namespace}/{meant}",
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """The name that was likely meant; "" where none is near."""
    allowed = 1 if len(name) < SHORT else 2
    near = [(distance(name, other, allowed), other) for other in known]
    close = min((pair for pair in near if pair[0] <= allowed), default=None)
    if close:
        return close[1]
    # `redis` for `redis-svc`
    parts = sorted(o for o in known if o.startswith(f"{name}-") and o.count("-") == 1)
    return parts[0] if len(parts) == 1 else ""


def distance(one: str, other: str, limit: int) -> int:
    """Changes between two names (a letter more, less, other, or two swapped), up to `limit` + 1."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and (a, one[i - 2]) == (other[j - 2], b):
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return min(last[-1], limit + 1)


RULE = Rule(
    code="KX151",
    line="a workload names a Service that does not exist, and a bridge is called nearly so",
    judge=judge,
)
