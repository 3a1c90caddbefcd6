"""Real servers on 127.0.0.1, each in a folder and on ports of its own, ended by id.

They skip, with the reason, where the program is not installed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import rabbit_broker, redis_servers
from tests.support.authority import Pair
from tests.support.ports import HOST, free_ports

PASSWORD = "canary-4711"  # must appear in no result
USER = "shop"
POSTGRESQL = Path("/usr/lib/postgresql/15/bin")
Popen = subprocess.Popen


@dataclass(frozen=True)
class Server:
    """Where it listens, and where it writes what it has to say."""

    port: int
    log: Path


def _program(name: str | Path) -> str:
    found = shutil.which(str(name))
    if not found:
        pytest.skip(f"{Path(name).name} is not installed on this machine")
    return found


@contextlib.contextmanager
def _folder(user: str | None = None) -> Generator[Path, None, None]:
    """A folder that the server's own user can reach: pytest's are root's alone."""
    path = Path(tempfile.mkdtemp(prefix="k8sext-test-"))
    try:
        if user and os.geteuid() == 0:
            shutil.chown(path, user)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _user(name: str) -> str | None:
    """The user to run as: PostgreSQL refuses root."""
    return name if os.geteuid() == 0 else None


@contextlib.contextmanager
def _running(
    argv: Sequence[str],
    log: Path,
    ready: Callable[[], bool],
    user: str | None = None,
    env: Mapping[str, str] | None = None,
    seconds: float = 60,
) -> Generator[None, None, None]:
    """A server in a process group of its own, until the block is left."""
    with log.open("wb") as out:
        server = Popen(
            argv, stdout=out, stderr=out, start_new_session=True, user=user, env=env, cwd="/"
        )
        try:
            end = time.monotonic() + seconds
            while not ready():
                assert server.poll() is None, log.read_text(errors="replace")[-2000:]
                assert time.monotonic() < end, f"{argv[0]} does not start"
                time.sleep(0.05)
            yield
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(10)


def _says(log: Path, words: str) -> Callable[[], bool]:
    return lambda: words in log.read_text(errors="replace")


@contextlib.contextmanager
def redis_server(tls: Pair | None = None) -> Generator[Server, None, None]:
    """Redis with a password; over TLS if asked."""
    (port,) = free_ports(1)
    lines = [f"requirepass {PASSWORD}"]
    if tls:
        lines += [f"tls-port {port}", f"tls-cert-file {tls.crt}", f"tls-key-file {tls.key}",
                  "tls-auth-clients no", f"tls-ca-cert-file {tls.crt}"]  # fmt: skip
    with (
        _folder() as folder,
        redis_servers.server(folder, 0 if tls else port, *lines) as listening,
    ):
        yield Server(listening, folder / "log")


@contextlib.contextmanager
def postgresql(tls: Pair | None = None) -> Generator[Server, None, None]:
    """PostgreSQL with role and database `shop`, SCRAM for everybody; offers TLS if asked."""
    initdb, program = _program(POSTGRESQL / "initdb"), _program(POSTGRESQL / "postgres")
    user = _user("postgres")
    (port,) = free_ports(1)
    with _folder(user) as folder:
        data, log = folder / "data", folder / "log"
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        secret = folder / "initial"
        secret.write_text("initial-4711\n")
        secret.chmod(0o644)
        _quiet([initdb, f"--pgdata={data}", f"--pwfile={secret}", *options], user)
        statements = (
            f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'\nCREATE DATABASE {USER} OWNER {USER}\n"
        )
        _quiet([program, "--single", "-D", str(data), "postgres"], user, statements)
        settings = [f"listen_addresses={HOST}", f"port={port}", f"unix_socket_directories={folder}",
                    "fsync=off", "shared_buffers=16MB", "log_connections=on"]  # fmt: skip
        if tls:
            key = shutil.copy(tls.key, folder / "server.key")
            Path(key).chmod(0o600)
            shutil.chown(key, user) if user else None
            certificate = shutil.copy(tls.crt, folder / "server.crt")
            settings += ["ssl=on", f"ssl_key_file={key}", f"ssl_cert_file={certificate}"]
        argv = [program, "-D", str(data), *(w for s in settings for w in ("-c", s))]
        with _running(argv, log, _says(log, "ready to accept connections"), user):
            yield Server(port, log)


@contextlib.contextmanager
def mariadb(tls: Pair | None = None) -> Generator[Server, None, None]:
    """MariaDB with user and schema `shop`; offers TLS if asked."""
    install, program = _program("mariadb-install-db"), _program("mariadbd")
    (port,) = free_ports(1)
    with _folder() as folder:
        log = folder / "log"
        (folder / "my.cnf").write_text(
            f"[mysqld]\nuser = root\ndatadir = {folder}/data\nsocket = {folder}/sock\n"
            f"pid-file = {folder}/pid\nbind-address = {HOST}\nport = {port}\n"
            f"init-file = {folder}/init.sql\nskip-name-resolve\nlog-warnings = 2\n"
            "innodb-buffer-pool-size = 16M\ninnodb-log-file-size = 8M\n"
            "innodb-flush-log-at-trx-commit = 0\ninnodb-flush-method = nosync\n"
            + (f"ssl-cert = {tls.crt}\nssl-key = {tls.key}\n" if tls else "")
        )
        (folder / "init.sql").write_text(
            f"CREATE DATABASE IF NOT EXISTS {USER};\n"
            f"CREATE USER IF NOT EXISTS {USER}@'%' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON {USER}.* TO {USER}@'%';\n"
            # Else a missing schema is hidden behind "access denied" (1044).
            f"GRANT ALL ON absent.* TO {USER}@'%';\n"
        )
        options = ["--skip-test-db", "--skip-name-resolve", "--init-file="]
        _quiet([install, f"--defaults-file={folder}/my.cnf", *options], None)
        argv = [program, f"--defaults-file={folder}/my.cnf"]
        with _running(argv, log, _says(log, "ready for connections")):
            yield Server(port, log)


@contextlib.contextmanager
def rabbitmq() -> Generator[Server, None, None]:
    """A broker with the one user `shop`."""
    everything = {"user": USER, "vhost": "/", **rabbit_broker.EVERYTHING}
    definitions = {
        "vhosts": [{"name": "/"}],
        "users": [rabbit_broker.user(USER, tags="administrator")],
        "permissions": [everything],
    }
    with _folder() as folder, rabbit_broker.broker(folder, definitions) as broker:
        yield Server(broker.port, broker.log)


def _quiet(argv: Sequence[str], user: str | None, script: str | None = None) -> None:
    done = subprocess.run(
        argv, input=script, text=True, capture_output=True, user=user, cwd="/", check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
