"""What belongs to a run of doctor: words of its own, and what happens while it looks."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

from .action import NUMBER, Action, World, shape

Steps = Iterable[Mapping[str, Any]]
Doing = Callable[[World, Steps], AbstractContextManager[None]]


def words_of(steps: Steps) -> list[str]:
    """More words for doctor, of the steps that give some."""
    return [str(word) for step in steps for word in step.get("doctor", ())]


@contextlib.contextmanager
def meanwhile(world: World, steps: Steps, do: Doing) -> Generator[None]:
    """What the steps do some time after this block has begun; undone when it ends.

    Where the block ends earlier than that, nothing was done: that is an error of the case.
    """
    late = [step["later"] for step in steps if "later" in step]
    over = threading.Event()

    def one(value: Mapping[str, Any]) -> None:
        if over.wait(float(value["seconds"])):
            raise LookupError(f"doctor had ended before the {value['seconds']} s of `later`")
        with do(world, value["do"]):
            over.wait()

    with ThreadPoolExecutor(max(len(late), 1)) as pool:
        running = [pool.submit(one, value) for value in late]
        try:
            yield
        finally:
            over.set()
    for ended in running:
        ended.result()


_STEPS = {"type": "list", "items": {"type": "mapping", "one_key": True}}
TABLE: Mapping[str, Action] = {
    "doctor": Action({"type": "list"}),
    "later": Action(shape({"seconds": NUMBER, "do": _STEPS})),
}
