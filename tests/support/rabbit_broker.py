"""A real RabbitMQ on loopback with an epmd of its own, so that nothing of it outlives the test."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.authority import Pair
from tests.support.ports import HOST, free_ports

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
PASSWORD = "canary-4711"
EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}


@dataclass(frozen=True)
class Broker:
    """Where it listens, and how to speak to it from behind."""

    port: int
    tls_port: int
    management_port: int
    log: Path
    environment: dict[str, str]

    def control(self, *words: str) -> str:
        """One rabbitmqctl command; it takes seconds."""
        argv = [str(PROGRAM.with_name("rabbitmqctl")), *words]
        done = subprocess.run(
            argv, env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def said_since(self, start: int) -> bytes:
        """What it logged after the first `start` bytes."""
        return self.log.read_bytes()[start:]


def user(name: str, **more: Any) -> dict[str, Any]:
    """A user of the definitions file; the password is PASSWORD."""
    salt = b"salt"
    hashed = base64.b64encode(salt + hashlib.sha256(salt + PASSWORD.encode()).digest()).decode()
    algorithm = "rabbit_password_hashing_sha256"
    return {
        "name": name,
        "password_hash": hashed,
        "hashing_algorithm": algorithm,
        "tags": "",
        **more,
    }


@contextlib.contextmanager
def broker(
    folder: Path,
    definitions: dict[str, Any],
    *lines: str,
    plugins: str = "",
    tls: Pair | None = None,
) -> Generator[Broker, None, None]:
    """A broker with these definitions and lines of configuration. Skips where there is none."""
    epmd = shutil.which("epmd")
    if not PROGRAM.exists() or not epmd:
        pytest.skip("rabbitmq-server is not installed on this machine")
    port, tls_port, management, names, distribution = free_ports(5)
    log = folder / "console"
    (folder / "definitions.json").write_text(json.dumps(definitions))
    (folder / "enabled_plugins").write_text(f"[{plugins}].\n")
    settings = [f"listeners.tcp.1 = {HOST}:{port}", f"load_definitions = {folder}/definitions.json",
                "log.console = true", "log.file = false", *lines]  # fmt: skip
    if "management" in plugins:
        settings += [f"management.tcp.ip = {HOST}", f"management.tcp.port = {management}"]
    if tls:
        settings += [f"listeners.ssl.1 = {HOST}:{tls_port}", "ssl_options.verify = verify_none",
                     f"ssl_options.certfile = {tls.crt}", f"ssl_options.keyfile = {tls.key}",
                     f"ssl_options.cacertfile = {tls.crt}"]  # fmt: skip
    (folder / "rabbitmq.conf").write_text("\n".join(settings) + "\n")
    env = _environment(folder, names, distribution)
    with log.open("wb") as out:
        mapper = subprocess.Popen([epmd], env=env, stdout=out, stderr=out)
        server = subprocess.Popen(
            [str(PROGRAM)], env=env, stdout=out, stderr=out, start_new_session=True
        )
        try:
            _wait_for(log, server)
            yield Broker(port, tls_port, management, log, env)
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(10)
            mapper.terminate()
            mapper.wait(10)


def _environment(folder: Path, epmd: int, distribution: int) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(epmd),
        "ERL_EPMD_ADDRESS": HOST,
        "RABBITMQ_NODENAME": "unit@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
        "RABBITMQ_LOG_BASE": f"{folder}/log",
        "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none",
    }


def _wait_for(log: Path, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while "Server startup complete" not in log.read_text(errors="replace"):
        assert server.poll() is None, log.read_text(errors="replace")[-2000:]
        assert time.monotonic() < end, "the broker does not start"
        time.sleep(0.1)
