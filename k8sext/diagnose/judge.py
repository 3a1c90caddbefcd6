"""From observations to diagnoses: pure, and the same for a saved report as for a live run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from k8sext.model.bridge import NO_PORT, Bridge
from k8sext.model.data import dataclass
from k8sext.model.diagnosis import Diagnosis, heavier
from k8sext.model.report import BridgeReport
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Route, Severity, Stage, Status

from . import annotated, doors, fronts, manifest, policy, untested
from .case import FRONTS, PlaceFacts, case_of, connected, failed
from .codes import rows, rows_reach
from .differential import judge_case, judge_name
from .saying import say_without

# A login is held back because of what somebody did to the objects: that is told first.
CONSEQUENCES = (rows.LOGINS[Reason.CONSENT_ELSEWHERE].code,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Each bridge with its diagnoses, and what lies above all of them."""

    bridges: tuple[BridgeReport, ...]
    overall: tuple[Diagnosis, ...] = ()


def judge(
    bridges: Sequence[Bridge],
    observations: Sequence[Observation],
    controls: Sequence[Mapping[str, Any]],
    context: PlaceFacts,
) -> Judgement:
    """Judge every bridge; one root cause each, and one for the vantage where it is not proven."""
    context = replace(
        context,
        source_seen=_source_seen(observations),
        unenforced=policy.unenforced(bridges, observations, context),
    )
    reports = tuple(_judge_bridge(b, observations, context) for b in bridges)
    proof = controls[-1] if controls else {}
    unproven = _unproven(observations, proof, cut=context.cut)
    if unproven:
        said = say_without(rows.UNPROVEN, "control", {"words": unproven})
        return Judgement(bridges=tuple(_inconclusive(r) for r in reports), overall=(said,))
    return _one_dead_dns(doors.compared(reports), proof, context)


def _source_seen(observations: Sequence[Observation]) -> str:
    """Under which address servers saw the probe; "" where none says."""
    said = (s.evidence.get("source_seen") for o in observations for s in o.stages)
    return next((str(address) for address in said if address), "")


def _unproven(
    observations: Sequence[Observation], proof: Mapping[str, Any], *, cut: bool = False
) -> str:
    """Why this place cannot blame anybody; "" when it is proven.

    Any connection that was accepted proves it: a default-deny namespace that allows the database
    alone is healthy.
    """
    if any(connected(o) for o in observations):
        return ""
    if cut and not proof and failed(observations):
        return "the run was cut before the control probes, and nothing had been connected to"
    if not proof:
        return ""
    if proof.get("dns") is False and not proof.get("connected"):
        return f"cluster DNS does not answer either ({proof.get('words', '')})"
    if proof.get("api") is False:
        return f"not even the API server can be reached ({proof.get('words', '')})"
    return ""


def _inconclusive(report: BridgeReport) -> BridgeReport:
    """What failed on the network is not the bridge's fault as long as the vantage is unproven."""
    kept_away = any(d.code == rows_reach.NOT_REACHED.code for d in report.diagnoses)
    if report.status is not Status.FAIL and not kept_away:
        return report
    return replace(report, status=Status.INCONCLUSIVE, diagnoses=())


def _one_dead_dns(
    reports: tuple[BridgeReport, ...], proof: Mapping[str, Any], context: PlaceFacts
) -> Judgement:
    """A dead cluster DNS is one diagnosis, not forty."""
    dead = [r for r in reports if any(d.code == "KX203" for d in r.diagnoses)]
    if proof.get("dns") is not False or len(dead) < 2:
        return Judgement(bridges=reports)
    first = next(d for d in dead[0].diagnoses if d.code == "KX203")
    names = tuple(f"{r.bridge.service}: its name does not resolve" for r in dead)
    bridges = tuple(_without(r, "KX203") if r in dead else r for r in reports)
    return Judgement(bridges=bridges, overall=(replace(first, consequences=names),))


def _without(report: BridgeReport, code: str) -> BridgeReport:
    """Said above all bridges, so not again; the status stays."""
    return replace(report, diagnoses=tuple(d for d in report.diagnoses if d.code != code))


# -- one bridge ----------------------------------------------------------------------------------


def _judge_bridge(
    bridge: Bridge, observations: Sequence[Observation], context: PlaceFacts
) -> BridgeReport:
    mine = tuple(
        o for o in observations if (o.namespace, o.service) == (bridge.namespace, bridge.service)
    )
    said = [*_said_of_ports(bridge, mine, context)]
    said += untested.judge(bridge, mine, said)
    said += fronts.judge(bridge, mine, context, said)
    said += annotated.judge(bridge, said)
    said += manifest.beside(bridge, context, said)
    diagnoses = _ordered(_unique(d for d in said if _ignored(bridge, d) is None))
    status = _status(mine, diagnoses, bridge)
    return BridgeReport(
        bridge=bridge,
        status=status,
        depth=_depth(mine),
        observations=mine,
        diagnoses=diagnoses,
        skipped=untested.reason(diagnoses) if status is Status.SKIP else "",
    )


def _said_of_ports(
    bridge: Bridge, mine: Sequence[Observation], context: PlaceFacts
) -> Iterator[Diagnosis]:
    if not bridge.tcp_ports:
        yield from judge_name(case_of(bridge, NO_PORT, mine, context))
    for port in bridge.tcp_ports:
        case = case_of(bridge, port, mine, context)
        guess = untested.judge_guess(case)
        yield from [guess] if guess else judge_case(case)


def _ignored(bridge: Bridge, said: Diagnosis) -> str | None:
    return dict(bridge.ignore).get(said.code)


def _unique(said: Iterable[Diagnosis]) -> list[Diagnosis]:
    """What several ports say alike, once, at its heaviest."""
    found: dict[tuple[str, str], Diagnosis] = {}
    for one in said:
        key = (one.code, one.summary)
        found[key] = heavier(found.get(key, one), one)
    return list(found.values())


def _ordered(said: Sequence[Diagnosis]) -> tuple[Diagnosis, ...]:
    """By severity; what follows from another diagnosis of the same weight comes after it."""
    return tuple(sorted(said, key=lambda d: (d.severity.order, d.code in CONSEQUENCES)))


def _status(mine: Sequence[Observation], diagnoses: Sequence[Diagnosis], bridge: Bridge) -> Status:
    """The worst of the diagnoses. Without any, a probe that failed is a pass only where the user
    ignores its code.
    """
    severities = {d.severity for d in diagnoses}
    for severity, status in (
        (Severity.FAIL, Status.FAIL),
        (Severity.INCONCLUSIVE, Status.INCONCLUSIVE),
        (Severity.WARN, Status.WARN),
    ):
        if severity in severities:
            return status
    own = [o for o in mine if o.route not in FRONTS]
    if untested.nothing_but_names(own, diagnoses):
        return Status.SKIP
    unexplained = not diagnoses and not bridge.ignore and any(o.ended_by for o in own)
    return Status.INCONCLUSIVE if unexplained else Status.PASS


def _depth(mine: Sequence[Observation]) -> Stage | None:
    """How deep the way an application uses was proved; endpoints where no name was tried."""
    wire = [o for o in mine if not o.client]
    names = [o for o in wire if o.route in (Route.NAME, Route.ORIGIN)] or wire
    depths = [o.depth for o in names]
    if not depths or any(d is None for d in depths):
        return None
    return min((d for d in depths if d), key=list(Stage).index)
