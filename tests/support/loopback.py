"""asyncio servers on loopback that leave no connection open behind their block."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PATIENCE_S = 2.0


@contextlib.asynccontextmanager
async def answering(handler: Handler, host: str = "127.0.0.1") -> AsyncGenerator[int]:
    """The port of a server that hands each connection to `handler` and closes it after.

    At the end of the block a connection has PATIENCE_S to end by itself, then it is cut: a
    transport that outlives its event loop is found by the garbage collector in some later test.
    """
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await handler(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(accepted, host, 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await _end(connections)


async def _end(connections: set[asyncio.Task[None]]) -> None:
    await asyncio.sleep(0)  # one that was accepted just now has its task
    if not connections:
        return
    tasks = tuple(connections)
    _, late = await asyncio.wait(tasks, timeout=PATIENCE_S)
    for task in late:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended
