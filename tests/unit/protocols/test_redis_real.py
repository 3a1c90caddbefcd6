"""The Redis check against a real redis-server on loopback, with redis-py as the oracle."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from k8sext.model.result import Observation
from k8sext.model.words import Reason, Stage
from tests.support.converse import observe

PASSWORD = "canary-4711"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(port: int) -> None:
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < end, "redis-server does not start"
            time.sleep(0.02)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    program = shutil.which("redis-server")
    if not program:
        pytest.skip("redis-server is not installed on this machine")
    folder: Path = tmp_path_factory.mktemp("redis")
    number = free_port()
    (folder / "redis.conf").write_text(
        f"bind 127.0.0.1\nport {number}\ndir {folder}\nsave ''\nrequirepass {PASSWORD}\n"
        "user reader on >reader-pass +@all -info\n"
    )
    log = (folder / "log").open("w")
    server = subprocess.Popen([program, str(folder / "redis.conf")], stdout=log, stderr=log)
    try:
        wait_for(number)
        yield number
    finally:
        server.terminate()
        server.wait(10)
        log.close()


def see(port: int, login: dict[str, str] | None) -> Observation:
    return observe("redis_server", "redis", "127.0.0.1", port, login=login)


def driver_gets_in(port: int, login: dict[str, str]) -> bool:
    client = redis.Redis("127.0.0.1", port, retry=None, **login)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    try:
        return bool(client.ping())
    except redis.AuthenticationError:
        return False
    finally:
        client.close()


@pytest.mark.parametrize(
    "login",
    [
        {"password": PASSWORD},
        {"username": "default", "password": PASSWORD},
        {"password": "wrong"},
        {"username": "nobody", "password": PASSWORD},
        {"username": "reader", "password": "reader-pass"},
    ],
)
def test_the_check_and_the_driver_agree(port: int, login: dict[str, str]) -> None:
    seen = see(port, login)
    assert (seen.depth is Stage.VERIFY) is driver_gets_in(port, login)
    if seen.ended_by:
        assert seen.ended_by.reason is Reason.AUTH_REJECTED
    assert login["password"] not in repr(seen)


def test_facts_of_a_real_server(port: int) -> None:
    seen = see(port, {"password": PASSWORD})
    with redis.Redis("127.0.0.1", port, password=PASSWORD) as client:
        told: dict[str, str] = client.info("server")  # pyright: ignore[reportAssignmentType]
    assert seen.fact("version") == told["redis_version"]
    assert seen.fact("identity") == told["run_id"]
    assert seen.fact("role") == "master"


def test_no_login_where_one_is_asked_for(port: int) -> None:
    ended = see(port, None).ended_by
    assert ended is not None
    assert ended.reason is Reason.AUTH_REQUIRED
