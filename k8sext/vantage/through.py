"""This machine's end of the relay: a network whose names and connections are the pod's.

A connection is a pair of loopback sockets; what goes into one comes out of the pod's connection,
with its half-closed ends and its resets, so that whatever works on a socket (our wire checks with
their TLS, any driver) works through it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from k8sext.agent.fault import Fault
from k8sext.agent.net import relay_wire as wire
from k8sext.agent.net.network import Way
from k8sext.agent.net.resolver import DnsAnswer
from k8sext.agent.net.stream import Reader, Stream
from k8sext.errors import K8sextError
from k8sext.model.plan import Target, is_address
from k8sext.model.result import Json
from k8sext.model.secret import printable
from k8sext.model.words import Reason

LAG_S = 2.0  # how long the relay's answer may be on its way
LINGER_S = 3.0  # for the server's last bytes, after our side has ended
MAX_TUNNELS = 64  # half of what the relay takes


class Tunnel(Protocol):
    """Bytes to the relay's port and back (k8sext.kube.portforward.Forward)."""

    words: str  # what the way there had to complain of

    async def send(self, data: bytes) -> None:
        """All of `data`. Raises OSError when the tunnel is gone."""
        ...

    async def receive(self) -> bytes:
        """Some bytes; b"" at the end, whatever ended it."""
        ...

    async def close(self) -> None:
        """Close; never raises."""
        ...


class Through:
    """A Network (k8sext.agent.net.network) through a relay; `close` ends every connection."""

    lag_s = LAG_S
    anywhere = False  # the relay goes to the plan's targets only

    def __init__(self, make: Callable[[], Awaitable[Tunnel]]) -> None:
        self._make = make
        self._slots = asyncio.Semaphore(MAX_TUNNELS)
        self._carriers: set[asyncio.Task[None]] = set()
        self.lost = ""  # why a connection broke between here and the pod

    async def way(self) -> Way:
        """A tunnel of its own."""
        await self._slots.acquire()
        try:
            return _Way(self, await self._make())
        except (K8sextError, OSError) as error:
            self._slots.release()
            return _NoWay(self.gone(str(error)))
        except BaseException:
            self._slots.release()
            raise

    def gone(self, words: str) -> Fault:
        """Says that the way to the pod is the trouble, and remembers it."""
        self.lost = printable(words) or "it was cut"
        return Fault(Reason.VANTAGE_UNPROVEN, f"the port-forward to the relay: {self.lost}")

    async def ended(self, tunnel: Tunnel) -> None:
        """A tunnel is not used any more."""
        self._slots.release()
        await tunnel.close()

    def carry(self, work: Awaitable[None]) -> None:
        """Keep a connection's bytes moving."""
        task = asyncio.ensure_future(work)
        self._carriers.add(task)
        task.add_done_callback(self._carriers.discard)

    async def close(self) -> None:
        """End what is still open."""
        carriers = list(self._carriers)
        for task in carriers:
            task.cancel()
        await asyncio.gather(*carriers, return_exceptions=True)

    @asynccontextmanager
    async def door(
        self, target: Target, reach: frozenset[str] | None = None
    ) -> AsyncGenerator[int]:
        """A port on 127.0.0.1 behind which the target is, as the pod sees it; with `reach` only
        while it is one of these addresses.
        """

        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            carrier = await self._behind(target, reach, reader, writer)
            if carrier is None:
                _reset(writer)
            else:
                await carrier.run()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.carry(accepted(reader, writer))

        server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=wire.MAX_FRAME)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()

    async def _behind(
        self,
        target: Target,
        reach: frozenset[str] | None,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> Carrier | None:
        way = await self.way()
        until = asyncio.get_running_loop().time() + 10
        if not isinstance(way, _Way):
            await way.close()
            return None
        try:
            address = target.host
            if not is_address(address):
                address = (await way.resolve(address, until)).addresses[0]
            if reach is not None and address not in reach:
                await way.close()
                return None
            ends = await way.connected(address, target.port, until)
            return Carrier(way, (address, target.port), ends, reader, writer)
        except Fault:
            await way.close()
            return None


class _NoWay:
    """Where no tunnel could be made."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault

    async def resolve(self, name: str, deadline: float) -> DnsAnswer:
        raise self.fault

    async def connect(self, address: str, port: int, deadline: float) -> Stream:
        raise self.fault

    async def close(self) -> None:
        return


class _Way:
    """One tunnel: any number of questions, then at most one connection."""

    def __init__(self, network: Through, tunnel: Tunnel) -> None:
        self.network, self.tunnel = network, tunnel
        self.incoming = wire.Incoming(tunnel.receive)
        self.open = True

    async def resolve(self, name: str, deadline: float) -> DnsAnswer:
        """As the pod's resolver says. Raises Fault."""
        said = await self._ask(deadline, "addresses", op="resolve", name=name)
        return DnsAnswer(
            name=str(said.get("name", name)),
            addresses=tuple(a for a in _texts(said, "addresses") if is_address(a)),
            cname=_texts(said, "cname"),
            rcode=str(said.get("rcode", "")),
            server=str(said.get("server", "")),
            searched=_texts(said, "searched"),
        )

    async def connect(self, address: str, port: int, deadline: float) -> Stream:
        """A stream whose far end is the pod's connection. Raises Fault."""
        ends = await self.connected(address, port, deadline)
        near, far = _pair()
        carrier = Carrier(self, (address, port), ends, *await _streams(far))
        stream = Stream(*await _streams(near))
        self.network.carry(carrier.run())
        stream.relayed = carrier
        stream.deadline = deadline
        return stream

    async def connected(self, address: str, port: int, deadline: float) -> tuple[str, str]:
        """Connects in the pod: peer and local address there. Raises Fault."""
        said = await self._ask(deadline, "peer", op="connect", address=address, port=port)
        return str(said.get("peer", "")), str(said.get("local", ""))

    async def close(self) -> None:
        """Give the tunnel back."""
        if self.open:
            self.open = False
            await self.network.ended(self.tunnel)

    async def _ask(self, deadline: float, key: str, **request: Json) -> dict[str, Json]:
        within = max(deadline - asyncio.get_running_loop().time(), 0.001)
        try:
            async with asyncio.timeout_at(deadline + LAG_S):
                await self.tunnel.send(wire.line({**request, "within": within}))
                answer = await self.incoming.object(wire.MAX_ANSWER)
            if answer is None:
                raise self.network.gone(self.tunnel.words)
            wire.raise_fault(answer)
            if key not in answer:
                raise wire.Garbage(f"no {key}")
        except TimeoutError as error:
            raise self.network.gone("no answer in time") from error
        except OSError as error:
            raise self.network.gone(self.tunnel.words or str(error)) from error
        except wire.Garbage as error:
            raise self.network.gone(f"what answers is no relay ({error})") from error
        return answer


def _texts(said: dict[str, Json], key: str) -> tuple[str, ...]:
    found = said.get(key)
    return tuple(str(x) for x in found) if isinstance(found, list) else ()


class Carrier:
    """Moves bytes between a tunnel and a socket; the stream's `relayed`."""

    def __init__(
        self,
        way: _Way,
        to: tuple[str, int],
        ends: tuple[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.way, self.to = way, to
        self.peer, self.local = ends
        self.fault: Fault | None = None
        self.reader, self.writer = reader, writer
        writer.transport.set_write_buffer_limits(0)  # what was taken is delivered

    async def again(self, deadline: float | None) -> Stream:
        """Another connection to the same server. Raises Fault."""
        way = await self.way.network.way()
        until = asyncio.get_running_loop().time() + LINGER_S if deadline is None else deadline
        try:
            return await way.connect(*self.to, until)
        except Fault:
            await way.close()
            raise

    async def run(self) -> None:
        """Until both ways have ended."""
        up, down = asyncio.create_task(self._up()), asyncio.create_task(self._down())
        try:
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
            if down.done() and self.writer.transport.is_closing():
                return  # reset: nobody is there whose bytes could still go up
            await asyncio.wait((up, down), timeout=LINGER_S if up.done() else None)
        finally:
            for task in (up, down):
                task.cancel()
            self.writer.close()
            try:
                await asyncio.gather(up, down, return_exceptions=True)
            finally:
                await self.way.close()

    async def _up(self) -> None:
        with contextlib.suppress(OSError):  # our own side has hung up, or the tunnel is gone
            while data := await self.reader.read(wire.MAX_FRAME):
                await self.way.tunnel.send(wire.frame(wire.FrameKind.DATA, data))
            await self.way.tunnel.send(wire.frame(wire.FrameKind.END))

    async def _down(self) -> None:
        try:
            while (got := await self.way.incoming.frame()) and got[0] is wire.FrameKind.DATA:
                self.writer.write(got[1])
                await self.writer.drain()
        except wire.Garbage as error:
            self.fault = self.way.network.gone(f"what answers is no relay ({error})")
            _reset(self.writer)
            return
        except OSError:
            return  # our own side has hung up
        if got and got[0] is wire.FrameKind.END:
            self.writer.write_eof()
            return
        if got is None:
            self.fault = self.way.network.gone(self.way.tunnel.words)
        _reset(self.writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Hang up hard: the other side gets ECONNRESET, as the pod did."""
    made = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets. TCP, because nothing else has resets; nobody else gets in between."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname(), timeout=5)
        while True:
            far, peer = server.accept()
            if peer == near.getsockname():
                return near, far
            far.close()


async def _streams(made: socket.socket) -> tuple[Reader, asyncio.StreamWriter]:
    """A socket as Stream wants it."""
    loop = asyncio.get_running_loop()
    reader = Reader(limit=wire.MAX_FRAME, loop=loop)
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport, protocol = await loop.create_connection(
        lambda: asyncio.StreamReaderProtocol(reader, loop=loop), sock=made
    )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
