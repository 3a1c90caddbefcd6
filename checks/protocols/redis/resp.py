"""Replies in Redis' wire format, versions 2 and 3, bounded whatever a server announces.

Types: https://redis.io/docs/latest/develop/reference/protocol-spec/; streamed strings and
aggregates, pushes and attributes: the RESP3 specification (antirez/RESP3).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from k8sext.agent.fault import Fault
from k8sext.agent.net.guess import wrong_protocol
from k8sext.model.words import Reason

if TYPE_CHECKING:
    from k8sext.agent.net.stream import Stream

MAX_DEPTH = 8
MAX_ITEMS = 1 << 16  # of one reply, at every depth together; bytes are the stream's budget

Reply: TypeAlias = "str | int | float | bool | list[Reply] | dict[str, Reply] | RedisError | None"

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_BIG = re.compile(r"[+-]?[0-9]{1,4096}")
_DOUBLE = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?|inf)|nan")
_SCALARS, _STRINGS, _AGGREGATES, _ASIDE = b"+-:_#,(", b"$=!", b"*~%", b">|"


class RedisError(Exception):
    """An error reply: the server's words, and the command that was answered so."""

    command = ""

    @property
    def words(self) -> str:
        """What the server said, without the leading `-`."""
        return str(self.args[0])


class ReplyReader:
    """Reads replies off a stream. Raises Fault and nothing else."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.left = MAX_ITEMS
        self.scalars: dict[bytes, Callable[[str], Awaitable[Reply]]] = {
            b":": self._integer, b",": self._double, b"(": self._big,
        }  # fmt: skip

    async def read(self) -> Reply:
        """One reply; pushes and attributes on the way are passed over."""
        self.left = MAX_ITEMS
        return await self._next(0)

    async def _next(self, depth: int) -> Reply:
        while True:
            kind, line = await self._begin()
            if kind not in _ASIDE:
                return await self._value(kind, line, depth)
            await self._aggregate(b"%" if kind == b"|" else b"*", line, depth)

    async def _begin(self) -> tuple[bytes, str]:
        """Type and rest of the line of one value."""
        self.left -= 1
        if self.left < 0:
            raise Fault(Reason.TOO_MUCH, f"a reply of more than {MAX_ITEMS} items")
        kind = await self.stream.read_exactly(1)
        if kind not in _SCALARS + _STRINGS + _AGGREGATES + _ASIDE + b".":
            raise await self._wrong("the first byte is none of Redis'")
        line = await self.stream.read_until()
        return kind, line[:-2].decode("utf-8", "replace")

    async def _value(self, kind: bytes, line: str, depth: int) -> Reply:
        if kind in _STRINGS:
            return await self._string(kind, line)
        if kind in _AGGREGATES:
            return await self._aggregate(kind, line, depth)
        if kind == b"+":
            return line
        if kind == b"-":
            return RedisError(line)
        if kind == b"_":
            return None
        if kind == b"#":
            return line == "t"
        if kind in self.scalars:
            return await self.scalars[kind](line)
        raise await self._wrong("an end without a beginning")

    async def _integer(self, line: str) -> int:
        if not _INTEGER.fullmatch(line):
            raise await self._wrong("a number that is none")
        return int(line)

    async def _double(self, line: str) -> float:
        if not _DOUBLE.fullmatch(line):
            raise await self._wrong("a number that is none")
        return float(line)

    async def _big(self, line: str) -> str:
        """A number of any length stays text: nobody here reckons with it."""
        if not _BIG.fullmatch(line):
            raise await self._wrong("a number that is none")
        return line

    async def _length(self, line: str) -> int | None:
        """A length; None for the null that version 2 writes as -1."""
        number = await self._integer(line)
        if number < -1:
            raise await self._wrong("a length below zero")
        return None if number == -1 else number

    # -- strings --------------------------------------------------------------------------------

    async def _string(self, kind: bytes, line: str) -> Reply:
        if line == "?":
            return await self._chunks()
        length = await self._length(line)
        if length is None:
            return None
        text = await self._bytes(length)
        if kind == b"!":
            return RedisError(text)
        return text.partition(":")[2] if kind == b"=" else text  # "txt:" or "mkd:" before it

    async def _bytes(self, length: int) -> str:
        data = await self.stream.read_exactly(length + 2)
        if data[-2:] != b"\r\n":
            raise await self._wrong("a string without its end")
        return data[:-2].decode("utf-8", "replace")

    async def _chunks(self) -> str:
        """`;length`, bytes, …, `;0`."""
        parts: list[str] = []
        while True:
            self.left -= 1
            if self.left < 0 or await self.stream.read_exactly(1) != b";":
                raise await self._wrong("a streamed string without its chunks")
            length = await self._length((await self.stream.read_until())[:-2].decode("latin-1"))
            if not length:
                return "".join(parts)
            parts.append(await self._bytes(length))

    # -- aggregates -----------------------------------------------------------------------------

    async def _aggregate(self, kind: bytes, line: str, depth: int) -> Reply:
        if depth >= MAX_DEPTH:
            raise Fault(Reason.TOO_MUCH, "a reply nested too deep")
        if line == "?":
            values = await self._until_end(depth + 1)
        else:
            length = await self._length(line)
            if length is None:
                return None
            count = length * 2 if kind == b"%" else length
            if count > self.left:
                raise Fault(Reason.TOO_MUCH, f"a reply of {length} items")
            values = [await self._next(depth + 1) for _ in range(count)]
        return _paired(values) if kind == b"%" else values

    async def _until_end(self, depth: int) -> list[Reply]:
        values: list[Reply] = []
        while True:
            kind, line = await self._begin()
            if kind == b".":
                return values
            if kind in _ASIDE:
                raise await self._wrong("a push inside a value")
            values.append(await self._value(kind, line, depth))

    async def _wrong(self, why: str) -> Fault:
        return await wrong_protocol(self.stream, why)


def _paired(values: list[Reply]) -> dict[str, Reply]:
    return {str(k): v for k, v in zip(values[::2], values[1::2], strict=False)}


def mapping(reply: Reply) -> dict[str, Reply]:
    """A map of version 3, or the flat list that version 2 writes for it."""
    if isinstance(reply, dict):
        return reply
    return _paired(reply) if isinstance(reply, list) else {}


def items(reply: Reply) -> list[Reply]:
    """A list, or nothing."""
    return reply if isinstance(reply, list) else []


def command(*words: str) -> bytes:
    """A request."""
    parts = [w.encode() for w in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)
