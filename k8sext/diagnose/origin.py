"""The addresses of a bridge against those that their outside name has now. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from k8sext.model import shell
from k8sext.model.bridge import Endpoint
from k8sext.model.diagnosis import Diagnosis
from k8sext.model.plan import is_address
from k8sext.model.result import Observation, StageResult
from k8sext.model.words import Severity, Stage

from . import mending
from .case import Case, connected, failed, split
from .codes import rows_reach
from .saying import say

# Nobody is there: what a server that has moved away leaves behind.
_GONE = frozenset(r.code for r in rows_reach.PATHS.values()) | {rows_reach.PARTIAL.code}


def weigh(case: Case, root: Diagnosis | None) -> tuple[Diagnosis | None, list[Diagnosis]]:
    """The root cause, which may be that the server has moved, and what is said beside it."""
    stage = case.by_name.stage(Stage.RESOLVE) if case.by_name else None
    told = stage.evidence.get("origin") if stage else None
    ignored = rows_reach.ORIGIN_MOVED.code in dict(
        case.bridge.ignore
    )  # then it explains nothing either
    if case.by_name is None or stage is None or not isinstance(told, dict) or ignored:
        return root, []
    moved = _moved(case, case.by_name, stage, told)
    if moved is None:
        return root, []
    said, stale = moved
    if root is None or not _explains(case, root, stale):
        return root, [said]
    return replace(said, severity=Severity.FAIL, consequences=(root.summary,)), []


def _moved(
    case: Case, name: Observation, stage: StageResult, told: Mapping[str, Any]
) -> tuple[Diagnosis, frozenset[str]] | None:
    """What differs, and the addresses that the origin has no more."""
    origin = str(told.get("name"))
    facts = {"namespace": case.context.namespace, "origin": origin}
    asked = "kubectl exec -n {namespace!q} YOUR-POD -- getent hosts {origin!q}"
    by_hand = f" · {shell.filled(asked, facts)}"  # the annotation may hold anything
    now = cast("Sequence[str]", told.get("addresses") or ())
    if not now:
        detail = str(told.get("detail") or f"no address: {origin}")
        said = say(case, rows_reach.ORIGIN_UNKNOWN, stage, name, None, origin=origin, detail=detail)
        return _seen_by(said, by_hand), frozenset()
    ends = case.bridge.used(case.port)
    stale = [e for e in ends if is_address(e.address) and _plain(e.address) not in now]
    if not stale:
        return None
    old = ", ".join(dict.fromkeys(e.address for e in stale))
    facts = {
        "origin": origin,
        "now": ", ".join(now),
        "stale": old,
        "where": _where(case, stale[0]),
        "lead_anew": mending.lead_to(case.bridge, now),
    }
    said = say(case, rows_reach.ORIGIN_MOVED, stage, name, None, **facts)
    return _seen_by(said, by_hand), frozenset(e.address for e in stale)


def _where(case: Case, endpoint: Endpoint) -> str:
    """What to open, to write other addresses."""
    if "/" not in endpoint.source:
        return case.bridge.source
    facts = {"namespace": case.bridge.namespace, "object": endpoint.source.lower()}
    return shell.filled("kubectl edit -n {namespace!q} {object!q}", facts)


def _seen_by(said: Diagnosis, by_hand: str) -> Diagnosis:
    return replace(said, see=f"k8sext explain {said.code}{by_hand}")


def _explains(case: Case, root: Diagnosis, stale: frozenset[str]) -> bool:
    """Whether all that fails is that nobody is at the old addresses any more."""
    dead = failed(case.endpoints)
    if root.code not in _GONE or not dead:
        return False
    return all(split(o.target)[0] in stale and not connected(o) for o in dead)


def _plain(address: str) -> str:
    return str(ipaddress.ip_address(address))
