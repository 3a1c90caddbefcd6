"""What each address of a bridge fails by, and which of these causes leads: pure.

The order in which probes ended, and the address that kube-proxy chose for the name, decide nothing
here: groups and their members are sorted by what was seen and where.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import field, replace

from k8sext.diagnose.codes.row import Row
from k8sext.model.data import dataclass
from k8sext.model.diagnosis import Diagnosis
from k8sext.model.result import Observation, StageResult
from k8sext.model.words import LOGIN_ENDS, STAGES, Reason, Stage

from . import policy
from .case import Case, failed, split
from .codes import rows, rows_reach
from .saying import row_of, say, why_of

LISTED = 3  # addresses of one cause in a summary; all of them stand in the reasons


@dataclass(frozen=True, slots=True)
class Cause:
    """Addresses that fail alike, and the row that says how."""

    row: Row
    seen: tuple[Observation, ...]
    facts: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def ended(self) -> StageResult:
        """How the first of them ended."""
        ended = self.seen[0].ended_by
        assert ended is not None
        return ended

    @property
    def of_login(self) -> bool:
        """Whether it ends the login everywhere: what other addresses would say was not asked."""
        lacked_tls = (self.ended.stage, self.ended.reason) == (Stage.AUTH, Reason.TLS_REQUIRED)
        return lacked_tls or self.ended.reason in LOGIN_ENDS


def causes(case: Case, seen: Sequence[Observation]) -> tuple[Cause, ...]:
    """The causes of the probes that failed: of most addresses first; of as many, what got
    furthest.
    """
    groups: dict[tuple[Row, tuple[tuple[str, str], ...]], list[Observation]] = {}
    for one in failed(seen):
        row, facts = _row(case, one)
        if row:
            groups.setdefault((row, tuple(facts.items())), []).append(one)
    found = [
        Cause(row, tuple(sorted(ends, key=_place)), dict(facts))
        for (row, facts), ends in groups.items()
    ]
    return tuple(sorted(found, key=_weight))


def cause_of(case: Case, seen: Observation) -> Cause | None:
    """What one probe fails by; None where that is nobody's fault."""
    row, facts = _row(case, seen)
    return Cause(row, (seen,), facts) if row else None


def _row(case: Case, seen: Observation) -> tuple[Row | None, dict[str, str]]:
    ended = seen.ended_by
    assert ended is not None
    forbidding = policy.forbidding(case, seen, ended)
    if forbidding:
        return rows_reach.POLICY, {"policies": ", ".join(forbidding), "policy": forbidding[0]}
    table = rows_reach.PATHS if ended.stage is Stage.CONNECT else rows.ANSWERS
    return row_of(case, {**rows.OURS, **table}, ended), {}


def _weight(cause: Cause) -> tuple[int, int, str, str]:
    furthest = STAGES.index(cause.ended.stage)
    return -len(cause.seen), -furthest, cause.row.code, cause.seen[0].target


def _place(seen: Observation) -> tuple[int, int, int, str]:
    """By address, and then by port."""
    host, port = split(seen.target)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return 0, 0, port, host
    return address.version, int(address), port, ""


# -- what is said of them --------------------------------------------------------------------------


def whole(case: Case, found: Sequence[Cause]) -> Diagnosis:
    """No address works: the leading cause, and beside it those of the others."""
    lead, others = found[0], found[1:]
    first = lead.seen[0]
    named = _each(lead.seen)
    said = say(case, lead.row, lead.ended, first, None, named=named, **lead.facts)
    if not others:
        return said
    rest = why_of(case, lead.ended, first, ())
    total = len({o.target for cause in found for o in cause.seen})
    fixes = [f"for {_listed(c.seen)}: {_fix(case, c)}" for c in others]
    return replace(
        said,
        why=f"none of {total} addresses works: {grouped(found)}; {rest}",
        fix="; ".join((*fixes, said.fix) if said.command else (said.fix, *fixes)),
    )


def partial(case: Case, found: Sequence[Cause]) -> Diagnosis:
    """Some addresses work and others do not."""
    lead, first = found[0], found[0].seen[0]
    dead, total = sum(len(c.seen) for c in found), len(case.endpoints)
    facts = {
        **lead.facts,
        "dead": str(dead),
        "all": str(total),
        "does": "does" if dead == 1 else "do",
        "share": str(round(100 * dead / total)),
        "causes": grouped(found, LISTED),
        "mend": _fix(case, lead),
        "place": _place_of(case, first),
    }
    dead_ones = {o.id for c in found for o in c.seen}
    alive = sorted((o for o in case.endpoints if o.id not in dead_ones), key=_place)
    said = say(case, rows_reach.PARTIAL, lead.ended, first, None, **facts)
    rest = why_of(case, lead.ended, first, alive)
    own = say(case, lead.row, lead.ended, first, None, **lead.facts)
    every = grouped(found) if any(len(c.seen) > LISTED for c in found) else ""
    after = own.summary if lead.ended.stage is not Stage.CONNECT else ""
    why = "; ".join(part for part in (every, after, rest) if part)
    gravest = min((c.row.severity for c in found), key=lambda severity: severity.order)
    return replace(said, culprit=lead.row.culprit, severity=gravest, why=why)


def grouped(found: Sequence[Cause], most: int = 16) -> str:
    """`2 × certificate expired: A, B; 1 × silent: C`."""
    return "; ".join(f"{len(c.seen)} × {_word(c)}: {_listed(c.seen, most)}" for c in found)


def _word(cause: Cause) -> str:
    if cause.row is rows_reach.POLICY:
        return f"not allowed by NetworkPolicy {cause.facts['policy']}"
    reason = cause.ended.reason or Reason.INTERNAL_ERROR
    return reason.replace("_", " ")


def _listed(seen: Sequence[Observation], most: int = LISTED) -> str:
    targets = [o.target for o in seen]
    more = f" and {len(targets) - most} more" if len(targets) > most else ""
    return ", ".join(targets[:most]) + more


def _each(seen: Sequence[Observation]) -> str:
    return seen[0].target if len(seen) == 1 else f"each of {_listed(seen)}"


def _fix(case: Case, cause: Cause) -> str:
    return say(case, cause.row, cause.ended, cause.seen[0], None, **cause.facts).fix


def _place_of(case: Case, seen: Observation) -> str:
    """What to take an address out of."""
    if case.bridge.external_name:
        return f"the addresses that DNS gives for {case.bridge.external_name}"
    host, port = split(seen.target)
    of = (e.source for e in case.bridge.endpoints if (e.address, e.port) == (host, port))
    source = next(of, "")
    return source if "/" in source else case.bridge.source
