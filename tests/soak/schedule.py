"""Which runs there are, and when each is hit by what: a pure function of a seed."""

from __future__ import annotations

import random
import signal
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle, islice, product


class Mode(StrEnum):
    """What is run."""

    POD = "pod"
    RELAY = "relay"
    RESOLVE = "resolve"
    WAIT = "wait"


class End(StrEnum):
    """How it is ended."""

    KILL = "SIGKILL"
    TERM = "SIGTERM"
    INT = "SIGINT"
    INT_TWICE = "SIGINT twice"

    @property
    def number(self) -> signal.Signals:
        """The signal."""
        return {End.KILL: signal.SIGKILL, End.TERM: signal.SIGTERM}.get(self, signal.SIGINT)


# Seconds within which a run is hit: a little longer than it would take, so that some are done.
SPANS = {Mode.POD: 6.0, Mode.RELAY: 7.0, Mode.RESOLVE: 4.0, Mode.WAIT: 14.0}
LEAST_S = 0.4  # before that, Python has not begun with k8sext
BETWEEN_S = (0.01, 1.0)  # between the two of SIGINT twice
# Deadline and time to live of its Job, in seconds: the deadline is 10 s more than these two.
SHORT = ("--pod-start-timeout", "5", "--timeout", "3", "--pod-ttl", "2")
NOWHERE = ("--node-selector", "k8sext-test=nowhere")


@dataclass(frozen=True)
class Run:
    """One run. `after_s` is counted from its start."""

    number: int
    mode: Mode
    end: End
    after_s: float
    between_s: float = 0.0
    nowhere: bool = False  # no node takes its pod: nothing but the Job's deadline ends that
    cleanup: bool = False  # `k8sext cleanup` is run after it

    def words(self, namespace: str, image: str) -> tuple[str, ...]:
        """Its command line, without the program."""
        where = ("-n", namespace, "--image", image)
        if self.mode is Mode.RESOLVE:
            to = ("--to", "redis.corp.example:26379", "--protocol", "redis", "--resolve")
            return ("provision", "resolved-svc", *to, *where)
        more = {
            Mode.POD: (),
            Mode.RELAY: ("--from", "relay", "--credentials", "cluster"),
            Mode.WAIT: ("--wait", "60s"),
        }[self.mode]
        return ("doctor", *where, *SHORT, *more, *(NOWHERE if self.nowhere else ()))


def runs(seed: int, number: int) -> tuple[Run, ...]:
    """`number` runs in an order of their own: every mode meets every end equally often."""
    chance = random.Random(seed)
    pairs = list(islice(cycle(product(Mode, End)), number))
    chance.shuffle(pairs)
    killed = 0
    made: list[Run] = []
    for position, (mode, end) in enumerate(pairs):
        killed += end is End.KILL
        made.append(
            Run(
                number=position,
                mode=mode,
                end=end,
                after_s=round(chance.uniform(LEAST_S, SPANS[mode]), 3),
                between_s=round(chance.uniform(*BETWEEN_S), 3) if end is End.INT_TWICE else 0.0,
                nowhere=mode is not Mode.RESOLVE and chance.random() < 0.3,
                cleanup=end is End.KILL and killed % 2 == 0,
            )
        )
    return tuple(made)
