"""What a probe saw: facts, no opinion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import TypeAlias

from .data import dataclass
from .words import LOGIN_ENDS, STAGES, Reason, Route, Stage, Status

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Facts: TypeAlias = Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """How one stage of a probe ended.

    `evidence` holds what was measured, under the well-known keys where they fit: `peer`, `local`
    (address:port), `errno` (symbolic), `words` (the server's own, masked and bounded), `code` (the
    server's), `first_bytes` (hex), `product`, `version`, `identity`, `source_seen` (the client's
    address as the server saw it), `addresses`, `rcode`, `cname`, `origin` (where the outside name
    leads that the addresses were taken from: `name`, with `addresses` or `reason`).
    """

    stage: Stage
    status: Status
    reason: Reason | None = None
    duration_s: float = 0.0
    detail: str = ""
    evidence: Facts = field(default_factory=dict[str, Json])


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One probe: one bridge port, one route, one vantage, stages in order over one connection."""

    id: str
    namespace: str
    service: str
    port: str  # the Service port's name, or its number where it has none
    protocol: str
    vantage: str
    route: Route
    target: str  # host:port, IPv6 in brackets
    stages: tuple[StageResult, ...]
    node: str = ""
    client: str = ""  # the driver's name for a client probe; empty for a wire probe
    via: str = ""  # as the Target's: which Ingress or node it went through

    @property
    def status(self) -> Status:
        """The worst of the stages; a probe that only skipped is a skip."""
        return worst(s.status for s in self.stages)

    @property
    def ended_by(self) -> StageResult | None:
        """The first stage that failed or could not be judged, if any."""
        bad = (Status.FAIL, Status.INCONCLUSIVE)
        return next((s for s in self.stages if s.status in bad), None)

    @property
    def login_ended(self) -> bool:
        """Whether its login must not be tried again: it was rejected, here or where the same login
        was tried before, or would count as rejected.
        """
        ends = (*LOGIN_ENDS, Reason.LOGIN_REJECTED_BEFORE)
        return any(s.reason in ends for s in self.stages)

    @property
    def depth(self) -> Stage | None:
        """The deepest stage that passed (warnings count as passed)."""
        good = [s.stage for s in self.stages if s.status in (Status.PASS, Status.WARN)]
        return good[-1] if good else None

    @property
    def duration_s(self) -> float:
        """Time spent in the stages, in seconds."""
        return sum(s.duration_s for s in self.stages)

    def stage(self, stage: Stage) -> StageResult | None:
        """The result of one stage."""
        return next((s for s in self.stages if s.stage is stage), None)

    def fact(self, key: str) -> Json:
        """The last stage's evidence under `key`, or None."""
        return next((s.evidence[key] for s in reversed(self.stages) if key in s.evidence), None)


def not_reached(status: Status, reason: Reason, detail: str) -> tuple[StageResult, ...]:
    """The stages of a probe that reached none: the first says why."""
    first, *others = STAGES
    rest = (StageResult(stage=s, status=Status.SKIP, reason=Reason.NOT_REACHED) for s in others)
    return (StageResult(stage=first, status=status, reason=reason, detail=detail), *rest)


_RANK = (Status.SKIP, Status.PASS, Status.WARN, Status.INCONCLUSIVE, Status.FAIL)


def worst(statuses: Iterable[Status]) -> Status:
    """The worst of some statuses: fail, inconclusive, warn, pass; only skips make a skip."""
    return max(statuses, key=_RANK.index, default=Status.SKIP)
