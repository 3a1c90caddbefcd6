"""A real Zipkin 3.5.1 on loopback; skips where the lab's cache has none."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.building import zipkin
from tests.support.ports import HOST, free_ports

JAVA = Path("/usr/lib/jvm/java-17-openjdk-amd64/bin/java")
START_S = 60


@dataclass(frozen=True)
class Zipkin:
    """Where it listens."""

    port: int
    pid: int

    def counters(self) -> dict[str, float]:
        """What its collectors have taken, by transport."""
        told: dict[str, float] = json.loads(fetch(f"http://{HOST}:{self.port}/metrics"))
        return {k: v for k, v in told.items() if k.startswith("counter.zipkin_collector")}


def fetch(url: str, method: str = "GET", body: bytes | None = None) -> bytes:
    """The body of an answer, whatever its status."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        return error.read()


@contextlib.contextmanager
def running(folder: Path, *options: str, **settings: object) -> Generator[Zipkin]:
    """A server with these settings (environment) and options, ended by its process group."""
    if not (zipkin.ARTIFACT.made() and JAVA.exists()):
        pytest.skip("Zipkin is not built: python -m tests.lab.building.zipkin")
    (port,) = free_ports(1)
    listen = {"ip": HOST, "port": port, "protocols[0]": "http"}
    argv = [str(JAVA), "-Xms64m", "-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            *(f"-Darmeria.ports[0].{k}={v}" for k, v in listen.items()),
            f"-Djava.io.tmpdir={folder}", *options, "-jar",
            str(zipkin.ARTIFACT.need() / "zipkin.jar")]  # fmt: skip
    env = {"PATH": os.defpath, **{k: str(v) for k, v in settings.items()}}
    log = folder / "zipkin.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            argv, env=env, stdout=out, stderr=out, start_new_session=True, cwd=folder
        )
        try:
            _wait(port, server, log)
            yield Zipkin(port, server.pid)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait(10)


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while True:
        assert server.poll() is None, log.read_text(errors="replace")[-2000:]
        assert time.monotonic() < end, log.read_text(errors="replace")[-2000:]
        try:
            fetch(f"http://{HOST}:{port}/info")
            return
        except OSError:
            time.sleep(0.1)
