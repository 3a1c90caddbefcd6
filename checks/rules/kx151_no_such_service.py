"""KX151: a workload names a Service that does not exist, and a bridge is called nearly so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Rule, Subject
from k8sext.model.nearest import distance
from k8sext.model.words import Severity
from k8sext.model.workload import Stray, Workload, place_and_text

SHORT = 6  # names of fewer letters may differ by one change, others by two


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each workload and name."""
    known: dict[str, list[str]] = {}
    for bridge in subject.bridges:
        known.setdefault(bridge.namespace, []).append(bridge.service)
    kept = {space: Known(services) for space, services in known.items()}
    for workload in subject.workloads:
        for stray in workload.strays:
            here = kept.get(stray.namespace)
            if here and (meant := here.nearest(stray.service)):
                yield _finding(workload, stray, meant)


def _finding(workload: Workload, stray: Stray, meant: str) -> Finding:
    """A short name may still be one of the nodes' search list; `….svc` can be nothing else."""
    return Finding(
        code=RULE.code,
        severity=Severity.FAIL if stray.only_a_service else Severity.WARN,
        object=workload.ref,
        summary=f"{place_and_text(stray)}, and there is no Service {stray.service} in namespace "
        f"{stray.namespace}; likely {meant} is meant",
        fix=f"did you mean {meant}? Write that name there, or make the Service {stray.service}",
        confidence="likely",
        bridge=f"{stray.namespace}/{meant}",
    )


class Known:
    """The bridges' names of one namespace, each with its length and the letters it has."""

    def __init__(self, services: Iterable[str]) -> None:
        self.names = sorted((s, len(s), _letters(s)) for s in services)
        self.found: dict[str, str] = {}

    def nearest(self, name: str) -> str:
        """The name that was likely meant; "" where none is near."""
        if name not in self.found:
            self.found[name] = self._closest(name) or self._longer(name)
        return self.found[name]

    def _closest(self, name: str) -> str:
        """Few have about the same letters and length; those alone are compared."""
        allowed, size, letters = 1 if len(name) < SHORT else 2, len(name), _letters(name)
        near = (
            (distance(name, other, allowed), other)
            for other, length, theirs in self.names
            if abs(length - size) <= allowed and (letters ^ theirs).bit_count() <= 2 * allowed
        )
        close = min((pair for pair in near if pair[0] <= allowed), default=None)
        return close[1] if close else ""

    def _longer(self, name: str) -> str:
        """`redis` for `redis-svc`, if there is one such name."""
        longer = (o for o, _, _ in self.names if o.startswith(f"{name}-") and o.count("-") == 1)
        first, second = next(longer, ""), next(longer, "")
        return "" if second else first


def _letters(name: str) -> int:
    """A bit for each letter that occurs."""
    bits = 0
    for letter in name:
        bits |= 1 << (ord(letter) % 64)
    return bits


RULE = Rule(
    code="KX151",
    line="a workload names a Service that does not exist, and a bridge is called nearly so",
    judge=judge,
)
