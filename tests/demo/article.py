"""The article's middleware as a scene of the gym (`article.yaml`), kept for next time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from pathlib import Path

from tests.gym import actions
from tests.gym.case import of_file
from tests.gym.scene import Scene, servers_of
from tests.lab.cluster import apps
from tests.lab.guise import Wardrobe
from tests.lab.lab import Lab

FILE = Path(__file__).parent / "article.yaml"
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
