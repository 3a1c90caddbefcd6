"""A row of the table, filled with the facts of one case: the sentences of a diagnosis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from k8sext.diagnose.codes.row import Row
from k8sext.model import shell
from k8sext.model.diagnosis import Diagnosis
from k8sext.model.plan import is_address
from k8sext.model.result import Observation, StageResult
from k8sext.model.words import Reason, Stage

from . import mending, policy, remedies
from .case import Case, PlaceFacts, split
from .codes import rows, rows_reach

NOT_A_FAULT = (Reason.LOGIN_REJECTED_BEFORE,)
# What a proxy that accepts before it dials makes of every refusal and time-out.
PROXY_REASONS = (Reason.RESET, Reason.CLOSED_EARLY, Reason.SILENT)
REASON_WORDS = {  # where the name of the reason is no plain English
    Reason.COMPANION_FAILED: "another bridge does not work",
    Reason.TOO_MUCH: "answer too long",
    Reason.NO_ROUTE: "no route to host",
    Reason.NO_FAMILY: "no address of that family here",
    Reason.OBJECT_MISSING: "not there",
    Reason.TLS_REQUIRED: "TLS required",
    Reason.AUTH_REJECTED: "login rejected",
    Reason.AUTH_REQUIRED: "login required",
}


def say_by_reason(
    case: Case, table: Mapping[Reason, Row], ended: StageResult, seen: Observation
) -> Diagnosis | None:
    """What is said of a stage's reason, by `table` first; None where it is nobody's fault."""
    row = row_of(case, table, ended)
    return say(case, row, ended, seen) if row else None


def row_of(case: Case, table: Mapping[Reason, Row], ended: StageResult) -> Row | None:
    """The row of a stage's reason, in `table` first; None where the reason is nobody's fault."""
    if ended.reason in NOT_A_FAULT:
        return None
    if ended.reason is None:  # a check that does not say why is broken: no pass, nobody's fault
        return rows.OURS[Reason.INTERNAL_ERROR]
    if case.context.mesh and ended.stage is not Stage.CONNECT and ended.reason in PROXY_REASONS:
        return rows.MESH
    tables = (table, rows.ANSWERS, rows_reach.PATHS, rows.OURS)
    found = (t[ended.reason] for t in tables if ended.reason in t)
    return next(found, rows.OURS[Reason.INTERNAL_ERROR])


def say(
    case: Case,
    row: Row,
    ended: StageResult,
    seen: Observation,
    about: Observation | None = None,
    named: str = "",
    **more: str,
) -> Diagnosis:
    """One row, told of the stage of one probe (its facts may be `about` another; `named` stands
    for its target in the summary).
    """
    facts = {**facts_of(case, ended, about or seen), **more}
    command = command_of(row, facts)
    summary = _filled(row.summary, {**facts, "target": named} if named else facts)
    fix = remedies.of(row, ended, seen.protocol) or row.fix
    return Diagnosis(
        code=row.code,
        severity=row.severity,
        culprit=row.culprit,
        summary=summary,
        why=why_of(case, ended, seen, case.endpoints, summary),
        because=_because(case, ended, seen),
        fix=_with_command(_filled(fix, facts), command),
        command=command,
        see=f"k8sext explain {row.code}{_by_hand(case, ended, facts)}",
    )


def say_without(row: Row, mark: str, facts: Mapping[str, str], why: str = "") -> Diagnosis:
    """One row where there is no probe to tell of; `mark` is what it refers to."""
    command = command_of(row, facts)
    return Diagnosis(
        code=row.code,
        severity=row.severity,
        culprit=row.culprit,
        summary=_filled(row.summary, facts),
        why=why,
        because=(mark,),
        fix=_with_command(_filled(row.fix, facts), command),
        command=command,
        see=f"k8sext explain {row.code}",
    )


def command_of(row: Row, facts: Mapping[str, str]) -> str:
    """The row's command for this object, quoted for the shell.

    "" where the row has none, or where a value that it needs is not known or can be no argument:
    somebody must choose. A row that is one `{name}` takes a command that `mending` has made.
    """
    needed = shell.names(row.command)
    if not all(facts.get(name) for name in needed) or not shell.is_fillable(row.command, facts):
        return ""
    return shell.filled(row.command, facts)


def _with_command(fix: str, command: str) -> str:
    return f"{fix}: {command}" if command else fix


def facts_of(case: Case, ended: StageResult, seen: Observation) -> dict[str, str]:
    """What the texts may speak of."""
    host, port = split(seen.target)
    bridge, context = case.bridge, case.context
    source = str(ended.evidence.get("source_seen") or "")
    credentials = dict(bridge.credentials_by_port).get(case.port.key, bridge.credentials)
    return {
        "service": bridge.service,
        "namespace": bridge.namespace,
        "name": f"{bridge.service}:{case.port.port}" if case.port.port else bridge.service,
        "target": seen.target,
        "host": host,
        "port": str(port),
        "protocol": seen.protocol,
        "detail": ended.detail or in_words(ended.reason),
        "secret": credentials.secret if credentials else "SECRET",
        "alias": bridge.external_name or host,
        "virtual": ", ".join(bridge.virtual),
        "mesh": context.mesh,
        "node": context.node or "the probe's node",
        "here": _here(context),
        "misnamed": _misnamed(case, ended),
        "block": f"{host}/{128 if ':' in host else 32}",
        "sources": source or "the addresses of all nodes (a pod leaves with that of its node)",
        "seen_as": f" {source}" if source else "",
        "service_ports": _names(p.name for p in bridge.ports),
        "endpoint_ports": _names(e.port_name for e in bridge.endpoints),
        "unused": seen.target,
        **_family(bridge.external_name, host),
        "hinted": "".join(f"; {hint}" for hint in _hints(ended)),
        **mending.facts(case, ended.detail),
    }


def _here(context: PlaceFacts) -> str:
    return context.node or ("the probe's node" if context.inside else "this machine")


def _misnamed(case: Case, ended: StageResult) -> str:
    """What leads to something that is no host name."""
    service, outside = case.bridge.service, case.bridge.external_name
    detail = ended.detail or in_words(ended.reason)
    if is_address(outside):
        return (
            f"spec.externalName of Service {service} is {outside}, an address, and a DNS alias can "
            "lead to names only"
        )
    if outside:
        return f"spec.externalName of Service {service} leads to no host name: {detail}"
    return f"{service} leads to no host name: {detail}"


def in_words(reason: Reason | None) -> str:
    """The reason in plain English."""
    return REASON_WORDS.get(reason, reason.replace("_", " ")) if reason else "no reason given"


def _family(outside: str, host: str) -> dict[str, str]:
    """The family of an address, and how a bridge gets one of the other."""
    family, other = ("IPv6", "IPv4") if ":" in host else ("IPv4", "IPv6")
    cure = (
        f"have an {other} address added where {outside} is served"
        if outside
        else f"give the bridge an {other} address of its server"
    )
    return {"family": family, "cure": cure}


def _names(names: Iterable[str]) -> str:
    return ", ".join(repr(n) if n else "no name" for n in dict.fromkeys(names)) or "none"


def _filled(template: str, facts: Mapping[str, str]) -> str:
    return shell.filled(template, facts)


def why_of(
    case: Case,
    ended: StageResult,
    seen: Observation,
    ends: Sequence[Observation],
    headline: str = "",
) -> str:
    """The evidence in one sentence: how the name ended and each of `ends`, and what the server and
    the policies say of this end, as far as the `headline` does not.
    """
    parts = [_end_of(o) for o in (case.by_name, *ends) if o is not None]
    words = str(ended.evidence.get("words") or "")
    said = f"the server said: {words}" if words and words not in headline else ""
    mesh = case.context.mesh
    proxy = f"a {mesh} proxy stands in the probe's way, so accepting proves little" if mesh else ""
    policies = policy.words(case, seen, ended)
    return "; ".join(dict.fromkeys(p for p in (*parts, said, *_hints(ended), policies, proxy) if p))


def _hints(ended: StageResult) -> tuple[str, ...]:
    """What may be wrong with the values of a rejected login; they never contain them."""
    found = ended.evidence.get("credential_hints")
    return tuple(str(hint) for hint in found) if isinstance(found, list) else ()


def _end_of(seen: Observation) -> str:
    ended = seen.ended_by
    if ended is None:
        return f"{seen.target} ({seen.route}) works to {seen.depth}"
    time = f" after {ended.duration_s:.1f} s" if ended.duration_s >= 0.1 else ""
    reason = in_words(ended.reason) if ended.reason else "failed"
    return f"{seen.target} ({seen.route}) {ended.stage}: {reason}{time}"


def _because(case: Case, ended: StageResult, seen: Observation) -> tuple[str, ...]:
    others = (o for o in (case.by_name, *case.endpoints) if o is not None and o.id != seen.id)
    marks = (f"{o.id}/{o.ended_by.stage if o.ended_by else o.depth}" for o in others)
    return (f"{seen.id}/{ended.stage}", *marks)


def _by_hand(case: Case, ended: StageResult, facts: Mapping[str, str]) -> str:
    inside = case.context.inside
    there = shell.filled("kubectl exec -n {namespace!q} YOUR-POD --", facts) if inside else ""
    command = ""
    if ended.stage is Stage.RESOLVE:
        name = "{service!q}" if inside else "{host!q}"
        command = shell.filled(f"getent hosts {name}", facts)
    elif ended.stage is Stage.CONNECT:
        script = shell.filled("</dev/tcp/{host!p}/{port!p}", facts)
        command = f"timeout 3 bash -c {shell.part(script)}"
    return f" · {there} {command}".replace("·  ", "· ") if command else ""
