import asyncio
import random

import pytest

from k8sext.agent.check import Fault
from k8sext.model.plan import Target
from k8sext.model.words import Reason, Route, Stage, Status
from tests.support.converse import against, check_class, fed

INFO = b"redis_version:7.2.1\r\nredis_mode:standalone\r\nrole:master\r\nrun_id:abc\r\n"


def scripted(replies: dict[bytes, bytes]) -> object:
    """A stand-in for a server: answers commands by their first word."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            count = int((await reader.readuntil(b"\r\n"))[1:])
            words = []
            for _ in range(count):
                size = int((await reader.readuntil(b"\r\n"))[1:])
                words.append((await reader.readexactly(size + 2))[:-2])
            writer.write(replies.get(words[0], b"+OK\r\n"))

    return handle


def see(replies: dict[bytes, bytes], **options: object) -> tuple[Stage | None, Reason | None]:
    seen = against(scripted(replies), "redis_server", "redis", **options)  # type: ignore[arg-type]
    ended = seen.ended_by
    return seen.depth, ended.reason if ended else None


def bulk(data: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(data), data)


HEALTHY = {b"PING": b"+PONG\r\n", b"INFO": bulk(INFO)}


def test_a_healthy_server_without_a_login() -> None:
    assert see(HEALTHY) == (Stage.VERIFY, None)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"-DENIED Redis is running in protected mode\r\n", Reason.PROTECTED_MODE),
        (b"-ERR max number of clients reached\r\n", Reason.TOO_MANY_CONNECTIONS),
        (b"-LOADING Redis is loading the dataset in memory\r\n", Reason.LOADING),
        (b"-SOMETHING new\r\n", Reason.SERVER_ERROR),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Reason.WRONG_PROTOCOL),
        (b"+HELLO\r\n", Reason.WRONG_PROTOCOL),
    ],
)
def test_what_ping_can_be_answered_with(reply: bytes, reason: Reason) -> None:
    assert see({b"PING": reply})[1] is reason


def test_a_rejected_login() -> None:
    replies = {b"PING": b"-NOAUTH Authentication required.\r\n", b"AUTH": b"-WRONGPASS no\r\n"}
    assert see(replies, login={"password": "x"}) == (Stage.HANDSHAKE, Reason.AUTH_REJECTED)


def test_a_login_that_is_asked_for_and_not_configured() -> None:
    replies = {b"PING": b"-NOAUTH Authentication required.\r\n"}
    assert see(replies)[1] is Reason.AUTH_REQUIRED


def test_a_sentinel_is_no_server() -> None:
    info = INFO.replace(b"standalone", b"sentinel")
    assert see({**HEALTHY, b"INFO": bulk(info)})[1] is Reason.WRONG_ROLE


def test_expectations() -> None:
    assert see(HEALTHY, expect={"role": "replica"})[1] is Reason.WRONG_ROLE
    assert see(HEALTHY, expect={"version": ">=8"})[1] is Reason.UNSUPPORTED_VERSION
    assert see(HEALTHY, expect={"role": "master", "version": ">=7,<8"})[1] is None


def test_the_password_in_clear_is_a_warning_and_shown_nowhere() -> None:
    seen = against(
        scripted(HEALTHY),  # type: ignore[arg-type]
        "redis_server",
        "redis",
        login={"password": "canary-4711"},
    )
    auth = seen.stage(Stage.AUTH)
    assert auth is not None
    assert (auth.status, auth.reason) == (Status.WARN, Reason.PASSWORD_IN_CLEAR)
    assert "canary-4711" not in repr(seen)


def test_a_giant_is_not_believed() -> None:
    assert see({b"PING": b"$536870912\r\n"})[1] is Reason.TOO_MUCH


def test_the_parser_survives_anything() -> None:
    dice = random.Random(7)
    target = Target(
        id="o", service="s", port_key="p", protocol="redis", route=Route.NAME, host="h", port=1
    )
    cls = check_class("redis_server", "redis")

    async def parse(data: bytes) -> None:
        check = cls(target, fed(data))
        try:
            await check._reply(0)  # type: ignore[attr-defined]
        except Fault:
            return

    async def all_of_them() -> None:
        alphabet = b"+-:$*\r\n0123456789 abc\xff\x00"
        for _ in range(2000):
            await parse(bytes(dice.choice(alphabet) for _ in range(dice.randrange(40))))

    asyncio.run(all_of_them())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (b"-ERR AUTH <password> called without any password configured", None),
        (b"-ERR Client sent AUTH, but no password is set", None),  # before Redis 6
        (b"-ERR wrong number of arguments for 'auth' command", Reason.AUTH_METHOD_UNSUPPORTED),
        (b"-ERR invalid password", Reason.AUTH_REJECTED),
    ],
)
def test_what_auth_can_be_answered_with(words: bytes, reason: Reason | None) -> None:
    replies = {**HEALTHY, b"AUTH": words + b"\r\n"}
    assert see(replies, login={"username": "shop", "password": "x"})[1] is reason


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (b"J\x00\x00\x00\x0a5.5.5-10.11.6-MariaDB\x00", "MySQL"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP"),
        (b"AMQP\x00\x00\x09\x01", "AMQP"),
    ],
)
def test_another_server_is_named_and_sent_nothing_more(answer: bytes, word: str) -> None:
    sent: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        while data := await reader.read(4096):
            sent.append(data)

    ended = against(handle, "redis_server", "redis").ended_by
    assert ended is not None
    assert ended.reason is Reason.WRONG_PROTOCOL
    assert word in ended.detail
    assert ended.evidence["first_bytes"] == answer.hex()
    assert b"".join(sent) == b"*1\r\n$4\r\nPING\r\n"
