"""The RabbitMQ check against a real broker on loopback, with pika as the oracle.

The broker gets an epmd of its own, so that nothing of it outlives the test.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pika
import pika.exceptions
import pytest

from k8sext.model.result import Observation
from k8sext.model.words import Reason, Stage
from tests.support.converse import observe

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
PASSWORD = "canary-4711"
LOGIN = {"username": "shop", "password": PASSWORD}


def free_ports(count: int) -> list[int]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(s.getsockname()[1]) for s in servers]
    for server in servers:
        server.close()
    return ports


def environment(folder: Path, epmd: int, distribution: int) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": "unit@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
        "RABBITMQ_LOG_BASE": f"{folder}/log",
        "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none",
    }


def configure(folder: Path, port: int) -> None:
    (folder / "enabled_plugins").write_text("[].\n")
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{port}\ndefault_user = shop\ndefault_pass = {PASSWORD}\n"
        "log.console = true\nlog.file = false\n"
    )


def wait_for(log: Path, broker: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 60
    while "Server startup complete" not in log.read_text(errors="replace"):
        assert broker.poll() is None, log.read_text(errors="replace")[-2000:]
        assert time.monotonic() < end, "the broker does not start"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Port and log of a broker; it and its epmd are ended by process group and by id."""
    epmd = shutil.which("epmd")
    if not PROGRAM.exists() or not epmd:
        pytest.skip("rabbitmq-server is not installed on this machine")
    folder = tmp_path_factory.mktemp("rabbitmq")
    port, names, distribution = free_ports(3)
    configure(folder, port)
    env, log = environment(folder, names, distribution), folder / "console"
    with log.open("wb") as out:
        mapper = subprocess.Popen([epmd], env=env, stdout=out, stderr=out)
        server = subprocess.Popen(
            [str(PROGRAM)], env=env, stdout=out, stderr=out, start_new_session=True
        )
        try:
            wait_for(log, server)
            yield port, log
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(10)
            mapper.terminate()
            mapper.wait(10)


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
