"""The workloads under the table: which bridges each uses, and whether it reaches them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from k8sext.model.data import dataclass
from k8sext.model.report import Report, WorkloadVerdict, verdicts
from k8sext.model.secret import printable
from k8sext.model.words import Severity, Status
from k8sext.model.workload import PASSES_BY, How, login_of, place_and_text

from ._grid import GAP, folded, mark
from ._options import Options

PLACES_AT_MOST = 3  # of one bridge that a workload names in many places
_OF_FINDING = {
    Severity.FAIL: Status.FAIL,
    Severity.WARN: Status.WARN,
    Severity.NOTE: Status.SKIP,
    Severity.INCONCLUSIVE: Status.INCONCLUSIVE,
}


@dataclass(frozen=True, slots=True)
class WorkloadLine:
    """One bridge of a workload, or one finding about it."""

    status: Status
    uses: str
    login: str = ""
    places: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """One workload."""

    status: Status
    name: str
    nodes: str
    lines: Sequence[WorkloadLine]


def workloads(report: Report, options: Options, wide: bool) -> list[Text]:
    """Header, a block for each workload, and how many use no bridge."""
    if report.workloads is None:
        return []
    found = verdicts(report)
    many = len({v.workload.namespace for v in found}) > 1
    blocks = [_block(v, many) for v in found]
    left = _left(report.workloads.without, bool(blocks)) if report.workloads.without else None
    rows = [*_columns(blocks, options, wide), *([left] if left else [])]
    notes = (folded(printable(n), options.width - 3) for n in report.workloads.notes)
    return [*rows, *(Text(" · " + "\n   ".join(n), style="dim") for n in notes)]


def _left(without: int, some: bool) -> Text:
    """How many are not listed."""
    more = "more " if some else ""
    verb = "workload uses" if without == 1 else "workloads use"
    return Text(f"   {without} {more}{verb} no bridge", style="dim")


def _block(verdict: WorkloadVerdict, many: bool) -> Block:
    workload = verdict.workload
    codes: dict[str, list[str]] = {ref: [] for ref in workload.bridges}
    for found in verdict.findings:
        codes.setdefault(found.bridge, []).append(found.code)
    lines = [_line(ref, status, verdict, codes[ref]) for ref, status in verdict.bridges]
    lines += [
        WorkloadLine(_OF_FINDING[f.severity], f"{f.code} (told below)")
        for f in verdict.findings
        if f.bridge not in workload.bridges
    ]
    name = f"{workload.namespace} {workload.title}" if many else workload.title
    return Block(verdict.status, printable(name), ", ".join(workload.nodes), lines)


def _line(ref: str, status: Status, verdict: WorkloadVerdict, codes: Sequence[str]) -> WorkloadLine:
    workload, uses = verdict.workload, verdict.workload.uses_of(ref)
    namespace, _, service = ref.partition("/")
    name = service if namespace == workload.namespace else f"{service}.{namespace}"
    ports = ",".join(str(p) for p in sorted({u.port for u in uses if u.port}))
    words = [f"{name}:{ports}" if ports else name]
    if all(u.how in PASSES_BY for u in uses):
        words.append("(its address)" if uses[0].how is How.ENDPOINT else "(its outside name)")
    if all(u.likely for u in uses):
        words.append("(likely)")
    if status is Status.SKIP:
        words.append("(not looked at)")
    words += dict.fromkeys(codes)
    places = list(dict.fromkeys(place_and_text(u) for u in uses))
    more = f" and {len(places) - PLACES_AT_MOST} more" if len(places) > PLACES_AT_MOST else ""
    return WorkloadLine(
        status, " ".join(words), login_of(tuple(uses)), "; ".join(places[:3]) + more
    )


# -- layout --------------------------------------------------------------------------------------


def _columns(blocks: Sequence[Block], options: Options, wide: bool) -> Iterator[Text]:
    """Columns where they fit; else a line for each bridge under the workload's own."""
    sign = 1 if options.unicode else 2

    def widest(head: str, texts: Iterator[str]) -> int:
        return max((len(head), *map(len, texts)))

    every = [line for block in blocks for line in block.lines]
    name = widest("WORKLOAD", (b.name for b in blocks))
    uses = widest("USES", (x.uses for x in every)) + sign + 1
    login = widest("LOGIN", (x.login for x in every))
    nodes = widest("ON", (b.nodes for b in blocks))
    fits = 2 + sign + name + uses + login + nodes + 3 * len(GAP) <= options.width
    if fits and blocks:
        head = GAP.join(("WORKLOAD".ljust(name), "USES".ljust(uses), "LOGIN".ljust(login), "ON"))
        yield Text(" " * (sign + 2) + head, style="bold")
    elif blocks:
        yield Text(" " * (sign + 2) + "WORKLOAD", style="bold")
    for block in blocks:
        if fits:
            yield from _side_by_side(block, (name, uses, login), options, wide)
        else:
            yield from _stacked(block, options, wide)


def _side_by_side(
    block: Block, widths: tuple[int, int, int], options: Options, wide: bool
) -> Iterator[Text]:
    name, uses, login = widths
    sign = 1 if options.unicode else 2
    for number, line in enumerate(block.lines or [WorkloadLine(block.status, "")]):
        text = Text(" ")
        text.append_text(_sign(block.status, options) if number == 0 else Text(" " * sign))
        text.append(" " + ("" if number else block.name).ljust(name) + GAP)
        text.append_text(_sign(line.status, options)).append(f" {line.uses}".ljust(uses - sign))
        text.append(GAP + line.login.ljust(login) + GAP)
        yield text.append("" if number else block.nodes)
        yield from _places(line, options, sign + 4 + name, wide)


def _stacked(block: Block, options: Options, wide: bool) -> Iterator[Text]:
    head = Text(" ").append_text(_sign(block.status, options)).append(f" {block.name}")
    on = f"on {block.nodes}" if block.nodes else ""
    beside = bool(on) and len(head.plain) + len(GAP) + len(on) <= options.width
    yield head.append(GAP + on, style="dim") if beside else head
    for part in folded(on, options.width - 5) if on and not beside else ():
        yield Text("     " + part, style="dim")
    for line in block.lines:
        first = Text("     ").append_text(_sign(line.status, options)).append(f" {line.uses}")
        fits = len(first.plain) + len(GAP) + len(line.login) <= options.width
        yield first.append(GAP + line.login) if line.login and fits else first
        for part in folded(line.login, options.width - 7) if line.login and not fits else ():
            yield Text("       " + part)
        yield from _places(line, options, 7, wide)


def _places(line: WorkloadLine, options: Options, indent: int, wide: bool) -> Iterator[Text]:
    """Of `wide`: where it is written."""
    for part in folded(line.places, options.width - indent) if wide and line.places else ():
        yield Text(" " * indent + part, style="dim")


def _sign(status: Status, options: Options) -> Text:
    sign = mark(status, options)
    sign.append(" " * ((1 if options.unicode else 2) - len(sign.plain)))
    return sign
