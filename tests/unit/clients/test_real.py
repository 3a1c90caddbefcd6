"""The drivers as oracle of the wire checks, against real servers on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from k8sext import registry
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Stage, Status
from tests.support import real_servers
from tests.support.converse import observe
from tests.support.drivers import alone, both, ended
from tests.support.real_servers import PASSWORD, Server

LOGIN = {"username": "shop", "password": PASSWORD}
WRONG = "wrong-canary-4712"
ABSENT = {"postgresql": {"database": "absent"}, "mysql": {"database": "absent"},
          "rabbitmq": {"vhost": "absent"}}  # fmt: skip
MISSING = {"postgresql": Reason.DATABASE_MISSING, "mysql": Reason.DATABASE_MISSING,
           "rabbitmq": Reason.VHOST_MISSING}  # fmt: skip
DRIVER = {"postgresql": "psycopg", "mysql": "pymysql", "rabbitmq": "pika", "redis": "redis"}


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Server]:
    with real_servers.postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def mysql() -> Iterator[Server]:
    with real_servers.mariadb() as server:
        yield server


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[Server]:
    with real_servers.rabbitmq() as server:
        yield server


@pytest.fixture(scope="module")
def redis() -> Iterator[Server]:
    with real_servers.redis_server() as server:
        yield server


@pytest.fixture(params=sorted(DRIVER))
def server(request: pytest.FixtureRequest) -> tuple[str, Server]:
    return request.param, request.getfixturevalue(request.param)


def login_of(protocol: str, **more: str) -> dict[str, str]:
    base = {"password": PASSWORD} if protocol == "redis" else LOGIN
    return {**base, **more}


def test_healthy(server: tuple[str, Server]) -> None:
    protocol, at = server
    pair = both(protocol, at.port, login_of(protocol))
    assert pair.reasons == (None, None)
    assert (pair.wire.depth, pair.client.depth) == (Stage.VERIFY, Stage.VERIFY)
    assert pair.client.client.startswith(DRIVER[protocol] + " ")
    assert PASSWORD not in repr(pair)


def test_wrong_password_in_runs_of_their_own(server: tuple[str, Server]) -> None:
    protocol, at = server
    login = login_of(protocol, password=WRONG)
    module = registry.wire_checks()[protocol].in_plan
    wire: Observation = observe(module, protocol, "127.0.0.1", at.port, login)
    stages = alone(protocol, at.port, login)
    assert ended(stages) == ended(wire.stages) == (Stage.AUTH, Reason.AUTH_REJECTED)
    assert WRONG not in repr((wire, stages))


@pytest.mark.parametrize("protocol", sorted(ABSENT))
def test_missing_database_or_vhost(protocol: str, request: pytest.FixtureRequest) -> None:
    at: Server = request.getfixturevalue(protocol)
    pair = both(protocol, at.port, login_of(protocol, **ABSENT[protocol]))
    assert pair.reasons == (MISSING[protocol], MISSING[protocol])
    stages = alone(protocol, at.port, login_of(protocol, **ABSENT[protocol]))
    assert ended(stages) == (Stage.AUTH, MISSING[protocol])


@pytest.mark.parametrize(("number", "reason"), [("3", None), ("99", Reason.DATABASE_MISSING)])
def test_a_database_of_redis(redis: Server, number: str, reason: Reason | None) -> None:
    pair = both("redis", redis.port, {"password": PASSWORD, "database": number})
    assert pair.reasons == (reason, reason)


def count(log: Path, words: str) -> int:
    return log.read_text(errors="replace").count(words)


def test_a_rejected_login_is_tried_once_and_not_by_the_driver(postgresql: Server) -> None:
    words = "password authentication failed"
    before = count(postgresql.log, words)
    pair = both("postgresql", postgresql.port, {**LOGIN, "password": WRONG})
    assert pair.statuses == (Status.FAIL, Status.SKIP)
    assert pair.client.stages[0].reason is Reason.LOGIN_REJECTED_BEFORE
    assert count(postgresql.log, words) == before + 1


def test_the_driver_alone_logs_in_once_too(postgresql: Server) -> None:
    """psycopg with `prefer` would be rejected twice."""
    words = "password authentication failed"
    before = count(postgresql.log, words)
    alone("postgresql", postgresql.port, {**LOGIN, "password": WRONG})
    assert count(postgresql.log, words) == before + 1


def test_without_a_login_no_driver_is_sent(server: tuple[str, Server]) -> None:
    protocol, at = server
    pair = both(protocol, at.port, None)
    assert pair.reasons == (Reason.AUTH_REQUIRED, None)
    assert pair.wire.status is Status.PASS
    assert pair.client.status is Status.SKIP
    assert pair.client.stages[0].reason is Reason.NO_CREDENTIALS
