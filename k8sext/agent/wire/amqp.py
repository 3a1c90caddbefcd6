"""AMQP 0-9-1's values, and what is said of a queue whichever way its counts were learnt.

Field tables as RabbitMQ writes them (rabbit_binary_parser.erl); https://www.rabbitmq.com/amqp-0-9-1-errata
"""

from __future__ import annotations

import struct

from k8sext.agent.fault import Fault
from k8sext.model.data import dataclass
from k8sext.model.result import Facts, Json
from k8sext.model.words import Reason

MAX_DEPTH = 8

_FIXED = {
    b"t": "!?", b"b": "!b", b"B": "!B", b"s": "!h", b"u": "!H", b"I": "!i", b"i": "!I",
    b"l": "!q", b"L": "!Q", b"f": "!f", b"d": "!d", b"T": "!Q",
}  # fmt: skip


class ArgumentReader:
    """Reads values from a method's arguments. Raises Fault where they end early."""

    def __init__(self, data: bytes, depth: int = 0) -> None:
        self.data, self.at, self.depth = data, 0, depth

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if self.at + count > len(self.data):
            raise Fault(Reason.WRONG_PROTOCOL, "arguments that end early")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, form: str) -> int:
        """One big-endian number."""
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def short(self) -> str:
        """A short string."""
        return self.take(self.number("!B")).decode("utf-8", "replace")

    def long(self) -> bytes:
        """A long string."""
        return self.take(self.number("!I"))

    def table(self) -> dict[str, Json]:
        """A field table."""
        if self.depth >= MAX_DEPTH:
            raise Fault(Reason.TOO_MUCH, "a table nested too deep")
        inner = ArgumentReader(self.long(), self.depth + 1)
        out: dict[str, Json] = {}
        while inner.at < len(inner.data):
            name = inner.short()
            out[name] = inner.value()
        return out

    def value(self) -> Json:
        """One tagged field value."""
        kind = self.take(1)
        if kind in _FIXED:
            form = _FIXED[kind]
            value: Json = struct.unpack(form, self.take(struct.calcsize(form)))[0]
            return value
        if kind in b"Sx":
            return self.long().decode("utf-8", "replace")
        if kind == b"F":
            return self.table()
        if kind == b"A":
            return self._array()
        if kind == b"D":
            return self.take(5).hex()
        if kind == b"V":
            return None
        raise Fault(Reason.WRONG_PROTOCOL, f"a field of unknown kind {kind!r}")

    def _array(self) -> Json:
        if self.depth >= MAX_DEPTH:
            raise Fault(Reason.TOO_MUCH, "an array nested too deep")
        inner = ArgumentReader(self.long(), self.depth + 1)
        out: list[Json] = []
        while inner.at < len(inner.data):
            out.append(inner.value())
        return out


def short(text: str) -> bytes:
    """A short string, cut at 255 bytes."""
    data = text.encode()[:255]
    return bytes([len(data)]) + data


def long(data: bytes) -> bytes:
    """A long string."""
    return struct.pack("!I", len(data)) + data


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One to publish: transient, and gone by itself after `expires_s` where nobody takes it.

    Properties: AMQP 0-9-1 specification, class basic; `expiration` is milliseconds as text
    (https://www.rabbitmq.com/docs/ttl).
    """

    exchange: str  # "": the default one, whose keys are the names of queues
    key: str
    body: bytes
    expires_s: float
    content_type: str = "application/json"

    def frames(self, channel: int, frame_max: int) -> bytes:
        """basic.publish with the mandatory flag, the content's header, the content."""
        method = struct.pack("!HHH", 60, 40, 0) + short(self.exchange) + short(self.key) + b"\x01"
        # content-type, delivery-mode, expiration, app-id
        flags = 1 << 15 | 1 << 12 | 1 << 8 | 1 << 3
        header = struct.pack("!HHQH", 60, 0, len(self.body), flags)
        header += short(self.content_type) + b"\x01"
        header += short(str(round(self.expires_s * 1000))) + short("k8sext")
        step = frame_max - 8  # a frame's own head and end
        parts = [self.body[at : at + step] for at in range(0, len(self.body), step)]
        frames = [(1, method), (2, header), *((3, part) for part in parts)]
        return b"".join(frame(kind, channel, payload) for kind, payload in frames)


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """One frame."""
    return struct.pack("!BHI", kind, channel, len(payload)) + payload + b"\xce"


def queue_state(
    queue: str, messages: int, consumers: int, expect: Facts
) -> tuple[str, Reason | None]:
    """What is said of a queue, and what it is a warning for. Raises Fault for what is expected."""
    readers = f"{consumers} consumer{'' if consumers == 1 else 's'}" if consumers else "no consumer"
    said = f"queue {queue} has {readers} and {messages} messages"
    least, most = expect.get("min_consumers"), expect.get("max_messages")
    facts: dict[str, Json] = {"messages": messages, "consumers": consumers}
    if isinstance(least, int | float) and consumers < least:
        raise Fault(Reason.NO_CONSUMER, f"{said}, at least {least} expected", **facts)
    if isinstance(most, int | float) and messages > most:
        raise Fault(Reason.UNHEALTHY, f"{said}, expected are at most {most}", **facts)
    return said, Reason.NO_CONSUMER if consumers == 0 and least is None else None
