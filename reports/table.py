"""What a person sees: verdict first, reason next, command last."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from k8sext.model.diagnosis import Diagnosis
from k8sext.model.report import BridgeReport, Report, VantageReport, gated
from k8sext.model.result import Observation, StageResult
from k8sext.model.words import STAGES, Reason, Route, Severity, Stage, Status

from ._options import Options

NAME = "table"
MEDIA_TYPE = "text/plain"
NARROW = 100
MARKS = {
    Status.PASS: ("✔", "ok", "green"),
    Status.WARN: ("!", "!", "yellow"),
    Status.FAIL: ("✖", "x", "red"),
    Status.INCONCLUSIVE: ("?", "?", "magenta"),
    Status.SKIP: ("·", ".", "dim"),
}
SEVERITY = {
    Severity.FAIL: Status.FAIL,
    Severity.WARN: Status.WARN,
    Severity.NOTE: Status.PASS,
    Severity.INCONCLUSIVE: Status.INCONCLUSIVE,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: routes of one port that came out alike."""

    bridge: BridgeReport
    seen: Sequence[Observation]


def render(report: Report, options: Options, wide: bool = False) -> str:
    """The table, the explanations sorted by severity, one line of summary."""
    out = io.StringIO()
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
    console.print(Text(_head(report), style="bold"), soft_wrap=True)
    if report.bridges:
        console.print()
        console.print(_table(report, options, wide))
    for text in _explanations(report, options):
        console.print()
        console.print(text)
    console.print()
    console.print(_foot(report, options), soft_wrap=True)
    lines = (line.rstrip() for line in out.getvalue().splitlines())
    return "\n".join(lines) + "\n"


def _head(report: Report) -> str:
    parts = [f"k8sext {report.tool_version}"]
    if report.context:
        parts.append(f"context {report.context}")
    if report.server_version:
        parts.append(f"Kubernetes {report.server_version.lstrip('v')}")
    parts += [_place(v) for v in report.vantages[:3]]
    if len(report.vantages) > 3:
        parts.append(f"and {len(report.vantages) - 3} more namespaces")
    return " · ".join(parts)


def _place(vantage: VantageReport) -> str:
    where = f"from {vantage.vantage}"
    if vantage.node:
        where += f" on {vantage.node} ({vantage.address})"
    return f"namespace {vantage.namespace} {where}"


def _table(report: Report, options: Options, wide: bool) -> Table:
    narrow = options.width < NARROW
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("BRIDGE", overflow="fold")
    table.add_column("PROTOCOL", overflow="fold")
    if not narrow:
        table.add_column("TARGET", overflow="fold")
    table.add_column("R C T H A V", no_wrap=True, min_width=11)
    table.add_column("TIME", justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    if wide:
        table.add_column("SEEN AS / IDENTITY", overflow="fold")
    many = len({b.bridge.namespace for b in report.bridges}) > 1
    for row in (r for b in report.bridges for r in _rows(b)):
        _add(table, row, report, options, narrow, wide, many)
    return table


def _rows(bridge: BridgeReport) -> Iterator[Row]:
    """Routes that agree are folded; routes that differ get a row each."""
    groups: dict[tuple[object, ...], list[Observation]] = {}
    for seen in bridge.observations:
        shape = tuple(_glyph_key(s) for s in seen.stages if s.stage is not Stage.RESOLVE)
        groups.setdefault((seen.port, seen.client, shape), []).append(seen)
    if not groups:
        yield Row(bridge, ())
    for group in groups.values():
        yield Row(bridge, group)


def _glyph_key(stage: StageResult) -> tuple[Status, bool]:
    return stage.status, stage.reason is Reason.NOT_APPLICABLE


def _add(
    table: Table,
    row: Row,
    report: Report,
    options: Options,
    narrow: bool,
    wide: bool,
    many: bool,
) -> None:
    bridge = row.bridge.bridge
    status = gated(report, row.bridge)
    name = f"{bridge.namespace}/{bridge.service}" if many else bridge.service
    target = _target(row)
    cells: list[Text] = [_mark(status, options), Text(name), Text(_protocol(row))]
    if not narrow:
        cells.append(Text(target))
    cells += [_stages(row, options), Text(_time(row)), Text(_depth_words(row.bridge), style="dim")]
    if wide:
        cells.append(Text(_wide(row)))
    table.add_row(*cells)
    if narrow and target:
        table.add_row(Text(""), Text(target, style="dim", no_wrap=True, overflow="ignore"))


def _mark(status: Status, options: Options) -> Text:
    fancy, plain, color = MARKS[status]
    return Text(fancy if options.unicode else plain, style=color)


def _stages(row: Row, options: Options) -> Text:
    """One mark a stage: `–` does not apply, `·` not reached."""
    out = Text()
    for stage in STAGES:
        results = [r for o in row.seen for r in o.stages if r.stage is stage]
        out.append_text(_stage_mark(results, options))
        out.append(" ")
    return out


def _stage_mark(results: Sequence[StageResult], options: Options) -> Text:
    if not results or all(r.status is Status.SKIP for r in results):
        absent = all(r.reason in (Reason.NOT_APPLICABLE, Reason.NO_CREDENTIALS) for r in results)
        if results and absent:
            return Text("–" if options.unicode else "-", style="dim")
        return _mark(Status.SKIP, options)
    order = (Status.FAIL, Status.INCONCLUSIVE, Status.WARN, Status.PASS)
    status = next(s for s in order if any(r.status is s for r in results))
    return _mark(status, options)


def _target(row: Row) -> str:
    through = [o for o in row.seen if o.route is not Route.ENDPOINT]
    ends = [o.target for o in row.seen if o.route is Route.ENDPOINT]
    parts = ["name" if o.route is Route.NAME and ends else o.target for o in through]
    if len(ends) > 3:
        parts.append(f"{ends[0]} ×{len(ends)}")
    else:
        parts += ends
    return " + ".join(parts) or row.bridge.skipped


def _protocol(row: Row) -> str:
    for seen in row.seen:
        version = seen.fact("version")
        if version:
            product = seen.fact("product")
            other = f" ({product})" if product and product != seen.protocol else ""
            return f"{seen.protocol} {re.split(r'[ -]', str(version))[0]}{other}"
    ports = row.bridge.bridge.ports
    return row.seen[0].protocol if row.seen else (ports[0].protocol if ports else "")


def _time(row: Row) -> str:
    seconds = max((o.duration_s for o in row.seen), default=0.0)
    if not row.seen:
        return ""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _depth_words(bridge: BridgeReport) -> str:
    """Said only where less than everything was proved."""
    if bridge.skipped and not bridge.observations:
        return bridge.skipped
    if bridge.status not in (Status.PASS, Status.WARN) or bridge.depth is None:
        return ""
    reasons = {s.reason for o in bridge.observations for s in o.stages if s.stage is Stage.AUTH}
    why = ", no login configured" if Reason.NO_CREDENTIALS in reasons else ""
    return "" if bridge.depth is Stage.VERIFY and not why else f"to {bridge.depth}{why}"


def _wide(row: Row) -> str:
    facts = [(o.fact("source_seen"), o.fact("identity"), o.fact("not_after")) for o in row.seen]
    return ", ".join(dict.fromkeys(str(f) for group in facts for f in group if f))


# -- under the table -----------------------------------------------------------------------------


def _explanations(report: Report, options: Options) -> Iterator[Text]:
    order = list(SEVERITY)
    of_vantages = [(v.namespace, d) for v in report.vantages for d in v.diagnoses]
    of_bridges = [(b.bridge.service, d) for b in report.bridges for d in b.diagnoses]
    for name, said in sorted(
        [*of_vantages, *of_bridges], key=lambda item: order.index(item[1].severity)
    ):
        yield _explained(name, said, options)
    notes = [f"{v.namespace}: {n}" for v in report.vantages for n in v.notes]
    problems = [f"{b.bridge.service}: {p}" for b in report.bridges for p in b.bridge.problems]
    if notes or problems:
        yield Text("\n".join(f" · {n}" for n in (*notes, *problems)), style="dim")


def _explained(name: str, said: Diagnosis, options: Options) -> Text:
    out = Text(" ")
    out.append_text(_mark(SEVERITY[said.severity], options))
    out.append(f" {name or 'run'}   {said.code}   ", style="bold")
    out.append(f"{said.culprit} — {said.summary}" if options.unicode else
               f"{said.culprit} - {said.summary}")  # fmt: skip
    for word, text in (("why", said.why), ("fix", said.fix), ("see", said.see)):
        if text:
            out.append("\n")
            out.append_text(_hanging(word, text, options.width))
    for text in said.consequences:
        out.append(f"\n         {text}", style="dim")
    return out


def _hanging(word: str, text: str, width: int) -> Text:
    """`word` and its text, folded under itself; a command is never cut inside a word."""
    lines = _folded(text, max(width - 10, 30))
    out = Text(f"   {word}   ", style="bold")
    out.append(("\n" + " " * 9).join(lines), style="" if word != "see" else "dim")
    return out


def _folded(text: str, width: int) -> list[str]:
    lines, line = list[str](), ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]


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
    left = f"{' · '.join(counts)} · in {report.duration_s:.1f} s{pod}{_all_verified(report)}"
    right = f"exit {report.exit_code}" if report.exit_code else ""
    gap = max(options.width - len(left) - len(right) - 1, 2)
    style = "bold red" if report.exit_code == 1 else "bold"
    return Text(left + (" " * gap + right if right else ""), style=style)


def _all_verified(report: Report) -> str:
    good = all(b.status is Status.PASS and b.depth is Stage.VERIFY for b in report.bridges)
    logged_in = all(_logged_in(b.observations) for b in report.bridges)
    if not (report.bridges and good):
        return ""
    return " · every bridge verified" + (" by login and query" if logged_in else "")


def _logged_in(seen: Iterable[Observation]) -> bool:
    stages = [o.stage(Stage.AUTH) for o in seen]
    return all(s is not None and s.status is Status.PASS for s in stages)
