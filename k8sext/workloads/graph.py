"""The dependency picture as text: workload -> bridge -> what is outside. Pure.

Mermaid and DOT from one drawing; the same facts give the same text. A line that passes the bridge
by leads from the workload to the outside itself; a guess is dotted and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from k8sext.model.bridge import Bridge
from k8sext.model.data import dataclass
from k8sext.model.plan import join_address, split_address
from k8sext.model.secret import printable
from k8sext.model.words import Status
from k8sext.model.workload import PASSES_BY, Use, Workload

FORMATS = ("mermaid", "dot")
PLACES_AT_MOST = 4  # addresses behind one bridge that are drawn
_COLORS = {
    Status.PASS: ("#d5f0d5", "#2e7d32"),
    Status.WARN: ("#fff3cd", "#b8860b"),
    Status.FAIL: ("#f8d0d0", "#c62828"),
    Status.INCONCLUSIVE: ("#e8d5f0", "#7b1fa2"),
    Status.SKIP: ("#eeeeee", "#757575"),
}


@dataclass(frozen=True, slots=True)
class GraphNode:
    """`kind` is workload, bridge or outside; `lines` are its label."""

    id: str
    kind: str
    lines: tuple[str, ...]
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """From node to node, by their ids."""

    start: str
    end: str
    label: str = ""
    dotted: bool = False


@dataclass(frozen=True, slots=True)
class Drawing:
    """Nodes by namespace ("" is outside), and edges."""

    nodes: Mapping[str, Sequence[GraphNode]]
    edges: Sequence[Edge]


def draw(
    bridges: Iterable[Bridge],
    workloads: Iterable[Workload],
    statuses: Mapping[str, Status] | None = None,
) -> Drawing:
    """The picture; `statuses` colour bridges (`NAMESPACE/SERVICE`) and workloads (their `ref`)."""
    known = {b.ref: b for b in sorted(bridges, key=lambda b: b.ref)}
    users = [w for w in sorted(workloads, key=lambda w: (w.namespace, w.kind, w.name)) if w.uses]
    colors = statuses or {}
    places = {p: f"o{n}" for n, p in enumerate(dict.fromkeys(_places(known.values())), 1)}
    names = {ref: f"b{n}" for n, ref in enumerate(known, 1)}
    nodes: dict[str, list[GraphNode]] = {}
    edges: list[Edge] = []
    for number, user in enumerate(users, 1):
        mine = GraphNode(f"w{number}", "workload", (user.title,), colors.get(user.ref))
        nodes.setdefault(user.namespace, []).append(mine)
        for ref in (r for r in user.bridges if r in known):
            edges += _uses(mine.id, known[ref], user.uses_of(ref), names, places)
    for ref, bridge in known.items():
        label = (bridge.service, *_ports(bridge))
        node = GraphNode(names[ref], "bridge", label, colors.get(ref))
        nodes.setdefault(bridge.namespace, []).append(node)
        edges += (Edge(node.id, places[p]) for p in _behind(bridge))
    spaces: dict[str, Sequence[GraphNode]] = {space: nodes[space] for space in sorted(nodes)}
    spaces[""] = [GraphNode(id, "outside", (text,)) for text, id in places.items()]
    return Drawing(spaces, edges)


def _ports(bridge: Bridge) -> Iterator[str]:
    if bridge.ports:
        yield ", ".join(f"{p.port} {p.protocol}" for p in bridge.ports)


def _places(bridges: Iterable[Bridge]) -> Iterator[str]:
    for bridge in bridges:
        yield from _behind(bridge)


def _behind(bridge: Bridge) -> list[str]:
    """The outside of a bridge; many addresses are one place."""
    if bridge.external_name:
        return [bridge.external_name]
    found = list(dict.fromkeys(join_address(e.address, e.port) for e in bridge.endpoints))
    if len(found) <= PLACES_AT_MOST:
        return found
    return [*found[: PLACES_AT_MOST - 1], f"{len(found) - PLACES_AT_MOST + 1} more of {bridge.ref}"]


def _uses(
    start: str,
    bridge: Bridge,
    uses: Sequence[Use],
    names: Mapping[str, str],
    places: Mapping[str, str],
) -> Iterator[Edge]:
    """One line to the bridge, and one past it where the workload has its address."""
    through = [u for u in uses if u.how not in PASSES_BY]
    past = [u for u in uses if u.how in PASSES_BY]
    if through:
        ports = ", ".join(str(p) for p in sorted({u.port for u in through if u.port}))
        guess = all(u.likely for u in through)
        words = " ".join(w for w in (ports, "likely" if guess else "") if w)
        yield Edge(start, names[bridge.ref], words, dotted=guess)
    for host in sorted({u.host for u in past}):
        ends = [p for p in _behind(bridge) if _host(p) == host] or _behind(bridge)[-1:]
        guess = all(u.likely for u in past if u.host == host)
        words = f"passes {bridge.service} by{', likely' if guess else ''}"
        yield from (Edge(start, places[end], words, dotted=True) for end in ends[:1])


def _host(place: str) -> str:
    """The host of an outside place; an outside name is one."""
    try:
        return split_address(place)[0]
    except ValueError:
        return place.lower()


# -- Mermaid -------------------------------------------------------------------------------------

_SHAPES = {"workload": ("[", "]"), "bridge": ("([", "])"), "outside": ("[(", ")]")}


def mermaid(drawing: Drawing) -> str:
    """A Mermaid flowchart (GitHub and GitLab show it in Markdown)."""
    lines = ["flowchart LR"]
    for number, (space, nodes) in enumerate(drawing.nodes.items(), 1):
        if not nodes:
            continue
        lines.append(f"  subgraph n{number}[{_mermaid_text(_title(space))}]")
        for node in nodes:
            left, right = _SHAPES[node.kind]
            text = "<br/>".join(_mermaid_words(line) for line in node.lines)
            lines.append(f'    {node.id}{left}"{text}"{right}')
        lines.append("  end")
    for edge in drawing.edges:
        arrow = "-.->" if edge.dotted else "-->"
        label = f"|{_mermaid_text(edge.label)}|" if edge.label else ""
        lines.append(f"  {edge.start} {arrow}{label} {edge.end}")
    colored = [n for nodes in drawing.nodes.values() for n in nodes if n.status]
    for status in dict.fromkeys(n.status for n in colored if n.status):
        fill, stroke = _COLORS[status]
        lines.append(f"  classDef {status.name.lower()} fill:{fill},stroke:{stroke}")
    lines += (f"  class {n.id} {n.status.name.lower()}" for n in colored if n.status)
    return "\n".join(lines) + "\n"


def _title(space: str) -> str:
    return f"namespace {space}" if space else "outside"


def _mermaid_text(text: str) -> str:
    return f'"{_mermaid_words(text)}"'


def _mermaid_words(text: str) -> str:
    """Mermaid's own character references (`#quot;`): nothing of a label can end it or be markup."""
    plain = printable(text, 200)
    return "".join(c if c.isalnum() or c in " .,:/_-()" else f"#{ord(c)};" for c in plain)


# -- DOT -----------------------------------------------------------------------------------------

_DOT_SHAPES = {"workload": "box", "bridge": "oval", "outside": "cylinder"}


def dot(drawing: Drawing) -> str:
    """A Graphviz digraph."""
    lines = ["digraph k8sext {", "  rankdir=LR;", '  node [fontname="sans-serif"];']
    for number, (space, nodes) in enumerate(drawing.nodes.items(), 1):
        if not nodes:
            continue
        lines += [f"  subgraph cluster_{number} {{", f"    label={_dot_text(_title(space))};"]
        for node in nodes:
            fill, stroke = _COLORS[node.status] if node.status else ("", "")
            color = f', style=filled, fillcolor="{fill}", color="{stroke}"' if fill else ""
            label = _dot_text("\n".join(node.lines))
            lines.append(f"    {node.id} [shape={_DOT_SHAPES[node.kind]}, label={label}{color}];")
        lines.append("  }")
    for edge in drawing.edges:
        words = [f"label={_dot_text(edge.label)}"] if edge.label else []
        words += ["style=dashed"] if edge.dotted else []
        more = f" [{', '.join(words)}]" if words else ""
        lines.append(f"  {edge.start} -> {edge.end}{more};")
    return "\n".join([*lines, "}"]) + "\n"


def _dot_text(text: str) -> str:
    """A quoted string; a line of its own for each line."""
    parts = (printable(line, 200) for line in text.split("\n"))
    return '"' + "\\n".join(p.replace("\\", "\\\\").replace('"', '\\"') for p in parts) + '"'
