"""Servers in other guises than those of `up`: each started on demand, on a host made for it.

A guise is a role (one file in `guises/`) with options. It has an address and a network of its
own, so what is done to one of them touches no other. `down` ends them with everything else.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import json
import shutil
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.lab import certificates, cgroups, wire
from tests.lab.component import Component, folder_for, give, password
from tests.lab.hosts import NEAR_NET, ROUTER, Host, holder, inside, make_host
from tests.lab.place import LabError, Place

FIRST, LAST = 100, 250
"""Last numbers of the addresses that guises get, in 198.51.100.0/24."""

KEPT = "guises.kept"

STARTING_S = 1.0
"""What a server is given that will not answer as it should, before it is looked at."""

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Guise:
    """One server: what it is, where it is, what it leans on."""

    name: str
    address: str
    role: Role
    options: Options = field(default_factory=dict[str, Any], compare=False)
    peers: Mapping[str, Guise] = field(default_factory=dict[str, Any], compare=False)
    """Other servers by the option that names them (`standby_of`, `to`); lists count up: `to0`."""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.options.get("port", self.role.port))

    @property
    def encrypted(self) -> bool:
        """Whether it was given a certificate."""
        return "tls" in self.options

    @property
    def component_name(self) -> str:
        """Its cgroup, its log and its folder."""
        return f"guise-{self.name}"

    def component(self) -> Component:
        """What starts and stops it."""
        return Component(
            self.component_name,
            self.name,
            functools.partial(self.role.start, guise=self),
            functools.partial(self.role.ready, guise=self),
            grace=self.role.grace,
        )

    def folder(self, place: Place, user: str | None = None) -> Path:
        """Where it keeps its data."""
        return folder_for(place, self.component_name, user)

    def certificate(self, place: Place, user: str) -> certificates.Pair:
        """Its certificate, as the option `tls` describes it, readable by its user."""
        asked: Mapping[str, Any] = self.options["tls"]
        names = [str(n) for n in asked.get("names", [self.address])]
        folder = self.folder(place) / "tls"
        pair = certificates.make(place, str(asked.get("certificate", "good")), names, folder)
        for file in (pair.certificate, pair.key):
            give(file, user)
        return pair

    def ask(self, place: Place, say: bytes = b"") -> bytes:
        """What it answers first, asked from its own host."""
        return wire.ask(place, self.name, self.address, self.port, say)

    def with_options(self, more: Options) -> Guise:
        """The same host with other options."""
        return replace(self, options={**self.options, **more})


def _no_talk(place: Place, guise: Guise, text: str) -> str:
    raise LabError(f"a server of role {guise.role.name} cannot be told anything ({text!r})")


def _nobody(place: Place) -> dict[str, str]:
    return {}


@dataclass(frozen=True)
class Role:
    """What a file in `guises/` describes."""

    name: str
    protocol: str
    port: int
    start: Callable[..., None]
    """`start(place, guise=…)`; may be called again with other options."""
    ready: Callable[..., bool]
    options: Mapping[str, Any] = field(default_factory=dict[str, Any], compare=False)
    """Name of each option and the schema of its value (`tests/gym/schema.py`)."""
    tell: Callable[[Place, Guise, str], str] = _no_talk
    """Say something to the server as its administrator; what it answered."""
    login: Callable[[Place], dict[str, str]] = _nobody
    """Keys and values of the Secret that an application would have."""
    leans_on: tuple[str, ...] = ()
    """Options whose value is the name of another server (or a list of names)."""
    attaches: tuple[str, ...] = ()
    """Those of `leans_on` that the other server notices, as a primary sees its replicas."""
    grace: float = 3.0
    starting_s: float = 90.0
    """How long it may take to answer; on an idle machine it takes a small part of that."""
    build: Callable[[], None] | None = None
    """Makes what `python -m tests.lab build` does not, when a case first asks for the role. `make
    test` has none of it: `extra`.
    """

    @property
    def extra(self) -> bool:
        """Whether it needs more than the default build has."""
        return self.build is not None


@functools.cache
def roles() -> Mapping[str, Role]:
    """Each file in `guises/` has one `ROLE`."""
    found: dict[str, Role] = {}
    for file in sorted((Path(__file__).parent / "guises").glob("*.py")):
        role: Role = importlib.import_module(f"tests.lab.guises.{file.stem}").ROLE
        found[role.name] = role
    return found


def application_password(place: Place, role: str) -> str:
    """The password of the user `shop` on every server of a role."""
    return password(place, f"guise-{role}")


def administrator_password(place: Place, role: str) -> str:
    """The password of the server's administrator, where it needs one."""
    return password(place, f"guise-{role}-admin")


class Wardrobe:
    """The guises of one lab: asked for by role and options, made once, reused.

    With `kept`, also those that an earlier process asked for, as long as they answer.
    """

    def __init__(self, place: Place, *, kept: bool = False) -> None:
        self.place = place
        self._kept = place.state / KEPT if kept else None
        self._made: dict[str, Guise] = {}
        self._given_back: list[int] = []
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._building = threading.Lock()

    def get(self, role: str, options: Options, peers: Mapping[str, Guise], copy: str = "") -> Guise:
        """A server of that kind, running. `copy` tells two of the same kind apart."""
        described = json.dumps(
            [role, options, {k: p.name for k, p in peers.items()}, copy], sort_keys=True
        )
        with self._lock:
            mine = self._locks.setdefault(described, threading.Lock())
        with mine:
            earlier = self._made.get(described)
            if earlier is not None and dict(earlier.peers) != dict(peers):
                self._end(described, earlier)  # what it leans on is another server by now
            if described not in self._made:
                found = self._earlier(described, roles()[role], options, peers)
                made = found or self._make(described, roles()[role], options, peers)
                self._made[described] = made
                self._keep(described, made)
            return self._made[described]

    def _earlier(
        self, described: str, role: Role, options: Options, peers: Mapping[str, Guise]
    ) -> Guise | None:
        """One that an earlier process made; if it is not well any more, its remains are removed."""
        known = self._known().get(described)
        if known is None:
            return None
        name, address = known
        guise = Guise(name, address, role, options, peers)
        if guise.component().is_ready(self.place):
            return guise
        _end(self.place, guise.name)
        return None

    def _known(self) -> dict[str, list[str]]:
        if self._kept is None or not self._kept.exists():
            return {}
        known: dict[str, list[str]] = json.loads(self._kept.read_text())
        return known

    def _keep(self, described: str, guise: Guise) -> None:
        if self._kept is not None:
            with self._lock:
                known = {**self._known(), described: [guise.name, guise.address]}
                written = self._kept.with_suffix(".new")
                written.write_text(json.dumps(known))
                written.replace(self._kept)  # other threads read it meanwhile, without the lock

    def forget(self, guises: Iterable[Guise]) -> None:
        """End servers that may not be as they were; whoever asks for one again gets a new one."""
        gone = {g.name for g in guises}
        with self._lock:
            described = [(k, self._locks[k]) for k, g in self._made.items() if g.name in gone]
        for text, lock in described:
            with lock:  # a new one of that name is not begun before the old one has ended
                if text in self._made:
                    self._end(text, self._made[text])

    def _end(self, described: str, guise: Guise) -> None:
        with self._lock:
            del self._made[described]
        _end(self.place, guise.name)
        with self._lock:
            self._given_back.append(int(guise.address.rpartition(".")[2]))

    def _make(
        self, described: str, role: Role, options: Options, peers: Mapping[str, Guise]
    ) -> Guise:
        if role.build is not None:
            with self._building:
                role.build()
        mark = hashlib.sha256(described.encode()).hexdigest()[:6]
        name = f"{role.name[:2]}-{mark}"
        _end(self.place, name)  # of a process that was killed, or of a demo
        with self._lock:
            host = Host(name, f"{NEAR_NET}.{self._free()}")
            make_host(self.place, host)
        guise = Guise(host.name, host.address, role, options, peers)
        component = guise.component()
        try:
            connect(self.place, host)
            component.start(self.place)
            component.await_ready(self.place, role.starting_s)
        except BaseException:  # else its host and address would be in the way of the next try
            _end(self.place, host.name)
            raise
        return guise

    def _free(self) -> int:
        """The next address; when there are no more, the one that was given back first."""
        counter = self.place.state / "guises"
        number = int(counter.read_text()) + 1 if counter.exists() else FIRST
        if number > LAST and self._given_back:
            return self._given_back.pop(0)
        if number > LAST:
            raise LabError(f"more than {LAST - FIRST + 1} guises: `python -m tests.lab down` first")
        counter.write_text(str(number))
        return number


def clear(place: Place) -> None:
    """End what an earlier run left, with its hosts and its data; the addresses are free again."""
    group = cgroups.tracking() / place.cgroup
    for found in sorted(group.glob("guise-*")):
        _end(place, found.name.removeprefix("guise-"))
    for file in ("guises", KEPT):
        (place.state / file).unlink(missing_ok=True)


def _end(place: Place, name: str) -> None:
    """A guise, its host, its data."""
    group = cgroups.tracking() / place.cgroup
    for part in (f"guise-{name}", f"host-{name}"):
        cgroups.end(group / part)
        cgroups.remove(f"{place.cgroup}/{part}")
    shutil.rmtree(place.state / f"guise-{name}", ignore_errors=True)


def again(place: Place, guise: Guise) -> None:
    """It is started once more, with what it has stored."""
    _again(place, guise, guise, ready=True)


def connect(place: Place, host: Host) -> None:
    """A cable from a new host to the router's bridge.

    One of an earlier host of that name may still be there: a connection that nobody answers keeps
    a network alive for minutes after its processes.
    """
    cable = f"w-{host.name}"
    pid = holder(place, host.name)
    with contextlib.suppress(LabError):
        inside(place, ROUTER.name, ["ip", "link", "delete", cable])
    script = f"""link add {cable} type veth peer name eth0 netns {pid}
link set {cable} master near
link set {cable} up
neigh flush to {host.address} dev near
"""
    inside(place, ROUTER.name, ["ip", "-batch", "-"], script=script)
    own = f"""addr add {host.address}/24 dev eth0
link set eth0 up
route add default via {host.gateway}
"""
    inside(place, host.name, ["ip", "-batch", "-"], script=own)


@contextlib.contextmanager
def stopped(place: Place, guise: Guise) -> Generator[None]:
    """It does not run inside this block."""
    component = guise.component()
    component.stop(place)
    try:
        yield
    finally:
        component.start(place)
        component.await_ready(place, guise.role.starting_s)


@contextlib.contextmanager
def frozen(place: Place, guise: Guise) -> Generator[None]:
    """It hangs inside this block: the kernel accepts for it, it says nothing."""
    group = guise.component().group(place)
    cgroups.freeze(group, frozen=True)
    try:
        yield
    finally:
        cgroups.freeze(group, frozen=False)


@contextlib.contextmanager
def started_with(
    place: Place, guise: Guise, more: Options, *, ready: bool = True
) -> Generator[None]:
    """It was started again with other options; afterwards with its own.

    `ready=False`: with these options it is not expected to answer as it should.
    """
    _again(place, guise, guise.with_options(more), ready=ready)
    try:
        yield
    finally:
        _again(place, guise.with_options(more), guise, ready=True)


def _again(place: Place, before: Guise, after: Guise, *, ready: bool) -> None:
    before.component().stop(place)
    component = after.component()
    component.start(place)
    if ready:
        component.await_ready(place, after.role.starting_s)
    else:
        time.sleep(STARTING_S)


def lines(settings: Mapping[str, Any], join: str = " ") -> Sequence[str]:
    """Settings as lines of a configuration file."""
    return [f"{key}{join}{value}" for key, value in settings.items()]
