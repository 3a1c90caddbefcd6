"""The RabbitMQ check against a real broker on loopback, with pika as the oracle."""

import time
from collections.abc import Iterator
from pathlib import Path

import pika
import pika.exceptions
import pytest

from k8sext.model.result import Observation
from k8sext.model.words import Reason, Stage
from tests.support import real_servers
from tests.support.converse import observe
from tests.support.real_servers import PASSWORD

LOGIN = {"username": "shop", "password": PASSWORD}


@pytest.fixture(scope="module")
def broker() -> Iterator[tuple[int, Path]]:
    """Port and log of a broker."""
    with real_servers.rabbitmq() as server:
        yield server.port, server.log


def see(port: int, login: dict[str, str] | None = LOGIN, **expect: str) -> Observation:
    return observe("rabbitmq", "rabbitmq", "127.0.0.1", port, login=login, expect=expect)


def ended(seen: Observation) -> Reason | None:
    return seen.ended_by.reason if seen.ended_by else None


def driver(port: int, login: dict[str, str]) -> pika.BlockingConnection:
    credentials = pika.PlainCredentials(login["username"], login["password"])
    return pika.BlockingConnection(
        pika.ConnectionParameters(
            "127.0.0.1", port, login.get("vhost", "/"), credentials, connection_attempts=1
        )
    )


@pytest.mark.parametrize(
    ("login", "reason"),
    [
        (LOGIN, None),
        ({**LOGIN, "password": "wrong"}, Reason.AUTH_REJECTED),
        ({**LOGIN, "vhost": "nope"}, Reason.VHOST_MISSING),
    ],
)
def test_the_check_and_the_driver_agree(
    broker: tuple[int, Path], login: dict[str, str], reason: Reason | None
) -> None:
    seen = see(broker[0], login)
    assert ended(seen) is reason
    assert login["password"] not in repr(seen)
    if reason is None:
        driver(broker[0], login).close()
        return
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        driver(broker[0], login)


def test_queues_and_exchanges(broker: tuple[int, Path]) -> None:
    other = driver(broker[0], LOGIN)
    channel = other.channel()
    channel.queue_declare("orders")
    channel.queue_declare("mine", exclusive=True)
    channel.basic_publish("", "orders", b"one")
    seen = see(broker[0], queue="orders", exchange="amq.topic")
    assert (ended(seen), seen.fact("messages"), seen.fact("consumers")) == (None, 1, 0)
    assert ended(see(broker[0], queue="mine")) is None
    assert ended(see(broker[0], queue="absent")) is Reason.OBJECT_MISSING
    assert ended(see(broker[0], exchange="absent")) is Reason.OBJECT_MISSING
    other.close()


def test_what_it_leaves_in_the_log(broker: tuple[int, Path]) -> None:
    """A whole probe nothing but information; one without a login a single warning, no error."""
    port, log = broker
    before = len(log.read_bytes())
    assert see(port).depth is Stage.VERIFY
    assert see(port, None).depth is Stage.HANDSHAKE
    end = time.monotonic() + 5
    while b"unexpectedly closed" not in (said := log.read_bytes()[before:]):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert said.count(b"unexpectedly closed") == 1
    assert b"[error]" not in said
