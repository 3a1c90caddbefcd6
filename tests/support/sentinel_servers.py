"""Sentinel on loopback: the stand-in of its dashboard, the real 0.1.1, and the real client.

The command centre of the real ones listens at every address of the machine: no option of theirs
names one. `NotBuilt` says how to build what is missing.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from tests.lab.building import java, sentinel
from tests.lab.standins.sentinel import Front
from tests.support.ports import HOST, free_ports

START_S = 60
SMALL = ("-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class NotBuilt(Exception):
    """It was not fetched or built; the text says what does."""


@contextlib.contextmanager
def standin(**options: Any) -> Generator[int]:
    """The stand-in; its port."""
    with Front((HOST, 0), options) as front:
        thread = threading.Thread(target=front.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield int(front.server_address[1])
        finally:
            front.shutdown()


@contextlib.contextmanager
def dashboard() -> Generator[int]:
    """The real dashboard 0.1.1; its port."""
    if not sentinel.ARTIFACT.made():
        raise NotBuilt("python -m tests.lab.building.sentinel fetches the dashboard")
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="k8sext-sentinel-") as folder:
        said = [f"-Duser.home={folder}", f"-Dserver.address={HOST}", f"-Dserver.port={port}"]
        argv = [java.JAVA, *SMALL, *sentinel.JAVA_17, *said, "-jar", str(sentinel.jar())]
        with _running(argv):
            _await(lambda: get(port, "/app/names.json") is not None)
            yield port


@contextlib.contextmanager
def client(dashboard_port: int, app: str, *options: str) -> Generator[int]:
    """An application with the real client that has registered itself; its command centre's port."""
    program = java.apps()["sentinel-client"]
    if not program.artifact.made():
        raise NotBuilt("python -m tests.lab.building.java sentinel-client builds the client")
    with tempfile.TemporaryDirectory(prefix="k8sext-sentinel-") as folder:
        registered = Path(folder) / "registered"
        settings = {
            "project.name": app,
            "csp.sentinel.dashboard.server": f"{HOST}:{dashboard_port}",
            "csp.sentinel.heartbeat.client.ip": HOST,
            "csp.sentinel.log.dir": folder,
        }
        said = [f"-D{key}={value}" for key, value in settings.items()]
        argv = [java.JAVA, *SMALL, *said, *options, "-jar", str(program.jar), str(registered)]
        with _running(argv):
            _await(lambda: registered.exists() and bool(registered.read_text()))
            yield int(registered.read_text())


@contextlib.contextmanager
def _running(argv: Sequence[str]) -> Generator[None]:
    quiet = subprocess.DEVNULL
    with subprocess.Popen(argv, stdin=quiet, stdout=quiet, stderr=quiet) as process:
        try:
            yield
        finally:
            process.kill()


def _await(good: Any) -> None:
    give_up = time.monotonic() + START_S
    while not good():
        if time.monotonic() > give_up:
            raise TimeoutError(f"not ready after {START_S} s")
        time.sleep(0.1)


def get(port: int, path: str) -> Any:
    """The data that a dashboard without a login gives; None where it does not answer."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=10) as answer:
            return json.load(answer)["data"]
    except OSError:
        return None


def beat(port: int, app: str, ip: str, number: int, **more: object) -> None:
    """A heartbeat, as a client sends it."""
    given = {"app": app, "ip": ip, "port": number, "hostname": "h", "v": "1.8.8", **more}
    body = urllib.parse.urlencode(given).encode()
    with urllib.request.urlopen(f"http://{HOST}:{port}/registry/machine", body, timeout=10) as said:
        assert json.load(said)["msg"] == "success"
