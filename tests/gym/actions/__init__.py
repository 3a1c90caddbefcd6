"""What a case may do to the lab and to its objects: one small function each, in tables.

An action that edits objects works on the list before it is applied; one that does something to
the lab is a context manager: what it did is undone when the block ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any

from tests.gym.reader import Schema

from . import cluster, edits, looking, servers, way
from .action import Action, Object, World
from .cluster import CLUSTER_LOCK
from .looking import words_of

__all__ = [
    "CLUSTER_LOCK",
    "TABLE",
    "World",
    "changed_by",
    "done",
    "edited",
    "flat",
    "locks_of",
    "meanwhile",
    "schemas",
    "words_of",
]

TABLE: Mapping[str, Action] = {
    **servers.TABLE,
    **way.TABLE,
    **cluster.TABLE,
    **edits.TABLE,
    **looking.TABLE,
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


def meanwhile(
    world: World, steps: Iterable[Mapping[str, Any]]
) -> contextlib.AbstractContextManager[None]:
    """What happens while doctor looks: the steps of every `later`."""
    return looking.meanwhile(world, steps, done)


def flat(steps: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The steps, those of every `later` too."""
    known = [*steps]
    return [*known, *(inner for step in known for inner in step.get("later", {}).get("do", ()))]


def changed_by(
    steps: Iterable[Mapping[str, Any]], connected: Callable[[str], set[str]]
) -> set[str]:
    """Servers that are not as they were when the steps have been undone.

    `connected`: what a server has to do with in its case, itself included. What lasts may have
    come as far as that; what does not may have been noticed there.
    """
    changed: set[str] = set()
    for step in flat(steps):
        ((word, value),) = step.items()
        action = TABLE[word]
        for name in action.servers(value):
            around = connected(name)
            if action.lasts(value) or (action.noticed and len(around) > 1):
                changed |= around
    return changed


def locks_of(steps: Iterable[Mapping[str, Any]]) -> set[str]:
    """What the steps need for themselves."""
    return {lock for step in flat(steps) for word in step for lock in TABLE[word].locks}
