"""What is said of the facts."""

from __future__ import annotations

from dataclasses import dataclass

from .words import Culprit, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place in a file, counted from 1."""

    file: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a lint rule says of an object, without touching the network."""

    code: str
    severity: Severity
    object: str  # "Service/dev/redis-svc"
    summary: str
    fix: str = ""
    confidence: str = "high"
    location: Location | None = None
    bridge: str = ""  # the bridge that it speaks of, NAMESPACE/SERVICE, if the object is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One judgement. `because` names observations and stages (`o1/connect`) or object fields."""

    code: str
    severity: Severity
    culprit: Culprit
    summary: str
    why: str = ""
    because: tuple[str, ...] = ()
    fix: str = ""
    see: str = ""
    url: str = ""
    consequences: tuple[str, ...] = ()


def heavier(first: Diagnosis, second: Diagnosis) -> Diagnosis:
    """The one of greater severity; the first where both weigh the same."""
    return min((first, second), key=lambda said: said.severity.order)
