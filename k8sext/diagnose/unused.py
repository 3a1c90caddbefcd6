"""Addresses of a bridge that no connection is sent to: told as notes, judged never. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from k8sext.diagnose.codes.row import Row
from k8sext.model.diagnosis import Diagnosis
from k8sext.model.result import Observation, StageResult
from k8sext.model.words import Stage

from .case import Case, of_no_family, split
from .codes import rows_reach
from .saying import say


def notes(case: Case) -> list[Diagnosis]:
    """What is not used, and how it answered: what is not ready, then what is of another family."""
    foreign = [o for o in case.unused if of_no_family(o)]
    waiting = [o for o in case.unused if not of_no_family(o) and _listed(case, o)]
    found: list[Diagnosis] = []
    if waiting and case.bridge.used(case.port):
        found.append(_note(case, rows_reach.NOT_USED, waiting, place=_source(case, waiting[0])))
    if foreign and not only_other_family(case):
        found.append(_note(case, rows_reach.OTHER_FAMILY, foreign))
    return found


def only_other_family(case: Case) -> Diagnosis | None:
    """All addresses are of a family that pods here have not."""
    foreign = [o for o in (case.by_name, *case.unused) if o is not None and of_no_family(o)]
    if not foreign or case.endpoints or not _lost_by_family(case):
        return None
    ends = [o for o in foreign if o is not case.by_name] or foreign
    return _note(case, rows_reach.ONLY_OTHER_FAMILY, ends)


def _lost_by_family(case: Case) -> bool:
    """Whether the name leads nowhere for that reason; without a name the addresses decide."""
    return case.by_name is None or of_no_family(case.by_name)


def _note(case: Case, row: Row, seen: Sequence[Observation], **facts: str) -> Diagnosis:
    first = seen[0]
    unused = ", ".join(f"{o.target} ({_state(o)})" for o in seen)
    return say(case, row, _end(first), first, None, unused=unused, **facts)


def _end(seen: Observation) -> StageResult:
    stage = seen.ended_by or seen.stage(seen.depth or Stage.CONNECT)
    assert stage is not None
    return stage


def _state(seen: Observation) -> str:
    """How it answered to a greeting."""
    ended = seen.ended_by
    if ended is None:
        return f"answers to {seen.depth}"
    return f"{ended.stage}: {str(ended.reason or 'failed').replace('_', ' ')}"


def _listed(case: Case, seen: Observation) -> bool:
    """Whether it is one of the port's own endpoints."""
    place = split(seen.target)
    return any((e.address, e.port) == place for e in case.bridge.endpoints_of(case.port))


def _source(case: Case, seen: Observation) -> str:
    """The object that names it, as kubectl takes it."""
    place = split(seen.target)
    ends = case.bridge.endpoints_of(case.port)
    return next(e.source for e in ends if (e.address, e.port) == place).lower()
