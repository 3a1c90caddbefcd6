"""The memcached check: against real servers on loopback, and what no server here would say."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from k8sext.model.result import Observation
from k8sext.model.words import Reason, Stage, Status
from tests.support.converse import SHORT, against, end_of, observe
from tests.support.loopback import Handler
from tests.support.ports import HOST, free_ports
from tests.support.redis_servers import listens, until

PASSWORD = "canary-4711"  # must appear in no result
LOGIN = {"username": "shop", "password": PASSWORD}
USER = "memcache" if os.geteuid() == 0 else None


@contextlib.contextmanager
def memcached(*options: str, folder: Path | None = None) -> Generator[int]:
    """The port of a real one, with these options."""
    program = shutil.which("memcached")
    if not program:
        pytest.skip("memcached is not installed on this machine")
    (port,) = free_ports(1)
    argv = [program, f"--listen={HOST}", f"--port={port}", "--udp-port=0", "--threads=1"]
    env = {**os.environ, "SASL_CONF_PATH": str(folder)} if folder else None
    process = subprocess.Popen([*argv, *options], user=USER, env=env, stderr=subprocess.DEVNULL)
    try:
        until(lambda: listens(port), "memcached does not start")
        yield port
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that the server's user can read: pytest's own are root's alone."""
    path = Path(tempfile.mkdtemp(prefix="k8sext-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def with_text_login(folder: Path) -> Iterator[int]:
    users = folder / "users"
    users.write_text(f"shop:{PASSWORD}\n")
    with memcached(f"--auth-file={users}") as port:
        yield port


@pytest.fixture
def with_sasl(folder: Path) -> Iterator[int]:
    database, program = folder / "sasldb2", shutil.which("saslpasswd2")
    if not program:
        pytest.skip("saslpasswd2 is not installed on this machine")
    (folder / "memcached.conf").write_text(f"mech_list: plain\nsasldb_path: {database}\n")
    make = [program, "-p", "-c", "-a", "memcached", "-f", str(database), "shop"]
    subprocess.run(make, input=PASSWORD, text=True, check=True, capture_output=True)
    database.chmod(0o644)
    with memcached("--enable-sasl", folder=folder) as port:
        yield port


def probe(port: int, **options: object) -> Observation:
    return observe("memcached", "memcached", HOST, port, **options)  # type: ignore[arg-type]


def end(seen: Observation, stage: Stage) -> tuple[Status, Reason | None]:
    result = seen.stage(stage)
    assert result is not None
    return result.status, result.reason


def test_an_open_server() -> None:
    with memcached() as port:
        seen = probe(port, expect={"version": ">=1.5"})
    assert seen.status is Status.PASS
    assert seen.fact("product") == "memcached"
    assert seen.fact("max_connections") == "1024"
    assert seen.fact("evictions") == "0"


def test_a_login_that_nobody_asks_for_is_not_stored() -> None:
    with memcached() as port:
        seen = probe(port, login=LOGIN)
        with socket.create_connection((HOST, port), 5) as asked:
            asked.sendall(b"stats\r\n")
            stats = asked.recv(1 << 16)
    auth = seen.stage(Stage.AUTH)
    assert auth is not None
    assert auth.detail == "the server asks for no login"
    assert b"STAT cmd_set 0\r\n" in stats
    assert b"STAT total_items 0\r\n" in stats


@pytest.mark.parametrize("server", ["with_text_login", "with_sasl"])
def test_logins(server: str, request: pytest.FixtureRequest) -> None:
    port = request.getfixturevalue(server)
    right, wrong, none = (
        probe(port, login=login) for login in (LOGIN, {**LOGIN, "password": "no"}, None)
    )
    assert right.status is Status.WARN  # the password went over the network in clear text
    assert end(right, Stage.AUTH) == (Status.WARN, Reason.PASSWORD_IN_CLEAR)
    assert right.fact("version")
    assert right.fact("max_connections") == "1024"
    assert end(wrong, Stage.AUTH) == (Status.FAIL, Reason.AUTH_REJECTED)
    assert end(none, Stage.HANDSHAKE) == (Status.PASS, None)
    assert end(none, Stage.AUTH) == (Status.SKIP, Reason.AUTH_REQUIRED)
    assert PASSWORD not in repr((right, wrong, none))


def test_a_server_that_is_nearly_full_and_one_that_is_full() -> None:
    with memcached("--conn-limit=60") as port, contextlib.ExitStack() as held:
        for _ in range(43):
            other = held.enter_context(socket.create_connection((HOST, port), 5))
            other.sendall(b"version\r\n")
            assert other.recv(100).startswith(b"VERSION")
        nearly = probe(port)
        for _ in range(20):
            held.enter_context(socket.create_connection((HOST, port), 5))
        full = probe(port)
    assert end(nearly, Stage.VERIFY) == (Status.WARN, Reason.NEARLY_FULL)
    assert end(full, Stage.HANDSHAKE) == (Status.FAIL, Reason.TOO_MANY_CONNECTIONS)


def test_evictions_are_a_note() -> None:
    value = b"x" * 500_000
    with memcached("--memory-limit=8", "--max-item-size=1m") as port:
        with socket.create_connection((HOST, port), 5) as asked:
            for number in range(40):
                asked.sendall(b"set k%d 0 0 %d\r\n%s\r\n" % (number, len(value), value))
                assert asked.recv(100) == b"STORED\r\n"
        seen = probe(port)
    assert seen.status is Status.PASS
    verify = seen.stage(Stage.VERIFY)
    assert verify is not None
    assert "items were evicted, its memory of 8 MiB is full" in verify.detail


@pytest.mark.parametrize("protocol", ["redis", "http", "elasticsearch"])
def test_other_checks_recognise_it(protocol: str) -> None:
    modules = {"redis": "redis", "http": "http", "elasticsearch": "elastic"}
    with memcached() as port:
        seen = observe(modules[protocol], protocol, HOST, port)
    assert seen.ended_by is not None
    assert seen.ended_by.reason is Reason.WRONG_PROTOCOL
    assert "this is memcached" in seen.ended_by.detail


def says(*answers: bytes) -> Handler:
    """A stand-in: each answer after a line, whatever it asks for."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            if not await reader.readline():
                return
            writer.write(answer)
        await reader.read()

    return talk


@pytest.mark.parametrize(
    ("answers", "reason", "words"),
    [
        ((b"ERROR\r\n",), Reason.SERVER_ERROR, "ERROR"),
        ((b"SERVER_ERROR unavailable\r\n",), Reason.SERVER_ERROR, "unavailable"),
        ((b"VERSION \r\n",), Reason.SERVER_ERROR, "VERSION"),
        ((b"-ERR unknown command\r\n",), Reason.WRONG_PROTOCOL, "this is Redis"),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), Reason.WRONG_PROTOCOL, "this is HTTP"),
        ((b"ERROR\n\n",), Reason.SERVER_ERROR, "ERROR"),
        ((b"STATE of affairs\r\n",), Reason.WRONG_PROTOCOL, "not answered as memcached does"),
        ((b"S\0\0\0\x0a5.5.5-10.11.6-MariaDB",), Reason.WRONG_PROTOCOL, "MySQL or MariaDB"),
        ((b"VERSION 1.4.0\r\n",), Reason.UNSUPPORTED_VERSION, "expected is >=1.5"),
        (
            (b"VERSION 1.6.0\r\n", b"STAT a b\r\n" * 2000),
            Reason.TOO_MUCH,
            "more than 1000 statistics",
        ),
    ],
)
def test_answers_that_end_the_probe(answers: tuple[bytes, ...], reason: Reason, words: str) -> None:
    seen = against(says(*answers), "memcached", "memcached", expect={"version": ">=1.5"})
    ended = end_of(seen)
    assert ended is not None
    assert ended.reason is reason
    assert words in ended.detail


@pytest.mark.parametrize("answer", [b"ERROR\r\n", b"SERVER_ERROR not supported\r\n"])
def test_a_proxy_without_statistics_proves_less(answer: bytes) -> None:
    seen = against(says(b"VERSION 0.5.0\r\n", answer), "memcached", "memcached")
    assert seen.status is Status.PASS
    verify = seen.stage(Stage.VERIFY)
    assert verify is not None
    assert "`stats` is not answered" in verify.detail


def test_a_proxy_that_hangs_up_on_statistics_proves_less() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"VERSION 0.5.0\r\n")
        await reader.readline()

    seen = against(talk, "memcached", "memcached")
    assert seen.status is Status.PASS


def test_a_silent_server_is_asked_in_both_protocols() -> None:
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(100))
        await reader.read()

    seen = against(talk, "memcached", "memcached", budget=SHORT)
    assert end_of(seen) is not None
    assert end(seen, Stage.HANDSHAKE) == (Status.FAIL, Reason.SILENT)
    assert heard == [b"version\r\n", b"\x80\x0b" + bytes(22)]
