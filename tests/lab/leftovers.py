"""What a process that was killed may have left in a lab that is up, taken away again.

Each of these is put in for the time of a block and taken out at its end; SIGKILL spares the end.
"""

from __future__ import annotations

import shlex

from tests.lab import cgroups, guise
from tests.lab.cluster import dns
from tests.lab.firewall import PODS_TABLE
from tests.lab.hosts import CLOSED, NODES, ROUTER, inside
from tests.lab.place import Place


def clear(place: Place, *, servers: bool = True) -> None:
    """Walls, routes, bad lines, names; and (unless told otherwise) servers in other guises."""
    _lines(place)
    _router(place)
    for node in NODES:
        _node(place, node.name)
    dns.restored(place)
    if servers:
        guise.clear(place)


def _lines(place: Place) -> None:
    """The devices of a bad line go with its process, and the routes with the devices."""
    for group in sorted((cgroups.tracking() / place.cgroup).glob("line-*")):
        cgroups.end(group)
        cgroups.remove(f"{place.cgroup}/{group.name}")


def _router(place: Place) -> None:
    """Its FORWARD chain is empty but for what is put in for a while; so are these routes."""
    inside(place, ROUTER.name, ["iptables", "--wait", "--flush", "FORWARD"])
    for route in _listed(place, ROUTER.name, ["ip", "route", "show", "type", "unreachable"]):
        inside(place, ROUTER.name, ["ip", "route", "del", *route.split()])
    for rule in _listed(place, ROUTER.name, ["ip", "rule", "show"]):
        if rule.endswith(f"lookup {PODS_TABLE}"):
            inside(place, ROUTER.name, ["ip", "rule", "del", *rule.partition(":")[2].split()])


def _node(place: Place, node: str) -> None:
    """Rules before kube-proxy's: what was dialled to some address is dropped or led away."""
    marks = {"filter": ("FORWARD", "--ctorigdst"), "nat": ("PREROUTING", CLOSED.address)}
    for table, (chain, mark) in marks.items():
        command = ["iptables", "--wait", "--table", table]
        for rule in _listed(place, node, [*command, "--list-rules", chain]):
            words = shlex.split(rule)
            if words[0] == "-A" and any(mark in word for word in words):
                inside(place, node, [*command, "-D", *words[1:]])


def _listed(place: Place, host: str, command: list[str]) -> list[str]:
    return [line.strip() for line in inside(place, host, command).splitlines() if line.strip()]
