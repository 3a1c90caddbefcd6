"""The lines of the table. Laid out by hand: an address is never cut, whatever the width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.text import Text

from k8sext.model.bridge import Port
from k8sext.model.data import dataclass
from k8sext.model.depth import limit
from k8sext.model.report import BridgeReport, Report, gated, not_deep_enough
from k8sext.model.result import Observation, StageResult
from k8sext.model.secret import printable
from k8sext.model.words import STAGES, Culprit, Reason, Route, Stage, Status

from ._options import Options

NARROW = 100  # columns below which the target stands on a line of its own
GAP = "  "
NO_LOGIN = {Reason.NO_CREDENTIALS, Reason.AUTH_REQUIRED}
NOT_TESTED = {
    "KX922": "only TCP can be tested",
    "KX923": "not tested: no port is known",
    "KX924": "not tested: its port is a guess",
    "KX925": "not tested: no address to connect to from here",
}
MARKS = {
    Status.PASS: ("✔", "ok", "green"),
    Status.WARN: ("!", "!", "yellow"),
    Status.FAIL: ("✖", "x", "red"),
    Status.INCONCLUSIVE: ("?", "?", "magenta"),
    Status.SKIP: ("·", ".", "dim"),
}


@dataclass(frozen=True, slots=True)
class GridRow:
    """Routes of one port that came out alike."""

    bridge: BridgeReport
    seen: Sequence[Observation]
    untested: Port | None = None  # a port that nobody looked at


@dataclass(frozen=True, slots=True)
class GridLine:
    """What one row shows; `notes` stand behind it where they fit."""

    mark: Text
    name: str
    protocol: str
    version: str  # behind the protocol, or below where the line would be too wide
    target: str
    stages: Text
    time: str
    notes: str

    @property
    def speaks(self) -> str:
        """Protocol and version."""
        return f"{self.protocol} {self.version}".rstrip()


@dataclass(frozen=True, slots=True)
class Columns:
    """Widths in columns; `target` is 0 where targets stand on their own lines."""

    mark: int
    name: int
    protocol: int
    target: int
    stages: int
    time: int

    @property
    def total(self) -> int:
        """The width of a line without notes."""
        used = [w for w in (self.name, self.protocol, self.target, self.stages, self.time) if w]
        return 1 + self.mark + 1 + sum(used) + len(GAP) * (len(used) - 1)


def grid(report: Report, options: Options, wide: bool) -> list[Text]:
    """Header and lines, at most `options.width` columns wide unless one address is wider."""
    many = len({b.bridge.namespace for b in report.bridges}) > 1
    rows = [r for b in report.bridges for r in _rows(b)]
    lines = [_line(row, report, options, wide, many) for row in rows]
    columns = _columns(lines, options)
    return [
        _header(columns, options),
        *(t for line in lines for t in _row(line, columns, options)),
    ]


def mark(status: Status, options: Options) -> Text:
    """The sign of a status; its colour repeats what it says."""
    fancy, plain, color = MARKS[status]
    return Text(fancy if options.unicode else plain, style=color)


def folded(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width`, broken between words only."""
    lines, line = list[str](), ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]


# -- layout --------------------------------------------------------------------------------------


def _columns(lines: Sequence[GridLine], options: Options) -> Columns:
    sign = 1 if options.unicode else 2

    def widest(word: str, texts: Iterator[str]) -> int:
        return max((len(word), *map(len, texts)))

    full = Columns(
        mark=sign,
        name=widest("BRIDGE", (x.name for x in lines)),
        protocol=widest("PROTOCOL", (x.speaks for x in lines)),
        target=widest("TARGET", (x.target for x in lines)),
        stages=(sign + 1) * len(STAGES) - 1,
        time=widest("TIME", (x.time for x in lines)),
    )
    if options.width >= NARROW and full.total <= options.width:
        return full
    narrow = replace(full, target=0)
    if narrow.total <= options.width:
        return narrow
    return replace(narrow, protocol=widest("PROTOCOL", (x.protocol for x in lines)))


def _header(columns: Columns, options: Options) -> Text:
    letters = " ".join(s.value[0].upper().ljust(1 if options.unicode else 2) for s in STAGES)
    cells = [
        "BRIDGE".ljust(columns.name),
        "PROTOCOL".ljust(columns.protocol),
        *(["TARGET".ljust(columns.target)] if columns.target else []),
        letters.ljust(columns.stages),
        "TIME".rjust(columns.time),
    ]
    return Text(" " * (columns.mark + 2) + GAP.join(cells), style="bold")


def _row(line: GridLine, columns: Columns, options: Options) -> Iterator[Text]:
    first = Text(" ")
    first.append_text(_padded(line.mark, columns.mark))
    whole = len(line.speaks) <= columns.protocol
    speaks = (line.speaks if whole else line.protocol).ljust(columns.protocol)
    first.append(f" {line.name.ljust(columns.name)}{GAP}{speaks}")
    if columns.target:
        first.append(GAP + line.target.ljust(columns.target))
    first.append(GAP).append_text(_padded(line.stages, columns.stages))
    first.append(GAP + line.time.rjust(columns.time))
    beside = bool(columns.target) and columns.total + len(GAP + line.notes) <= options.width
    if beside and line.notes:
        first.append(GAP + line.notes, style="dim")
    yield first
    below = [
        "" if whole else line.version,
        "" if columns.target else line.target,
        "" if beside else line.notes,
    ]
    indent = " " * (columns.mark + 4)
    dot = " · " if options.unicode else " - "
    text = dot.join(part for part in below if part)
    for part in folded(text, options.width - len(indent)) if text else ():
        yield Text(indent + part, style="dim")


def _padded(text: Text, width: int) -> Text:
    out = text.copy()
    out.append(" " * (width - len(text.plain)))
    return out


# -- what stands in a line -----------------------------------------------------------------------


def _rows(bridge: BridgeReport) -> Iterator[GridRow]:
    """Routes that agree are folded; routes that differ get a row each."""
    groups: dict[tuple[object, ...], list[Observation]] = {}
    for seen in bridge.observations:
        shape = tuple(_shape(s) for s in seen.stages if s.stage is not Stage.RESOLVE)
        groups.setdefault((seen.port, seen.client, _front(seen), shape), []).append(seen)
    if not groups:
        yield GridRow(bridge, ())
    for group in groups.values():
        yield GridRow(bridge, group)
    if any(o.port for o in bridge.observations):
        yield from (GridRow(bridge, (), p) for p in bridge.bridge.ports if p.transport != "TCP")


def _front(seen: Observation) -> str:
    """What sets a way from outside apart from the bridge's own: each Ingress has a row."""
    return {Route.INGRESS: seen.via, Route.NODE_PORT: "node-port"}.get(seen.route, "")


def _shape(stage: StageResult) -> tuple[Status, bool]:
    return stage.status, stage.reason is Reason.NOT_APPLICABLE


def _line(row: GridRow, report: Report, options: Options, wide: bool, many: bool) -> GridLine:
    bridge = row.bridge.bridge
    seconds = max((o.duration_s for o in row.seen), default=0.0)
    time = f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
    said = [] if options.explain else [f"{d.code} {d.culprit}" for d in row.bridge.diagnoses]
    short = not_deep_enough(report, row.bridge)
    notes = [*(said or [short or _note(row)]), *([_identity(row)] if wide else [])]
    protocol, version = _protocol(row)
    return GridLine(
        mark=mark(Status.SKIP if row.untested else gated(report, row.bridge), options),
        name=f"{bridge.namespace}/{bridge.service}" if many else bridge.service,
        protocol=protocol,
        version=version,
        target=_target(row, options),
        stages=_stages(row, options),
        time=time if row.seen else "",
        notes=", ".join(n for n in notes if n),
    )


def _stages(row: GridRow, options: Options) -> Text:
    marks = (
        _stage_mark([r for o in row.seen for r in o.stages if r.stage is stage], options)
        for stage in STAGES
    )
    return Text(" ").join(_padded(m, 1 if options.unicode else 2) for m in marks)


def _stage_mark(results: Sequence[StageResult], options: Options) -> Text:
    if not results or all(r.status is Status.SKIP for r in results):
        absent = all(r.reason in (Reason.NOT_APPLICABLE, Reason.NO_CREDENTIALS) for r in results)
        if results and absent:
            return Text("–" if options.unicode else "-", style="dim")
        return mark(Status.SKIP, options)
    order = (Status.FAIL, Status.INCONCLUSIVE, Status.WARN, Status.PASS)
    return mark(next(s for s in order if any(r.status is s for r in results)), options)


def _target(row: GridRow, options: Options) -> str:
    if row.untested:
        return f"port {row.untested.key}"
    front = row.seen[0].route if row.seen else None
    if front is Route.INGRESS:
        leads = row.seen[0].via.rpartition(" ")[2]
        return _from_where(row) + f"ingress {printable(leads, 120)} at {row.seen[0].target}"
    if front is Route.NODE_PORT:
        return _from_where(row) + " + ".join(f"{_node(o)}{o.target}" for o in row.seen)
    through = [o for o in row.seen if o.route is not Route.ENDPOINT]
    ends = [o.target for o in row.seen if o.route is Route.ENDPOINT]
    parts = ["name" if o.route is Route.NAME and ends else o.target for o in through]
    if len(ends) > 3:
        times = "×" if options.unicode else "x"
        parts.append(f"{ends[0]} {times}{len(ends)}")
    else:
        parts += ends
    idle = " (not used)" if row.seen and all(_idle(row.bridge, o) for o in row.seen) else ""
    return _from_where(row) + " + ".join(dict.fromkeys(parts)) + idle


def _idle(bridge: BridgeReport, seen: Observation) -> bool:
    """Whether it is an address that no connection is sent to."""
    if seen.route is not Route.ENDPOINT:
        return False
    if any(s.reason is Reason.NO_FAMILY for s in seen.stages):
        return True
    host, _, number = seen.target.rpartition(":")
    return not bridge.bridge.sends_to(seen.port, host.strip("[]"), int(number))


def _node(seen: Observation) -> str:
    name = seen.via.removeprefix("Node/")
    return f"{printable(name, 80)} " if name else ""


def _from_where(row: GridRow) -> str:
    """The vantage, where another one of the same bridge saw it differently."""
    here = {o.vantage for o in row.seen}
    same = (o for o in row.bridge.observations if not o.client or any(s.client for s in row.seen))
    others = {o.vantage for o in same}
    return f"from {min(here)}: " if len(here) == 1 and len(others) > 1 else ""


def _protocol(row: GridRow) -> tuple[str, str]:
    """What is spoken, and what the server said of itself; of a driver its name and version."""
    client = next((o.client for o in row.seen if o.client), "")
    if client:
        return printable(f"by {client}", 48), ""
    for seen in row.seen:
        version = seen.fact("version")
        if version:
            product = seen.fact("product")
            other = f" ({product})" if product and product != seen.protocol else ""
            return seen.protocol, printable(f"{version}{other}", 48)
    if row.seen and row.seen[0].port:
        return row.seen[0].protocol, ""
    port = row.untested or next(iter(row.bridge.bridge.ports), None)
    if port is None:
        return "unknown", ""
    return port.protocol if port.transport == "TCP" else port.transport.lower(), ""


def _note(row: GridRow) -> str:
    """The way back, or how deep the bridge was proved; of a driver, why it was not tried."""
    if row.untested:
        return f"{row.untested.transport} is not tested"
    client = next((o for o in row.seen if o.client), None)
    if client is None:
        return _way_back(row.bridge) or _limit(row) or _depth_words(row.bridge)
    return printable(client.stages[0].detail) if client.status is Status.SKIP else ""


def _limit(row: GridRow) -> str:
    """What was looked at in place of a protocol."""
    key = row.seen[0].port if row.seen else ""
    port = next((p for p in row.bridge.bridge.tcp_ports if p.key == key), None)
    return printable(limit(port, row.seen), 120)


def _way_back(bridge: BridgeReport) -> str:
    """What calls back has no stage: all of them may pass where it fails."""
    back = [d.code for d in bridge.diagnoses if d.culprit is Culprit.CALLBACK]
    return f"callback: {', '.join(back)}" if back else ""


def _depth_words(bridge: BridgeReport) -> str:
    """Said only where less than everything was proved."""
    if bridge.status is Status.SKIP or not bridge.observations:
        return _not_tested(bridge) or bridge.skipped
    if bridge.status not in (Status.PASS, Status.WARN) or bridge.depth is None:
        return ""
    wire = (o for o in bridge.observations if not o.client)
    reasons = {s.reason for o in wire for s in o.stages if s.stage is Stage.AUTH}
    why = ", no login configured" if reasons & NO_LOGIN else ""
    return "" if bridge.depth is Stage.VERIFY and not why else f"to {bridge.depth}{why}"


def _not_tested(bridge: BridgeReport) -> str:
    """Why, in few words; the sentences stand below."""
    words = dict.fromkeys(NOT_TESTED[d.code] for d in bridge.diagnoses if d.not_tested)
    return ", ".join(words)


def _identity(row: GridRow) -> str:
    """What `wide` adds: vantage, address as the server saw it, identity, end of the certificate."""
    words = ("source_seen", "seen as "), ("identity", "identity "), ("not_after", "expires ")
    places = [f"{o.vantage}/{o.node}" if o.node else o.vantage for o in row.seen]
    facts = [f"{said}{o.fact(key)}" for o in row.seen for key, said in words if o.fact(key)]
    return ", ".join(dict.fromkeys(printable(f, 120) for f in (*places, *facts)))
