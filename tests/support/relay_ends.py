"""A relay on loopback and this machine's end of it, without a cluster between them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from k8sext.agent.net.resolver import Config
from k8sext.agent.relay import Relay
from k8sext.model.plan import Plan
from k8sext.vantage.through import Through, Tunnel


class Direct:
    """A tunnel that is a plain connection to the relay's port."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.words = reader, writer, ""

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self) -> bytes:
        try:
            return await self.reader.read(1 << 16)
        except OSError:
            return b""

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


class Ends:
    """What a test holds of both."""

    def __init__(self, relay: Relay, port: int, serving: asyncio.Task[str]) -> None:
        self.relay, self.port, self.serving = relay, port, serving
        self.tunnels: list[Direct] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.network = Through(self.dial)

    async def dial(self) -> Tunnel:
        self.tunnels.append(Direct(*await self.raw()))
        return self.tunnels[-1]

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return reader, writer

    async def close(self) -> None:
        """Everything that was opened."""
        await self.network.close()
        self.serving.cancel()
        await asyncio.gather(self.serving, return_exceptions=True)
        for writer in self.writers:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()


@asynccontextmanager
async def relayed(
    plan: Plan,
    config: Config | None = None,
    idle_s: float | None = None,
    life_s: float | None = None,
) -> AsyncGenerator[Ends]:
    """A relay for `plan`, serving while the block runs."""
    relay, ready = Relay(plan, config, idle_s, life_s), asyncio.Queue[int]()
    serving = asyncio.create_task(relay.serve(ready.put_nowait))
    ends = Ends(relay, await ready.get(), serving)
    try:
        yield ends
    finally:
        await ends.close()
