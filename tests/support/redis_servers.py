"""Real Redis servers on loopback, one folder each, ended by their process id."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.ports import HOST


def until(holds: Callable[[], bool], what: str, seconds: float = 15) -> None:
    """Wait for something that comes by itself."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def listens(port: int) -> bool:
    """Whether a connection is accepted."""
    try:
        socket.create_connection((HOST, port), 1).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def server(
    folder: Path, port: int, *lines: str, sentinel: bool = False
) -> Generator[int, None, None]:
    """A redis-server with these lines of configuration. Skips where there is none."""
    program = shutil.which("redis-server")
    if not program:
        pytest.skip("redis-server is not installed on this machine")
    folder.mkdir(exist_ok=True)
    base = [f"bind {HOST}", f"dir {folder}", f"port {port}", f"logfile {folder}/log"]
    base += [] if sentinel else ["save ''"]
    config = folder / "redis.conf"
    config.write_text("\n".join([*base, *lines]) + "\n")
    argv = [program, str(config), *(["--sentinel"] if sentinel else [])]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        asked = next((int(x.split()[1]) for x in lines if x.startswith("tls-port")), port)
        until(lambda: listens(asked), f"redis-server does not start: {folder}/log")
        yield asked
    finally:
        process.kill()
        process.wait(10)


@contextlib.contextmanager
def client(port: int, password: str | None = None) -> Generator[Any, None, None]:
    """The official driver, for arranging things and as the oracle."""
    with redis.Redis(HOST, port, password=password, protocol=2) as connected:
        yield connected
