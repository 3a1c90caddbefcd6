"""Our own probes must not be the fault: a server that has no connection left is asked once more,
alone, before that is believed.

Its limit may be one, and what it counts is not only what is open: PostgreSQL frees a slot a moment
after Terminate, RabbitMQ counts a connection until its trackers know of the end, and another pod of
ours may look at the same server from another namespace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from k8sext.model.plan import Target
from k8sext.model.result import StageResult
from k8sext.model.words import Reason, Stage

from .stages import StageLog
from .turns import MANY, Logins, Turns

PAUSES_S = (0.1, 0.4, 1.0)  # before each of the tries alone; the first that gets in is the last
_BY_THE_HOUR = "_per_hour"  # MySQL's MAX_CONNECTIONS_PER_HOUR: one more try is one more counted
_ALONE = "asked again with no other connection of ours open, it says the same"


class Crowd:
    """Counts the probes of a protocol that are under way, so that one of them can be alone.

    All of a protocol, whatever their address: a name, a virtual address and an address behind it
    may be one server, and before a login nothing tells. `once` makes one connection, `full_for`
    gives what a server's word that it has none left is counted under.
    """

    def __init__(
        self,
        order: Logins,
        once: Callable[[StageLog, Target, str], Awaitable[None]],
        full_for: Callable[[Target, str], frozenset[str]],
    ) -> None:
        self.order, self.once, self.full_for = order, once, full_for
        self.under_way = Turns(MANY)

    async def attempt(self, log: StageLog, target: Target, address: str) -> None:
        """The probe; once more, alone, where the server has no connection left for it."""
        async with self.under_way.turn((target.protocol,)):
            await self.once(log, target, address)
        full = log.ended(Reason.TOO_MANY_CONNECTIONS)
        if full and _BY_THE_HOUR not in full.detail:
            async with self.under_way.turn((target.protocol,), MANY):
                await self._alone(log, target, address, full)

    async def _alone(self, log: StageLog, target: Target, address: str, full: StageResult) -> None:
        known = self.full_for(target, address)
        tries = 0
        again: StageResult | None = full
        while again and tries < len(PAUSES_S) and not known & self.order.full:
            await asyncio.sleep(PAUSES_S[tries])
            tries += 1
            log.begin_again()
            await self.once(log, target, address)
            again = log.ended(Reason.TOO_MANY_CONNECTIONS)
        if again:
            self.order.full |= known
        _write_down(log, full, again, tries)


def _write_down(log: StageLog, full: StageResult, again: StageResult | None, tries: int) -> None:
    """What it took, at the stage that was refused at first."""
    here = again or log.done.get(full.stage) or log.done[Stage.CONNECT]
    evidence = {**here.evidence, "tries_alone": tries, "full_before": full.detail}
    detail = f"{here.detail}; {_ALONE}" if again else here.detail
    log.add(replace(here, detail=detail, evidence=evidence))
