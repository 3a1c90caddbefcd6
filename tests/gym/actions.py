"""What a case may do to the lab and to its objects: one small function each, in a table.

An action that edits objects works on the list before it is applied; one that does something to
the lab is a context manager: what it did is undone when the block ends.
"""

from __future__ import annotations

import contextlib
import copy
import re
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, cast

from tests.gym import pods
from tests.gym.reader import Schema
from tests.lab import firewall, guise, tunnel, wire
from tests.lab.cluster import dns
from tests.lab.guise import Guise
from tests.lab.hosts import FAR, NODE1, NODE2, NODES
from tests.lab.lab import Lab
from tests.lab.place import LabError

Object = dict[str, Any]
SERVER: Schema = {"type": "text"}
_TEXTS: Schema = {"type": ["text", "list"], "items": {"type": "text"}}
_NODES = {"node1": NODE1.address, "node2": NODE2.address}
DNS_LOCK, CLUSTER_LOCK = "dns", "cluster"
TOLD_S = 60
PODS_S = 60
"""A Spring application beside two others needs half of it on two cores."""


@dataclass(frozen=True)
class World:
    """The lab as one case sees it."""

    lab: Lab
    servers: Mapping[str, Guise]
    fill: Callable[[Any], Any]
    """Writes out `${…}` in texts, in whatever holds them."""
    namespaces: tuple[str, ...] = ()
    """Where its objects are: without the fault, with it, or both."""


def _no_servers(value: Any) -> Iterable[str]:
    return ()


def _the_server(value: Any) -> Iterable[str]:
    return (value if isinstance(value, str) else value["server"],)


@dataclass(frozen=True)
class Action:
    """One word of the format."""

    schema: Schema
    during: Callable[[World, Any], AbstractContextManager[None]] | None = None
    edit: Callable[[list[Object], Any], list[Object]] | None = None
    servers: Callable[[Any], Iterable[str]] = _no_servers
    locks: tuple[str, ...] = field(default=())
    """What no other case may use meanwhile, besides the case's own servers."""


# -- to a server ---------------------------------------------------------------------------------


@contextlib.contextmanager
def _stop(world: World, value: str) -> Generator[None]:
    """Afterwards those that lean on it are waited for: they come back to it in their own time."""
    place, server = world.lab.place, world.servers[value]
    with guise.stopped(place, server):
        yield
    for other in world.servers.values():
        if server in other.peers.values():
            other.component().await_ready(place, other.role.starting_s)


def _freeze(world: World, value: str) -> AbstractContextManager[None]:
    return guise.frozen(world.lab.place, world.servers[value])


def _restart(world: World, value: Mapping[str, Any]) -> AbstractContextManager[None]:
    options = world.fill(value["options"])
    return guise.started_with(
        world.lab.place, world.servers[value["server"]], options, ready=value.get("ready", True)
    )


@contextlib.contextmanager
def _tell(world: World, value: Mapping[str, Any]) -> Generator[None]:
    server = world.servers[value["server"]]

    def say(word: str) -> list[str]:
        texts = value.get(word, [])
        every = [texts] if isinstance(texts, str) else texts
        return [server.role.tell(world.lab.place, server, world.fill(text)) for text in every]

    give_up = time.monotonic() + TOLD_S
    said = say("say")
    while (wanted := value.get("until", "")) and not re.search(wanted, said[-1]):
        if time.monotonic() > give_up:
            raise LabError(f"{value['server']} does not say {wanted!r}: {said[-1][:300]}")
        time.sleep(0.5)
        said = say("say")
    try:
        yield
    finally:
        say("undo")


@contextlib.contextmanager
def _hold(world: World, value: Mapping[str, Any]) -> Generator[None]:
    """Connections from another host, kept open."""
    server = world.servers[value["server"]]
    with contextlib.ExitStack() as stack:
        for _ in range(int(value["count"])):
            held = wire.connect(world.lab.place, FAR.name, server.address, server.port)
            stack.enter_context(held)
            if "say" in value:
                held.sendall(world.fill(value["say"]).encode("latin-1"))
        yield


@contextlib.contextmanager
def _break_off(world: World, value: Mapping[str, Any]) -> Generator[None]:
    """Connections from a node that end in the middle of the handshake, as careless probes make."""
    server = world.servers[value["server"]]
    for node in NODES:
        for _ in range(int(value["count"])):
            with wire.connect(world.lab.place, node.name, server.address, server.port) as made:
                made.recv(64)
    yield


# -- on the way ----------------------------------------------------------------------------------


def _wall(world: World, value: Mapping[str, Any]) -> AbstractContextManager[None]:
    server = world.servers[value["server"]]
    action = cast("firewall.Action", str(value.get("action", "drop")).upper())
    source = _NODES[value["from"]] if "from" in value else None
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


# -- names ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def _dns(world: World, value: Mapping[str, Any]) -> Generator[None]:
    name = str(value["name"])
    if "broken" in value:
        with dns.name_broken(world.lab.place, name, cast("dns.Broken", value["broken"])):
            yield
        return
    known = world.servers
    addresses = [known[a].address if a in known else a for a in value.get("addresses", [])]
    with world.lab.name_set_to(name, *addresses):
        yield


@contextlib.contextmanager
def _cluster(world: World, value: Mapping[str, Any]) -> Generator[None]:
    """A part of Kubernetes itself stops or hangs."""
    with contextlib.ExitStack() as stack:
        if "stop" in value:
            stack.enter_context(world.lab.server(value["stop"]).stopped())
        if "freeze" in value:
            stack.enter_context(world.lab.server(value["freeze"]).frozen())
        yield


@contextlib.contextmanager
def _pause(world: World, value: float) -> Generator[None]:
    time.sleep(value)
    yield


@contextlib.contextmanager
def _settle(world: World, value: float) -> Generator[None]:
    try:
        yield
    finally:
        time.sleep(value)


# -- pods ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def _await(world: World, value: Mapping[str, Any]) -> Generator[None]:
    """Until the pods of a workload are there and as they should be, wherever the case has it."""
    give_up = time.monotonic() + float(value.get("seconds", PODS_S))
    state = pods.STATES[value.get("for", "Ready")]
    for namespace in world.namespaces:
        pods.await_all(
            world.lab.place, namespace, value["kind"], value["name"], state, give_up=give_up
        )
    yield


@contextlib.contextmanager
def _remove(world: World, value: Mapping[str, Any]) -> Generator[None]:
    """Objects taken away when all is up; they do not come back, their namespace ends anyway."""
    for namespace in world.namespaces:
        pods.remove(world.lab.place, namespace, value["kind"], value["name"])
    yield


# -- objects -------------------------------------------------------------------------------------


def _is(item: Object, value: Mapping[str, Any]) -> bool:
    return (item.get("kind"), item["metadata"]["name"]) == (value["kind"], value["name"])


def _patch(objects: list[Object], value: Mapping[str, Any]) -> list[Object]:
    """JSON merge patch (RFC 7386); lists are replaced whole."""
    _must_be_there(objects, value)
    return [merged(o, value["merge"]) if _is(o, value) else o for o in objects]


def _delete(objects: list[Object], value: Mapping[str, Any]) -> list[Object]:
    _must_be_there(objects, value)
    return [o for o in objects if not _is(o, value)]


def _add(objects: list[Object], value: list[Object]) -> list[Object]:
    return [*objects, *copy.deepcopy(value)]


def _login(objects: list[Object], value: Mapping[str, Any]) -> list[Object]:
    """The Secret `<bridge>-auth`: other values, keys taken away, or all of it gone."""
    secret = {"kind": "Secret", "name": f"{value['bridge']}-auth"}
    if value.get("delete"):
        return _delete(objects, secret)
    changes: dict[str, Any] = {**value.get("set", {}), **dict.fromkeys(value.get("drop", []))}
    return _patch(objects, {**secret, "merge": {"stringData": changes}})


def _must_be_there(objects: list[Object], value: Mapping[str, Any]) -> None:
    if not any(_is(o, value) for o in objects):
        known = ", ".join(f"{o.get('kind')}/{o['metadata']['name']}" for o in objects)
        raise LookupError(f"there is no {value['kind']}/{value['name']} in this case: {known}")


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    base: dict[str, Any] = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            base.pop(key, None)
        else:
            base[key] = merged(base.get(key), value)
    return base


def _policy_object(objects: list[Object], value: Mapping[str, Any]) -> list[Object]:
    spec = value.get("spec", {"podSelector": {}, "policyTypes": ["Egress"]})
    made = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": value.get("name", "default-deny")},
        "spec": spec,
    }
    return [*objects, made]


@contextlib.contextmanager
def _policy_effect(world: World, value: Mapping[str, Any]) -> Generator[None]:
    """No policy engine runs in the lab: a rule in the router plays the CNI's part."""
    with contextlib.ExitStack() as stack:
        for name in value.get("blocks", []):
            wall = {"server": name, "action": value.get("action", "drop")}
            stack.enter_context(_wall(world, wall))
        yield


_NAMED: Mapping[str, Schema] = {"kind": {"type": "text"}, "name": {"type": "text"}}
_WALLS: Schema = {"type": "text", "enum": ["drop", "reject", "reset"]}
_SIDES: Schema = {"type": "text", "enum": list(_NODES)}

TABLE: Mapping[str, Action] = {
    "stop": Action(SERVER, _stop, servers=_the_server),
    "freeze": Action(SERVER, _freeze, servers=_the_server),
    "restart": Action(
        {
            "type": "mapping",
            "required": ["server", "options"],
            "keys": {
                "server": SERVER,
                "options": {"type": "mapping"},
                "ready": {"type": "boolean"},
            },
        },
        _restart,
        servers=_the_server,
    ),
    "tell": Action(
        {
            "type": "mapping",
            "required": ["server", "say"],
            "keys": {"server": SERVER, "say": _TEXTS, "until": {"type": "text"}, "undo": _TEXTS},
        },
        _tell,
        servers=_the_server,
    ),
    "hold": Action(
        {
            "type": "mapping",
            "required": ["server", "count"],
            "keys": {"server": SERVER, "count": {"type": "number"}, "say": {"type": "text"}},
        },
        _hold,
        servers=_the_server,
    ),
    "break_off": Action(
        {
            "type": "mapping",
            "required": ["server", "count"],
            "keys": {"server": SERVER, "count": {"type": "number"}},
        },
        _break_off,
        servers=_the_server,
    ),
    "firewall": Action(
        {
            "type": "mapping",
            "required": ["server", "action"],
            "keys": {
                "server": SERVER,
                "action": _WALLS,
                "port": {"type": "number"},
                "from": _SIDES,
                "above": {"type": "number"},
            },
        },
        _wall,
        servers=_the_server,
    ),
    "way_out": Action(
        {
            "type": "mapping",
            "required": ["server", "to", "action"],
            "keys": {"server": SERVER, "to": SERVER, "action": _WALLS},
        },
        _way_out,
        servers=lambda value: (value["server"], value["to"]),
    ),
    "route_to_pods": Action(SERVER, _route_to_pods, servers=_the_server),
    "way_back": Action(
        {
            "type": "mapping",
            "required": ["server", "action"],
            "keys": {"server": SERVER, "action": _WALLS},
        },
        _way_back,
        servers=_the_server,
    ),
    "unreachable": Action(SERVER, _unreachable, servers=_the_server),
    "line": Action(
        {
            "type": "mapping",
            "required": ["server"],
            "keys": {
                "server": SERVER,
                "latency_ms": {"type": "number"},
                "loss": {"type": "number"},
                "mtu_hole": {"type": "number"},
                "idle_drop_s": {"type": "number"},
            },
        },
        _line,
        servers=_the_server,
    ),
    "node_wall": Action(
        {
            "type": "mapping",
            "required": ["dialled", "action"],
            "keys": {
                "dialled": {"type": "text"},
                "action": {"type": "text", "enum": ["drop", "reset"]},
            },
        },
        _node_wall,
    ),
    "dns": Action(
        {
            "type": "mapping",
            "required": ["name"],
            "keys": {
                "name": {"type": "text"},
                "addresses": {"type": "list", "items": {"type": "text"}},
                "broken": {"type": "text", "enum": ["servfail", "refused", "silent", "empty"]},
            },
        },
        _dns,
        locks=(DNS_LOCK,),
    ),
    "cluster": Action(
        {"type": "mapping", "keys": {"stop": {"type": "text"}, "freeze": {"type": "text"}}},
        _cluster,
        locks=(CLUSTER_LOCK,),
    ),
    "pause": Action({"type": "number"}, _pause),
    "settle": Action({"type": "number"}, _settle),
    "await": Action(
        {
            "type": "mapping",
            "required": ["kind", "name"],
            "keys": {
                "kind": {"type": "text", "enum": list(pods.WORKLOADS)},
                "name": {"type": "text"},
                "for": {"type": "text", "enum": list(pods.STATES)},
                "seconds": {"type": "number"},
            },
        },
        _await,
    ),
    "remove": Action(
        {
            "type": "mapping",
            "required": ["kind", "name"],
            "keys": {
                "kind": {"type": "text", "enum": list(pods.WORKLOADS)},
                "name": {"type": "text"},
            },
        },
        _remove,
    ),
    "patch": Action(
        {
            "type": "mapping",
            "required": ["kind", "name", "merge"],
            "keys": {**_NAMED, "merge": {"type": "mapping"}},
        },
        edit=_patch,
    ),
    "delete": Action(
        {"type": "mapping", "required": ["kind", "name"], "keys": _NAMED}, edit=_delete
    ),
    "add": Action({"type": "list", "items": {"type": "mapping"}}, edit=_add),
    "login": Action(
        {
            "type": "mapping",
            "required": ["bridge"],
            "keys": {
                "bridge": {"type": "text"},
                "set": {"type": "mapping"},
                "drop": {"type": "list", "items": {"type": "text"}},
                "delete": {"type": "boolean"},
            },
        },
        edit=_login,
    ),
    "policy": Action(
        {
            "type": "mapping",
            "keys": {
                "name": {"type": "text"},
                "spec": {"type": "mapping"},
                "blocks": {"type": "list", "items": {"type": "text"}},
                "action": _WALLS,
            },
        },
        _policy_effect,
        _policy_object,
        servers=lambda value: value.get("blocks", []),
    ),
}


def schemas() -> Mapping[str, Schema]:
    """The schema of each action's value."""
    return {word: action.schema for word, action in TABLE.items()}


def edited(objects: list[Object], steps: Iterable[Mapping[str, Any]]) -> list[Object]:
    """The objects after every step that edits objects."""
    for step in steps:
        ((word, value),) = step.items()
        edit = TABLE[word].edit
        if edit is not None:
            objects = edit(objects, value)
    return objects


@contextlib.contextmanager
def done(world: World, steps: Iterable[Mapping[str, Any]]) -> Generator[None]:
    """What the steps do to the lab, in their order; undone in the other order."""
    with contextlib.ExitStack() as stack:
        for step in steps:
            ((word, value),) = step.items()
            during = TABLE[word].during
            if during is not None:
                stack.enter_context(during(world, value))
        yield


def locks_of(steps: Iterable[Mapping[str, Any]]) -> set[str]:
    """What the steps need for themselves."""
    return {lock for step in steps for word in step for lock in TABLE[word].locks}
