"""Real PostgreSQL, PgBouncer, MariaDB and MySQL on loopback, each in a folder of its own under /tmp
(not pytest's: every session closes those to other users, and these servers refuse to be root).

`postgresql(...)`, `pgbouncer(...)`, `mariadb(...)` and `mysql9(...)` are context managers: what
they started is stopped at their end, by its process and nothing else. Where a program is not
installed they raise `NotInstalled`, which fixtures turn into a skip with that reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

from tests.lab.building import mysql9 as artifact
from tests.support.authority import serving_itself
from tests.support.ports import free_ports

POSTGRESQL = Path("/usr/lib/postgresql/15/bin")
PROCESS_S = 30.0
NAMES = ("DNS:localhost", "IP:127.0.0.1")


class NotInstalled(Exception):
    """The program is not on this machine."""


@dataclass(frozen=True)
class Server:
    """A running server: where it listens, its folder and what it wrote so far."""

    port: int
    folder: Path
    log_file: Path
    admin: tuple[str, ...] = ()  # a client program's argv that takes SQL after it

    def log(self) -> str:
        """Everything in its log."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def sql(self, text: str) -> str:
        """What the administrator's client prints for a statement."""
        done = subprocess.run([*self.admin, text], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


# -- PostgreSQL ------------------------------------------------------------------------------------

_SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
fsync = off
shared_buffers = 16MB
max_connections = 20
logging_collector = off
lc_messages = 'C'
timezone = 'UTC'
ssl = on
ssl_cert_file = '{folder}/server.crt'
ssl_key_file = '{folder}/server.key'
"""


@contextlib.contextmanager
def postgresql(hba: str, sql: str, settings: str = "") -> Generator[Server]:
    """A cluster whose superuser is reachable by its socket; `sql` is run before the first test."""
    if not (POSTGRESQL / "initdb").exists():
        raise NotInstalled("PostgreSQL 15 is not installed on this machine")
    with _folder("postgres") as folder:
        server = _initialised(folder, hba, settings)
        with _running(_postgres_argv(server), server, "postgres"):
            server.sql(sql)
            yield server


@contextlib.contextmanager
def standby(primary: Server) -> Generator[Server]:
    """A streaming standby of `primary`."""
    with _folder("postgres") as folder:
        (port,), data = free_ports(1), folder / "data"
        source = ["-h", str(primary.folder), "-p", str(primary.port), "-U", "postgres"]
        argv = [str(POSTGRESQL / "pg_basebackup"), *source, "-D", str(data), "-R", "-X", "stream"]
        _as("postgres", [*argv, "-c", "fast"])
        with (data / "postgresql.conf").open("a") as config:
            config.write(f"port = {port}\nunix_socket_directories = '{folder}'\n")
        server = _postgres_server(folder, port)
        with _running(_postgres_argv(server), server, "postgres"):
            yield server


def _initialised(folder: Path, hba: str, settings: str) -> Server:
    data, (port,) = folder / "data", free_ports(1)
    argv = [str(POSTGRESQL / "initdb"), f"--pgdata={data}", "--auth=trust", "--encoding=UTF8"]
    _as("postgres", [*argv, "--locale=C.UTF-8", "--no-sync", "--username=postgres"])
    pair = serving_itself(folder, "server", *NAMES)
    for file in (pair.crt, pair.key):
        own(file, "postgres", 0o600)
    (data / "pg_hba.conf").write_text(f"local all all trust\nlocal replication all trust\n{hba}\n")
    with (data / "postgresql.conf").open("a") as config:
        config.write((_SETTINGS + settings).format(port=port, folder=folder))
    return _postgres_server(folder, port)


def _postgres_server(folder: Path, port: int) -> Server:
    psql = [str(POSTGRESQL / "psql"), "-h", str(folder), "-p", str(port), "-U", "postgres"]
    admin = (*psql, "-qAtX", "-v", "ON_ERROR_STOP=1", "-c")
    return Server(port, folder, folder / "log", admin)


def _postgres_argv(server: Server) -> list[str]:
    return [str(POSTGRESQL / "postgres"), "-D", str(server.folder / "data")]


@contextlib.contextmanager
def pgbouncer(behind: Server, users: str, settings: str = "") -> Generator[Server]:
    """PgBouncer before `behind`; `users` is its auth_file."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not Path(program).exists():
        raise NotInstalled("PgBouncer is not installed on this machine")
    with _folder("postgres") as folder:
        (port,) = free_ports(1)
        (folder / "users").write_text(users)
        (folder / "ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={behind.port}\n[pgbouncer]\n"
            f"listen_addr=127.0.0.1\nlisten_port={port}\nauth_file={folder}/users\n"
            f"auth_type=scram-sha-256\nunix_socket_dir={folder}\npool_mode=transaction\n"
            f"{settings}\n"
        )
        server = Server(port, folder, folder / "log")
        with _running([program, str(folder / "ini")], server, "postgres"):
            yield server


# -- MariaDB ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def mariadb(sql: str, options: tuple[str, ...] = ()) -> Generator[Server]:
    """A server whose root is reachable by its socket; `sql` is run before the first test."""
    program = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
    if not Path(program).exists():
        raise NotInstalled("MariaDB is not installed on this machine")
    with _folder("mysql") as folder:
        base = ["--no-defaults", f"--datadir={folder}/data"]
        install = ["mariadb-install-db", *base, "--auth-root-authentication-method=normal"]
        subprocess.run(
            [*install, "--skip-test-db", "--user=mysql"], check=True, capture_output=True
        )
        pair = serving_itself(folder, "server", *NAMES)
        own(pair.key, "mysql", 0o600)
        (port,) = free_ports(1)
        argv = [program, *base, f"--socket={folder}/s", f"--port={port}"]
        argv += ["--bind-address=127.0.0.1", f"--pid-file={folder}/pid", f"--ssl-cert={pair.crt}"]
        argv += [
            f"--ssl-key={pair.key}",
            "--innodb-buffer-pool-size=16M",
            "--innodb-log-file-size=4M",
        ]
        admin = (
            "mariadb",
            "--no-defaults",
            "--default-character-set=utf8mb4",
            f"--socket={folder}/s",
            "-uroot",
            "-N",
            "-e",
        )
        server = Server(port, folder, folder / "log", admin)
        with _running([*argv, *options], server, "mysql"):
            server.sql(sql)
            yield server


# -- MySQL -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def mysql9(sql: str, options: tuple[str, ...] = ()) -> Generator[Server]:
    """Real MySQL from its own root file system, which needs root and a build of its own."""
    if os.getuid() != 0 or not artifact.ARTIFACT.made():
        raise NotInstalled("needs root, and MySQL: python -m tests.lab.building.mysql9")
    with _folder(artifact.USER) as folder:
        base, home = artifact.settings(), artifact.HOME
        made = artifact.argv(folder, [*base, "--initialize-insecure"])
        subprocess.run(made, check=True, capture_output=True)
        pair = serving_itself(folder, "server", *NAMES)
        own(pair.key, artifact.USER, 0o600)
        (port,) = free_ports(1)
        base += [f"--socket={home}/s", f"--port={port}", f"--pid-file={home}/pid"]
        base += [f"--ssl-cert={home}/{pair.crt.name}", f"--ssl-key={home}/{pair.key.name}"]
        argv = artifact.argv(folder, [*base, "--bind-address=127.0.0.1", *options])
        admin = ("mariadb", "--no-defaults", f"--socket={folder}/s", "-uroot", "-N", "-e")
        server = Server(port, folder, folder / "log", admin)
        with _running(argv, server, "root", end=signal.SIGKILL):  # an orderly end takes 10 s
            server.sql(sql)
            yield server


@contextlib.contextmanager
def from_another_address(server: Server, source: str = "127.0.0.2") -> Generator[Server]:
    """The same server, which sees clients come from `source`: MariaDB keeps no account of the
    connection errors of 127.0.0.1.
    """
    loop = asyncio.new_event_loop()
    listening = loop.run_until_complete(_relay(server.port, source))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield replace(server, port=listening.sockets[0].getsockname()[1])
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        listening.close()
        loop.run_until_complete(_ended(loop))
        loop.close()


async def _ended(loop: asyncio.AbstractEventLoop) -> None:
    """The connections are gone, whoever still holds them."""
    open_ones = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    if open_ones:
        _, late = await asyncio.wait(open_ones, timeout=2)
        for task in late:
            task.cancel()
    await asyncio.sleep(0.01)  # closing a transport takes one more turn of the loop


async def _relay(port: int, source: str) -> asyncio.Server:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
        await asyncio.gather(_pipe(reader, there[1]), _pipe(there[0], writer))

    return await asyncio.start_server(handle, "127.0.0.1", 0)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # one side hung up; so does the other now
    finally:
        writer.close()


# -- processes -------------------------------------------------------------------------------------


@contextlib.contextmanager
def _folder(user: str) -> Generator[Path]:
    """A short path (sockets have 107 characters) that `user` owns; removed at the end."""
    with tempfile.TemporaryDirectory(prefix="k8sext-", dir="/tmp") as name:
        own(Path(name), user, 0o700)
        yield Path(name)


def own(path: Path, user: str, mode: int) -> None:
    """Give a file away (as root; otherwise it stays ours)."""
    path.chmod(mode)
    if os.getuid() == 0:
        shutil.chown(path, user, user)


def _as(user: str, argv: list[str]) -> None:
    done = subprocess.run(_argv_as(user, argv), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _argv_as(user: str, argv: list[str]) -> list[str]:
    """PostgreSQL and MariaDB refuse to run as root."""
    if os.getuid() != 0:
        return argv
    known = pwd.getpwnam(user)
    ids = [f"--reuid={known.pw_uid}", f"--regid={known.pw_gid}", "--clear-groups"]
    return ["setpriv", *ids, *argv]


@contextlib.contextmanager
def _running(
    argv: list[str], server: Server, user: str, end: int = signal.SIGTERM
) -> Generator[None]:
    with server.log_file.open("w") as log:
        process = subprocess.Popen(_argv_as(user, argv), stdout=log, stderr=log, cwd="/")
    try:
        _wait(server, process)
        yield
    finally:
        process.send_signal(2 if "postgres" in argv[0] else end)  # PostgreSQL: fast shutdown
        try:
            process.wait(PROCESS_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    """Until the administrator gets in (no bare connect: MariaDB counts those)."""
    end = time.monotonic() + PROCESS_S
    while True:
        assert process.poll() is None, server.log()
        if server.admin:
            done = subprocess.run([*server.admin, "SELECT 1"], capture_output=True, check=False)
            if done.returncode == 0:
                return
        elif "listening on 127.0.0.1" in server.log():
            return
        assert time.monotonic() < end, server.log()
        time.sleep(0.05)
