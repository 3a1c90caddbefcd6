"""Loopback servers and the ways in which one can misbehave, whatever protocol is spoken to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Generator, Sequence

from k8sext.model.data import dataclass

HOST = "127.0.0.1"
CHUNK = 1 << 16
DRIP_S = 0.2
START_S = 10.0
ESCAPES = "\x1b[2J\x1b]0;owned\x07\x1b[31mred\x9b1m\u202e"  # clears a screen, renames a window, …
GARBAGE = bytes(range(0x80, 0x100)) * 4


class Peer:
    """One connection, as a stand-in sees it. Reads raise EOFError when the client has gone.

    TLS is done by hand, because a client may send its ClientHello in one packet with the request
    for it (MySQL), and what asyncio has read by then it cannot encrypt any more.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.reader, self.writer, self.tls = reader, writer, tls
        self._buffer = b""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._sealed: ssl.SSLObject | None = None

    async def send(self, data: bytes) -> None:
        """Send; waits for a client that reads slowly."""
        if self._sealed:
            self._sealed.write(data)
            data = self._outgoing.read()
        self.writer.write(data)
        await self.writer.drain()

    async def exactly(self, count: int) -> bytes:
        """`count` bytes of the client's."""
        while len(self._buffer) < count:
            await self._more()
        return self._taken(count)

    async def until(self, separator: bytes = b"\r\n") -> bytes:
        """Up to and including `separator`."""
        while separator not in self._buffer:
            await self._more()
        return self._taken(self._buffer.index(separator) + len(separator))

    async def some(self) -> bytes:
        """What the client sends next."""
        while not self._buffer:
            await self._more()
        return self._taken(len(self._buffer))

    async def until_gone(self) -> None:
        """Listen, and answer nothing, until the client goes."""
        while True:
            await self.some()

    def _taken(self, count: int) -> bytes:
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    async def _more(self) -> None:
        data = await self.reader.read(CHUNK)
        if not data:
            raise EOFError
        self._buffer += data if self._sealed is None else self._opened(self._sealed, data)

    def _opened(self, sealed: ssl.SSLObject, data: bytes) -> bytes:
        self._incoming.write(data)
        clear = b""
        with contextlib.suppress(ssl.SSLWantReadError):
            while some := sealed.read(CHUNK):
                clear += some
            raise EOFError  # the client's close_notify
        return clear

    async def start_tls(self) -> None:
        """Encrypt from here on. Raises ssl.SSLError for a client that does not like it."""
        assert self.tls is not None
        self._incoming.write(self._taken(len(self._buffer)))
        sealed = self.tls.wrap_bio(self._incoming, self._outgoing, server_side=True)
        while True:
            try:
                sealed.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.writer.write(self._outgoing.read())
                data = await self.reader.read(CHUNK)
                if not data:
                    raise EOFError from None
                self._incoming.write(data)
            except ssl.SSLError:
                self.writer.write(self._outgoing.read())  # the alert
                raise
        self.writer.write(self._outgoing.read())
        self._sealed = sealed
        with contextlib.suppress(ssl.SSLWantReadError):
            self._buffer += sealed.read(CHUNK)  # what came together with the handshake's end

    def reset(self) -> None:
        """End the connection as a crash does: without a goodbye, by RST."""
        linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


Talk = Callable[[Peer], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPort:
    """One port: who talks there (None: nobody listens) and how it is encrypted."""

    talk: Talk | None
    tls: ssl.SSLContext | None = None
    wrapped: bool = False  # TLS from the first byte; otherwise `tls` is for start_tls


# -- ways to misbehave ---------------------------------------------------------------------------


async def silent(peer: Peer) -> None:
    """Accepts, and says nothing."""
    await peer.until_gone()


async def resets(peer: Peer) -> None:
    """Resets the connection when the client has said something."""
    await peer.some()
    peer.reset()


def resets_after(seconds: float) -> Talk:
    """As `resets`, for clients that wait for the server to speak.

    A reset that comes before the client has seen its own connect succeed looks like another fault,
    and nobody can see when that is.
    """

    async def talk(peer: Peer) -> None:
        await asyncio.sleep(seconds)
        peer.reset()

    return talk


async def closes(peer: Peer) -> None:
    """Accepts and ends its side at once."""
    peer.writer.write_eof()
    await peer.until_gone()


def says(data: bytes, *, asked: bool = False) -> Talk:
    """Says `data` (with `asked`, when the client has said something), whatever was said to it."""

    async def talk(peer: Peer) -> None:
        if asked:
            await peer.some()
        await peer.send(data)
        await peer.until_gone()

    return talk


def floods(start: bytes, again: bytes, *, asked: bool = True) -> Talk:
    """Says `start`, then `again` for as long as the client takes it."""

    async def talk(peer: Peer) -> None:
        if asked:
            await peer.some()
        await peer.send(start)
        chunk = again * max(1, CHUNK // len(again))
        while True:
            await peer.send(chunk)

    return talk


def drips(data: bytes, *, asked: bool = True) -> Talk:
    """Says `data` one byte at a time."""

    async def talk(peer: Peer) -> None:
        if asked:
            await peer.some()
        for byte in data:
            await peer.send(bytes([byte]))
            await asyncio.sleep(DRIP_S)
        await peer.until_gone()

    return talk


# -- opening doors -------------------------------------------------------------------------------


class Doors:
    """Serves every door in a thread of its own. `broken` is what went wrong with the stand-ins."""

    def __init__(self, doors: Sequence[ServerPort]) -> None:
        self.doors = doors
        self.ports: list[int] = []
        self.broken: list[str] = []
        self._closed: list[socket.socket] = []
        self._talks: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._work, name="stand-ins", daemon=True)

    def open(self) -> None:
        """Start; `ports` are known afterwards. Raises OSError where loopback cannot be used."""
        self._thread.start()
        if not self._ready.wait(START_S) or len(self.ports) != len(self.doors):
            raise OSError("; ".join(self.broken) or f"not ready after {START_S:g} s")

    def close(self) -> None:
        """End every connection and give the ports back."""
        if self._loop and self._end:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(START_S)
        for sock in self._closed:
            sock.close()

    def _work(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self.broken.append(f"no port can be opened on {HOST}: {error.strerror or error}")
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        servers: list[asyncio.Server] = []
        for door in self.doors:
            if door.talk is None:
                self.ports.append(self._shut())
                continue
            server = await self._listen(door, door.talk)
            servers.append(server)
            self.ports.append(int(server.sockets[0].getsockname()[1]))
        self._ready.set()
        await self._end.wait()
        for server in servers:
            server.close()
        for task in self._talks:
            task.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def _shut(self) -> int:
        """A port that refuses, and that nobody else is given meanwhile: bound, not listening."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._closed.append(sock)
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])

    async def _listen(self, door: ServerPort, talk: Talk) -> asyncio.Server:
        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(
                self._talk(talk, Peer(reader, writer, door.tls), wrapped=door.wrapped)
            )
            self._talks.add(task)
            task.add_done_callback(self._talks.discard)

        return await asyncio.start_server(accepted, HOST, 0)

    async def _talk(self, talk: Talk, peer: Peer, *, wrapped: bool) -> None:
        try:
            if wrapped:
                await peer.start_tls()
            await talk(peer)
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass  # the client went, as it may; EOFError: in the middle of something
        except Exception as error:  # a defect of a stand-in must not pass for a server's fault
            self.broken.append(f"a stand-in broke: {type(error).__name__}: {error}")
        finally:
            peer.writer.close()


@contextlib.contextmanager
def opened(doors: Sequence[ServerPort]) -> Generator[Doors]:
    """The doors, open within."""
    all_of_them = Doors(doors)
    try:
        all_of_them.open()
        yield all_of_them
    finally:
        all_of_them.close()
