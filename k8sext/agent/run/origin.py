"""Where the outside name leads that a bridge's addresses were taken from (`k8sext.io/origin`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from k8sext.agent.fault import Fault
from k8sext.agent.net.resolver import DnsAnswer
from k8sext.model.result import Json
from k8sext.model.words import Stage

from .stages import StageLog

EVIDENCE = "origin"


async def ask(log: StageLog, resolve: Callable[[str], Awaitable[DnsAnswer]]) -> None:
    """Write into the resolve stage what cluster DNS says of the name: `addresses`, or `reason`.

    Asked when the probe is over: a zone that does not answer costs the bridge none of its time.
    """
    told: dict[str, Json] = {"name": log.target.origin}
    try:
        told["addresses"] = [*(await resolve(log.target.origin)).addresses]
    except Fault as fault:
        told |= {"reason": str(fault.reason), "detail": fault.detail}
    stage = log.done[Stage.RESOLVE]
    log.add(replace(stage, evidence={**stage.evidence, EVIDENCE: told}))
