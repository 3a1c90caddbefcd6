"""The only thing that touches a socket: one connection with an absolute deadline and a budget."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

from k8sext.agent.fault import Fault, fault_of
from k8sext.model.data import dataclass
from k8sext.model.fingerprint import Fingerprint
from k8sext.model.result import Facts, Json
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason

from . import families

FIRST_BYTES = 64  # of what the server said, kept for the diagnosis
_OUT_OF_ORDER = slice(224, 228)  # of struct tcp_info, linux/tcp.h
BYTE_BUDGET = 4 << 20  # far above any honest answer to what we ask


@dataclass(frozen=True, slots=True)
class Note:
    """What a step that passed has to add: a warning's reason, or None, and a sentence."""

    reason: Reason | None = None
    detail: str = ""


LEAST_TOKEN = 12


class Tls(Protocol):
    """What can encrypt a stream (see tls.py); kept apart so that parsers need no certificates."""

    reached: TlsMode  # what its last handshake has proved of the server

    async def start(self, stream: Stream) -> Facts:
        """Encrypt the connection of `stream`; returns the evidence or raises Fault.

        May leave a Note in `stream.tls_note`.
        """
        ...

    def fault(self, error: OSError, stream: Stream) -> Fault:
        """The Fault for an error of an encrypted connection: some alerts come only with a read."""
        ...

    def forget(self) -> None:
        """The connection is over: nothing is asked about it any more."""
        ...


class Relayed(Protocol):
    """What lies between a stream and its server, where they are not connected directly."""

    peer: str  # address:port, as where the relay stands
    local: str
    fault: Fault | None  # the relay itself failed: nobody knows what the server would have said

    async def again(self, deadline: float | None) -> Stream:
        """Another connection to the same server. Raises Fault."""
        ...


class Reader(asyncio.StreamReader):
    """Gives what came before a reset, too: a server may say why and then hang up hard."""

    ended_by: OSError | None = None

    def set_exception(self, exc: Exception) -> None:
        """As StreamReader's, but the bytes that came first are read first."""
        if isinstance(exc, OSError):
            self.ended_by = exc
            self.feed_eof()
        else:
            super().set_exception(exc)


class Stream:
    """One TCP connection, perhaps encrypted later.

    Every read and write ends at `deadline` (loop time, seconds; see `until`), raises Fault only,
    and counts against a byte budget. The first bytes the server sent are kept for the diagnosis.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None) -> None:
        self.reader = reader
        self.writer = writer
        self.socket = writer.transport if writer else None  # what lies under TLS, too
        self.first_bytes = b""
        self.received = 0
        self.budget = BYTE_BUDGET
        self.deadline: float | None = None
        self.tls: Tls | None = None
        self.tls_note = Note()
        self.relayed: Relayed | None = None
        self.granted: list[Secret] = []
        self.fingerprints: Sequence[Fingerprint] = ()  # of products, for an unexpected answer

    def keeps_secret(self, *values: str | bytes) -> None:
        """To be masked in what this server says: proofs that were made for it, sessions and tokens
        that it gave. What is shorter than LEAST_TOKEN is a word, no token.
        """
        texts = (v.decode("latin-1") if isinstance(v, bytes) else v for v in values)
        self.granted += (Secret(text) for text in texts if len(text) >= LEAST_TOKEN)

    @classmethod
    async def connect(cls, address: str, port: int, deadline: float | None) -> Stream:
        """Connect to an IP address (no name is ever resolved here). Raises Fault."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            async with asyncio.timeout_at(deadline):
                loop = asyncio.get_running_loop()
                reader = Reader(limit=1 << 16, loop=loop)
                transport, protocol = await loop.create_connection(
                    lambda: asyncio.StreamReaderProtocol(reader, loop=loop),
                    address,
                    port,
                    family=family,
                    flags=socket.AI_NUMERICHOST,
                )
                writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        except TimeoutError as error:
            # ETIMEDOUT from the kernel is a TimeoutError as well; both mean: nothing came back.
            raise Fault(Reason.TIMED_OUT, "nothing came back", errno="ETIMEDOUT") from error
        except OSError as error:
            raise families.explained(fault_of(error), address) from error
        stream = cls(reader, writer)
        stream.deadline = deadline
        return stream

    def give(self, seconds: float) -> None:
        """Set the deadline `seconds` from now, also where the one there was has passed."""
        self.deadline = asyncio.get_running_loop().time() + seconds

    @staticmethod
    def now() -> float:
        """The loop's time, which deadlines are in."""
        return asyncio.get_running_loop().time()

    async def pause(self, seconds: float) -> None:
        """Wait, but never past the deadline."""
        await asyncio.sleep(max(self.sooner(seconds) - self.now(), 0))

    def sooner(self, seconds: float) -> float:
        """The deadline `seconds` from now, but never past the one there is."""
        end = asyncio.get_running_loop().time() + seconds
        return end if self.deadline is None else min(end, self.deadline)

    @property
    def left_s(self) -> float:
        """Seconds until the deadline."""
        now = asyncio.get_running_loop().time()
        return float("inf") if self.deadline is None else self.deadline - now

    @property
    def peer(self) -> str:
        """`address:port` of the other side."""
        return self.relayed.peer if self.relayed else self._name("peername")

    @property
    def local(self) -> str:
        """`address:port` of this side."""
        return self.relayed.local if self.relayed else self._name("sockname")

    def _name(self, which: str) -> str:
        name = self.writer.get_extra_info(which) if self.writer else None
        if not name:
            return ""
        return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"

    async def write(self, data: bytes) -> None:
        """Send all of `data`."""
        assert self.writer is not None
        try:
            async with asyncio.timeout_at(self.deadline):
                self.writer.write(data)
                await self.writer.drain()
        except TimeoutError as error:
            raise Fault(Reason.TIMED_OUT, "the server does not take what is sent") from error
        except OSError as error:
            raise self._fault(error) from error

    async def waiting(self) -> bytes:
        """What has come already and nobody read, at most FIRST_BYTES of it; does not wait.

        Nothing more is read until TLS is started: what comes later belongs to TLS.
        """
        assert isinstance(self.writer, asyncio.StreamWriter)
        transport = self.writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        try:
            async with asyncio.timeout(0):
                data = await self.reader.read(FIRST_BYTES)
        except OSError:  # TimeoutError is one: nothing is there
            return b""
        self._count(data)
        return data

    async def read_exactly(self, count: int) -> bytes:
        """Exactly `count` bytes. Raises Fault (CLOSED_EARLY, SILENT, TOO_MUCH, …)."""
        if count > self.budget - self.received:
            raise Fault(Reason.TOO_MUCH, f"it announced {count} bytes", **self.first_bytes_fact())
        return await self._read(self.reader.readexactly(count))

    async def read_some(self, limit: int = 1 << 16) -> bytes:
        """What is there, at least one byte; b"" at the end of the stream."""
        data = await self._read(self.reader.read(min(limit, max(self.budget - self.received, 1))))
        if not data and self.broken:
            raise self._fault(self.broken)
        return data

    async def read_until(self, separator: bytes = b"\r\n", limit: int = 1 << 16) -> bytes:
        """Up to and including `separator`, at most `limit` bytes."""
        try:
            data = await self._read(self.reader.readuntil(separator))
        except asyncio.LimitOverrunError as error:
            raise Fault(
                Reason.TOO_MUCH, "a line without an end", **self.first_bytes_fact()
            ) from error
        if len(data) > limit:
            raise Fault(Reason.TOO_MUCH, f"a line of {len(data)} bytes", **self.first_bytes_fact())
        return data

    async def _read(self, reading: Awaitable[bytes]) -> bytes:
        try:
            async with asyncio.timeout_at(self.deadline):
                data = await reading
        except asyncio.IncompleteReadError as error:
            self._count(error.partial)
            raise self._ended() from error
        except TimeoutError as error:
            # What came and was not enough is an answer, too: such a server is not silent.
            self._count(bytes(getattr(self.reader, "_buffer", b"")[:FIRST_BYTES]))
            raise self._late() from error
        except OSError as error:
            raise self._fault(error) from error
        self._count(data)
        return data

    def _late(self) -> Fault:
        """Nothing more has come. Where later packets of an answer have and earlier ones have not,
        the large ones are lost on the way (a hole in the path's MTU), and no server is silent.
        """
        said = self.first_bytes_fact()
        if self._packets_missing():
            text = "the last packets of an answer came, the large ones before them did not"
            return Fault(Reason.TIMED_OUT, text, large_answer=True, **said)
        reason = Reason.TIMED_OUT if self.received else Reason.SILENT
        return Fault(reason, "no answer in time", **said)

    def _packets_missing(self) -> bool:
        """Whether the kernel got packets out of order (tcpi_rcv_ooopack of struct tcp_info, Linux
        5.4); False where nobody can say.
        """
        plain: Any = self.writer.get_extra_info("socket") if self.writer else None
        try:
            told = plain.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _OUT_OF_ORDER.stop)
        except (AttributeError, OSError):
            return False
        return any(told[_OUT_OF_ORDER]) if len(told) == _OUT_OF_ORDER.stop else False

    @property
    def broken(self) -> OSError | None:
        """What the connection ended with, where that was no proper end."""
        return self.reader.ended_by if isinstance(self.reader, Reader) else None

    def _fault(self, error: OSError) -> Fault:
        error = self.broken or error
        if self.tls and self.encrypted:
            return self.tls.fault(error, self)
        return fault_of(error)

    def _ended(self) -> Fault:
        """The end of the stream; servers may end it for the want of a client's certificate."""
        if self.broken:
            return self._fault(self.broken)
        if self.tls and self.encrypted:
            fault = self.tls.fault(ConnectionResetError(errno.ECONNRESET, "closed"), self)
            if fault.reason is Reason.CLIENT_CERTIFICATE_REQUIRED:
                return fault
        return Fault(
            Reason.CLOSED_EARLY, "the server closed the connection", **self.first_bytes_fact()
        )

    def _count(self, data: bytes) -> None:
        self.received += len(data)
        if len(self.first_bytes) < FIRST_BYTES:
            self.first_bytes = (self.first_bytes + data)[:FIRST_BYTES]
        if self.received > self.budget:
            raise Fault(Reason.TOO_MUCH, "more bytes than any honest answer has")

    def first_bytes_fact(self) -> dict[str, Json]:
        """`{"first_bytes": hex}` where any came; `wrong_protocol` faults carry it."""
        return {"first_bytes": self.first_bytes.hex()} if self.first_bytes else {}

    async def start_tls(self) -> Facts:
        """Encrypt from here on, as the target's TlsSpec asks. Returns evidence, raises Fault."""
        assert self.tls is not None, "the stage runner sets it"
        if getattr(self.reader, "_buffer", b""):
            # What came in clear would be read as if it had come encrypted (CVE-2021-23222).
            text = "bytes in clear where the TLS handshake must come"
            reason = Reason.WRONG_PROTOCOL if self.received else Reason.TLS_NOT_OFFERED
            raise Fault(reason, text, **self.first_bytes_fact())
        return await self.tls.start(self)

    async def reconnect(self) -> None:
        """A new connection to the same peer, encrypted if this one is: for protocols whose servers
        close after an answer. Deadline, budget and first bytes stay those of the probe.
        """
        old, encrypted = self.writer, self.encrypted
        fresh = await self._another()
        self.reader, self.writer, self.relayed = fresh.reader, fresh.writer, fresh.relayed
        if old:
            old.close()
        if encrypted:
            await self.start_tls()

    @property
    def encrypted(self) -> bool:
        """Whether TLS is on."""
        return bool(self.writer and self.writer.get_extra_info("ssl_object"))

    @property
    def reached(self) -> TlsMode:
        """How well it is protected now: not at all, encrypted, or its server verified as well."""
        if not self.encrypted:
            return TlsMode.DISABLE
        return self.tls.reached if self.tls else TlsMode.REQUIRE

    @property
    def certificate(self) -> bytes:
        """The server's certificate (DER); b"" without TLS."""
        tls = self.writer.get_extra_info("ssl_object") if self.writer else None
        return (tls.getpeercert(True) or b"") if tls else b""

    async def again(self) -> Stream:
        """A second connection to the same server within the same deadline: for a question that
        decides whose fault a refusal is. The caller closes it. Raises Fault.
        """
        if self.deadline is None:
            raise Fault(Reason.CLOSED_EARLY, "the connection is gone")
        second = await self._another()
        second.tls, second.fingerprints = self.tls, self.fingerprints
        return second

    async def _another(self) -> Stream:
        """A connection to the same peer, the same way."""
        if self.relayed:
            return await self.relayed.again(self.deadline)
        peer = self.writer.get_extra_info("peername") if self.writer else None
        if not peer:
            raise Fault(Reason.CLOSED_EARLY, "the connection is gone")
        return await Stream.connect(peer[0], peer[1], self.deadline)

    async def close(self) -> None:
        """Close; never raises and never waits long."""
        if self.writer is None:
            return
        self.writer.close()
        try:
            async with asyncio.timeout(0.5):
                await self.writer.wait_closed()
        except (OSError, TimeoutError):
            # Not TLS's own: that of Python 3.11.2 fails in `abort` after `close`.
            assert self.socket is not None
            self.socket.abort()
        finally:
            if self.tls:
                self.tls.forget()
