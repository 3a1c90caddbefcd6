import asyncio
import random
import struct

import pytest

from k8sext.agent.check import Login
from k8sext.model.result import Observation
from k8sext.model.secret import Secret
from k8sext.model.words import Reason, Stage
from tests.support.converse import SHORT, against, end_of, left_to_itself, on


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


def queue_ok(messages: int, consumers: int) -> bytes:
    return method((50, 11), short("q") + struct.pack("!II", messages, consumers), 1)


def observed(*replies: bytes, **options: object) -> Observation:
    """Against a stand-in that answers each thing it is sent with the next reply."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            await reader.read(4096)
            writer.write(reply)
        if replies[-1]:  # an empty one: it hangs up
            await reader.read(4096)

    login = {"username": "shop", "password": "canary-4711"}
    given: dict[str, object] = {"login": login, **options}
    seen = against(handle, "rabbitmq", "rabbitmq", **given)
    assert "canary-4711" not in repr(seen)
    return seen


def see(*replies: bytes, **options: object) -> tuple[Stage | None, Reason | None]:
    """How deep it went, and what ended it."""
    seen = observed(*replies, **options)
    ended = end_of(seen)
    return seen.depth, ended.reason if ended else None


@pytest.mark.parametrize(
    ("code", "words", "reason"),
    [
        (403, "ACCESS_REFUSED - Login was refused using authentication", Reason.AUTH_REJECTED),
        (403, "ACCESS_REFUSED - user 'guest' can only log in via localhost",
         Reason.LOOPBACK_ONLY_USER),
        (530, "NOT_ALLOWED - vhost nope not found", Reason.VHOST_MISSING),
        (530, "NOT_ALLOWED - access to vhost '/' refused for user", Reason.PERMISSION_DENIED),
        (530, "NOT_ALLOWED - access to vhost 'limit of' refused for user 'limit ('",
         Reason.PERMISSION_DENIED),
        (530, "NOT_ALLOWED - access to vhost '/' refused for user 'u': connection limit (1) is "
         "reached", Reason.TOO_MANY_CONNECTIONS),
        (530, "NOT_ALLOWED - connection refused: node connection limit (1) is reached",
         Reason.TOO_MANY_CONNECTIONS),
        (530, "NOT_ALLOWED - this user is limited to 3 connections", Reason.TOO_MANY_CONNECTIONS),
        (541, "INTERNAL_ERROR - access to vhost '/' refused for user 'shop': vhost '/' is down",
         Reason.UNHEALTHY),
        (541, "INTERNAL_ERROR", Reason.SERVER_ERROR),
        (320, "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
         Reason.UNHEALTHY),
        (402, "INVALID_PATH - no vhost", Reason.VHOST_MISSING),
    ],
)  # fmt: skip
def test_what_a_login_can_be_answered_with(code: int, words: str, reason: Reason) -> None:
    assert see(START, closed(code, words)) == (Stage.HANDSHAKE, reason)


def test_without_a_login_the_handshake_is_all() -> None:
    assert see(START, login=None) == (Stage.HANDSHAKE, Reason.AUTH_REQUIRED)


@pytest.mark.parametrize(
    ("header", "words"),
    [(b"\x01\x01\x00\x09", "AMQP 0-9 only"), (b"\x09\x09\x09\x09", "another AMQP (09090909)")],
)  # fmt: skip
def test_another_version_of_the_protocol(header: bytes, words: str) -> None:
    ended = observed(b"AMQP" + header).ended_by
    assert ended is not None
    assert (ended.reason, ended.detail) == (
        Reason.UNSUPPORTED_VERSION,
        f"the broker speaks {words}",
    )


@pytest.mark.parametrize(
    ("header", "words"),
    [(b"\x00\x01\x00\x00", "AMQP 1.0 only"), (b"\x03\x01\x00\x00", "AMQP 1.0 only (login first)"),
     (b"\x02\x01\x00\x00", "AMQP 1.0 only, over TLS"), (b"\x01\x01\x00\x0a", "AMQP 0-10 only")],
)  # fmt: skip
def test_amqp_1_0_is_another_protocol_and_no_version_to_upgrade(header: bytes, words: str) -> None:
    ended = observed(b"AMQP" + header).ended_by
    assert ended is not None
    assert ended.reason is Reason.WRONG_PRODUCT
    assert ended.detail.startswith(f"the broker speaks {words}")


def test_a_silent_http_port_is_asked_once_more_at_the_end() -> None:
    async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    ended = against(patient, "rabbitmq", "rabbitmq", budget=SHORT).ended_by
    assert ended is not None
    assert ended.reason is Reason.WRONG_PROTOCOL
    assert "HTTP" in ended.detail


def test_who_stays_silent_is_silent() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    ended = against(mute, "rabbitmq", "rabbitmq", budget=SHORT).ended_by
    assert ended is not None
    assert ended.reason is Reason.SILENT


def test_a_broker_that_only_hangs_up_most_likely_rejects() -> None:
    assert see(START, b"") == (Stage.HANDSHAKE, Reason.AUTH_REJECTED)


def test_certificates_alone() -> None:
    start = method((10, 10), b"\x00\x09" + PROPERTIES + long(b"EXTERNAL") + long(b"en_US"))
    ended = observed(start).ended_by
    assert ended is not None
    assert ended.reason is Reason.AUTH_METHOD_UNSUPPORTED
    assert "a client certificate" in ended.detail


def test_what_a_broker_says_of_itself_has_no_control_characters() -> None:
    nasty = "\x1b]0;x\x07\u202e"
    table = short("product") + b"S" + long(nasty.encode())
    table += short("cluster_name") + b"S" + long(nasty.encode())
    seen = observed(method((10, 10), b"\x00\x09" + long(table) + long(b"PLAIN\x1b") + long(b"")))
    stage = seen.stage(Stage.HANDSHAKE)
    assert stage is not None
    assert stage.detail.isprintable()
    assert str(stage.evidence["identity"]).isprintable()
    assert "\x1b" not in repr(stage.evidence["mechanisms"])


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


def test_twelve_thousand_broken_frames_end_as_faults() -> None:
    dice = random.Random(4711)
    tables = (long(PROPERTIES), b"\xff\xff\xff\xff", short("x") + b"F", b"A\x00\x00\x10\x00")

    async def all_of_them() -> None:
        for _ in range(12_000):
            broken = bytearray(dice.choice((START, TUNE, queue_ok(1, 1), closed(403, "x"))))
            for _ in range(dice.randrange(1, 6)):
                broken[dice.randrange(len(broken))] = dice.randrange(256)
            at = dice.randrange(len(broken))
            broken[at:at] = dice.choice(tables) if dice.random() < 0.2 else b""
            data = bytes(broken[: dice.randrange(len(broken) + 1)])
            check = on("rabbitmq", "rabbitmq", START * dice.randrange(2) + data + TUNE)
            check.login = Login({"password": Secret("x")})
            await left_to_itself(check, Stage.HANDSHAKE, Stage.AUTH)

    asyncio.run(all_of_them())


def test_well_formed_nonsense_is_no_defect_of_ours() -> None:
    """Methods of every kind in any order, with arguments that fit and that do not."""
    dice = random.Random(4711)
    kinds = [(10, 10), (10, 30), (10, 41), (10, 50), (10, 51), (10, 60), (10, 61), (20, 11),
             (20, 40), (40, 11), (50, 11), (99, 99)]  # fmt: skip

    def anything() -> bytes:
        fitting = (queue_ok(2, 3), TUNE, method((10, 41), short("")), closed(530, "limit (1)"))
        made = method(dice.choice(kinds), dice.randbytes(dice.randrange(20)))
        return dice.choice((*fitting, made, method((20, 11), long(b""), 1)))

    async def all_of_them() -> None:
        for _ in range(6_000):
            data = START + b"".join(anything() for _ in range(8))
            expect = {"queue": "q", "exchange": "e", "min_consumers": 1}
            check = on("rabbitmq", "rabbitmq", data, expect=expect)
            check.login = Login({"password": Secret("x")})
            await left_to_itself(check, Stage.HANDSHAKE, Stage.AUTH, Stage.VERIFY)

    asyncio.run(all_of_them())


@pytest.mark.parametrize("kind", [b"F", b"A"])
def test_tables_nested_without_end(kind: bytes) -> None:
    value = b"V"
    for _ in range(50):
        inner = short("x") + value if kind == b"F" else value
        value = kind + long(inner)
    start = method((10, 10), b"\x00\x09" + long(short("x") + value) + long(b"PLAIN") + long(b""))
    assert see(start) == (Stage.CONNECT, Reason.TOO_MUCH)


def test_a_frame_of_512_mib_is_not_waited_for() -> None:
    huge = struct.pack("!BHI", 1, 0, 512 << 20)
    assert see(huge) == (Stage.CONNECT, Reason.WRONG_PROTOCOL)


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
