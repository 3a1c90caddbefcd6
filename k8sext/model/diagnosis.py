"""What is said of the facts."""

from __future__ import annotations

from .data import dataclass
from .words import Culprit, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place in a file, counted from 1."""

    file: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a lint rule says of an object, without touching the network.

    Of a bridge that was probed it becomes a diagnosis: the cause of a failure whose code it
    `explains`, else a warning or note beside it (k8sext.diagnose.manifest).
    """

    code: str
    severity: Severity
    object: str  # "Service/dev/redis-svc"
    summary: str
    fix: str = ""
    command: str = ""  # a shell line that mends it as it stands; "" where somebody must choose
    confidence: str = "high"
    location: Location | None = None
    bridge: str = ""  # the bridge that it speaks of, NAMESPACE/SERVICE
    ports: tuple[str, ...] = ()  # keys of the bridge's ports that it is about; none: all of them
    addresses: tuple[str, ...] = ()  # endpoints that it is about, HOST:PORT; none: all of them
    explains: tuple[str, ...] = ()  # codes of failures of the bridge that it is the cause of
    refines: tuple[str, ...] = ()  # codes that stay, with what this adds: the cause and the fix
    culprit: Culprit = Culprit.MANIFEST
    only_as_cause: bool = False  # says nothing unless it explains a failure
    of_bridge: bool = False  # told of the bridge, too, where its object is a workload
    harmful: bool = False  # proven harm: fails the bridge even where every probe passes


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
    command: str = ""  # a shell line that mends it as it stands; "" where somebody must choose
    see: str = ""
    url: str = ""
    consequences: tuple[str, ...] = ()

    @property
    def not_tested(self) -> bool:
        """Whether it says that something of the bridge was not looked at at all."""
        return self.code in NOT_TESTED


# Codes that say so; their rows stand in k8sext.diagnose.codes.rows_untested.
NOT_TESTED = ("KX922", "KX923", "KX924", "KX925")


def heavier(first: Diagnosis, second: Diagnosis) -> Diagnosis:
    """The one of greater severity; the first where both weigh the same."""
    return min((first, second), key=lambda said: said.severity.order)
