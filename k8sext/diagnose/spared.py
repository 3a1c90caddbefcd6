"""A login that was not tried because the same one was rejected elsewhere: it fails here, too.

One rejected login ends the logins with it on that server (docs/architecture.md, "Promises to
servers"), so the second bridge that holds it is not asked. It is as broken as the first.
"""

from __future__ import annotations

from dataclasses import replace

from k8sext.model.diagnosis import Diagnosis
from k8sext.model.result import Observation, StageResult
from k8sext.model.words import LOGIN_ENDS, Reason, Stage, Status

from .case import Case, spared
from .codes import rows
from .saying import say_by_reason


def by_another(case: Case) -> Diagnosis | None:
    """What the server said where the login was tried, told of a bridge that was spared."""
    ways = (case.by_name, case.through, *case.endpoints)
    seen = next((o for o in ways if o is not None and spared(o)), None)
    if seen is None:
        return None
    ended = _as_if_tried(seen, case.bridge.service)
    return say_by_reason(case, {**rows.ANSWERS, **rows.OURS}, ended, seen)


def _as_if_tried(seen: Observation, service: str) -> StageResult:
    stage = seen.stage(Stage.AUTH)
    assert stage is not None
    words = str(stage.evidence.get("rejected_with") or "the same login was rejected before")
    place = str(stage.evidence.get("tried_at") or "")
    where = f", at {_named(place, service)}" if place else ""
    return replace(
        stage,
        status=Status.FAIL,
        reason=_reason(stage),
        detail=f"{words}; tried once only{where}",
    )


def _named(place: str, service: str) -> str:
    """Another bridge by its name, this one by its port."""
    other, _, port = place.rpartition(":")
    return f"port {port} of this Service" if other == service else other


def _reason(stage: StageResult) -> Reason:
    """As it was where it was tried; a report cut down to verdicts does not have it."""
    try:
        known = Reason(str(stage.evidence.get("rejected_as")))
    except ValueError:
        return Reason.AUTH_REJECTED
    # A login that only lacked TLS was counted as a rejected one by the server, too.
    ends = (*LOGIN_ENDS, Reason.TLS_REQUIRED)
    return known if known in ends else Reason.AUTH_REJECTED
