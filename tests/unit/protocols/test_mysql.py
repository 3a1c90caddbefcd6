import asyncio
import random

import pytest

from k8sext.agent.check import Fault
from k8sext.agent.rsa import encrypt_oaep
from k8sext.model.plan import Target
from k8sext.model.words import Reason, Route
from tests.support.converse import against, check_class, fed


def packet(body: bytes, number: int = 0) -> bytes:
    return len(body).to_bytes(3, "little") + bytes([number]) + body


def error(number: int, words: str) -> bytes:
    return b"\xff" + number.to_bytes(2, "little") + b"#HY000" + words.encode()


GREETING = (
    b"\x0a5.5.5-10.11.6-MariaDB\0" + bytes(4) + b"12345678\0" + b"\xfe\xf7\x2d\x02\x00\xff\x81\x15"
    + bytes(10) + b"123456789012\0mysql_native_password\0"
)  # fmt: skip


def see(*replies: bytes, **options: object) -> Reason | None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            writer.write(reply)
            await reader.read(4096)

    given: dict[str, object] = {"login": {"username": "shop", "password": "p"}}
    seen = against(handle, "mysql", "mysql", **{**given, **options})
    return seen.ended_by.reason if seen.ended_by else None


@pytest.mark.parametrize(
    ("number", "words", "reason"),
    [
        (1130, "Host '192.0.2.11' is not allowed to connect", Reason.HOST_NOT_ALLOWED),
        (1129, "Host '192.0.2.11' is blocked", Reason.LOCKED_OUT),
        (1040, "Too many connections", Reason.TOO_MANY_CONNECTIONS),
    ],
)
def test_errors_in_place_of_the_greeting(number: int, words: str, reason: Reason) -> None:
    assert see(packet(error(number, words))) is reason


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (1045, Reason.AUTH_REJECTED),
        (1049, Reason.DATABASE_MISSING),
        (3159, Reason.TLS_REQUIRED),
        (1820, Reason.PASSWORD_EXPIRED),
    ],
)
def test_errors_after_the_login(number: int, reason: Reason) -> None:
    assert see(packet(GREETING), packet(error(number, "no"), 2)) is reason


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad", b"-ERR unknown command\r\n"])
def test_something_else_answers(answer: bytes) -> None:
    assert see(answer) is Reason.WRONG_PROTOCOL


def test_a_switch_to_a_method_that_is_not_spoken() -> None:
    switch = b"\xfeauth_gssapi_client\0" + b"x" * 32 + b"\0"
    said = (packet(GREETING), packet(switch, 2))
    assert see(*said, packet(error(1045, "no"), 4)) is Reason.AUTH_METHOD_UNSUPPORTED
    assert see(*said) is Reason.AUTH_METHOD_UNSUPPORTED  # a server that just hangs up


def test_a_key_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"DER|base64|padding|only"):
        encrypt_oaep("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", b"x")


def test_the_parser_survives_anything() -> None:
    dice = random.Random(7)
    target = Target(
        id="o", service="s", port_key="p", protocol="mysql", route=Route.NAME, host="h", port=1
    )
    cls = check_class("mysql", "mysql")

    async def all_of_them() -> None:
        for _ in range(2000):
            broken = bytearray(packet(GREETING))
            for _ in range(dice.randrange(1, 6)):
                broken[dice.randrange(len(broken))] = dice.randrange(256)
            try:
                await cls(target, fed(bytes(broken))).handshake()
            except Fault:
                continue

    asyncio.run(all_of_them())
