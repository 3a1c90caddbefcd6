"""On the way between pods and servers: walls, routes and bad lines."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, cast

from tests.gym.reader import Schema
from tests.lab import firewall, tunnel
from tests.lab.hosts import NODE1, NODE2

from .action import NUMBER, SERVER, TEXT, WALLS, Action, World, shape, the_server

NODES_BY_NAME = {"node1": NODE1.address, "node2": NODE2.address}
SIDES: Schema = {"type": "text", "enum": list(NODES_BY_NAME)}


def wall(world: World, value: Mapping[str, Any]) -> AbstractContextManager[None]:
    """A rule in the router between the nodes and a server."""
    server = world.servers[value["server"]]
    action = cast("firewall.Action", str(value.get("action", "drop")).upper())
    source = NODES_BY_NAME[value["from"]] if "from" in value else None
    above = int(value["above"]) if "above" in value else None
    return world.lab.firewall(
        action,
        destination=server.address,
        port=int(value.get("port", server.port)),
        source=source,
        above=above,
    )


def _way_out(world: World, value: Mapping[str, Any]) -> AbstractContextManager[None]:
    action = cast("firewall.Action", str(value["action"]).upper())
    there = world.servers[value["to"]]
    host = world.servers[value["server"]].name
    return firewall.way_out(world.lab.place, action, host, there.address, there.port)


def _way_back(world: World, value: Mapping[str, Any]) -> AbstractContextManager[None]:
    """What the server itself dials towards the cluster."""
    server = world.servers[value["server"]]
    action = cast("firewall.Action", str(value["action"]).upper())
    return firewall.rule(world.lab.place, action, source=server.address, opened=True)


def _unreachable(world: World, value: str) -> AbstractContextManager[None]:
    return firewall.unreachable(world.lab.place, world.servers[value].address)


def _route_to_pods(world: World, value: str) -> AbstractContextManager[None]:
    return firewall.routed_to_pods(world.lab.place, world.servers[value].address)


def _line(world: World, value: Mapping[str, Any]) -> AbstractContextManager[None]:
    kind = tunnel.Line(**{k: v for k, v in value.items() if k != "server"})
    return tunnel.bad_line(world.lab.place, world.servers[value["server"]], kind)


def _node_wall(world: World, value: Mapping[str, Any]) -> AbstractContextManager[None]:
    action = cast("firewall.Action", str(value["action"]).upper())
    return firewall.dialled(world.lab.place, action, str(world.fill(value["dialled"])))


TABLE: Mapping[str, Action] = {
    "firewall": Action(
        shape(
            {"server": SERVER, "action": WALLS}, {"port": NUMBER, "from": SIDES, "above": NUMBER}
        ),
        wall,
        servers=the_server,
    ),
    "way_out": Action(
        shape({"server": SERVER, "to": SERVER, "action": WALLS}),
        _way_out,
        noticed=True,
        servers=lambda value: (value["server"], value["to"]),
    ),
    "way_back": Action(
        shape({"server": SERVER, "action": WALLS}), _way_back, servers=the_server, noticed=True
    ),
    "route_to_pods": Action(SERVER, _route_to_pods, servers=the_server),
    "unreachable": Action(SERVER, _unreachable, servers=the_server),
    "line": Action(
        shape(
            {"server": SERVER},
            dict.fromkeys(("latency_ms", "loss", "mtu_hole", "idle_drop_s"), NUMBER),
        ),
        _line,
        servers=the_server,
    ),
    "node_wall": Action(
        shape({"dialled": TEXT, "action": {"type": "text", "enum": ["drop", "reset"]}}), _node_wall
    ),
}
