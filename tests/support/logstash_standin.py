"""The stand-in for Logstash on loopback."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

from tests.support.ports import HOST
from tests.support.rabbit_broker import PASSWORD

PROGRAM = Path(__file__).parents[1] / "lab" / "standins" / "logstash.py"


@contextlib.contextmanager
def running(
    folder: Path, broker: int, search: int, queue: str, index: str
) -> Generator[subprocess.Popen[bytes]]:
    """Consuming from the queue, as user `shop`, until the block is left."""
    secret, begun = folder / "password", folder / "consuming"
    secret.write_text(PASSWORD)
    argv = [sys.executable, "-S", str(PROGRAM), HOST, str(broker), "shop", queue,
            HOST, str(search), index, str(secret), str(begun)]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
        try:
            end = time.monotonic() + 20
            while not begun.exists():
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < end, (folder / "log").read_text()
                time.sleep(0.05)
            yield process
        finally:
            process.kill()
            process.wait(10)
