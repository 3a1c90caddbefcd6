"""The whole of a run: the only thing a report format and the exit code see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from .bridge import Bridge
from .data import dataclass
from .diagnosis import Diagnosis, Finding
from .result import Facts, Json, Observation, worst
from .words import Severity, Stage, Status
from .workload import Use, Workload, WorkloadView


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeReport:
    """One bridge: what it is, what was seen, what that means."""

    bridge: Bridge
    status: Status
    depth: Stage | None
    observations: tuple[Observation, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    skipped: str = ""  # why nothing was probed


def untested(bridge: Bridge) -> BridgeReport:
    """The report of a bridge that nobody could look at."""
    return BridgeReport(
        bridge=bridge, status=Status.INCONCLUSIVE, depth=None, skipped="could not be tested"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VantageReport:
    """Where a namespace was looked at from, or why it could not be."""

    namespace: str
    vantage: str
    node: str = ""
    address: str = ""  # the probe's own
    pod: str = ""
    pod_start_s: float = 0.0
    notes: tuple[str, ...] = ()  # mesh found, named skips of preflight, warnings of the API
    diagnoses: tuple[Diagnosis, ...] = ()  # KX9xx and causes above all bridges (dead DNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the verdicts of one place stand on besides its observations, so that a saved report can
    be judged again: the Context of k8sext.diagnose as JSON, and the control probes.
    """

    namespace: str
    vantage: str
    services: tuple[str, ...]
    context: Facts = field(default_factory=dict[str, Json])
    controls: tuple[Facts, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What the caller asked the run to be judged by."""

    fail_on: str = "fail"  # warn, fail, never
    require: Stage | None = None
    allow_empty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run. `started` is RFC 3339 in UTC, durations are seconds."""

    run_id: str
    started: str
    duration_s: float
    tool_version: str
    vantages: tuple[VantageReport, ...]
    bridges: tuple[BridgeReport, ...]
    findings: tuple[Finding, ...] = ()
    context: str = ""
    server_version: str = ""
    gate: Gate = Gate()
    places: tuple[Place, ...] = ()
    workloads: WorkloadView | None = None  # None: nobody asked for them
    interrupted: bool = False
    # What a reader must know of how the run was made: a gate set by a file that lay in the folder,
    # an API server whose certificate nobody verified. One sentence each.
    cautions: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """The exit code of the process; see `exit_code`."""
        return exit_code(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadVerdict:
    """Whether a workload can reach all that it needs.

    `bridges` are its bridges, each with its status for this workload: the bridge's own and that of
    findings about it; a bridge that this run did not look at is a skip. `findings` are those about
    the workload.
    """

    workload: Workload
    status: Status
    bridges: tuple[tuple[str, Status], ...]
    findings: tuple[Finding, ...]


def verdicts(report: Report) -> tuple[WorkloadVerdict, ...]:
    """Each workload that uses a bridge: the worst of its bridges and of its findings."""
    bridges = {b.bridge.ref: b for b in report.bridges}
    findings: dict[str, list[Finding]] = {}
    for found in report.findings:
        findings.setdefault(found.object, []).append(found)
    listed = report.workloads.workloads if report.workloads else ()
    return tuple(_verdict(w, bridges, tuple(findings.get(w.ref, ())), report) for w in listed)


def _verdict(
    workload: Workload,
    known: Mapping[str, BridgeReport],
    findings: tuple[Finding, ...],
    report: Report,
) -> WorkloadVerdict:
    weighed = [(f.bridge, _weighed(_STATUS[f.severity], report.gate)) for f in findings]
    bridges = tuple(
        (ref, worst((own, *(s for b, s in weighed if b == ref))))
        for ref in workload.bridges
        for own in (_for_ports(report, known.get(ref), workload.uses_of(ref)),)
    )
    status = worst((*(s for _, s in bridges), *(s for _, s in weighed)))
    return WorkloadVerdict(workload=workload, status=status, bridges=bridges, findings=findings)


def _for_ports(report: Report, bridge: BridgeReport | None, uses: tuple[Use, ...]) -> Status:
    """A bridge's status for who uses some of its ports only.

    What is said by evidence of other ports alone does not count; what names no evidence does.
    """
    if bridge is None:
        return Status.SKIP
    whole, used = gated(report, bridge), {u.port for u in uses}
    if report.gate.require or not used <= {p.port for p in bridge.bridge.ports}:
        return whole  # a use without a port, or with one of the endpoints' own
    keys = {p.key for p in bridge.bridge.ports if p.port in used}
    mine = {o.id for o in bridge.observations if o.port in keys}
    others = {o.id for o in bridge.observations} - mine
    said = [d for d in bridge.diagnoses if not d.because or not _ids(d.because) <= others]
    if not mine or len(said) == len(bridge.diagnoses):
        return whole
    seen = (o.status for o in bridge.observations if o.id in mine)
    told = [_STATUS[d.severity] for d in said] or list(seen)
    return _weighed(worst(told), report.gate)


def _ids(because: tuple[str, ...]) -> set[str]:
    return {reference.partition("/")[0] for reference in because}


_STATUS = {
    Severity.FAIL: Status.FAIL,
    Severity.WARN: Status.WARN,
    Severity.NOTE: Status.SKIP,
    Severity.INCONCLUSIVE: Status.INCONCLUSIVE,
}


def gated(report: Report, bridge: BridgeReport) -> Status:
    """A bridge's status as the gate sees it: `--fail-on` and `--require` applied."""
    status, gate = bridge.status, report.gate
    if (
        gate.require
        and not bridge.bridge.expect.get("unreachable")
        and status in (Status.PASS, Status.WARN, Status.SKIP)
    ):
        status = status if _reached(bridge, gate.require) else Status.FAIL
    return _weighed(status, gate)


def _reached(bridge: BridgeReport, wanted: Stage) -> bool:
    """Whether every port of it was tested that deep."""
    if bridge.depth is None or any(d.not_tested for d in bridge.diagnoses):
        return False
    return stage_index(bridge.depth) >= stage_index(wanted)


def not_deep_enough(report: Report, bridge: BridgeReport) -> str:
    """Why the gate fails a bridge that has not failed by itself; "" where it does not."""
    wanted = report.gate.require
    passes = (Status.PASS, Status.WARN, Status.SKIP)
    if not wanted or bridge.status not in passes or gated(report, bridge) is not Status.FAIL:
        return ""
    if _reached(bridge, wanted):
        return ""
    missing = [d.summary for d in bridge.diagnoses if d.not_tested]
    how_far = "; ".join(missing) or f"tested to {bridge.depth or 'nothing'} only"
    return f"{how_far}; --require {wanted} wants more"


def _weighed(status: Status, gate: Gate) -> Status:
    if gate.fail_on == "warn" and status is Status.WARN:
        return Status.FAIL
    if gate.fail_on == "never" and status is Status.FAIL:
        return Status.PASS
    return status


def stage_index(stage: Stage) -> int:
    """The stage's place in the order of stages."""
    return list(Stage).index(stage)


def exit_code(report: Report) -> int:
    """0 pass, 1 failed, 3 inconclusive or could not run, 5 nothing to check, 130 interrupted.

    One function of the report, whatever the output format.
    """
    if report.interrupted:
        return 130
    statuses = [gated(report, b) for b in report.bridges]
    statuses += [v.status for v in verdicts(report)]
    if Status.FAIL in statuses or _findings_fail(report):
        return 1
    could_not = [d for v in report.vantages for d in v.diagnoses]
    if Status.INCONCLUSIVE in statuses or any(
        d.severity is Severity.INCONCLUSIVE for d in could_not
    ):
        return 3
    if nothing_tested(report) and not report.gate.allow_empty:
        return 5
    return 0


def findings_of(report: Report, bridge: Bridge) -> tuple[Finding, ...]:
    """What lint rules found of one bridge and its objects; of workloads it is told with them."""
    of_workloads = {w.ref for w in report.workloads.workloads} if report.workloads else set[str]()
    mine = (f for f in report.findings if f.bridge == bridge.ref)
    return tuple(f for f in mine if f.object not in of_workloads)


def codes_told(bridge: BridgeReport) -> set[str]:
    """The codes of its diagnoses, and of the findings that these refer to (`OBJECT#CODE`)."""
    marks = (m.partition("#")[2] for d in bridge.diagnoses for m in d.because)
    return {*(d.code for d in bridge.diagnoses), *filter(None, marks)}


def other_findings(report: Report) -> tuple[Finding, ...]:
    """The findings that are of no bridge of this report."""
    told = {f for b in report.bridges for f in findings_of(report, b.bridge)}
    return tuple(f for f in report.findings if f not in told)


def nothing_tested(report: Report) -> bool:
    """Whether there was no bridge, or none of which more than the name could be looked at."""
    return all(b.status is Status.SKIP for b in report.bridges)


def _findings_fail(report: Report) -> bool:
    """Whether lint findings alone fail the gate.

    A finding of severity fail on an object is reported by `doctor` beside the bridge; the bridge's
    own probes decide, so only `--fail-on warn` lets findings count. What is found about a workload
    counts in its verdict: there is no probe that could decide.
    """
    weights = {"warn": (Severity.FAIL, Severity.WARN), "fail": (), "never": ()}
    return any(f.severity in weights[report.gate.fail_on] for f in report.findings)
