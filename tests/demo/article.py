"""The article's middleware as a scene of the gym (`article.yaml`), kept for next time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

from tests.gym import actions, score
from tests.gym.case import of_file
from tests.gym.scene import Scene, servers_of
from tests.lab.cluster import apps
from tests.lab.guise import Wardrobe
from tests.lab.lab import Lab
from tests.lab.place import LabError

FILE = Path(__file__).parent / "article.yaml"
REGISTERED_S = 150
"""An executor registers every 30 s; a machine with two cores starts 20 servers meanwhile."""
FAULTS = "Sentinel's client announces its pod, the registry is cut off, Logstash is down"


def scene(lab: Lab, say: Callable[[str], None]) -> Scene:
    """The servers, all at once; those of an earlier demo are taken as they are."""
    case = of_file(FILE)
    wardrobe = Wardrobe(lab.place, kept=True)
    say(f"{len(case.servers)} servers ...\n")
    apps.provide(lab.place, *case.apps)
    return Scene(lab, case, servers_of(wardrobe, case, at_once=len(case.servers)))


def stand(scene: Scene, namespace: str, stack: contextlib.ExitStack) -> None:
    """The objects, and what belongs to the healthy state."""
    scene.create(namespace, scene.case.setup, [])
    scene.lab.await_rules(namespace)
    stack.enter_context(actions.done(scene.world(namespace), scene.case.setup))


def await_registered(
    look: Callable[[], score.Seen], say: Callable[[str], None], patience_s: float = REGISTERED_S
) -> None:
    """Until everything that registers has done so, as doctor sees it; says what is missing.

    Ready pods are not enough: XXL-JOB's executors register again every half minute, and those of
    an earlier demo know another admin.
    """
    give_up, said = time.monotonic() + patience_s, ""
    while missing := unregistered(look()):
        if missing != said:
            say(f"waiting for: {missing}\n")
        if time.monotonic() > give_up:
            raise LabError(f"after {patience_s:.0f} s this is still missing: {missing}")
        said = missing
        time.sleep(2)


def unregistered(seen: score.Seen) -> str:
    """What doctor has to say against the bridges, in one line; empty if all of them are well."""
    if not seen.report.get("bridges"):
        return seen.text.strip() or "doctor"
    bad = (b for b in seen.report["bridges"] if b["status"] not in ("pass", "warn"))
    said = (f"{b['service']} ({_first(b)})" for b in bad)
    above = (f"{d['code']} {d['summary']}" for d in seen.above())
    return "; ".join([*above, *said])


def _first(bridge: Mapping[str, Any]) -> str:
    found = bridge["diagnoses"]
    return f"{found[0]['code']}: {found[0]['summary']}" if found else str(bridge["status"])


@contextlib.contextmanager
def broken(scene: Scene, namespace: str) -> Generator[None]:
    """The faults, inside this block."""
    setup, fault = scene.case.setup, scene.case.fault
    scene.create(namespace, [*setup, *fault], [])
    with actions.done(scene.world(namespace), fault):
        try:
            yield
        finally:  # the pods first: Sentinel forgets theirs with its restart
            scene.create(namespace, setup, [])
            waits = [step for step in setup if "await" in step]
            with actions.done(scene.world(namespace), waits):
                pass
