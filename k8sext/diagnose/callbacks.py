"""Whom systems outside call back, compared with what the cluster has: pure.

The check reads a system's own list (`agent/callbacks.py`), the cluster says whose each address is
(`case.Owner`). What the system has reached itself is never complained of, whatever it looks like.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from k8sext.diagnose.codes.row import Row
from k8sext.model.data import dataclass
from k8sext.model.diagnosis import Diagnosis
from k8sext.model.owner import Owner
from k8sext.model.result import Observation, StageResult
from k8sext.model.words import Reason, Severity, Stage

from .case import Case
from .codes import rows_callbacks as rows
from .saying import say
from .scrape_words import reason_of

SHOWN = 4
UP, UNWELL, DOWN = "up", "unwell", "down"
CALLABLE = ("pod", "node-port", "host-port", "service")
HERE = (*CALLABLE, "node")  # an address of this cluster; any other lies elsewhere
# Words of a caller that got no answer at all; any other is an answer that is not what it wants.
_UNANSWERED = (
    Reason.REFUSED, Reason.TIMED_OUT, Reason.NO_ROUTE, Reason.NO_FAMILY,
    Reason.NOT_PERMITTED, Reason.RESET,
    Reason.SERVER_ERROR,
)  # fmt: skip
_UNRESOLVED = (Reason.NAME_NOT_FOUND, Reason.DNS_SERVER_FAILURE, Reason.DNS_TIMED_OUT)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One registered address, what is known of it, and the row that fits it."""

    address: str
    app: str
    state: str
    error: str
    reached: bool | None
    owner: Owner
    leads_to: str = ""
    expected: bool | None = None  # by the bridge; None where nobody says which applications are
    callers: frozenset[str] = frozenset()  # how the processes that call it fare

    @property
    def answered(self) -> bool:
        """Whether the caller's words are about an answer, not about the way to it."""
        return bool(self.error) and reason_of(self.error) not in _UNANSWERED

    @property
    def host(self) -> str:
        return self.address.rpartition(":")[0].strip("[]") or self.address


def judge(case: Case) -> list[Diagnosis]:
    """One diagnosis for each way in which calling back fails; the worst severity of its entries."""
    found = _evidence(case)
    if found is None:
        return []
    seen, stage, facts = found
    owners = {o.address: o for o in case.context.owners}
    expected = facts.get("expected")
    entries = [
        _entry(e, owners, expected) for e in facts.get("entries") or () if isinstance(e, dict)
    ]
    by_row: dict[Row, list[tuple[_Entry, Severity]]] = {}
    for entry in entries:
        for row, severity in _verdicts(entry, entries, case, distinct=bool(facts.get("distinct"))):
            by_row.setdefault(row, []).append((entry, severity))
    return [_diagnosis(case, row, hits, seen, stage, facts) for row, hits in by_row.items()]


def addresses(observations: Sequence[Observation]) -> tuple[str, ...]:
    """Every registered address in what was seen: whose they are, the cluster must be asked."""
    found = (_facts(o.stage(Stage.VERIFY)) for o in observations)
    entries = (e for facts in found if facts for e in facts.get("entries") or ())
    return tuple(dict.fromkeys(_place(e) for e in entries if isinstance(e, dict)))


def _place(fact: Mapping[str, Any]) -> str:
    """The address; of a name, where it leads to as the vantage sees it."""
    return str(fact.get("leads_to") or fact.get("address"))


def _evidence(case: Case) -> tuple[Observation, StageResult, Mapping[str, Any]] | None:
    """What one probe was told: by name, unless another one was told more of how calls fare."""
    found: list[tuple[Observation, StageResult, Mapping[str, Any]]] = []
    for seen in (*([case.by_name] if case.by_name else []), *case.endpoints):
        stage = seen.stage(Stage.VERIFY)
        facts = _facts(stage)
        if stage and facts:
            found.append((seen, stage, facts))
    return max(found, key=lambda one: _reach_known(one[2]), default=None)


def _reach_known(facts: Mapping[str, Any]) -> int:
    """Of how many addresses it says whether it reaches them."""
    entries = (e for e in facts.get("entries") or () if isinstance(e, dict))
    return sum(e.get("state") in (UP, DOWN) for e in entries)


def _facts(stage: StageResult | None) -> Mapping[str, Any] | None:
    found = stage.evidence.get("callbacks") if stage else None
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else None


def _entry(fact: Mapping[str, Any], owners: Mapping[str, Owner], expected: Any) -> _Entry:
    address = str(fact.get("address"))
    reached = fact.get("reached")
    # The probe's pod has ended when the cluster is asked.
    ours = Owner(address=address, kind="pod", name="of the probe") if fact.get("ours") else None
    app = str(fact.get("app") or "")
    callers = fact.get("callers")
    return _Entry(
        address,
        app,
        str(fact.get("state") or "unknown"),
        str(fact.get("error") or ""),
        reached if isinstance(reached, bool) else None,
        ours or owners.get(_place(fact), Owner(address=address, kind="unknown")),
        str(fact.get("leads_to") or ""),
        app in expected if isinstance(expected, list) else None,
        frozenset(map(str, callers.values())) if isinstance(callers, dict) else frozenset(),
    )


def _verdicts(
    entry: _Entry, entries: list[_Entry], case: Case, *, distinct: bool
) -> Iterator[tuple[Row, Severity]]:
    """The rows that fit one address."""
    if distinct and entry.owner.replicas > 1:
        yield rows.INDISTINCT, rows.INDISTINCT.severity
    row = _row(entry, case) if entry.state != UP else None
    if row is not None:
        yield row, _severity(row, entry, entries)


def _severity(row: Row, entry: _Entry, entries: list[_Entry]) -> Severity:
    """How much it weighs: by who is hurt, and whether anybody has tried."""
    severity = row.severity
    if row is rows.GONE and _all_gone(entry, entries):
        severity = Severity.FAIL
    if row is rows.TARGET_UNWELL and entry.expected and _none_reached(entry, entries):
        severity = Severity.FAIL
    if row is rows.ANOTHER_CALLER:
        return severity  # whose the address is does not matter: it is the caller that is ill
    if entry.expected is False and entry.owner.kind not in HERE:
        return Severity.WARN  # another team's, elsewhere: this bridge is none the worse for it
    certain = entry.state == DOWN or row in (rows.UNUSABLE, rows.GONE)
    return severity if certain else Severity.WARN  # nobody has tried: likely


def _row(entry: _Entry, case: Case) -> Row | None:
    """What is wrong with an address that the system has not reached."""
    kind = entry.owner.kind
    if UP in entry.callers and len(entry.callers) > 1:
        return rows.ANOTHER_CALLER
    if _unusable(entry.host):
        return rows.UNUSABLE
    if _one_sided(entry.host) or (_unresolved(entry) and entry.leads_to):
        return rows.ONE_SIDED_NAME
    if kind == "gone":
        return rows.GONE
    if entry.state == UNWELL:
        return rows.TARGET_UNWELL
    if kind in ("node", "stranger"):
        return rows.NO_SUCH_NODE if entry.reached is not True else _way(entry)
    if entry.state == DOWN:
        return _way(entry) if kind in CALLABLE else _elsewhere(entry)
    return rows.LIKELY_NO_WAY_BACK if kind == "pod" and _masqueraded(case) else None


def _unresolved(entry: _Entry) -> bool:
    """Whether the system says that it cannot resolve the name. One that leads nowhere from here,
    either, is a name of nobody and not one of this side's.
    """
    return bool(entry.error) and reason_of(entry.error) in _UNRESOLVED


def _way(entry: _Entry) -> Row:
    """The address is one of ours and the system says it does not get through."""
    unwell = entry.reached is False or entry.answered
    return rows.TARGET_UNWELL if unwell else rows.NO_WAY_BACK


def _elsewhere(entry: _Entry) -> Row:
    """An address that is none of this cluster's, as far as is known."""
    inside = entry.owner.kind == "unknown" and entry.reached and not entry.answered
    return rows.NO_WAY_BACK if inside else rows.TARGET_UNWELL


def _all_gone(entry: _Entry, entries: list[_Entry]) -> bool:
    """Whether the application has no other address left."""
    return all(e.owner.kind == "gone" for e in entries if e.app == entry.app)


def _none_reached(entry: _Entry, entries: list[_Entry]) -> bool:
    """Whether each address of the application was tried, and none reached."""
    return all(e.state == DOWN for e in entries if e.app == entry.app)


def _masqueraded(case: Case) -> bool:
    """Whether pods leave with another address than their own, as some server saw it."""
    seen = case.context.source_seen
    return bool(seen) and seen != case.context.address


def _unusable(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.lower().rstrip(".") in ("localhost", "")
    return address.is_loopback or address.is_unspecified or address.is_link_local


def _one_sided(host: str) -> bool:
    """A name that only this cluster's DNS knows, or that no DNS does (a pod's host name)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        bare = host.lower().rstrip(".")
        return "." not in bare or bare.endswith((".svc", ".cluster.local")) or ".svc." in bare
    return False


# -- saying it -----------------------------------------------------------------------------------


def _diagnosis(
    case: Case,
    row: Row,
    hits: list[tuple[_Entry, Severity]],
    seen: Observation,
    stage: StageResult,
    facts: Mapping[str, Any],
) -> Diagnosis:
    told = "; ".join(_entry_text(entry) for entry, _ in hits[:SHOWN])
    more = f"; and {len(hits) - SHOWN} more" if len(hits) > SHOWN else ""
    caller = str(facts.get("caller") or "the system")
    texts = {"caller": caller, "entries": told + more, "advice": _advice(facts)}
    said = say(case, row, stage, seen, None, **texts)
    severities = [severity for _, severity in hits]
    worst = min(severities, key=lambda s: s.order)
    return replace(said, severity=worst, why=_why(case, row, hits))


def _entry_text(entry: _Entry) -> str:
    owner = {
        "pod": f"pod {entry.owner.name}",
        "node-port": f"node port of Service {entry.owner.name}",
        "host-port": f"host port of pod {entry.owner.name}",
        "service": f"cluster IP of Service {entry.owner.name}",
        "node": f"node {entry.owner.name}, where nothing is known to listen on that port",
        "stranger": "beside the nodes, and none of them",
        "gone": "an address of the pod network that no pod has now",
    }.get(entry.owner.kind, "")
    if entry.owner.replicas > 1:
        owner = f"{owner}, {entry.owner.replicas} ready pods behind it"
    here = f"here {entry.leads_to}" if entry.leads_to else ""
    details = ", ".join(part for part in (entry.app, here, owner, entry.error) if part)
    return f"{entry.address} ({details})" if details else entry.address


def _advice(facts: Mapping[str, Any]) -> str:
    setting, inside = str(facts.get("setting") or ""), str(facts.get("inside") or "")
    return (f": {setting}" if setting else "") + (f"; or {inside}" if inside else "")


def _why(case: Case, row: Row, hits: list[tuple[_Entry, Severity]]) -> str:
    """What the verdict rests on, besides the system's own list."""
    parts: list[str] = []
    inside = case.context.inside
    reached = [e.address for e, _ in hits if e.reached]
    if row in (rows.NO_WAY_BACK, rows.LIKELY_NO_WAY_BACK) and reached:
        where = "from a pod of this cluster" if inside else "from here"
        parts.append(f"{where} {', '.join(reached[:SHOWN])} accepts")
    nameless = [e.host for e, _ in hits if _unresolved(e) and not e.leads_to]
    if row is rows.TARGET_UNWELL and nameless:
        where = "in this cluster" if inside else "here"
        parts.append(f"{', '.join(nameless[:SHOWN])} is not known {where} either")
    dead = [e.address for e, _ in hits if e.reached is False and e.host not in nameless]
    if row is rows.TARGET_UNWELL and dead:
        where = "from a pod" if inside else "from here"
        parts.append(f"{', '.join(dead[:SHOWN])} does not accept {where} either")
    if _masqueraded(case) and row in (rows.NO_WAY_BACK, rows.LIKELY_NO_WAY_BACK):
        parts.append(
            f"pods leave with another address than their own (the probe {case.context.address} was "
            f"seen as {case.context.source_seen}), so the outside likely has no route to pods"
        )
    if row is not rows.ANOTHER_CALLER and any(e.owner.kind == "unknown" for e, _ in hits):
        parts.append("whose the addresses are could not be read from the cluster")
    return "; ".join(parts)
