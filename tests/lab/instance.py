"""The whole instance: which components it has, how it comes up, and how it goes."""

from __future__ import annotations

import importlib
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.lab import cgroups
from tests.lab.building.everything import built
from tests.lab.cluster import control_plane, dns, node
from tests.lab.component import Component
from tests.lab.network import make_network
from tests.lab.pki import make_pki
from tests.lab.place import LabError, Place

PARTS = ("kubernetes", "servers")


def components() -> tuple[Component, ...]:
    """All there are: Kubernetes and whatever lies in `servers/`."""
    return (*control_plane.COMPONENTS, *node.COMPONENTS, *dns.COMPONENTS, *_servers())


def _servers() -> Iterable[Component]:
    """Each file in `servers/` has one `COMPONENT`."""
    for file in sorted((Path(__file__).parent / "servers").glob("*.py")):
        module = importlib.import_module(f"tests.lab.servers.{file.stem}")
        found: Component = module.COMPONENT
        yield found


def component_named(name: str) -> Component:
    """Look a component up by name."""
    for component in components():
        if component.name == name:
            return component
    raise LabError(f"no component {name!r}: there are {', '.join(c.name for c in components())}")


def chosen(only: Sequence[str] = ()) -> tuple[Component, ...]:
    """The components of some parts, or some by name with what they need."""
    names = {c.name for c in components() if not only or c.part in only}
    todo = [name for name in only if name not in PARTS]
    while todo:
        name = todo.pop()
        names.add(name)
        todo += component_named(name).needs
    return tuple(c for c in components() if c.name in names)


@dataclass(frozen=True)
class Health:
    """How one component is."""

    component: Component
    pid: int | None
    ready: bool
    seconds: float
    """How long it has been running."""


def health(place: Place, asked: Sequence[Component]) -> list[Health]:
    """Look at every component, all at once."""
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    found: dict[str, Health] = {}

    def look(component: Component) -> None:
        pid = component.pid(place)
        seconds = uptime - cgroups.started(pid) if pid else 0.0
        found[component.name] = Health(component, pid, component.is_ready(place), seconds)

    _all_at_once([threading.Thread(target=look, args=(c,), daemon=True) for c in asked])
    return [found[component.name] for component in asked]


def wanted(place: Place, component: Component) -> bool:
    """Whether it was started here: its cgroup stays after it has ended."""
    return component.group(place).exists()


def up(place: Place, only: Sequence[str] = ()) -> bool:
    """Bring up what is chosen; False when all of it already was.

    Leftovers of an earlier run are removed first. What is up already stays as it is, so parts
    can be added later.
    """
    if not built():
        raise LabError("not everything is built: `python -m tests.lab build` first")
    with place.locked():
        asked = chosen(only)
        if _standing(place):
            missing = [h.component for h in health(place, asked) if not h.ready]
            if not missing:
                return False
            if _repairable(place, missing):
                for component in missing:
                    component.stop(place)
                _start(place, missing)
                return True
        _clear(place)
        place.state.mkdir(parents=True, mode=0o755)
        shutil.rmtree(place.log, ignore_errors=True)
        place.log.mkdir()
        _say(place, "keys and network")
        with ThreadPoolExecutor(1) as pool:
            keys = pool.submit(make_pki, place)
            node.prepare_images(place)
            make_network(place)
            keys.result()
        (place.state / "complete").touch()
        _start(place, asked)
        return True


def down(place: Place) -> bool:
    """Remove everything but the logs; False when there was nothing."""
    there = _standing(place) or place.state.exists()
    if there or place.root.exists():
        with place.locked():
            _clear(place)
    return there


def _standing(place: Place) -> bool:
    return (cgroups.tracking() / place.cgroup).exists()


def _repairable(place: Place, missing: Sequence[Component]) -> bool:
    """Whether starting what is missing is enough.

    Not when `up` was cut off before keys and network were finished, nor when a host is gone,
    nor when a part of Kubernetes that once ran is ill: a cluster is made anew, not mended.
    """
    group = cgroups.tracking() / place.cgroup
    hosts = all(cgroups.members(folder) for folder in group.glob("host-*"))
    ill = [c for c in missing if c.part == "kubernetes" and wanted(place, c)]
    return (place.state / "complete").exists() and hosts and not ill


def _clear(place: Place) -> None:
    """End every process, then remove what it stood on.

    Namespaces, interfaces, mounts and firewall rules are gone with the last process.
    """
    cgroups.end(cgroups.tracking() / place.cgroup)
    cgroups.remove(place.cgroup)
    shutil.rmtree(place.state, ignore_errors=True)
    if place.state.exists():
        time.sleep(0.2)
        shutil.rmtree(place.state)


def _start(place: Place, asked: Sequence[Component]) -> None:
    """Start each component as soon as what it needs is ready; all others beside it."""
    began = time.monotonic()
    ready = {component.name: threading.Event() for component in asked}
    failed: list[Exception] = []

    def run(component: Component) -> None:
        try:
            for need in component.needs:
                if need in ready:
                    ready[need].wait()
            if failed:
                return
            component.start(place)
            component.await_ready(place)
            _say(place, f"{component.name} is ready after {time.monotonic() - began:.1f} s")
        except Exception as problem:
            failed.append(problem)
        finally:
            ready[component.name].set()

    _all_at_once([threading.Thread(target=run, args=(c,), daemon=True) for c in asked])
    if failed:
        raise failed[0]


def _all_at_once(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _say(place: Place, text: str) -> None:
    print(f"lab {place.instance}: {text}", file=sys.stderr, flush=True)
