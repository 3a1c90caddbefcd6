"""Addresses that a system outside calls back: whether they answer here, written down as evidence.

Nothing is judged in the pod: whether an address is a pod's, a node's or nobody's is known to the
cluster, and `diagnose/callbacks.py` compares.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from k8sext.agent.check import Callbacks, Registered
from k8sext.model.mask import mask
from k8sext.model.plan import is_address, join_address, split_address
from k8sext.model.result import Json
from k8sext.model.scrub import scrub
from k8sext.model.secret import printable
from k8sext.model.words import Stage

from .announced import MAX_LOOKED, AddressVerdict, Look
from .stages import StageLog
from .vocabulary import mask_own

MAX_LISTED = 64
MAX_NAMES = 8
MAX_TEXT = 300
Resolve = Callable[[str], Awaitable[str]]


async def look_back(log: StageLog, callbacks: Callbacks, look: Look, resolve: Resolve) -> None:
    """Look at those that the system has not reached, at most MAX_LOOKED, and where names lead to;
    note it at the stage. `resolve` gives an address of a name, "" where it has none here.
    """
    entries = sorted(callbacks.entries, key=lambda e: e.state == "up")[:MAX_LISTED]
    # Our own listener has gone by now.
    unsure = (e.address for e in entries if e.state != "up" and not e.ours)
    doubtful = list(dict.fromkeys(unsure))[:MAX_LOOKED]
    found = await asyncio.gather(*(look(address) for address in doubtful))
    seen = dict(zip(doubtful, found, strict=True))
    names = list(dict.fromkeys(filter(None, map(_name, entries))))[:MAX_NAMES]
    led = dict(zip(names, await asyncio.gather(*map(resolve, names)), strict=True))
    stage = log.done[Stage.VERIFY]
    facts: dict[str, Json] = {
        "caller": callbacks.caller,
        "setting": callbacks.setting,
        "inside": callbacks.inside,
        "distinct": callbacks.distinct,
        "known": len(callbacks.entries),
        "entries": [fact(e, seen.get(e.address), led.get(_name(e), ""), log) for e in entries],
    }
    if callbacks.expected is not None:
        facts["expected"] = [*callbacks.expected]
    log.add(replace(stage, evidence={**stage.evidence, "callbacks": facts}))


def _name(entry: Registered) -> str:
    """The host of an address that is a name with a dot in it, else "": a bare one is known to
    search lists only, and those of a pod are not the system's.
    """
    try:
        host = split_address(entry.address)[0]
    except ValueError:
        return ""
    return host if "." in host.rstrip(".") and not is_address(host) else ""


def fact(
    entry: Registered, looked: AddressVerdict | None, address: str, log: StageLog
) -> dict[str, Json]:
    """One registered address as evidence; `reached` only where this vantage has looked, `leads_to`
    where a name leads to, here. Texts are the system's, and others may have told it what to say.
    """

    def text(words: str) -> str:
        return printable(scrub(mask(words, log.to_mask)[:MAX_TEXT]))

    def name(words: str) -> str:
        return printable(scrub(mask_own(words, log.to_mask)[:MAX_TEXT]))

    found: dict[str, Json] = {"address": name(entry.address), "state": entry.state}
    if address:
        found["leads_to"] = join_address(address, split_address(entry.address)[1])
    if entry.app:
        found["app"] = name(entry.app)
    if entry.error:
        found["error"] = text(entry.error)
    if entry.ours:
        found["ours"] = True
    if entry.callers:
        found["callers"] = {name(caller): state for caller, state in entry.callers.items()}
    if entry.age_s is not None:
        found["age_s"] = round(entry.age_s, 1)
    if looked and looked.seen:
        found["reached"] = looked.reason is None
    return found
