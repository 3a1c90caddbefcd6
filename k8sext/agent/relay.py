"""The relay in the pod: for whoever reaches its port, connections to this plan's targets.

It listens on the pod's loopback address, where the pod's port-forward ends, and serves what the
plan names and nothing else: its names, its address:port pairs, and the addresses to which its
names resolve here. It ends itself when nothing has moved for a while, and at its deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable

from k8sext.agent.net.stream import Reader, Stream
from k8sext.model.plan import Plan, is_address
from k8sext.model.result import Json
from k8sext.model.words import Reason

from .fault import Fault
from .net import relay_wire as wire
from .net import resolver
from .output import Output, heartbeat, read_plan

IDLE_S = 30.0
MARGIN_S = 10.0  # beyond the run's own time: what the CLI needs before and after
REQUEST_S = 10.0  # for a request to come in whole
MAX_WITHIN_S = 3600.0
MAX_CONNECTIONS = 128
OUTSIDE = "not a target of this plan: the relay does not go there"


class Allowed:
    """Where the relay may go."""

    def __init__(self, plan: Plan) -> None:
        self.ports: dict[str, set[int]] = defaultdict(set)  # by name
        self.open: set[tuple[str, int]] = set()
        for target in plan.everything:
            if is_address(target.host):
                self.open.add((_plain(target.host), target.port))
            else:
                self.ports[target.host].add(target.port)
            for name in filter(None, (target.service, target.origin)):  # asked for, no more
                self.ports.setdefault(name, set())
        if plan.control.name:
            self.ports[plan.control.name].add(plan.control.port)
        if plan.control.address:
            self.open.add((_plain(plan.control.address), plan.control.port))

    def name(self, name: str) -> bool:
        """Whether a name may be asked for."""
        return name in self.ports

    def resolved(self, name: str, addresses: Iterable[str]) -> None:
        """Its addresses may be connected to from now on, at the ports that the plan has for it."""
        self.open |= {(_plain(a), port) for a in addresses for port in self.ports[name]}

    def address(self, address: str, port: int) -> bool:
        """Whether an address may be connected to."""
        return is_address(address) and (_plain(address), port) in self.open


def _plain(address: str) -> str:
    return str(ipaddress.ip_address(address))


class Relay:
    """One relay. `serve` returns when it is over."""

    def __init__(
        self,
        plan: Plan,
        config: resolver.Config | None = None,
        idle_s: float | None = None,
        life_s: float | None = None,
    ) -> None:
        self.allowed = Allowed(plan)
        self.config = config or resolver.read_config()
        self.idle_s = idle_s or max(IDLE_S, plan.budget.stage_s + MARGIN_S)
        self.life_s = life_s or plan.budget.run_s + MARGIN_S
        self.served: set[asyncio.Task[None]] = set()
        self.moved = 0.0  # loop time at which something was last asked or carried

    async def serve(self, ready: Callable[[int], None]) -> str:
        """Listen, say on which port, and serve until the end. Returns why it ended."""
        loop = asyncio.get_running_loop()
        self.moved, until = loop.time(), loop.time() + self.life_s
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, limit=wire.MAX_FRAME)
        ready(server.sockets[0].getsockname()[1])
        try:
            while (now := loop.time()) < until:
                if now - self.moved >= self.idle_s:
                    return "idle"
                await asyncio.sleep(min(until, self.moved + self.idle_s) - now)
            return "deadline"
        finally:
            server.close()
            for task in self.served:
                task.cancel()
            await asyncio.gather(*self.served, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.served.add(task)
        try:
            # Whatever comes in, or breaks: it is one connection's, and nobody is there to be told.
            with contextlib.suppress(OSError, TimeoutError, wire.Garbage, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(1):
                    await writer.wait_closed()
            self.served.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Requests until one of them has connected, then bytes."""
        if len(self.served) > MAX_CONNECTIONS:
            busy = Fault(Reason.VANTAGE_UNPROVEN, f"the relay has {MAX_CONNECTIONS} connections")
            writer.write(wire.line(wire.of_fault(busy)))
            await writer.drain()
            return
        incoming = wire.Incoming(lambda: reader.read(wire.MAX_FRAME))
        while True:
            async with asyncio.timeout(REQUEST_S):
                request = await incoming.object(wire.MAX_LINE)
            if request is None:
                return
            self._move()
            answer, stream = await self._answer(request)
            writer.write(wire.line(answer))
            await writer.drain()
            if stream is not None:
                await self._carry(incoming, writer, stream)
                return

    def _move(self) -> None:
        self.moved = asyncio.get_running_loop().time()

    # -- requests -------------------------------------------------------------------------------

    async def _answer(self, request: dict[str, Json]) -> tuple[dict[str, Json], Stream | None]:
        op = request.get("op")
        try:
            if op == "resolve":
                return await self._resolve(request), None
            if op == "connect":
                return await self._connect(request)
        except Fault as fault:
            return wire.of_fault(fault), None
        raise wire.Garbage("no such operation")

    async def _resolve(self, request: dict[str, Json]) -> dict[str, Json]:
        name = request.get("name")
        if not isinstance(name, str) or not self.allowed.name(name):
            raise Fault(Reason.INTERNAL_ERROR, OUTSIDE)
        found = await resolver.resolve(name, self.config, _deadline(request))
        self.allowed.resolved(name, found.addresses)
        return {
            "name": found.name,
            "addresses": [*found.addresses],
            "cname": [*found.cname],
            "rcode": found.rcode,
            "server": found.server,
            "searched": [*found.searched],
        }

    async def _connect(self, request: dict[str, Json]) -> tuple[dict[str, Json], Stream]:
        address, port = request.get("address"), request.get("port")
        if not isinstance(address, str) or not isinstance(port, int):
            raise wire.Garbage("no address and port")
        if not self.allowed.address(address, port):
            raise Fault(Reason.INTERNAL_ERROR, OUTSIDE)
        stream = await Stream.connect(address, port, _deadline(request))
        return {"peer": stream.peer, "local": stream.local}, stream

    # -- bytes ----------------------------------------------------------------------------------

    async def _carry(
        self, incoming: wire.Incoming, writer: asyncio.StreamWriter, stream: Stream
    ) -> None:
        """Both ways until both have ended, or until one of the two connections is gone."""
        ways = [
            asyncio.create_task(self._up(incoming, stream)),
            asyncio.create_task(self._down(stream, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if not ways[0].done():
                await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
            elif not ways[0].exception():
                # Nothing more is to come from there but the end of the connection itself.
                ways.append(asyncio.create_task(self._gone(incoming)))
                await asyncio.wait(ways[1:], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ways:
                task.cancel()
            assert stream.writer is not None
            stream.writer.close()  # what was written is sent first
            await asyncio.gather(*ways, return_exceptions=True)

    async def _up(self, incoming: wire.Incoming, stream: Stream) -> None:
        """To the server. Raises when the other end is gone: the server must not wait for it."""
        assert stream.writer is not None
        broken = False  # the other direction tells; what still comes is thrown away
        while True:
            got = await incoming.frame()
            if got is None or got[0] is wire.FrameKind.BROKEN:
                stream.writer.transport.abort()
                raise ConnectionAbortedError("the other end is gone")
            self._move()
            try:
                if got[0] is wire.FrameKind.END:
                    if not broken and stream.writer.can_write_eof():
                        stream.writer.write_eof()
                    return
                if not broken:
                    stream.writer.write(got[1])
                    await stream.writer.drain()
            except OSError:
                broken = True

    async def _gone(self, incoming: wire.Incoming) -> None:
        """Raises when the other end is gone."""
        await incoming.frame()
        raise ConnectionAbortedError("the other end is gone")

    async def _down(self, stream: Stream, writer: asyncio.StreamWriter) -> None:
        """From the server, with how it ended."""
        while data := await self._read(stream):
            self._move()
            writer.write(wire.frame(wire.FrameKind.DATA, data))
            await writer.drain()
        ended = stream.reader.ended_by if isinstance(stream.reader, Reader) else None
        last = wire.frame(wire.FrameKind.BROKEN, wire.errno_word(ended)) if ended else None
        writer.write(last or wire.frame(wire.FrameKind.END))
        await writer.drain()

    async def _read(self, stream: Stream) -> bytes:
        try:
            return await stream.reader.read(wire.MAX_FRAME)
        except OSError:
            return b""


def _deadline(request: dict[str, Json]) -> float:
    within = request.get("within")
    if not isinstance(within, int | float) or not 0 <= within <= MAX_WITHIN_S:  # NaN is neither
        raise wire.Garbage("no time")
    return asyncio.get_running_loop().time() + within


async def run(plan: Plan, output: Output) -> None:
    """Serve, and write down when it began, that it lives, and why it ended."""
    output.record("hello", run=plan.run_id, python=sys.version.split()[0])
    work = asyncio.create_task(Relay(plan).serve(lambda port: output.record("ready", port=port)))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    heart = asyncio.create_task(heartbeat(output))
    try:
        why = await work
    except asyncio.CancelledError:
        why = "stopped"
    finally:
        heart.cancel()
    output.record("end", records=output.count + 1, interrupted=why == "stopped", why=why)


def main() -> None:
    """Entry point in the pod."""
    part = read_plan().part(int(os.environ.get("JOB_COMPLETION_INDEX", "0")))
    asyncio.run(run(part, Output(part.nonce)))
