"""Both RabbitMQ checks against a real broker on loopback, with pika as the oracle."""

import contextlib
import re
import socket
import time
from collections.abc import Generator, Iterator
from typing import Any

import pika
import pika.exceptions
import pytest

from k8sext.model.result import Observation
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Stage, Status
from tests.support.authority import serving_itself
from tests.support.converse import SHORT, observe
from tests.support.ports import HOST
from tests.support.rabbit_broker import EVERYTHING, PASSWORD, Broker, broker, user

LOGIN = {"username": "shop", "password": PASSWORD}
DEFINITIONS: dict[str, Any] = {
    "vhosts": [{"name": n} for n in ("/", "full", "closed", "limit")],
    "users": [
        user("shop", tags="monitoring"),
        user("plain"),
        user("manager", tags="management"),
        user("one", limits={"max-connections": 0}),
        user("channel", limits={"max-channels": 0}),
    ],
    "permissions": [
        {"user": name, "vhost": vhost, **EVERYTHING}
        for name in ("shop", "plain", "manager", "one", "channel")
        for vhost in ("/", "full")
    ],
    "parameters": [
        {"component": "vhost-limits", "vhost": "full", "name": "limits",
         "value": {"max-connections": 0}},
    ],
    "global_parameters": [{"name": "cluster_name", "value": "lab"}],
    "exchanges": [
        {"name": "logs", "vhost": "/", "type": "direct", "durable": True, "auto_delete": False,
         "internal": False, "arguments": {}},
    ],
    "queues": [
        {"name": name, "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}}
        for name in ("lonely", "full of/it")
    ],
    "bindings": [
        {"source": "logs", "vhost": "/", "destination": "lonely", "destination_type": "queue",
         "routing_key": "log", "arguments": {}},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("rabbitmq")
    tls = serving_itself(folder, "tls", f"IP:{HOST}")
    with broker(folder, DEFINITIONS, plugins="rabbitmq_management", tls=tls) as running:
        yield running


def see(rabbit: Broker, login: dict[str, str] | None = None, **expect: Any) -> Observation:
    login = LOGIN if login is None else login
    return observe("rabbitmq", "rabbitmq", HOST, rabbit.port, login=login, expect=expect)


def manage(rabbit: Broker, login: dict[str, str] | None = None, **expect: Any) -> Observation:
    login = LOGIN if login is None else login
    module, protocol = "rabbitmq_management", "rabbitmq-management"
    return observe(module, protocol, HOST, rabbit.management_port, login=login, expect=expect)


def reason(seen: Observation) -> Reason | None:
    """Of what ended the probe, else of what its verify stage warns of."""
    stage = seen.ended_by or seen.stage(Stage.VERIFY)
    return stage.reason if stage else None


def said(seen: Observation) -> str:
    stage = seen.ended_by or seen.stage(Stage.VERIFY)
    assert stage is not None
    return stage.detail


def driver(rabbit: Broker, login: dict[str, str]) -> pika.BlockingConnection:
    credentials = pika.PlainCredentials(login["username"], login["password"])
    return pika.BlockingConnection(
        pika.ConnectionParameters(
            HOST, rabbit.port, login.get("vhost", "/"), credentials, connection_attempts=1
        )
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, None),
        ({"password": "wrong"}, Reason.AUTH_REJECTED),
        ({"username": "nobody"}, Reason.AUTH_REJECTED),
        ({"vhost": "nope"}, Reason.VHOST_MISSING),
        ({"vhost": "closed"}, Reason.PERMISSION_DENIED),
        ({"vhost": "limit"}, Reason.PERMISSION_DENIED),  # its name says nothing of limits
        ({"vhost": "full"}, Reason.TOO_MANY_CONNECTIONS),
        ({"username": "one"}, Reason.TOO_MANY_CONNECTIONS),
    ],
)
def test_the_check_and_the_driver_agree(
    rabbit: Broker, change: dict[str, str], expected: Reason | None
) -> None:
    login = {**LOGIN, **change}
    seen = see(rabbit, login)
    assert reason(seen) is expected
    assert login["password"] not in repr(seen)
    if expected is None:
        driver(rabbit, login).close()
        return
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        driver(rabbit, login)


def test_facts_of_a_real_broker(rabbit: Broker) -> None:
    seen = see(rabbit, version=">=3.8", identity="lab")
    assert reason(seen) is None
    facts = {k: seen.fact(k) for k in ("product", "version", "cluster_name", "identity")}
    assert facts["product"] == "rabbitmq"
    assert str(facts["version"]).startswith("3.")
    assert facts["cluster_name"] == facts["identity"] == "lab"
    assert str(seen.fact("platform")).startswith("Erlang")
    assert (seen.fact("frame_max"), seen.fact("mechanism")) == (131072, "PLAIN")
    assert reason(see(rabbit, identity="other")) is Reason.UNEXPECTED
    assert reason(see(rabbit, version="<3")) is Reason.UNSUPPORTED_VERSION


def test_no_channel_left(rabbit: Broker) -> None:
    assert reason(see(rabbit, {**LOGIN, "username": "channel"})) is Reason.TOO_MANY_CONNECTIONS


def test_queues_and_exchanges(rabbit: Broker) -> None:
    other = driver(rabbit, LOGIN)
    channel = other.channel()
    channel.queue_declare("orders")
    channel.queue_declare("mine", exclusive=True)
    channel.basic_publish("", "orders", b"one")
    seen = see(rabbit, queue="orders", exchange="amq.topic")
    assert (seen.status, reason(seen)) == (Status.WARN, Reason.NO_CONSUMER)
    assert (seen.fact("messages"), seen.fact("consumers")) == (1, 0)
    assert reason(see(rabbit, queue="orders", min_consumers=0)) is None
    few = see(rabbit, queue="orders", min_consumers=1)
    assert (few.status, reason(few)) == (Status.FAIL, Reason.NO_CONSUMER)
    assert reason(see(rabbit, queue="orders", max_messages=0)) is Reason.UNHEALTHY
    channel.basic_consume("orders", lambda *_: None)
    read = see(rabbit, queue="orders", min_consumers=1, max_messages=1)
    assert (reason(read), read.fact("consumers")) == (None, 1)
    assert reason(see(rabbit, queue="mine")) is None
    assert reason(see(rabbit, queue="absent")) is Reason.OBJECT_MISSING
    assert reason(see(rabbit, exchange="absent")) is Reason.OBJECT_MISSING
    other.close()


def test_tls_and_the_wrong_doors(rabbit: Broker) -> None:
    asked = TlsSpec(mode=TlsMode.REQUIRE)
    tls = observe("rabbitmq", "rabbitmq", HOST, rabbit.tls_port, login=LOGIN, tls=asked)
    assert (tls.depth, tls.status) == (Stage.VERIFY, Status.PASS)
    in_clear = observe("rabbitmq", "rabbitmq", HOST, rabbit.tls_port, login=LOGIN)
    assert reason(in_clear) is Reason.TLS_REQUIRED
    # Cowboy waits 5 s for a request; the check asks in HTTP when the stage is nearly over.
    http = observe("rabbitmq", "rabbitmq", HOST, rabbit.management_port, login=LOGIN, budget=SHORT)
    assert reason(http) is Reason.WRONG_PROTOCOL
    assert "this is HTTP" in said(http)
    plain = observe("rabbitmq", "rabbitmq", HOST, rabbit.port, login=LOGIN, tls=asked, budget=SHORT)
    assert plain.ended_by is not None
    assert plain.ended_by.stage is Stage.TLS
    swapped = observe("rabbitmq_management", "rabbitmq-management", HOST, rabbit.port, login=LOGIN)
    assert reason(swapped) is Reason.WRONG_PROTOCOL
    assert "AMQP" in said(swapped)


def _settled(rabbit: Broker, start: int) -> bytes:
    """What was logged, once the log is quiet: lines are written a moment after the event."""
    before, end = b"", time.monotonic() + 10
    while time.monotonic() < end:
        time.sleep(0.3)
        now = rabbit.said_since(start)
        if now == before and now:
            return now
        before = now
    raise AssertionError("the log does not come to rest")


def test_an_all_green_run_leaves_no_warning_in_the_log(rabbit: Broker) -> None:
    """Connections on both ports; of what is logged, nothing is more than information."""
    start = len(rabbit.log.read_bytes())
    assert see(rabbit, queue="lonely", exchange="logs").depth is Stage.VERIFY
    assert manage(rabbit, queue="lonely", exchange="logs").depth is Stage.VERIFY
    log = _settled(rabbit, start)
    assert b"k8sext probe" in log  # so it was this connection that was logged
    # Connections of the tests before this one may end by the broker's own clock meanwhile.
    accepted = re.findall(rb"accepting AMQP connection (<[\d.]+>)", rabbit.log.read_bytes()[:start])
    ours = [x for x in log.splitlines() if not any(pid in x for pid in accepted)]
    assert [x for x in ours if b"[warning]" in x or b"[error]" in x] == []


def test_a_probe_without_a_login_leaves_one_warning(rabbit: Broker) -> None:
    start = len(rabbit.log.read_bytes())
    assert observe("rabbitmq", "rabbitmq", HOST, rabbit.port).depth is Stage.HANDSHAKE
    log = _settled(rabbit, start)
    assert log.count(b"unexpectedly closed") == 1
    assert b"[error]" not in log


def test_a_bare_connection_is_not_what_we_do(rabbit: Broker) -> None:
    """The counter-proof: the log does tell of a client that leaves without a word."""
    start = len(rabbit.log.read_bytes())
    with socket.create_connection((HOST, rabbit.port)) as bare:
        bare.sendall(b"AMQP\0\0\x09\x01")
        bare.recv(8)
    assert b"[warning]" in _settled(rabbit, start)


# -- the management port -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, None),
        ({"password": "wrong"}, Reason.AUTH_REJECTED),
        ({"username": "plain"}, Reason.PERMISSION_DENIED),
        ({"vhost": "nope"}, Reason.OBJECT_MISSING),
    ],
)
def test_logins_of_the_management_port(
    rabbit: Broker, change: dict[str, str], expected: Reason | None
) -> None:
    seen = manage(rabbit, {**LOGIN, **change}, exchange="amq.topic")
    assert reason(seen) is expected
    assert PASSWORD not in repr(seen)


def test_a_user_who_may_manage_and_not_monitor(rabbit: Broker) -> None:
    seen = manage(rabbit, {**LOGIN, "username": "manager"}, exchange="logs")
    assert seen.status is not Status.FAIL
    assert seen.depth is Stage.VERIFY


@pytest.mark.parametrize(
    ("expect", "expected"),
    [
        ({"exchange": "logs", "exchange_type": "direct"}, None),
        ({"exchange": "logs", "exchange_type": "topic"}, Reason.UNEXPECTED),
        ({"exchange_type": "topic"}, Reason.UNEXPECTED),
        ({"exchange": "absent"}, Reason.OBJECT_MISSING),
        ({"queue": "absent"}, Reason.OBJECT_MISSING),
        ({"queue": "full of/it", "min_consumers": 0}, None),
        ({"queue": "lonely", "exchange": "logs", "routing_key": "log", "min_consumers": 0}, None),
        ({"queue": "lonely", "exchange": "logs", "routing_key": "x", "min_consumers": 0},
         Reason.OBJECT_MISSING),
        ({"queue": "lonely", "min_consumers": 0, "routing_key": "x"}, Reason.UNEXPECTED),
        ({"version": ">=3.8", "identity": "lab"}, None),
        ({"identity": "other"}, Reason.UNEXPECTED),
    ],
)  # fmt: skip
def test_expectations_of_the_management_port(
    rabbit: Broker, expect: dict[str, Any], expected: Reason | None
) -> None:
    assert reason(manage(rabbit, **expect)) is expected


def test_a_lonely_queue_once_it_has_counts(rabbit: Broker) -> None:
    end = time.monotonic() + 20
    while manage(rabbit, queue="lonely").fact("consumers") is None:  # statistics come every 5 s
        assert time.monotonic() < end, "no counts"
        time.sleep(0.5)
    assert reason(manage(rabbit, queue="lonely")) is Reason.NO_CONSUMER
    assert reason(manage(rabbit, queue="lonely", min_consumers=2)) is Reason.NO_CONSUMER


@contextlib.contextmanager
def out_of_memory(rabbit: Broker) -> Generator[None, None, None]:
    rabbit.control("set_vm_memory_high_watermark", "0.00001")
    try:
        yield
    finally:
        rabbit.control("set_vm_memory_high_watermark", "0.4")


def test_alarms(rabbit: Broker) -> None:
    """The management port tells of one; over AMQP only those that publish hear of it."""
    with out_of_memory(rabbit):
        seen = manage(rabbit)
        assert (seen.status, reason(seen)) == (Status.WARN, Reason.ALARM)
        assert "memory on unit@localhost" in said(seen)
        assert reason(see(rabbit)) is None
    assert reason(manage(rabbit)) is None
