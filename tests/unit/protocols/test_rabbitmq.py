import asyncio
import random
import struct

import pytest

from k8sext.agent.check import Fault
from k8sext.model.plan import Target
from k8sext.model.words import Reason, Route, Stage
from tests.support.converse import against, check_class, fed


def short(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def long(data: bytes) -> bytes:
    return struct.pack("!I", len(data)) + data


def method(number: tuple[int, int], arguments: bytes, channel: int = 0) -> bytes:
    payload = struct.pack("!HH", *number) + arguments
    return struct.pack("!BHI", 1, channel, len(payload)) + payload + b"\xce"


PROPERTIES = long(
    short("product") + b"S" + long(b"RabbitMQ") + short("version") + b"S" + long(b"3.10.8")
)
START = method((10, 10), b"\x00\x09" + PROPERTIES + long(b"PLAIN AMQPLAIN") + long(b"en_US"))
TUNE = method((10, 30), struct.pack("!HIH", 2047, 131072, 60))


def closed(code: int, words: str) -> bytes:
    return method((10, 50), struct.pack("!H", code) + short(words) + bytes(4))


def see(*replies: bytes, **options: object) -> tuple[Stage | None, Reason | None]:
    """Against a stand-in that answers each thing it is sent with the next reply."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            await reader.read(4096)
            writer.write(reply)
        await reader.read(4096)

    login = {"username": "shop", "password": "canary-4711"}
    given: dict[str, object] = {"login": login, **options}
    seen = against(handle, "rabbitmq", "rabbitmq", **given)
    assert "canary-4711" not in repr(seen)
    ended = seen.ended_by
    return seen.depth, ended.reason if ended else None


@pytest.mark.parametrize(
    ("code", "words", "reason"),
    [
        (403, "ACCESS_REFUSED - Login was refused using authentication", Reason.AUTH_REJECTED),
        (403, "ACCESS_REFUSED - user 'guest' can only log in via localhost",
         Reason.LOOPBACK_ONLY_USER),
        (530, "NOT_ALLOWED - vhost nope not found", Reason.VHOST_MISSING),
        (530, "NOT_ALLOWED - access to vhost '/' refused for user", Reason.PERMISSION_DENIED),
        (541, "INTERNAL_ERROR", Reason.SERVER_ERROR),
    ],
)  # fmt: skip
def test_what_a_login_can_be_answered_with(code: int, words: str, reason: Reason) -> None:
    assert see(START, closed(code, words)) == (Stage.HANDSHAKE, reason)


def test_without_a_login_the_handshake_is_all() -> None:
    assert see(START, login=None) == (Stage.HANDSHAKE, Reason.AUTH_REQUIRED)


def test_another_version_of_the_protocol() -> None:
    assert see(b"AMQP\x00\x01\x00\x00")[1] is Reason.UNSUPPORTED_VERSION


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"-ERR unknown\r\n"])
def test_something_else_answers(answer: bytes) -> None:
    assert see(answer)[1] is Reason.WRONG_PROTOCOL


def test_an_expected_queue_that_is_not_there() -> None:
    missing = struct.pack("!H", 404) + short("NOT_FOUND - no queue 'q' in vhost '/'") + bytes(4)
    replies = (
        START,
        TUNE + method((10, 41), short("")),
        method((20, 11), long(b""), 1),
        method((20, 40), missing, 1),
    )
    assert see(*replies, expect={"queue": "q"}) == (Stage.AUTH, Reason.OBJECT_MISSING)


def test_the_parser_survives_anything() -> None:
    dice = random.Random(7)
    target = Target(
        id="o", service="s", port_key="p", protocol="rabbitmq", route=Route.NAME, host="h", port=1
    )
    cls = check_class("rabbitmq", "rabbitmq")

    async def parse(data: bytes) -> None:
        check = cls(target, fed(data))
        try:
            _, arguments = await check._frame()  # type: ignore[attr-defined]
            arguments.take(2)
            arguments.table()
        except Fault:
            return

    async def all_of_them() -> None:
        for _ in range(2000):
            broken = bytearray(START)
            for _ in range(dice.randrange(1, 6)):
                broken[dice.randrange(len(broken))] = dice.randrange(256)
            await parse(bytes(broken[: dice.randrange(len(broken) + 1)]))

    asyncio.run(all_of_them())


def queue_answer(code: int, words: str) -> tuple[bytes, ...]:
    close = struct.pack("!H", code) + short(words) + bytes(4)
    opened = TUNE + method((10, 41), short(""))
    return START, opened, method((20, 11), long(b""), 1), method((20, 40), close, 1)


def test_a_queue_that_may_not_be_seen_is_no_rejected_login() -> None:
    words = "ACCESS_REFUSED - access to queue 'q' in vhost '/' refused for user 'shop'"
    seen = see(*queue_answer(403, words), expect={"queue": "q"})
    assert seen == (Stage.AUTH, Reason.PERMISSION_DENIED)


def test_a_queue_that_another_connection_holds_is_there() -> None:
    words = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'"
    assert see(*queue_answer(405, words), expect={"queue": "q"}) == (Stage.VERIFY, None)


def test_a_broker_that_blocks_publishers_is_a_warning() -> None:
    blocked = method((10, 60), short("low on memory"))
    opened = TUNE + method((10, 41), short(""))
    handler = see(START, opened, blocked + method((20, 11), long(b""), 1))
    assert handler == (Stage.VERIFY, None)


def test_amqplain_where_plain_is_not_offered() -> None:
    start = method((10, 10), b"\x00\x09" + PROPERTIES + long(b"AMQPLAIN") + long(b"en_US"))
    opened = TUNE + method((10, 41), short(""))
    assert see(start, opened, method((20, 11), long(b""), 1)) == (Stage.VERIFY, None)
