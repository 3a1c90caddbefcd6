"""A proxy before the API server that mistreats logs, as load balancers and gateways do, or
writes down all that passes.

Plain HTTP in front of `kubectl proxy`; only the first request of a connection is looked at, for
k8sext opens one of its own for each log.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from tests.lab.lab import Lab

Mode = Literal["cut", "refuse", "record"]
RECORD = "passed-the-proxy"
CUT_AFTER = 900  # bytes of an answer: in the middle of a record
CUTS = 4


class Proxy:
    """`cut`: the first logs end in the middle of a line. `refuse`: no log is given at all.

    `record`: all bytes of both directions, uncompressed, go to a file.
    """

    def __init__(self, mode: str, port: int, folder: Path) -> None:
        self.mode, self.port = mode, port
        self.file = (folder / RECORD).open("ab") if mode == "record" else None
        self.cuts = 0

    async def serve(self) -> None:
        server = await asyncio.start_server(self.connection, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = None
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            is_log = b"/log?" in head.split(b"\r\n")[0]
            if is_log and self.mode == "refuse":
                writer.write(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            limit = self._limit() if is_log else -1
            back, there = await asyncio.open_connection("127.0.0.1", self.port)
            there.write(self._noted(head))
            up = asyncio.create_task(self._pipe(reader, there))
            await self._pipe(back, writer, limit)
            up.cancel()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for end in (writer, there):
                if end is not None:
                    with contextlib.suppress(OSError):
                        end.close()

    def _limit(self) -> int:
        """Each log gets a little further than the one before, the last one to its end."""
        self.cuts += 1
        if self.mode != "cut" or self.cuts > CUTS:
            return -1
        print("cut", file=sys.stderr, flush=True)
        return CUT_AFTER * self.cuts

    async def _pipe(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int = -1
    ) -> None:
        passed = 0
        while data := await reader.read(256 if limit >= 0 else 65536):
            passed += len(data)
            if 0 <= limit < passed:
                return
            writer.write(self._noted(data))
            await writer.drain()

    def _noted(self, data: bytes) -> bytes:
        """Written down; nobody is let ask for compression, for it would hide words."""
        if self.file is None:
            return data
        data = data.replace(b"Accept-Encoding: gzip", b"Accept-Encoding: x   ")
        self.file.write(data)
        self.file.flush()
        return data


@contextmanager
def rough_proxy(lab: Lab, mode: Mode, folder: Path) -> Generator[tuple[str, list[str]]]:
    """A kubeconfig that leads through the proxy, and (after the block) what the proxy said."""
    said: list[str] = []
    kubectl = lab.popen(["kubectl", "proxy", "--port=0"])
    try:
        assert kubectl.stdout
        port = kubectl.stdout.readline().strip().rpartition(":")[2]
        argv = [sys.executable, "-m", "tests.support.rough_proxy", mode, port, str(folder)]
        proxy = lab.popen(argv)
        try:
            assert proxy.stdout
            yield _kubeconfig(proxy.stdout.readline().strip(), folder), said
        finally:
            said += _ended(proxy).splitlines()
    finally:
        _ended(kubectl)


def _ended(process: subprocess.Popen[str]) -> str:
    process.terminate()
    return process.communicate(timeout=10)[1]


def _kubeconfig(port: str, folder: Path) -> str:
    path = folder / "through-the-proxy"
    config = {
        "current-context": "rough",
        "clusters": [{"name": "rough", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "contexts": [{"name": "rough", "context": {"cluster": "rough", "user": "nobody"}}],
        "users": [{"name": "nobody", "user": {}}],
    }
    path.write_text(json.dumps(config))
    return str(path)


if __name__ == "__main__":
    asyncio.run(Proxy(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])).serve())
