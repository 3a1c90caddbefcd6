"""`k8sext list`: what is a bridge here. No pod, no probe."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from k8sext.errors import K8sextError
from k8sext.model.bridge import Bridge, BridgeClass, Port
from k8sext.model.clean import cleaned

from . import options as opt

SCHEMA = "k8sext.list/v1"
_HEAD = ("NAMESPACE", "SERVICE", "KIND", "PORTS", "ENDPOINTS", "PROTOCOL")


def list_command(
    kubeconfig: opt.Kubeconfig = None,
    context: opt.Context = None,
    namespace: opt.Namespace = None,
    all_namespaces: opt.AllNamespaces = False,
    selector: opt.Selector = None,
    output: Annotated[str, typer.Option("--output", "-o", help="table, wide or json.")] = "table",
    include: Annotated[
        str | None, typer.Option(help="internal: also show Services that are not bridges.")
    ] = None,
    allow_empty: Annotated[bool, typer.Option(help="Exit 0 even if there is no bridge.")] = False,
    as_user: opt.As = None,
    as_group: opt.AsGroup = None,
) -> int:
    """Show the bridges: kind, ports, endpoints, protocol and how it was inferred."""
    if output not in ("table", "wide", "json"):
        raise K8sextError(f"{output!r} is not one of table, wide, json", where="--output")
    if include not in (None, "internal"):
        raise K8sextError(f"{include!r} is not internal", where="--include")
    from k8sext.kube.session import Session
    from k8sext.kube.snapshot import fetch
    from k8sext.kube.workers import Workers

    from . import console, talk

    session = Session.load(
        kubeconfig, context, as_user, as_group or (), clear_text=talk.clear_text()
    )
    where = None if all_namespaces else namespace or session.namespace
    with Workers(1) as pool:
        coming = pool.submit(fetch, session, where, selector)
        # Loading these takes about as long as the API server's answer.
        from k8sext import registry
        from k8sext.bridges import aliases, discover

        registry.wire_checks()
        snapshot = coming.result()
    found = discover.bridges(snapshot)
    if where is None and selector is None:  # else a Service of another namespace is not seen
        found = aliases.looked_at(found, snapshot.services)
    for skip in snapshot.skips:
        console.say(f"k8sext: {skip}")
    shown = [b for b in found if include or b.bridge_class is BridgeClass.BRIDGE]
    _write(shown, output, bool(include), len(found) - len(shown), where)
    return 0 if shown or allow_empty else 5


def _write(
    shown: Sequence[Bridge], output: str, classes: bool, hidden: int, where: str | None
) -> None:
    from . import console, talk

    if talk.quiet():
        return
    if output == "json":
        # dumps, not dump: the latter encodes in Python, piece by piece (ten times slower).
        sys.stdout.write(json.dumps({"schema": SCHEMA, "bridges": [as_json(b) for b in shown]}))
        sys.stdout.write("\n")
        return
    if shown:
        console.data(table(shown, wide=output == "wide", classes=classes))
    else:
        place = f"namespace {where}" if where else "the cluster"
        console.say(f"k8sext: no bridge in {place}")
    if hidden:
        console.say(f"k8sext: {hidden} not shown (--include internal shows them)")


def as_json(bridge: Bridge) -> dict[str, Any]:
    """One bridge of schema k8sext.list/v1."""
    return {
        "namespace": bridge.namespace,
        "service": bridge.service,
        "kind": bridge.kind.value,
        "class": bridge.bridge_class.value,
        "class_reason": bridge.class_reason,
        "service_type": bridge.service_type,
        "external_name": bridge.external_name,
        "ports": [_port_json(p) for p in bridge.ports],
        "endpoints": [
            {
                "address": e.address,
                "port": e.port,
                "port_name": e.port_name,
                "ready": e.ready,
                "source": e.source,
            }
            for e in bridge.endpoints
        ],
        "problems": list(bridge.problems),
    }


def _port_json(port: Port) -> dict[str, Any]:
    return {
        "name": port.name,
        "port": port.port,
        "protocol": port.protocol,
        "protocol_source": port.protocol_source,
        "transport": port.transport,
    }


def table(bridges: Sequence[Bridge], *, wide: bool, classes: bool) -> str:
    """Plain columns, as kubectl prints them."""
    bridges = cleaned(tuple(bridges))
    rows: list[tuple[str, ...]] = [(*_HEAD, *(("CLASS", "REASON") if classes or wide else ()))]
    for bridge in bridges:
        last = (bridge.bridge_class.value, bridge.class_reason or "-")
        row = (*_cells(bridge, wide), *(last if classes or wide else ()))
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("   ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
    problems = (f"{b.ref}: {p}\n" for b in bridges for p in b.problems)
    return "".join(line.rstrip() + "\n" for line in lines) + "".join(problems)


def _cells(bridge: Bridge, wide: bool) -> tuple[str, ...]:
    ports = ",".join(f"{p.name}:{p.port}" if p.name else str(p.port) for p in bridge.ports)
    speaks = dict.fromkeys(_speaks(p) for p in bridge.ports)
    return (
        bridge.namespace,
        bridge.service,
        bridge.kind.value,
        ports or "-",
        ",".join(_places(bridge, None if wide else 3)) or "-",
        ", ".join(speaks) or "-",
    )


def _speaks(port: Port) -> str:
    """The protocol and how it is known; of what has no check, or is not TCP, what it is."""
    if port.transport != "TCP":
        return f"{port.transport.lower()} (not tested)"
    product = f", {port.product}: no check" if port.product else ""
    guess = f", a guess: else {port.fallback}" if port.fallback else ""
    return f"{port.protocol} ({port.protocol_source}{guess}{product})"


def _places(bridge: Bridge, at_most: int | None) -> Iterator[str]:
    if bridge.external_name:
        yield bridge.external_name
        return
    places = [
        (f"[{e.address}]" if ":" in e.address else e.address)
        + f":{e.port}"
        + ("" if e.ready else " (not ready)")
        for e in bridge.endpoints
    ]
    yield from places[:at_most]
    if at_most and len(places) > at_most:
        yield f"+{len(places) - at_most} more"
