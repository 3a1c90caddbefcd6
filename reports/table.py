"""What a person sees: verdict first, reason next, command last."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.text import Text

from k8sext.model import depth
from k8sext.model.clean import cleaned
from k8sext.model.diagnosis import Diagnosis, Finding
from k8sext.model.report import (
    BridgeReport,
    Report,
    VantageReport,
    codes_told,
    findings_of,
    gated,
    nothing_tested,
    other_findings,
)
from k8sext.model.result import Observation
from k8sext.model.secret import printable
from k8sext.model.words import Severity, Stage, Status

from ._grid import folded, grid, mark
from ._options import Options
from ._workloads import workloads

NAME = "table"
MEDIA_TYPE = "text/plain"
SEVERITY = {
    Severity.FAIL: Status.FAIL,
    Severity.WARN: Status.WARN,
    Severity.NOTE: Status.PASS,
    Severity.INCONCLUSIVE: Status.INCONCLUSIVE,
}
SLICE_NOT_ROUTED = "KX112"  # says what discovery says of such a slice, and more
INDENT = " " * 9
LEGEND = "   R resolve · C connect · T TLS · H handshake · A login · V verify"
# Where the terminal has no UTF-8; whatever else a server said becomes \\uNNNN.
ASCII = str.maketrans({"·": "-", "—": "-", "–": "-", "×": "x", "…": "...", "→": "->"})


def render(report: Report, options: Options, wide: bool = False) -> str:
    """The table, the explanations sorted by severity, one line of summary."""
    report, out = cleaned(report), io.StringIO()
    console = Console(
        file=out,
        width=options.width,
        force_terminal=options.color,
        color_system="standard" if options.color else None,
        no_color=not options.color,
        highlight=False,
        legacy_windows=False,
        emoji=False,
        markup=False,
    )
    head = "\n".join(folded(_head(report), options.width))
    console.print(Text(head, style="bold"), soft_wrap=True)
    for caution in report.cautions:
        said = "\n   ".join(folded(printable(caution), options.width - 4))
        console.print(Text(f" ! {said}", style="yellow"), soft_wrap=True)
    if report.bridges:
        console.print()
        for line in grid(report, options, wide):
            console.print(line, soft_wrap=True)
        if options.explain and any(gated(report, b) is Status.FAIL for b in report.bridges):
            console.print(Text(LEGEND, style="dim"), soft_wrap=True)
    if report.workloads:
        console.print()
        for line in workloads(report, options, wide):
            console.print(line, soft_wrap=True)
    below = [*_explanations(report, options)] if options.explain else []
    for text in (*below, *([_foot(report, options)] if options.summary else [])):
        console.print()
        console.print(text, soft_wrap=True)
    lines = (line.rstrip() for line in out.getvalue().split("\n"))
    told = "\n".join(lines).rstrip("\n") + "\n"
    if options.unicode:
        return told
    return told.translate(ASCII).encode("ascii", "backslashreplace").decode("ascii")


def _head(report: Report) -> str:
    parts = [f"k8sext {report.tool_version}"]
    if report.context:
        parts.append(f"context {report.context}")
    if report.server_version:
        parts.append(f"Kubernetes {report.server_version.lstrip('v')}")
    parts += [_place(v) for v in report.vantages[:3]]
    if len(report.vantages) > 3:
        parts.append(f"and from {len(report.vantages) - 3} more pods")
    return " · ".join(parts)


def _place(vantage: VantageReport) -> str:
    if not vantage.namespace:
        return f"namespace (unknown), probed from: {vantage.vantage}"
    where = f"from {vantage.vantage}"
    if vantage.node:
        where += f" on {vantage.node} ({vantage.address})"
    return f"namespace {vantage.namespace} {where}"


# -- under the table -----------------------------------------------------------------------------


def _explanations(report: Report, options: Options) -> Iterator[Text]:
    order = list(SEVERITY)
    of_vantages = [(v.namespace, d) for v in report.vantages for d in v.diagnoses]
    many = len({b.bridge.namespace for b in report.bridges}) > 1
    of_bridges = [
        (b.bridge.ref if many else b.bridge.service, d) for b in report.bridges for d in b.diagnoses
    ]
    for name, said in sorted(
        [*of_vantages, *of_bridges], key=lambda item: order.index(item[1].severity)
    ):
        yield _explained(name, said, options)
    for found in sorted(_untold(report), key=lambda f: order.index(f.severity)):
        yield _finding(found, options)
    notes = [f"{v.namespace}: {n}" for v in report.vantages for n in v.notes]
    problems = [f"{b.bridge.service}: {p}" for b in report.bridges for p in _unsaid(b)]
    if notes or problems:
        told = (folded(printable(n), options.width - 3) for n in (*notes, *problems))
        yield Text("\n".join(" · " + "\n   ".join(lines) for lines in told), style="dim")


def _unsaid(bridge: BridgeReport) -> Iterator[str]:
    """What is wrong with its objects and no diagnosis says; where nothing was judged, all of it."""
    judged = (*bridge.bridge.unread, *bridge.bridge.unknown) if bridge.observations else ()
    slices = "EndpointSlice " if SLICE_NOT_ROUTED in codes_told(bridge) else "\0"
    return (p for p in bridge.bridge.problems if p not in judged and not p.startswith(slices))


def _untold(report: Report) -> Iterator[Finding]:
    """The findings that no diagnosis of their bridge repeats (it could not be tested)."""
    yield from other_findings(report)
    for bridge in report.bridges:
        told = codes_told(bridge)
        yield from (f for f in findings_of(report, bridge.bridge) if f.code not in told)


def _explained(name: str, said: Diagnosis, options: Options) -> Text:
    sign = Status.SKIP if said.not_tested else SEVERITY[said.severity]
    text = said.summary if said.not_tested else f"{said.culprit} — {said.summary}"
    out = _headline(sign, f"{name or 'run'}   {said.code}   ", text, options)
    for word, text in (("why", said.why), ("fix", said.fix)):
        if text:
            out.append("\n").append_text(_hanging(word, text, options.width))
    if said.see:
        out.append("\n").append_text(_see(said.see, options.width))
    for text in said.consequences:
        out.append(f"\n{INDENT}{printable(text)}", style="dim")
    return out


def _finding(found: Finding, options: Options) -> Text:
    """A lint finding, as short as a diagnosis."""
    out = _headline(
        SEVERITY[found.severity], f"{found.object}   {found.code}   ", found.summary, options
    )
    if found.fix:
        out.append("\n").append_text(_hanging("fix", found.fix, options.width))
    return out


def _headline(sign: Status, name: str, text: str, options: Options) -> Text:
    """The mark, whose it is and what is wrong, folded under the text."""
    out = Text(" ")
    out.append_text(mark(sign, options))
    out.append(f" {name}", style="bold")
    told = " ".join(printable(text, 1000).split())
    first = folded(told, max(options.width - len(out.plain), 30))[0]
    if len(out.plain) + len(first) > options.width:
        first = ""
    left = told[len(first) :].lstrip()
    rest = folded(left, options.width - len(INDENT)) if left else ()
    return out.append("".join((first, *(f"\n{INDENT}{line}" for line in rest))))


def _hanging(word: str, text: str, width: int) -> Text:
    """`word` and its text, folded under itself; nothing is cut inside a word."""
    lines = folded(printable(text, 4000), max(width - len(INDENT), 30))
    return Text(f"   {word}   ", style="bold").append(f"\n{INDENT}".join(lines), style="none")


def _see(text: str, width: int) -> Text:
    """Commands to paste: each stays on one line, whatever the width."""
    text = printable(text, 4000)
    fits = len(text) <= width - len(INDENT)
    parts = [text] if fits else text.split(" · ")
    return Text("   see   ", style="bold").append(f"\n{INDENT}".join(parts), style="dim")


def _foot(report: Report, options: Options) -> Text:
    statuses = [gated(report, b) for b in report.bridges]
    words = (
        (Status.PASS, "passed"),
        (Status.WARN, "warning" if statuses.count(Status.WARN) == 1 else "warnings"),
        (Status.FAIL, "failed"),
        (Status.INCONCLUSIVE, "not tested"),
        (Status.SKIP, "skipped"),
    )
    counts = [f"{statuses.count(s)} {w}" for s, w in words if s in statuses] or ["0 tested"]
    pods = [v.pod_start_s for v in report.vantages if v.pod_start_s]
    pod = f" (pod {max(pods):.1f} s)" if pods else ""
    if report.bridges and nothing_tested(report):
        accepted = report.gate.allow_empty
        counts.append("nothing was tested" + ("" if accepted else " (--allow-empty accepts that)"))
    deep = depth.summary(report)
    counts += [deep] if deep else []
    left = f"{' · '.join(counts)} · in {report.duration_s:.1f} s{pod}{_all_verified(report)}"
    right = f"exit {report.exit_code}" if report.exit_code else ""
    style = "bold red" if report.exit_code == 1 else "bold"
    *above, last = _joined(left.split(" · "), options.width)
    if right and len(last) + 2 + len(right) > options.width:
        above, last = [*above, last], ""
    line = f"{last}{right.rjust(options.width - len(last))}" if right else last
    return Text("\n".join((*above, line)), style=style)


def _joined(parts: Iterable[str], width: int) -> list[str]:
    """Parts in lines of at most `width`, broken between parts only."""
    lines = [""]
    for part in parts:
        longer = f"{lines[-1]} · {part}" if lines[-1] else part
        if lines[-1] and len(longer) > width:
            lines.append(part)
        else:
            lines[-1] = longer
    return lines


def _all_verified(report: Report) -> str:
    good = all(b.status is Status.PASS and b.depth is Stage.VERIFY for b in report.bridges)
    logged_in = all(_logged_in(b.observations) for b in report.bridges)
    if not (report.bridges and good):
        return ""
    return " · every bridge verified" + (" by login and query" if logged_in else "")


def _logged_in(seen: Iterable[Observation]) -> bool:
    stages = [o.stage(Stage.AUTH) for o in seen if not o.client]
    return all(s is not None and s.status is Status.PASS for s in stages)
