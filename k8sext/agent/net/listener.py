"""A listener in the probe pod: does a system outside find its way back? (`--reverse`)"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from k8sext.agent.fault import Fault
from k8sext.model.data import dataclass
from k8sext.model.plan import join_address, split_address
from k8sext.model.words import Reason

from .stream import Stream

MAX_REQUEST = 16384
READ_S = 3.0
MAX_CALLS = 64


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """Who called, and what was asked; `line` is empty where no HTTP came."""

    peer: str
    line: str = ""  # the request line: "POST /beat HTTP/1.1"

    @property
    def path(self) -> str:
        """What was asked for; "" if nothing was."""
        words = self.line.split(" ")
        return words[1] if len(words) > 1 else ""


class CallListener:
    """Takes calls at one address and answers each with the same body."""

    def __init__(self, answer: bytes, kind: str) -> None:
        self.answer, self.kind = answer, kind
        self.address = ""  # IP:PORT, as this pod knows itself
        self.calls: asyncio.Queue[IncomingCall] = asyncio.Queue(MAX_CALLS)

    async def called(self, seconds: float) -> IncomingCall | None:
        """The next call; None where none came in time."""
        try:
            async with asyncio.timeout(seconds):
                return await self.calls.get()
        except TimeoutError:
            return None

    async def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one call, whatever it asks for."""
        peer = writer.get_extra_info("peername") or ("", 0)
        line = ""
        try:
            async with asyncio.timeout(READ_S):
                head = await reader.readuntil(b"\r\n\r\n")
                line = head.split(b"\r\n")[0].decode("latin-1")
                length = len(self.answer)
                writer.write(
                    f"HTTP/1.1 200 OK\r\nContent-Type: {self.kind}\r\nContent-Length: {length}"
                    "\r\nConnection: close\r\n\r\n".encode()
                    + self.answer
                )
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # that somebody has connected is what matters
        finally:
            writer.close()
            if not self.calls.full():
                self.calls.put_nowait(IncomingCall(join_address(peer[0], peer[1]), line))


@asynccontextmanager
async def listening(
    stream: Stream, answer: bytes = b"", kind: str = "application/json"
) -> AsyncGenerator[CallListener]:
    """Listen at the address from which `stream` left. Raises Fault where that is not here."""
    if stream.relayed:
        raise Fault(Reason.VANTAGE_UNPROVEN, "through a relay nothing can be called back")
    host, _ = split_address(stream.local)
    listener = CallListener(answer, kind)
    server = await asyncio.start_server(listener.accepted, host, 0, limit=MAX_REQUEST)
    listener.address = join_address(host, server.sockets[0].getsockname()[1])
    try:
        yield listener
    finally:
        server.close()
