"""The stand-in for the XXL-JOB admin on loopback, and the real executor beside it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.lab.building import java
from tests.lab.place import LabError
from tests.lab.standins.xxl_job_admin.admin import COOKIE, TOKEN, Admin, settings_of
from tests.lab.standins.xxl_job_admin.pages import serve
from tests.support.ports import HOST, free_ports


@dataclass(frozen=True)
class Running:
    """A stand-in that serves."""

    port: int
    admin: Admin

    @property
    def url(self) -> str:
        """What executors are configured with."""
        return f"http://{HOST}:{self.port}{self.admin.settings.context}"

    def ask(self, path: str, cookie: str = "", **form: str) -> Any:
        """POST a form as a browser does; the JSON of the answer."""
        headers = {"Cookie": f"{COOKIE}={cookie}"} if cookie else {}
        data = urlencode(form).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def api(self, path: str, body: Any, token: str = "") -> Any:
        """POST as an executor does."""
        headers = {"Content-Type": "application/json", **({TOKEN: token} if token else {})}
        request = urllib.request.Request(
            f"{self.url}/api/{path}", json.dumps(body).encode(), headers
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@contextlib.contextmanager
def standin(**settings: Any) -> Generator[Running]:
    """The stand-in on a free port of loopback, in this process."""
    server, admin = serve(settings_of({"address": HOST, "port": 0, **settings}))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield Running(int(server.server_address[1]), admin)
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def executor(url: str, folder: Path, **settings: str) -> Generator[int]:
    """The real executor: its port. `settings` are its properties, in lower case with `_`."""
    try:
        java.build("xxljob")
    except LabError as why:
        pytest.skip(f"the executor cannot be built here: {why}")
    (port,) = free_ports(1)
    told = {
        "ADMIN_ADDRESSES": url,
        "EXECUTOR_PORT": str(port),
        "EXECUTOR_IP": HOST,
        "EXECUTOR_LOGPATH": str(folder / "joblog"),
        **{k.upper(): v for k, v in settings.items()},
    }
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        **{f"XXL_JOB_{k}": v for k, v in told.items()},
    }
    with (folder / "executor.log").open("wb") as out:
        argv = java.command("xxljob", {})
        process = subprocess.Popen(argv, env=env, stdout=out, stderr=out, cwd=folder)
        try:
            yield port
        finally:
            process.terminate()
            process.wait(20)


def eventually(what: Callable[[], Any], seconds: float = 30) -> Any:
    """The first true answer; the last one when the time is up."""
    give_up = time.monotonic() + seconds
    while not (found := what()) and time.monotonic() < give_up:
        time.sleep(0.05)
    return found
