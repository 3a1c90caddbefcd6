"""The pure half of the ELK check: what a bridge asks for, how a key is routed, what a look says."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from typing import Any

from k8sext.agent.check import Fault
from k8sext.agent.wire.http_api import mapping, sequence
from k8sext.model.data import dataclass
from k8sext.model.result import Facts
from k8sext.model.words import Reason

LISTED = 8
AGAIN = 3  # looks at a queue before its backlog is said to grow


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What of `expect` is about the path of a log line."""

    exchange: str
    queue: str
    key: str
    kind: str  # of the exchange; "": any
    index: str


def wanted(expect: Facts) -> Wanted:
    """Read from `expect`. Raises Fault (BAD_EXPECTATION) where a part is missing."""
    words = {k: str(expect.get(k, "")) for k in _NEEDS}
    for key, needs in _NEEDS.items():
        missing = [n for n in needs if not expect.get(n)]
        if (words[key] or key in ("exchange", "queue")) and missing:
            text = f"the path of a log line needs {' and '.join(f'expect.{n}' for n in missing)}"
            raise Fault(Reason.BAD_EXPECTATION, text)
    return Wanted(
        exchange=words["exchange"],
        queue=words["queue"],
        key=str(expect.get("routing_key", "")),
        kind=words["exchange_type"],
        index=words["index"],
    )


# What cannot be looked at without another.
_NEEDS = {
    "exchange": ("exchange",),
    "queue": ("queue",),
    "exchange_type": ("management",),
    "index": ("elasticsearch",),
    "elasticsearch": ("index",),
}


def routes(kind: str, bound: Sequence[str], key: str) -> bool:
    """Whether an exchange of that type routes the key to a queue that is bound by these keys.

    https://www.rabbitmq.com/tutorials/amqp-concepts: direct by equality, topic by words, fanout
    always. Of the others nothing is known by the key.
    """
    if kind == "direct":
        return key in bound
    if kind == "topic":
        return any(_fits(pattern.split("."), key.split(".")) for pattern in bound)
    return bool(bound)


def _fits(pattern: list[str], words: list[str]) -> bool:
    """`*` is one word, `#` any number of them, none included; a row of the table for each part."""
    fits = [True] + [False] * len(words)  # what the pattern so far makes of the first n words
    for part in pattern:
        if part == "#":
            first = fits.index(True) if True in fits else len(fits)
            fits = [n >= first for n in range(len(fits))]
        else:
            same = (part in ("*", word) for word in words)
            fits = [False, *(before and one for before, one in zip(fits, same, strict=False))]
    return fits[-1]


def keys_of(bindings: Any) -> list[str]:
    """The routing keys of the management API's list of bindings."""
    return [str(mapping(b).get("routing_key")) for b in sequence(bindings)]


def bound(want: Wanted, kind: str, keys: Sequence[str]) -> None:
    """Raises Fault where the queue does not get what is published with the key."""
    if not keys:
        text = f"queue {want.queue} is not bound to exchange {want.exchange}"
        raise Fault(Reason.OBJECT_MISSING, text)
    if want.key and not routes(kind, keys, want.key):
        there = ", ".join(keys[:LISTED])
        text = (
            f"{kind} exchange {want.exchange} does not route key {want.key} to queue {want.queue}; "
            f"its keys are: {there}"
        )
        raise Fault(Reason.OBJECT_MISSING, text)


def grows(looks: Sequence[int]) -> bool:
    """Whether a backlog that was there has grown from look to look."""
    return len(looks) >= AGAIN and looks[0] > 0 and [*looks] == sorted({*looks})


def line(mark: str, now: datetime.datetime) -> bytes:
    """A log line as logback's AMQP appender sends it, marked in its text and in a field."""
    text = f"k8sext {mark}: a test line of k8sext doctor --active, which deletes it again"
    stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event = {"@timestamp": stamp, "level": "INFO", "logger_name": "k8sext", "message": text}
    return json.dumps({**event, "k8sext": mark}).encode()


def lost(counts: tuple[int, int] | None) -> str:
    """What the queue says of a line that did not arrive."""
    if counts is None:
        return "the queue is held by one connection"
    messages, consumers = counts
    if messages:
        return f"{messages} messages wait in the queue, which has {consumers} consumers"
    return (
        "the queue is empty, so the consumer has taken it: see its log, and which index it writes"
    )
