"""A Redis that has few connections, on all of 127.0.0.0/8: what a run takes of it is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support.loopback import answering

FULL = b"-ERR max number of clients reached\r\n"


@dataclass
class CountingRedis:
    """`limit` sessions at a time; a session that has ended counts for `lingers_s` more."""

    password: str = "right"
    limit: int = 1000
    at_accept: bool = False  # counts connections (maxclients), else sessions that have logged in
    lingers_s: float = 0.0
    silent_to_auth: bool = False
    identity: str = "abc"
    open: int = 0
    peak: int = 0
    turned_away: int = 0
    kept_waiting: int = 0
    most_kept_waiting: int = 0
    connections: int = 0
    logins: list[str] = field(default_factory=list[str])  # "ok HOST" or "rejected HOST"
    port: int = 0

    @asynccontextmanager
    async def serve(self) -> AsyncGenerator[CountingRedis]:
        """For the length of the block."""
        async with answering(self._one, "0.0.0.0") as self.port:
            yield self

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        mine = False
        try:
            if self.at_accept:
                mine = self._taken()
                if not mine:
                    writer.write(FULL)
                    return
            while data := await reader.read(4096):
                if b"AUTH" in data and not self.at_accept and not mine:
                    mine = self._taken()
                    if not mine:
                        writer.write(FULL)
                        return
                answer = self._answer(writer, data)
                if not answer:
                    await self._never(reader)
                    return
                writer.write(answer)
                if b"QUIT" in data:
                    return
        except ConnectionError:
            pass
        finally:
            writer.close()
            if mine:
                await asyncio.sleep(self.lingers_s)
                self.open -= 1

    async def _never(self, reader: asyncio.StreamReader) -> None:
        """Says nothing until the client leaves."""
        self.kept_waiting += 1
        self.most_kept_waiting = max(self.most_kept_waiting, self.kept_waiting)
        await reader.read()
        self.kept_waiting -= 1

    def _taken(self) -> bool:
        if self.open >= self.limit:
            self.turned_away += 1
            return False
        self.open += 1
        self.peak = max(self.peak, self.open)
        return True

    def _answer(self, writer: asyncio.StreamWriter, data: bytes) -> bytes:
        if b"AUTH" in data:
            if self.silent_to_auth:
                return b""
            good = f"\r\n{self.password}\r\n".encode() in data
            here = writer.get_extra_info("sockname")[0]
            self.logins.append(f"{'ok' if good else 'rejected'} {here}")
            return b"+OK\r\n" if good else b"-WRONGPASS invalid username-password pair\r\n"
        if b"INFO" in data:
            info = f"redis_version:7.0.15\r\nrun_id:{self.identity}\r\nrole:master\r\n"
            return f"${len(info)}\r\n{info}\r\n".encode()
        return b"+PONG\r\n" if b"PING" in data else b"+OK\r\n"
