"""How deep a bridge was looked at, in words: what a pass does not say by itself. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from .bridge import Port
from .report import BridgeReport, Report, gated
from .result import Observation
from .words import Reason, Stage, Status

_NO_LOGIN = (Reason.NO_CREDENTIALS, Reason.AUTH_REQUIRED)


def limits(bridge: BridgeReport) -> tuple[str, ...]:
    """What was not checked of ports that passed, a sentence for each port; most have none."""
    ports = bridge.bridge.tcp_ports
    found = ((p, limit(p, [o for o in bridge.observations if o.port == p.key])) for p in ports)
    many = len(ports) > 1
    return tuple(f"port {p.key}: {text}" if many else text for p, text in found if text)


def limit(port: Port | None, seen: Sequence[Observation]) -> str:
    """What was looked at in place of a protocol; "" where the protocol itself was spoken."""
    good = [o for o in seen if not o.client and o.status in (Status.PASS, Status.WARN)]
    if port is None or not good:
        return ""
    other = next((o for o in good if o.protocol != port.protocol), None)
    if other:
        spoken = "connects" if other.protocol == "tcp" else f"{other.protocol} only"
        return f"{spoken}; no {port.protocol} answers (a guess by {_source(port)})"
    if port.protocol != "tcp":
        return ""
    return f"connects; no check for {port.product or 'this protocol'}"


def _source(port: Port) -> str:
    words = {"well-known port": "its number", "service name": "the Service's name"}
    return words.get(port.protocol_source, port.protocol_source)


def summary(report: Report) -> str:
    """How deep the bridges that passed were looked at; "" where all were verified."""
    passed = [b for b in report.bridges if gated(report, b) in (Status.PASS, Status.WARN)]
    good = [b for b in passed if b.depth is not None]
    counts = Counter(_how_deep(b) for b in good)
    shallow = [words for words in counts if not words.startswith("verified")]
    if not shallow:
        return ""
    listed = ", ".join(f"{counts[w]} {w}" for w in sorted(counts, key=_order))
    if len(shallow) < len(counts):
        return listed
    return f"0 of {len(good)} verified past the handshake: {listed}"


def _how_deep(bridge: BridgeReport) -> str:
    wire = [o for o in bridge.observations if not o.client]
    if all(o.protocol == "tcp" for o in wire):
        return "only connected to"
    if bridge.depth is Stage.VERIFY:
        return "verified by login" if _all_logged_in(wire) else "verified"
    reasons = {s.reason for o in wire for s in o.stages if s.stage is Stage.AUTH}
    why = " (no login configured)" if reasons & set(_NO_LOGIN) else ""
    return f"only to the {bridge.depth}{why}"


def _order(words: str) -> tuple[bool, str]:
    return not words.startswith("verified"), words


def _all_logged_in(seen: Iterable[Observation]) -> bool:
    stages = [o.stage(Stage.AUTH) for o in seen]
    return all(s is not None and s.status in (Status.PASS, Status.WARN) for s in stages)
