"""Addresses that a system outside calls back: whether they answer here, written down as evidence.

Nothing is judged in the pod: whether an address is a pod's, a node's or nobody's is known to the
cluster, and `diagnose/callbacks.py` compares.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from k8sext.model.result import Json
from k8sext.model.words import Stage

from .announced import MAX_LOOKED, Look, Looked
from .check import Callbacks, Registered
from .stages import StageLog

MAX_LISTED = 64
MAX_TEXT = 300


async def look_back(log: StageLog, callbacks: Callbacks, look: Look) -> None:
    """Look at those that the system has not reached, at most MAX_LOOKED; note it at the stage."""
    entries = sorted(callbacks.entries, key=lambda e: e.state == "up")[:MAX_LISTED]
    # Our own listener has gone by now.
    unsure = (e.address for e in entries if e.state != "up" and not e.ours)
    doubtful = list(dict.fromkeys(unsure))[:MAX_LOOKED]
    found = await asyncio.gather(*(look(address) for address in doubtful))
    seen = dict(zip(doubtful, found, strict=True))
    stage = log.done[Stage.VERIFY]
    facts: dict[str, Json] = {
        "caller": callbacks.caller,
        "setting": callbacks.setting,
        "inside": callbacks.inside,
        "distinct": callbacks.distinct,
        "known": len(callbacks.entries),
        "entries": [fact(e, seen.get(e.address)) for e in entries],
    }
    log.add(replace(stage, evidence={**stage.evidence, "callbacks": facts}))


def fact(entry: Registered, looked: Looked | None) -> dict[str, Json]:
    """One registered address as evidence; `reached` only where this vantage has looked."""
    found: dict[str, Json] = {"address": entry.address[:MAX_TEXT], "state": entry.state}
    if entry.app:
        found["app"] = entry.app[:MAX_TEXT]
    if entry.error:
        found["error"] = entry.error[:MAX_TEXT]
    if entry.ours:
        found["ours"] = True
    if entry.age_s is not None:
        found["age_s"] = round(entry.age_s, 1)
    if looked and looked.seen:
        found["reached"] = looked.reason is None
    return found
