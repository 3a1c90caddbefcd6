"""A firewall between the nodes and the outside world: rules in the router's FORWARD chain."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Literal

from tests.lab.hosts import CLOSED, NODES, POD_NET, POD_NETS, ROUTER, inside
from tests.lab.place import Place

Action = Literal["DROP", "REJECT", "RESET"]
_TARGETS: dict[Action, list[str]] = {
    "DROP": ["DROP"],
    "REJECT": ["REJECT", "--reject-with", "icmp-admin-prohibited"],
    "RESET": ["REJECT", "--reject-with", "tcp-reset"],
}

PODS_TABLE = "100"
"""Of routes to pods, in the router."""


@contextlib.contextmanager
def rule(
    place: Place,
    action: Action,
    *,
    destination: str | None = None,
    port: int | None = None,
    source: str | None = None,
    protocol: Literal["tcp", "udp"] = "tcp",
    above: int | None = None,
    opened: bool = False,
) -> Generator[None]:
    """What matches and crosses the router meets `action` inside this block.

    DROP: silence. REJECT: an ICMP answer. RESET: a TCP reset, as if nothing listened.
    `above`: only connections beyond so many at a time, from all sources together. `opened`: only
    what opens a TCP connection, so that `source` still answers those that come to it.
    """
    match: list[str] = []
    if destination:
        match += ["--destination", destination]
    if source:
        match += ["--source", source]
    if port or action == "RESET" or above is not None or opened:
        match += ["--protocol", protocol]
    if port:
        match += ["--dport", str(port)]
    if opened:
        match += ["--syn"]
    if above is not None:
        count = ["--connlimit-above", str(above), "--connlimit-mask", "0"]
        match += ["--syn", "--match", "connlimit", *count]
    specification = ["FORWARD", *match, "--jump", *_TARGETS[action]]
    _iptables(place, "--insert", specification)
    try:
        yield
    finally:
        _iptables(place, "--delete", specification)


@contextlib.contextmanager
def dialled(place: Place, action: Action, address: str) -> Generator[None]:
    """On the nodes: connections of pods that are dialled to this address, before kube-proxy's
    rules. DROP: silence (by conntrack's original destination). RESET: led to a host that refuses.
    """
    elsewhere = ["--jump", "DNAT", "--to-destination", CLOSED.address]
    rules = {
        "DROP": ["FORWARD", "--match", "conntrack", "--ctorigdst", address, "--jump", "DROP"],
        "RESET": ["PREROUTING", "--destination", address, *elsewhere],
    }
    table = "nat" if action == "RESET" else "filter"
    chain, *rest = rules[action]
    specification = [chain, "--protocol", "tcp", *rest]
    for node in NODES:
        _on_node(place, node.name, table, "--insert", specification)
    try:
        yield
    finally:
        for node in NODES:
            _on_node(place, node.name, table, "--delete", specification)


def _on_node(place: Place, node: str, table: str, what: str, specification: list[str]) -> None:
    inside(place, node, ["iptables", "--wait", "--table", table, what, *specification])


@contextlib.contextmanager
def way_out(place: Place, action: Action, host: str, address: str, port: int) -> Generator[None]:
    """On a host of its own: what it sends to that address and port itself meets `action`."""
    match = ["--destination", address, "--protocol", "tcp", "--dport", str(port)]
    rule = ["OUTPUT", *match, "--jump", *_TARGETS[action]]
    inside(place, host, ["iptables", "--wait", "--insert", *rule])
    try:
        yield
    finally:
        inside(place, host, ["iptables", "--wait", "--delete", *rule])


@contextlib.contextmanager
def unreachable(place: Place, address: str) -> Generator[None]:
    """The router has no way to an address and says so (ICMP host unreachable)."""
    route = ["unreachable", f"{address}/32"]
    inside(place, ROUTER.name, ["ip", "route", "add", *route])
    try:
        yield
    finally:
        inside(place, ROUTER.name, ["ip", "route", "del", *route])


@contextlib.contextmanager
def routed_to_pods(place: Place, address: str) -> Generator[None]:
    """The host with this address reaches pods by their own addresses, as where the pod network is
    routed outside: a table of routes in the router, for what comes from there only.
    """
    for node in NODES:
        route = [POD_NETS[node.name], "via", node.address, "table", PODS_TABLE]
        inside(place, ROUTER.name, ["ip", "route", "replace", *route])
    rule = ["from", address, "to", POD_NET, "lookup", PODS_TABLE]
    inside(place, ROUTER.name, ["ip", "rule", "add", *rule])
    try:
        yield
    finally:
        inside(place, ROUTER.name, ["ip", "rule", "del", *rule])


def _iptables(place: Place, what: str, specification: list[str]) -> None:
    inside(place, ROUTER.name, ["iptables", "--wait", what, *specification])
