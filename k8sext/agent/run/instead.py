"""What a port is looked at as when no server of the guessed protocol answers on it."""

from __future__ import annotations

from dataclasses import replace

from k8sext.model.result import Json, StageResult
from k8sext.model.words import NO_SUCH_SERVER, Reason, Stage, Status

from .stages import StageLog

# Said after the login or in the last stage, these still mean another server.
_OTHER = (Reason.WRONG_PROTOCOL, Reason.WRONG_PRODUCT)
_SILENCE = (Reason.SILENT, Reason.TIMED_OUT)


def is_wanted(log: StageLog) -> bool:
    """Whether the probe ended as it does where the guess is wrong, and another one is left."""
    ended = _ended(log)
    if ended is None or not log.target.instead:
        return False
    if ended.reason in _SILENCE and not log.target.instead[0].after_silence:
        return False
    said_at_once = ended.stage in (Stage.TLS, Stage.HANDSHAKE)
    return ended.reason in (NO_SUCH_SERVER if said_at_once else _OTHER)


def next_log(log: StageLog, now: float) -> StageLog:
    """The log of the next try: another connection to where the name had led."""
    first, *rest = log.target.instead
    tls = replace(log.target.tls, mode=first.tls)
    target = replace(log.target, protocol=first.protocol, tls=tls, instead=tuple(rest))
    again = StageLog(target, log.budget, now, guess=log.guess or _guess(log))
    again.done[Stage.RESOLVE] = log.done[Stage.RESOLVE]
    if first.protocol == log.target.protocol:
        again.guess = {}  # the same protocol without TLS: no other guess
    return again


def _guess(log: StageLog) -> dict[str, Json]:
    """What was guessed and how that ended, as evidence of the connection that decides."""
    ended = _ended(log)
    assert ended is not None
    return {
        "guess": log.target.protocol,
        "guess_reason": str(ended.reason),
        "guess_detail": ended.detail,
    }


def note(log: StageLog) -> None:
    """The guess that was wrong, at the connection that was made after it."""
    stage = log.done.get(Stage.CONNECT)
    if log.guess and stage is not None:
        log.add(replace(stage, evidence={**stage.evidence, **log.guess}))


def _ended(log: StageLog) -> StageResult | None:
    bad = (r for r in log.done.values() if r.status is Status.FAIL)
    return next((r for r in bad if r.stage not in (Stage.RESOLVE, Stage.CONNECT)), None)
