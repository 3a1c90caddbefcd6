"""To a server: it stops, hangs, starts again, is told something."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

from tests.lab import guise, wire
from tests.lab.guise import Guise
from tests.lab.hosts import FAR, NODES
from tests.lab.place import LabError, Place

from .action import (
    MAPPING,
    NUMBER,
    SERVER,
    TEXT,
    YES_OR_NO,
    Action,
    World,
    always,
    shape,
    the_server,
)

TOLD_S = 60
RECOVERY_S = 15
SAID = {"type": ["text", "list"], "items": TEXT}


@contextlib.contextmanager
def _stop(world: World, value: str) -> Generator[None]:
    """Afterwards those that lean on it are waited for: they come back to it in their own time."""
    place, server = world.lab.place, world.servers[value]
    with guise.stopped(place, server):
        yield
    for other in world.servers.values():
        if server in other.peers.values():
            _recovered(place, other)


def _recovered(place: Place, server: Guise) -> None:
    """One that lost what it leans on is well again; where it does not recover, it is restarted."""
    try:
        server.component().await_ready(place, RECOVERY_S)
    except LabError:
        guise.again(place, server)


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
def _repeat(world: World, value: Mapping[str, Any]) -> Generator[None]:
    """Somebody says it all the time, as a publisher does."""
    server, text = world.servers[value["server"]], world.fill(value["say"])
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(float(value.get("every_s", 0))):
            server.role.tell(world.lab.place, server, text)

    with ThreadPoolExecutor(1) as pool:
        speaker = pool.submit(go_on)
        try:
            yield
        finally:
            over.set()
            speaker.result()
            if "undo" in value:
                server.role.tell(world.lab.place, server, world.fill(value["undo"]))


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


def _not_undone(value: Mapping[str, Any]) -> bool:
    return "undo" not in value


TABLE: Mapping[str, Action] = {
    "stop": Action(SERVER, _stop, servers=the_server, noticed=True),
    "freeze": Action(SERVER, _freeze, servers=the_server, noticed=True),
    "restart": Action(
        shape({"server": SERVER, "options": MAPPING}, {"ready": YES_OR_NO}),
        _restart,
        servers=the_server,
        noticed=True,
    ),
    "tell": Action(
        shape({"server": SERVER, "say": SAID}, {"until": TEXT, "undo": SAID}),
        _tell,
        servers=the_server,
        lasts=_not_undone,
    ),
    "repeat": Action(
        shape({"server": SERVER, "say": TEXT}, {"every_s": NUMBER, "undo": TEXT}),
        _repeat,
        servers=the_server,
        lasts=always,
    ),
    "hold": Action(
        shape({"server": SERVER, "count": NUMBER}, {"say": TEXT}), _hold, servers=the_server
    ),
    "break_off": Action(
        shape({"server": SERVER, "count": NUMBER}), _break_off, servers=the_server, lasts=always
    ),
}
