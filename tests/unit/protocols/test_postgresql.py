import asyncio
import random
import struct

import pytest

from k8sext.agent.check import Fault
from k8sext.model.plan import Target
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Route
from tests.support.converse import against, check_class, fed

PLAIN = TlsSpec(mode=TlsMode.DISABLE)


def error(code: str, words: str) -> bytes:
    body = b"SFATAL\0C" + code.encode() + b"\0M" + words.encode() + b"\0\0"
    return b"E" + struct.pack("!I", len(body) + 4) + body


def see(*replies: bytes, **options: object) -> Reason | None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            await reader.read(4096)
            writer.write(reply)
        await reader.read(4096)

    given: dict[str, object] = {"login": {"username": "shop", "password": "p"}, "tls": PLAIN}
    seen = against(handle, "postgresql", "postgresql", **{**given, **options})
    return seen.ended_by.reason if seen.ended_by else None


HBA = 'no pg_hba.conf entry for host "192.0.2.11", user "shop", database "shop", no encryption'


@pytest.mark.parametrize(
    ("code", "words", "reason"),
    [
        ("28P01", "password authentication failed", Reason.AUTH_REJECTED),
        ("28000", HBA, Reason.HOST_NOT_ALLOWED),
        ("3D000", 'database "x" does not exist', Reason.DATABASE_MISSING),
        ("53300", "sorry, too many clients already", Reason.TOO_MANY_CONNECTIONS),
        ("57P03", "the database system is starting up", Reason.LOADING),
        ("XX000", "anything", Reason.SERVER_ERROR),
    ],
)
def test_errors_by_sqlstate(code: str, words: str, reason: Reason) -> None:
    assert see(error(code, words)) is reason


def test_tls_that_is_required_and_not_offered() -> None:
    assert see(b"N", tls=TlsSpec(mode=TlsMode.REQUIRE)) is Reason.TLS_NOT_OFFERED


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad", b"-ERR unknown command\r\n", b"\x00" * 9])
def test_something_else_answers(answer: bytes) -> None:
    assert see(answer) is Reason.WRONG_PROTOCOL


def test_a_login_method_that_is_not_spoken() -> None:
    gssapi = b"R" + struct.pack("!II", 8, 7)
    assert see(gssapi) is Reason.AUTH_METHOD_UNSUPPORTED


def test_the_parser_survives_anything() -> None:
    dice = random.Random(7)
    target = Target(
        id="o", service="s", port_key="p", protocol="postgresql", route=Route.NAME, host="h", port=1
    )
    cls = check_class("postgresql", "postgresql")

    async def all_of_them() -> None:
        for _ in range(2000):
            check = cls(target, fed(b"RDSEZ"[: dice.randrange(5)] + dice.randbytes(30)))
            try:
                await check._ready()  # type: ignore[attr-defined]
            except Fault:
                continue

    asyncio.run(all_of_them())
