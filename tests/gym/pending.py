"""Which case is begun next: one whose servers nobody has at the moment, in the given order."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence

from tests.gym import actions
from tests.gym.case import Case


class Pending:
    """Cases that are not begun yet."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self._waiting = [*cases]
        self._running: dict[str, set[str]] = {}
        self._lock = threading.Lock()

    def take(self) -> Case | None:
        """The next case: the first one that need not wait for another, else the first of all.

        Cases that need the whole cluster come last: everybody else would wait for them.
        """
        with self._lock:
            able = [c for c in self._waiting if not needs_the_cluster(c)] or self._waiting
            if not able:
                return None
            busy = set[str]().union(*self._running.values())
            chosen = next((c for c in able if not needs_of(c) & busy), able[0])
            self._waiting.remove(chosen)
            self._running[chosen.id] = needs_of(chosen)
            return chosen

    def ended(self, case: Case) -> None:
        """What it had is free."""
        with self._lock:
            del self._running[case.id]

    def stop(self) -> None:
        """No other case is begun."""
        with self._lock:
            self._waiting.clear()


def needs_the_cluster(case: Case) -> bool:
    """Whether nothing else may run beside it."""
    return actions.CLUSTER_LOCK in needs_of(case)


def needs_of(case: Case) -> set[str]:
    """What it has to itself: a word for each of its servers, and its locks."""
    locks = actions.locks_of((*case.setup, *case.fault))
    if case.apart:
        return locks
    asked = ({"role": name, **spec} for name, spec in case.servers.items())
    return {*locks, *(json.dumps(spec, sort_keys=True) for spec in asked)}
