"""PostgreSQL's messages: a kind of one byte, a length of four that counts itself, a body.

PostgreSQL documentation, "Message Formats".
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from k8sext.agent.fault import Fault
from k8sext.agent.net.guess import wrong_protocol
from k8sext.model.words import Reason

if TYPE_CHECKING:
    from k8sext.agent.net.stream import Stream

MAX_MESSAGE = 1 << 20
MAX_MESSAGES = 2000  # of one connection; reading what is there already lets nobody else run


class Messages:
    """Reads and writes the messages of one connection."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.count = 0

    async def send(self, kind: bytes, body: bytes) -> None:
        """One message; the startup message and its like have no kind."""
        await self.stream.write(kind + sized(body))

    async def ask(self, *statements: str) -> None:
        """Simple queries, all in one write; each has its own ReadyForQuery."""
        await self.stream.write(b"".join(b"Q" + sized(text(sql)) for sql in statements))

    async def read(self) -> tuple[bytes, bytes]:
        """The next message that is no notice. Raises Fault."""
        while True:
            self.count += 1
            if self.count > MAX_MESSAGES:
                raise Fault(Reason.TOO_MUCH, "more messages than any honest answer has")
            kind = await self.stream.read_exactly(1)
            if not kind.isalpha():
                raise await self.wrong("the first byte is none of PostgreSQL's")
            length = await self._length(await self.stream.read_exactly(4))
            body = await self.stream.read_exactly(length - 4)
            if kind != b"N":
                return kind, body

    async def rest(self, begun: bytes) -> bytes:
        """The body of a message of which everything after the kind is partly read."""
        if len(begun) < 4:
            begun += await self.stream.read_exactly(4 - len(begun))
        length = await self._length(begun)
        more = max(0, length - len(begun))
        return begun[4:length] + (await self.stream.read_exactly(more) if more else b"")

    async def _length(self, data: bytes) -> int:
        (length,) = struct.unpack_from("!I", data)
        if not 4 <= length <= MAX_MESSAGE:
            raise await self.wrong(f"a message of {length} bytes")
        return int(length)

    async def wrong(self, why: str) -> Fault:
        """The Fault for what is no message of PostgreSQL's."""
        return await wrong_protocol(self.stream, why)


def text(word: str) -> bytes:
    """A zero-terminated string; one that holds a zero would be another message."""
    return word.replace("\0", "").encode("utf-8", "replace") + b"\0"


def sized(body: bytes) -> bytes:
    """A body behind its length."""
    return struct.pack("!I", len(body) + 4) + body


def columns(body: bytes) -> list[str]:
    """DataRow: count, then length and bytes of each; length -1 is NULL."""
    try:
        (count,) = struct.unpack_from("!H", body)
        at, out = 2, list[str]()
        for _ in range(count):
            (length,) = struct.unpack_from("!i", body, at)
            at += 4
            out.append(body[at : at + max(length, 0)].decode("utf-8", "replace"))
            at += max(length, 0)
    except struct.error as error:
        raise Fault(Reason.WRONG_PROTOCOL, "a row that ends early") from error
    return out
