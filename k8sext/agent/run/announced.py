"""Addresses that a server announces to its clients: are they reachable from here?

A cluster node, a Sentinel or an Elasticsearch node tells its clients where to go on to; the first
connection may be fine and every later one fail. A check names such addresses in `Seen.announced`,
and the runner looks at them when the check's own connection is closed: each one once in a run,
at most MAX_LOOKED of one answer, with the protocol's greeting and without a login.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from k8sext.agent.check import Announced
from k8sext.model.data import dataclass
from k8sext.model.plan import Target, split_address
from k8sext.model.result import Json, StageResult
from k8sext.model.words import Reason, Route, Stage, Status

from .stages import StageLog

MAX_LOOKED = 8
MAX_LISTED = 32
GREETING = (Stage.TLS, Stage.HANDSHAKE)
_UNREACHED_STAGES = (Stage.RESOLVE, Stage.CONNECT)
# Connected, and not a word of the server came back: a proxy or another server stands there. Any
# other end (a certificate, a full server) was said by the server itself: it is reachable.
_UNREACHED = (
    Reason.SILENT, Reason.CLOSED_EARLY, Reason.RESET, Reason.TIMED_OUT, Reason.WRONG_PROTOCOL,
    Reason.WRONG_PRODUCT, Reason.WRONG_ROLE,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressVerdict:
    """What was found at one announced address; `reason` None: it answers."""

    address: str
    reason: Reason | None = None
    detail: str = ""
    seen: bool = True  # False: the vantage cannot go there

    def fact(self) -> dict[str, Json]:
        """As evidence."""
        if not self.seen:
            return {"address": self.address}
        found: dict[str, Json] = {"address": self.address, "reached": self.reason is None}
        return {**found, "reason": self.reason.value} if self.reason else found


Look = Callable[[str], Awaitable[AddressVerdict]]


async def look_at(log: StageLog, announced: Announced, look: Look) -> None:
    """Look at the announced addresses and write into the verify stage what came of it."""
    stage = log.done[Stage.VERIFY]
    addresses = tuple(dict.fromkeys(announced.addresses))
    found = await asyncio.gather(*(look(a) for a in addresses[:MAX_LOOKED]))
    rest: list[Json] = [{"address": a} for a in addresses[MAX_LOOKED:MAX_LISTED]]
    log.add(judged(stage, announced, found, rest))


def judged(
    stage: StageResult, announced: Announced, found: list[AddressVerdict], rest: list[Json]
) -> StageResult:
    """The stage with what was found. What the stage said already is not taken back."""
    facts: list[Json] = [*(f.fact() for f in found), *rest]
    stage = replace(stage, evidence={**stage.evidence, "announced": facts})
    bad = [f for f in found if f.reason]
    if not bad:
        return stage
    ends = ", ".join(f"{f.address} ({f.detail})" for f in bad)
    text = f"{announced.whom} are told to go to {ends}"
    if not announced.vital and stage.status is Status.WARN:
        return replace(stage, detail=f"{stage.detail}; {text}")  # the warning keeps its reason
    detail = f"{text}; {stage.detail}" if stage.detail else text
    status = Status.FAIL if announced.vital else Status.WARN
    return replace(stage, status=status, reason=Reason.ANNOUNCED_UNREACHABLE, detail=detail)


def verdict_on(address: str, stages: tuple[StageResult, ...]) -> AddressVerdict:
    """The end of a look as a verdict on the address."""
    ended = next((s for s in stages if s.status in (Status.FAIL, Status.INCONCLUSIVE)), None)
    if ended is None or ended.reason is None:
        return AddressVerdict(address=address)
    if ended.stage in _UNREACHED_STAGES or ended.reason in _UNREACHED:
        words = ended.reason.value.replace("_", " ")
        return AddressVerdict(address=address, reason=ended.reason, detail=words)
    return AddressVerdict(address=address)


def target_of(target: Target, address: str) -> Target:
    """A target for one announced address: no credential, no expectation, no name of a bridge.

    Raises ValueError for what is no host:port.
    """
    host, port = split_address(address)
    return replace(
        target,
        route=Route.ENDPOINT,
        host=host,
        port=port,
        credentials=None,
        trail=None,
        expect={},
        expand=False,
        fallback=False,
    )
