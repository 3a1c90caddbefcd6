"""What `--active` sends over AMQP: the frames, the broker's answers, and a real broker's."""

import asyncio
import contextlib
import json
import random
import struct
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from typing import Any

import pika
import pytest

from k8sext.agent.check import Login
from k8sext.agent.fault import Fault
from k8sext.agent.net.stream import Stream
from k8sext.agent.wire.amqp import Message
from k8sext.agent.wire.amqp_check import AmqpCheck
from k8sext.model.plan import Target
from k8sext.model.secret import Secret
from k8sext.model.words import Reason, Route
from tests.support.converse import check_class, on
from tests.support.ports import HOST
from tests.support.rabbit_broker import EVERYTHING, PASSWORD, Broker, broker, user

DEFINITIONS: dict[str, Any] = {
    "vhosts": [{"name": "/"}],
    "users": [user("shop", tags="administrator"), user("reader")],
    "permissions": [
        {"user": "shop", "vhost": "/", **EVERYTHING},
        {"user": "reader", "vhost": "/", **EVERYTHING, "write": "^$"},
    ],
    "exchanges": [
        {"name": "logs", "vhost": "/", "type": "direct", "durable": True, "auto_delete": False,
         "internal": False, "arguments": {}},
    ],
    "queues": [
        {"name": "lines", "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}},
        {"name": "full", "vhost": "/", "durable": True, "auto_delete": False,
         "arguments": {"x-max-length": 0, "x-overflow": "reject-publish"}},
    ],
    "bindings": [
        {"source": "logs", "vhost": "/", "destination": name, "destination_type": "queue",
         "routing_key": key, "arguments": {}}
        for name, key in (("lines", "log"), ("full", "full"))
    ],
}  # fmt: skip


def message(exchange: str = "logs", key: str = "log", **more: Any) -> Message:
    body: bytes = more.pop("body", b'{"k8sext": "mark"}')
    return Message(exchange=exchange, key=key, body=body, expires_s=more.pop("expires_s", 30))


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("rabbitmq")
    with broker(folder, DEFINITIONS, plugins="rabbitmq_management") as running:
        yield running


@contextlib.asynccontextmanager
async def logged_in(rabbit: Broker, name: str = "shop") -> AsyncGenerator[AmqpCheck]:
    target = Target(
        id="o", service="s", port_key="p", protocol="rabbitmq", route=Route.NAME, host=HOST,
        port=rabbit.port,
    )  # fmt: skip
    stream = await Stream.connect(HOST, rabbit.port, asyncio.get_running_loop().time() + 20)
    check = check_class("rabbitmq", "rabbitmq")(target, stream)
    assert isinstance(check, AmqpCheck)
    try:
        await check.handshake()
        await check.auth(Login({"username": Secret(name), "password": Secret(PASSWORD)}))
        await check.open_channel()
        yield check
    finally:
        stream.give(1)
        with contextlib.suppress(Fault):
            await check.goodbye()
        await stream.close()


def ended(work: Callable[[AmqpCheck], Awaitable[None]], rabbit: Broker, name: str = "shop") -> Any:
    """The Fault that the work raised, or None."""

    async def run() -> Fault | None:
        async with logged_in(rabbit, name) as check:
            try:
                await work(check)
            except Fault as fault:
                return fault
        return None

    return asyncio.run(run())


@contextlib.contextmanager
def channel(rabbit: Broker) -> Generator[Any]:
    login = pika.PlainCredentials("shop", PASSWORD)
    made = pika.BlockingConnection(pika.ConnectionParameters(HOST, rabbit.port, "/", login))
    try:
        yield made.channel()
    finally:
        made.close()


def test_the_driver_reads_what_was_published(rabbit: Broker) -> None:
    async def twice(check: AmqpCheck) -> None:
        await check.publish(message())
        await check.publish(message("", "lines", body=b"x" * 300_000))  # frames of 128 KiB
        assert await check.queue_counts("lines") == (2, 0)

    assert ended(twice, rabbit) is None
    with channel(rabbit) as reader:
        _, about, body = reader.basic_get("lines", auto_ack=True)
        assert json.loads(body) == {"k8sext": "mark"}
        assert (about.content_type, about.delivery_mode) == ("application/json", 1)
        assert (about.expiration, about.app_id) == ("30000", "k8sext")
        assert len(reader.basic_get("lines", auto_ack=True)[2]) == 300_000


def test_a_message_that_nobody_takes_is_gone_by_itself(rabbit: Broker) -> None:
    async def once(check: AmqpCheck) -> None:
        await check.publish(message(expires_s=0.2))
        end = time.monotonic() + 10
        while (await check.queue_counts("lines") or (0, 0))[0]:
            assert time.monotonic() < end, "it stays"
            await asyncio.sleep(0.1)

    assert ended(once, rabbit) is None


@pytest.mark.parametrize(
    ("sent", "name", "reason", "words"),
    [
        (message(key="nobody"), "shop", Reason.OBJECT_MISSING,
         "no queue takes what is published to exchange logs with key nobody (312 NO_ROUTE)"),
        (message("", "nobody"), "shop", Reason.OBJECT_MISSING, "the default exchange"),
        (message("absent"), "shop", Reason.OBJECT_MISSING, "no exchange 'absent'"),
        (message(key="full"), "shop", Reason.UNHEALTHY, "basic.nack"),
        (message(), "reader", Reason.PERMISSION_DENIED, "access to exchange 'logs'"),
    ],
)  # fmt: skip
def test_what_becomes_of_a_message_that_does_not_get_in(
    rabbit: Broker, sent: Message, name: str, reason: Reason, words: str
) -> None:
    fault = ended(lambda check: check.publish(sent), rabbit, name)
    assert fault is not None
    assert fault.reason is reason
    assert words in fault.detail


def test_a_broker_that_blocks_publishers_says_so(rabbit: Broker) -> None:
    async def until_blocked(check: AmqpCheck) -> None:
        for _ in range(3):  # the first one may be taken: the broker tells afterwards
            await check.publish(message(expires_s=1))

    rabbit.control("set_vm_memory_high_watermark", "0.00001")
    try:
        fault = ended(until_blocked, rabbit)
    finally:
        rabbit.control("set_vm_memory_high_watermark", "0.4")
    assert fault is not None
    assert fault.reason is Reason.ALARM
    assert "memory" in fault.detail


# -- without a broker ----------------------------------------------------------------------------


def answer(number: tuple[int, int], arguments: bytes = b"", kind: int = 1) -> bytes:
    payload = struct.pack("!HH", *number) + arguments if kind == 1 else arguments
    return struct.pack("!BHI", kind, 1, len(payload)) + payload + b"\xce"


ACK = answer((60, 80), struct.pack("!QB", 1, 0))
SELECTED = answer((85, 11))
RETURNED = answer((60, 50), struct.pack("!H", 312) + b"\x08NO_ROUTE\x00\x01k")


def heard(data: bytes) -> Fault | None:
    """How a publish ends that is answered with `data`."""

    async def run() -> Fault | None:
        check = on("rabbitmq", "rabbitmq", data)
        assert isinstance(check, AmqpCheck)
        try:
            await check.publish(message())
        except Fault as fault:
            return fault
        return None

    return asyncio.run(run())


def test_the_answers_in_their_order() -> None:
    content = answer((0, 0), bytes(14), 2) + answer((0, 0), b"body", 3)
    assert heard(SELECTED + ACK) is None
    assert heard(SELECTED + answer((0, 0), b"", 8) + ACK) is None  # a heartbeat between
    back = heard(SELECTED + RETURNED + content + ACK)
    assert back is not None
    assert back.reason is Reason.OBJECT_MISSING
    other = heard(SELECTED + answer((60, 80), struct.pack("!QB", 7, 0)))  # not of our message
    assert other is not None
    assert other.reason is Reason.CLOSED_EARLY


def test_no_acknowledgement_is_no_success() -> None:
    for data in (b"", SELECTED, SELECTED + RETURNED, ACK, SELECTED + answer((60, 120), bytes(9))):
        assert heard(data) is not None


def test_six_thousand_broken_answers_end_as_faults_or_well() -> None:
    dice = random.Random(4711)
    good = (SELECTED, ACK, RETURNED, answer((60, 120), bytes(9)), answer((10, 60), b"\x03low"),
            answer((20, 40), struct.pack("!H", 404) + b"\x02no" + bytes(4)))  # fmt: skip

    async def run() -> None:
        for _ in range(6_000):
            data = bytearray(SELECTED + b"".join(dice.choice(good) for _ in range(4)))
            for _ in range(dice.randrange(4)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            check = on("rabbitmq", "rabbitmq", bytes(data[: dice.randrange(len(data) + 1)]))
            assert isinstance(check, AmqpCheck)
            with contextlib.suppress(Fault):
                await check.publish(message())

    asyncio.run(run())


def test_a_long_body_is_cut_into_frames() -> None:
    frames = message(body=b"x" * 9000).frames(1, 4096)
    kinds, at = [], 0
    while at < len(frames):
        kind, _, size = struct.unpack_from("!BHI", frames, at)
        assert size + 8 <= 4096
        kinds.append(kind)
        at += 8 + size
    assert kinds == [1, 2, 3, 3, 3]
