"""What a bridge itself answers to the question that was asked through an Ingress.

The same path and Host, without a login, straight to the bridge: only then can it be said whether
a 404 or a 502 is the controller's or the application's.
"""

from __future__ import annotations

from dataclasses import replace

from k8sext.agent.net.destinations import out_of_bounds
from k8sext.model.plan import Beside, Target, is_address, join_address
from k8sext.model.result import Json, StageResult
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason, Route, Stage, Status

from .stages import StageLog

EVIDENCE = "direct"


def refused(target: Target, address: str) -> str:
    """Why a controller's address is not asked at all; "" if it may be.

    It comes from an object's status, and whoever writes that has no say in whether we talk to a
    cloud's metadata service.
    """
    beside = target.beside
    if beside is None:
        return ""
    peer = join_address(beside.host, beside.port) if is_address(beside.host) else ""
    return out_of_bounds(address, peer)


def not_asked(log: StageLog, why: str) -> None:
    """Write down that nobody connected."""
    log.add(
        StageResult(
            stage=Stage.CONNECT, status=Status.FAIL, reason=Reason.NOT_PERMITTED, detail=why
        )
    )


def target_of(target: Target, beside: Beside) -> Target:
    """The target of the second question."""
    return replace(
        target,
        route=Route.NAME,
        host=beside.host,
        port=beside.port,
        protocol=beside.protocol,
        tls=replace(target.tls, mode=TlsMode.REQUIRE if beside.protocol == "https" else None),
        expect={"path": beside.path},
        beside=None,
    )


def note(log: StageLog, stages: tuple[StageResult, ...]) -> None:
    """Write into the handshake stage what came of it."""
    stage = log.done.get(Stage.HANDSHAKE)
    if stage is not None:
        told = {**stage.evidence, EVIDENCE: _outcome(stages)}
        log.add(replace(stage, evidence=told))


def _outcome(stages: tuple[StageResult, ...]) -> dict[str, Json]:
    ended = next((s for s in stages if s.status in (Status.FAIL, Status.INCONCLUSIVE)), None)
    if ended is not None:
        return {"reason": str(ended.reason or ended.status), "stage": str(ended.stage)}
    answered = next((s for s in stages if s.stage is Stage.HANDSHAKE), None)
    evidence = answered.evidence if answered else {}
    return {key: evidence[key] for key in ("status", "location") if key in evidence}
