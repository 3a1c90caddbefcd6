"""How the two ends of a relay talk: request and answer lines, then frames both ways.

A request is one line of JSON, `{"op": "resolve", "name": …, "within": s}` or
`{"op": "connect", "address": …, "port": …, "within": s}`; the answer is one line, `{"fault": …}` or
what was found. After a connect that worked, frames: a byte for the kind, four for the length, then
so many bytes. Frames, and not bare bytes, because a port-forward has no half-closed connection and
does not tell a reset from an end.
"""

from __future__ import annotations

import enum
import errno
import json
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from k8sext.agent.fault import Fault
from k8sext.model.result import Json
from k8sext.model.words import Reason

MAX_LINE = 1 << 10  # a request: an operation and a name
MAX_ANSWER = 1 << 16  # a fault's evidence lists addresses and names that were tried
MAX_FRAME = 1 << 16
_HEAD = struct.Struct("!BI")

Receive = Callable[[], Awaitable[bytes]]  # some bytes; b"" at the end


class FrameKind(enum.IntEnum):
    """What a frame carries."""

    DATA = 0
    END = 1  # its sender sends no more; the other way stays open
    BROKEN = 2  # the server's connection broke: the symbolic errno


class Garbage(Exception):
    """The other end does not speak this."""


def line(value: Mapping[str, Json]) -> bytes:
    """A request or an answer as it travels."""
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def frame(kind: FrameKind, data: bytes = b"") -> bytes:
    """A frame as it travels; `data` of at most MAX_FRAME bytes."""
    return _HEAD.pack(kind, len(data)) + data


class Incoming:
    """Reads lines and frames out of what comes in pieces; holds at most one of them."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._buffer = receive, b""

    async def line(self, limit: int) -> bytes:
        """A line without its end; b"" at the end of everything. Raises Garbage."""
        while b"\n" not in self._buffer:
            if len(self._buffer) > limit:
                raise Garbage("a line without an end")
            more = await self._receive()
            if not more:
                return b""
            self._buffer += more
        found, _, self._buffer = self._buffer.partition(b"\n")
        if len(found) > limit:
            raise Garbage("a line that is too long")
        return found

    async def object(self, limit: int) -> dict[str, Json] | None:
        """A line's JSON object; None at the end. Raises Garbage."""
        text = await self.line(limit)
        if not text:
            return None
        try:
            value: object = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Garbage("not JSON") from error
        if not isinstance(value, dict):
            raise Garbage("not an object")
        return cast("dict[str, Json]", value)

    async def frame(self) -> tuple[FrameKind, bytes] | None:
        """The next frame; None where the other end is gone without another. Raises Garbage."""
        if not await self._have(_HEAD.size):
            return None
        number, length = _HEAD.unpack_from(self._buffer)
        if length > MAX_FRAME or number not in FrameKind.__members__.values():
            raise Garbage("not a frame")
        if not await self._have(_HEAD.size + length):
            return None
        data = self._buffer[_HEAD.size : _HEAD.size + length]
        self._buffer = self._buffer[_HEAD.size + length :]
        return FrameKind(number), data

    async def _have(self, count: int) -> bool:
        while len(self._buffer) < count:
            more = await self._receive()
            if not more:
                return False
            self._buffer += more
        return True


def of_fault(fault: Fault) -> dict[str, Json]:
    """A Fault as an answer."""
    said: dict[str, Json] = {"reason": fault.reason.value, "detail": fault.detail}
    return {"fault": {**said, "evidence": fault.evidence}}


def raise_fault(answer: Mapping[str, Json]) -> None:
    """Raise the Fault that an answer carries, if it carries one. Raises Garbage."""
    said = answer.get("fault")
    if said is None:
        return
    if not isinstance(said, dict) or not isinstance(said.get("evidence"), dict):
        raise Garbage("not a fault")
    try:
        reason = Reason(str(said.get("reason")))
    except ValueError as error:
        raise Garbage("an unknown reason") from error
    evidence = cast("dict[str, Json]", said["evidence"])
    fault = Fault(reason, str(said.get("detail", "")))
    fault.evidence.update(evidence)
    raise fault


def errno_word(error: OSError) -> bytes:
    """The payload of a BROKEN frame."""
    return errno.errorcode.get(error.errno or errno.ECONNRESET, "ECONNRESET").encode()
