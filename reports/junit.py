"""JUnit XML as every CI reader takes it (Jenkins' junit-10.xsd, GitLab, GitHub actions, Azure).

One flat suite per bridge and one testcase per probe. Exit 1 means at least one failure, exit 3 at
least one error and no failure; the gate decides first. Written with a filter of our own: banners of
servers hold control characters, which no XML may.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from xml.sax.saxutils import escape, quoteattr

from k8sext.model.clean import cleaned
from k8sext.model.data import dataclass
from k8sext.model.depth import limit
from k8sext.model.diagnosis import Diagnosis, Finding
from k8sext.model.report import (
    BridgeReport,
    Report,
    WorkloadVerdict,
    findings_of,
    gated,
    not_deep_enough,
    other_findings,
    verdicts,
)
from k8sext.model.result import Observation
from k8sext.model.words import Severity, Status
from k8sext.model.workload import Workload, place_and_text

from ._options import Options

NAME = "junit"
MEDIA_TYPE = "application/xml"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class JunitCase:
    """One testcase; `kind` is "", failure, error or skipped."""

    classname: str
    name: str
    time_s: float = 0.0
    kind: str = ""
    type: str = ""
    text: str = ""
    out: str = ""


def render(report: Report, options: Options) -> str:
    """The document."""
    report = cleaned(report)
    suites = [
        *((f"k8sext.{b.bridge.namespace}.{b.bridge.service}", _cases(report, b))
          for b in report.bridges),
        *((f"k8sext.{name or 'run'}.vantage",
           _unique([_vantage_case(report, name, d) for d in said]))
          for name, said in _of_vantages(report).items()),
    ]  # fmt: skip
    if report.workloads:
        cases = [_workload_case(v) for v in verdicts(report)]
        suites.append(
            ("k8sext.workloads", cases or [JunitCase("k8sext.workloads", "none uses a bridge")])
        )
    others = other_findings(report)
    if others:
        lint = _unique([_finding_case(report, f) for f in others])
        suites.append(("k8sext.lint", lint))
    if not suites:
        suites = [("k8sext.run", [JunitCase("k8sext.run", "nothing to check")])]
    said = _properties(report)
    body = "".join(_suite(name, cases, report.started, said) for name, cases in suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n{body}</testsuites>\n'


def _of_vantages(report: Report) -> dict[str, list[Diagnosis]]:
    """By namespace: one that several pods looked at is still one suite."""
    found: dict[str, list[Diagnosis]] = {}
    for vantage in report.vantages:
        if vantage.diagnoses:
            found.setdefault(vantage.namespace, []).extend(vantage.diagnoses)
    return found


def _cases(report: Report, bridge: BridgeReport) -> list[JunitCase]:
    """The probes of a bridge. What the gate says of the bridge must show in at least one."""
    status = gated(report, bridge)
    name = f"k8sext.{bridge.bridge.namespace}.{bridge.bridge.service}"
    found = findings_of(report, bridge.bridge)
    cases = [_lint_case(name, report, bridge, found)] if found else []
    cases += [_case(name, bridge, o, status) for o in bridge.observations]
    kinds = {c.kind for c in cases}
    if bridge.status is not Status.SKIP:
        cases += (_untested_case(name, d) for d in bridge.diagnoses if d.not_tested)
    needed = {Status.FAIL: "failure", Status.INCONCLUSIVE: "error"}.get(status, "")
    if needed and needed not in kinds:
        cases.append(_verdict_case(name, bridge, needed, not_deep_enough(report, bridge)))
    if not bridge.observations and not needed:
        cases.append(
            JunitCase(name, "not probed", kind="skipped", text=bridge.skipped or "no probe")
        )
    return _unique(cases)


def _case(name: str, bridge: BridgeReport, seen: Observation, status: Status) -> JunitCase:
    node = f"/{seen.node}" if seen.node else ""
    by = f" by {seen.client}" if seen.client else ""
    title = f"{seen.vantage}{node} {seen.route} {seen.target} {seen.protocol}{by}"
    kind = _kind(seen, status)
    if bridge.status is Status.SKIP and not kind:
        return JunitCase(
            name, title, seen.duration_s, "skipped", text=bridge.skipped or _skipped(seen)
        )
    said = "\n".join(_failure_text(d) for d in bridge.diagnoses)
    stages = "\n".join(
        f"{s.stage}: {s.status}{f' ({s.reason})' if s.reason else ''} {s.detail}".rstrip()
        for s in seen.stages
    )
    if kind == "skipped":
        return JunitCase(name, title, seen.duration_s, kind, text=_skipped(seen))
    text = f"{said or _ended(seen)}\n\n{stages}" if kind else ""
    port = next((p for p in bridge.bridge.tcp_ports if p.key == seen.port), None)
    parts = (limit(port, [seen]), stages, said)
    out = "" if kind else "\n".join(p for p in parts if p).rstrip()
    return JunitCase(name, title, seen.duration_s, kind, _type(bridge, seen), text, out)


def _type(bridge: BridgeReport, seen: Observation) -> str:
    """The code; where the cause is told above the bridge, how the probe ended."""
    if bridge.diagnoses:
        return bridge.diagnoses[0].code
    ended = seen.ended_by
    return str(ended.reason or ended.stage) if ended else "gate"


def _ended(seen: Observation) -> str:
    ended = seen.ended_by
    return f"{ended.stage}: {ended.reason or ended.status}" if ended else str(seen.status)


def _skipped(seen: Observation) -> str:
    first = next((s for s in seen.stages if s.reason), None)
    return (first.detail or str(first.reason)) if first else "nothing ran"


def _kind(seen: Observation, status: Status) -> str:
    """A probe fails the run only where its bridge does: a gate of `never` writes passes."""
    bad = seen.status in (Status.FAIL, Status.INCONCLUSIVE)
    if bad and status is Status.INCONCLUSIVE:
        return "error"
    if bad and status is Status.FAIL:
        return "failure" if seen.status is Status.FAIL else "error"
    return "skipped" if seen.status is Status.SKIP else ""


def _untested_case(name: str, said: Diagnosis) -> JunitCase:
    """What nobody looked at, beside what was."""
    return JunitCase(
        name, f"not tested: {said.summary}"[:200], kind="skipped", text=_failure_text(said)
    )


def _verdict_case(name: str, bridge: BridgeReport, kind: str, short: str) -> JunitCase:
    """The bridge's verdict, where no single probe carries it (a gate, an unproven vantage). `short`
    is what the gate says of it.
    """
    said = "\n".join(_failure_text(d) for d in bridge.diagnoses)
    text = "\n".join(filter(None, (short, said))) or bridge.skipped or "the gate fails it"
    code = bridge.diagnoses[0].code if bridge.diagnoses else "gate"
    return JunitCase(name, "verdict", kind=kind, type=code, text=text)


def _vantage_case(report: Report, namespace: str, said: Diagnosis) -> JunitCase:
    """What lies above all bridges; it fails the run only where the gate lets failures count."""
    name = f"k8sext.{namespace or 'run'}.vantage"
    counts = {Severity.INCONCLUSIVE: "error"}
    if report.gate.fail_on != "never" and report.exit_code == 1:
        counts[Severity.FAIL] = "failure"
    kind = counts.get(said.severity, "")
    text = "\n".join((_failure_text(said), *said.consequences))
    title = f"{said.code} {said.summary}"[:200]
    return JunitCase(name, title, 0.0, kind, said.code, text, "" if kind else text)


def _workload_case(verdict: WorkloadVerdict) -> JunitCase:
    """Whether a workload reaches all that it needs; the gate is in its verdict."""
    workload = verdict.workload
    kinds = {Status.FAIL: "failure", Status.INCONCLUSIVE: "error", Status.SKIP: "skipped"}
    kind = kinds.get(verdict.status, "")
    used = [f"{ref}: {status}, {_told_use(workload, ref)}" for ref, status in verdict.bridges]
    found = [f"{f.code}: {f.summary}" for f in verdict.findings]
    said = {
        Status.FAIL: [f"{workload.title} does not reach all that it needs"],
        Status.INCONCLUSIVE: [f"{workload.title} cannot be shown to reach all that it needs"],
    }
    text = "\n".join((*said.get(verdict.status, ()), *used, *found))
    name = f"k8sext.{workload.namespace}.workloads"
    code = next((f.code for f in verdict.findings if f.severity is Severity.FAIL), "workload")
    return JunitCase(name, workload.title, 0.0, kind, code, text, "" if kind else text)


def _told_use(workload: Workload, ref: str) -> str:
    use = workload.uses_of(ref)[0]
    return f"{'likely ' if use.likely else ''}{place_and_text(use)}"


def _lint_case(
    name: str, report: Report, bridge: BridgeReport, findings: Sequence[Finding]
) -> JunitCase:
    """What is found of a bridge's objects: a failure where it is the cause of one, or the gate
    says so.
    """
    causes = {d.code for d in bridge.diagnoses if d.severity is Severity.FAIL}
    failing = gated(report, bridge) is Status.FAIL and any(f.code in causes for f in findings)
    each = [_finding_case(report, f) for f in findings]
    kind = "failure" if failing else next((c.kind for c in each if c.kind), "")
    text = "\n".join(c.text for c in each)
    return JunitCase(name, "lint", 0.0, kind, findings[0].code, text, "" if kind else text)


def _finding_case(report: Report, found: Finding) -> JunitCase:
    """A finding fails the run only under `--fail-on warn` (see model.report)."""
    counts = report.gate.fail_on == "warn" and found.severity in (Severity.FAIL, Severity.WARN)
    kind = "failure" if counts else ""
    place = found.location
    where = f"{place.file}:{place.line}" if place else ""
    parts = (f"{found.code}: {found.summary}", where, found.fix and f"fix: {found.fix}")
    text = "\n".join(p for p in parts if p)
    title = f"lint {found.object} {found.code}"
    return JunitCase("k8sext.lint", title, 0.0, kind, found.code, text, "" if kind else text)


def _failure_text(said: Diagnosis) -> str:
    parts = (
        f"{said.code} {said.culprit}: {said.summary}",
        said.why,
        said.fix and f"fix: {said.fix}",
    )
    return "\n".join(p for p in parts if p)


def _unique(cases: Sequence[JunitCase]) -> list[JunitCase]:
    """GitLab drops a second testcase of the same name."""
    seen: Counter[str] = Counter()
    out: list[JunitCase] = []
    for case in cases:
        seen[case.name] += 1
        again = seen[case.name]
        out.append(case if again == 1 else replace(case, name=f"{case.name} ({again})"))
    return out


def _properties(report: Report) -> str:
    """What the reader of any suite must know of how the run was made."""
    if not report.cautions:
        return ""
    each = "".join(
        f'<property name="k8sext.caution.{n}" value={_attr(text)}/>'
        for n, text in enumerate(report.cautions, 1)
    )
    return f"<properties>{each}</properties>\n"


def _suite(name: str, cases: Sequence[JunitCase], started: str, said: str = "") -> str:
    kinds = Counter(c.kind for c in cases)
    head = (
        f'<testsuite name={_attr(name)} tests="{len(cases)}" failures="{kinds["failure"]}" '
        f'errors="{kinds["error"]}" skipped="{kinds["skipped"]}" '
        f'time="{sum(c.time_s for c in cases):.3f}" timestamp={_attr(started.removesuffix("Z"))}>'
    )
    return f"{head}\n{said}{''.join(_testcase(c) for c in cases)}</testsuite>\n"


def _testcase(case: JunitCase) -> str:
    head = (
        f"<testcase classname={_attr(case.classname)} name={_attr(case.name)} "
        f'time="{case.time_s:.3f}">'
    )
    inner = ""
    if case.kind == "skipped":
        inner = f"<skipped message={_attr(case.text.splitlines()[0] if case.text else 'skipped')}/>"
    elif case.kind:
        message = _attr(case.text.splitlines()[0] if case.text else case.type)
        inner = f"<{case.kind} type={_attr(case.type)} message={message}>{_text(case.text)}"
        inner += f"</{case.kind}>"
    if case.out:
        inner += f"<system-out>{_text(case.out)}</system-out>"
    return f"{head}{inner}</testcase>\n"


def _attr(text: str) -> str:
    return quoteattr(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text))
