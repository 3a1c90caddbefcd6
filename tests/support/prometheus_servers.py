"""Real Prometheus and Alertmanager on loopback, one folder each, ended by their process id."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from k8sext.agent.wire.http import basic
from tests.support.ports import HOST, free_ports
from tests.support.redis_servers import until

ITSELF = "ITSELF"  # in a configuration: the server's own address
QUICK = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}


@dataclass(frozen=True)
class Server:
    """A running one."""

    port: int
    folder: Path
    base: str = ""
    login: tuple[str, str] | None = None

    @property
    def config(self) -> Path:
        """Its configuration file: JSON is YAML."""
        return self.folder / "config.yml"

    def get(self, path: str) -> Any:
        """Status and body of a GET."""
        asked = urllib.request.Request(f"http://{HOST}:{self.port}{self.base}{path}")
        if self.login:
            asked.add_header("Authorization", basic(*self.login))
        return _open(asked)

    def data(self, path: str) -> Any:
        """`data` of an answer of the API."""
        return json.loads(self.get(path)[1])["data"]

    def post(self, path: str, value: Any = None) -> int:
        """Status of a POST of JSON."""
        asked = urllib.request.Request(
            f"http://{HOST}:{self.port}{self.base}{path}",
            json.dumps(value).encode(),
            {"Content-Type": "application/json"},
            method="POST",
        )
        status: int = _open(asked)[0]
        return status


def _open(asked: urllib.request.Request) -> tuple[int, bytes]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(asked, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


@contextlib.contextmanager
def prometheus(
    config: dict[str, Any],
    *options: str,
    base: str = "",
    rules: Any = None,
    users: dict[str, str] | None = None,
    login: tuple[str, str] | None = None,
) -> Generator[Server, None, None]:
    """Ready, with this configuration (`global` is quick unless it says otherwise). `users` are its
    own with bcrypt hashes, `login` is one of them.
    """
    given: dict[str, Any] = {"global": QUICK, **config}
    with _folder() as folder:
        if rules is not None:
            (folder / "rules.yml").write_text(json.dumps(rules))
            given["rule_files"] = ["rules.yml"]
        agent = "--enable-feature=agent" in options
        store = f"--storage.{'agent' if agent else 'tsdb'}.path={folder}/data"
        more = [store, "--web.enable-lifecycle", *options]
        if base:
            more.append(f"--web.route-prefix={base}")
        if users:
            (folder / "web.yml").write_text(json.dumps({"basic_auth_users": users}))
            more.append("--web.config.file=web.yml")
        with _running("prometheus", folder, given, more, base, login) as server:
            yield server


@contextlib.contextmanager
def alertmanager(config: dict[str, Any], *options: str) -> Generator[Server, None, None]:
    """Ready, alone unless its options make it a member of a cluster."""
    with _folder() as folder:
        alone = [] if any("cluster.listen" in o for o in options) else ["--cluster.listen-address="]
        more = [f"--storage.path={folder}/data", *alone, *options]
        with _running("prometheus-alertmanager", folder, config, more, "") as server:
            yield server


@contextlib.contextmanager
def _running(
    name: str,
    folder: Path,
    config: dict[str, Any],
    options: Sequence[str],
    base: str,
    login: tuple[str, str] | None = None,
) -> Generator[Server, None, None]:
    program = shutil.which(name)
    if not program:
        pytest.skip(f"{name} is not installed on this machine")
    (port,) = free_ports(1)
    server = Server(port, folder, base, login)
    server.config.write_text(json.dumps(config).replace(ITSELF, f"{HOST}:{port}"))
    argv = [program, f"--config.file={server.config}", f"--web.listen-address={HOST}:{port}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*argv, *options], stdout=log, stderr=log, cwd=folder, env={})
    try:
        until(lambda: server.get("/-/ready")[0] == 200, f"{name} does not start: {folder}/log", 60)
        yield server
    finally:
        process.kill()
        process.wait(10)


@contextlib.contextmanager
def _folder() -> Generator[Path, None, None]:
    path = Path(tempfile.mkdtemp(prefix="k8sext-test-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
