"""Addresses whose login we can read and others cannot; the drivers themselves are the oracle."""

import asyncio
import random
import string
from typing import Any
from urllib.parse import quote, unquote

import pika
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from redis.connection import parse_url

from k8sext.agent.login import consent
from k8sext.agent.login.credentials import Missing, login_of
from k8sext.agent.login.misread import misread
from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.judge import judge
from k8sext.model.bridge import CredentialRef
from k8sext.model.plan import Target
from k8sext.model.secret import Secret
from k8sext.model.words import Reason, Route, Stage, Status
from tests.support import seen, trails
from tests.support.converse import observe
from tests.support.counting_redis import CountingRedis

REF = CredentialRef(secret="db-auth")
ALIASES = {"username": ("user",), "password": (), "database": ()}
CANARY = "k4n4r1-8812"


def read_by_us(address: str) -> tuple[str, str]:
    login = login_of({"uri": Secret(address)}, REF, ALIASES)
    return (
        ("", "") if isinstance(login, Missing) else (login.get("username"), login.get("password"))
    )


def read_by_libpq(address: str) -> tuple[str, str, str] | None:
    try:
        parts = conninfo_to_dict(address)
    except (psycopg.ProgrammingError, UnicodeDecodeError):  # psycopg wants UTF-8 of libpq's answer
        return None
    return str(parts.get("user", "")), str(parts.get("password", "")), str(parts.get("host", ""))


@pytest.mark.parametrize(
    ("word", "wrong"),
    [
        ("p@ss", "an @"), ("p@s@s", "an @"), ("100%", "a %"), ("p%zz", "a %"), ("p%4", "a %"),
        ("pass word", "a space"), ("p^ss", "another character"), ("p{s}s", "another character"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["postgresql", "amqp", "redis", "mysql", "mongodb", "https"])
def test_a_login_that_is_not_percent_encoded(word: str, wrong: str, scheme: str) -> None:
    said = misread("uri", f"{scheme}://shop:{word}@db.example:5432/shop")
    assert wrong in said
    assert "percent-encoded" in said
    assert said.startswith("the key uri has ")


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://shop:p%40ss@db.example:5432/shop",
        "postgresql://shop:p%2Fs%23s%3F%25@[2001:db8::7]:5432/shop?sslmode=require",
        "postgresql://shop:@db.example/shop",
        "postgresql://shop@db.example/shop?user=a@b",
        "postgresql://shop:p:a+s&s=1!$'()*,;~_@db-1.example:5432,db-2.example:5433/shop",
        "postgresql:///shop?host=db.example&user=shop&password=p@ss",
        "redis://:word@cache.example:6379/0",
        "amqps://shop:word@mq.example:5671/%2Fshop",
        "https://shop:word@web.example/@scope/pkg?mail=a@b#c@d",
        "jdbc:postgresql://db.example:5432/shop?user=shop&password=p@ss",
        "jdbc:mysql://shop:word@db.example:3306/shop",
        "db.example:5432",
        "",
    ],
)
def test_nothing_is_said_of_a_sound_address(address: str) -> None:
    assert misread("uri", address) == ""


@pytest.mark.parametrize(
    ("key", "address", "words"),
    [
        ("uri", "jdbc:postgresql://shop:word@db.example/shop", "before the host"),
        ("jdbc-url", "postgresql://shop:word@db.example/shop", "does not begin with jdbc:"),
        ("uri", "postgresql://shop:word@db.example/shop\n", "line break"),
    ],
)
def test_forms_that_only_some_clients_take(key: str, address: str, words: str) -> None:
    assert words in misread(key, address)


def test_libpq_agrees_wherever_nothing_is_said() -> None:
    """And where it reads another login or host, or none, that is said: 3,000 random passwords."""
    dice = random.Random(7)
    letters = string.ascii_letters + string.digits + "@%:!$&'()*+,;=-._~ " + "@%"
    differed = 0
    for _ in range(3000):
        word = "".join(dice.choice(letters) for _ in range(dice.randrange(1, 9)))
        raw = quote(word, safe="") if dice.random() < 0.3 else word
        address = f"postgresql://shop:{raw}@db.example/shop"
        if "\ufffd" in unquote(raw):
            continue  # a lone byte: what it means depends on the client's encoding
        libpq, us = read_by_libpq(address), read_by_us(address)
        same = libpq == (*us, "db.example")
        assert same or misread("uri", address), repr(address)
        differed += not same
    assert differed > 300


@pytest.mark.parametrize("word", ["word", "p%40ss", "p%25s", "p:s", "p%2Fs"])
def test_pika_and_redis_read_what_we_read(word: str) -> None:
    """They use the same reader; a change there would show here."""
    _, ours = read_by_us(f"amqp://shop:{word}@h:5672/v")
    credentials: Any = pika.URLParameters(f"amqp://shop:{word}@h:5672/v").credentials
    assert credentials.password == ours
    options: Any = parse_url(f"redis://shop:{word}@h:6379/0")  # type: ignore[no-untyped-call]
    assert options["password"] == ours


def test_no_part_of_the_login_is_said() -> None:
    for shape in ("{}@x", "{}%", "{} x", "{}^", "{}"):
        word = shape.format(CANARY)
        for key in ("uri", "jdbc-url"):
            for scheme in ("postgresql", "jdbc:postgresql"):
                said = misread(key, f"{scheme}://{CANARY}:{word}@{CANARY}.example/{CANARY}\n")
                assert CANARY not in said
                assert said


def test_an_empty_password_is_one() -> None:
    login = login_of({"uri": Secret("redis://:@cache.example:6379/0")}, REF, ALIASES)
    assert not isinstance(login, Missing)
    assert login.values["password"].reveal() == ""


def test_each_of_several_hosts_is_named_by_the_secret() -> None:
    values = {"uri": Secret("postgresql://u:p@db-1.example:5432,db-2.example:5433/shop")}
    target = Target(
        id="o", service="s", port_key="p", protocol="postgresql", route=Route.NAME, host="s",
        port=1, trail=trails.by_alias("db-2.example", "198.51.100.7"),
    )  # fmt: skip
    assert consent.refusal(consent.terms_of(values, REF, target.trail), target) is None
    login = login_of(values, REF, ALIASES)
    assert not isinstance(login, Missing)
    assert not login.hints


# -- what becomes of it ----------------------------------------------------------------------------


def test_it_is_told_although_our_login_works() -> None:
    async def serve_and_look() -> None:
        async with CountingRedis(password="p@ss-7781").serve() as server:
            address = f"redis://shop:p@ss-7781@127.0.0.1:{server.port}/0"
            observed = await asyncio.to_thread(
                observe, "redis", "redis", "127.0.0.1", server.port, {"uri": address}
            )
        assert observed.depth is Stage.VERIFY
        auth = observed.stage(Stage.AUTH)
        assert auth is not None
        assert "@" in str(auth.evidence["address_misread"])
        assert "ss-7781" not in repr(observed)

    asyncio.run(serve_and_look())


@pytest.mark.parametrize("rejected", [False, True])
def test_the_diagnosis_is_a_warning_of_its_own(rejected: bool) -> None:
    words = ["the key uri has an @ in its login that is not percent-encoded (%40): …"]
    end: dict[str, Any] = {"reason": Reason.AUTH_REJECTED} if rejected else {"status": Status.PASS}
    name = seen.by_name(Stage.AUTH, address_misread=words, **end)
    ended = seen.at(ended=Stage.AUTH, address_misread=words, **end)
    report = judge([seen.bridge()], [name, ended], [], PlaceFacts(namespace="dev", vantage="pod"))
    codes = [(d.code, d.severity.value) for d in report.bridges[0].diagnoses]
    assert codes == ([("KX601", "fail")] if rejected else []) + [("KX616", "warn")]
    assert "percent-encoded" in report.bridges[0].diagnoses[-1].summary


@pytest.mark.parametrize(("certificate", "codes"), [("", ["KX617"]), ("presented", [])])
def test_a_password_that_nobody_asked_for_is_a_note(certificate: str, codes: list[str]) -> None:
    facts: dict[str, Any] = {"password_not_asked": True, "client_certificate": certificate}
    name = seen.by_name(Stage.AUTH, status=Status.PASS, **facts)
    ended = seen.at(ended=Stage.AUTH, status=Status.PASS, **facts)
    report = judge([seen.bridge()], [name, ended], [], PlaceFacts(namespace="dev", vantage="pod"))
    said = report.bridges[0]
    assert ([d.code for d in said.diagnoses], said.status) == (codes, Status.PASS)
