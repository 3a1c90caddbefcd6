"""What a lint rule is, and what it sees. A rule is one file of `checks/rules/`: `kxNNN_slug.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .bridge import Bridge
from .diagnosis import Finding
from .words import Culprit
from .workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The facts that rules judge. `workloads` is empty where nobody asked for them."""

    bridges: tuple[Bridge, ...] = ()
    workloads: tuple[Workload, ...] = ()

    def bridge(self, ref: str) -> Bridge | None:
        """The bridge `NAMESPACE/SERVICE`, if it is one of those looked at."""
        return next((b for b in self.bridges if b.ref == ref), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: `judge` is pure, and every Finding that it gives has this `code`."""

    code: str
    line: str  # what it looks for, in one line
    judge: Callable[[Subject], Iterable[Finding]]
    culprit: Culprit = Culprit.MANIFEST
