import asyncio
import struct
from typing import Any

import pytest

from k8sext.model.result import Observation
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Stage, Status
from tests.support.converse import SHORT, against, check_class
from tests.support.sql_fuzz import survive

PLAIN = TlsSpec(mode=TlsMode.DISABLE)


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def error(code: str, words: str, routine: str = "") -> bytes:
    body = b"SFATAL\0C" + code.encode() + b"\0M" + words.encode() + b"\0"
    return message(b"E", body + b"R" + routine.encode() + b"\0\0")


def row(*values: str | None) -> bytes:
    """A row, its end, and the end of the query; empty strings are written, None is NULL."""
    cells = (
        struct.pack("!i", -1) if v is None else struct.pack("!i", len(v)) + v.encode()
        for v in values
    )
    data = message(b"D", struct.pack("!H", len(values)) + b"".join(cells))
    return data + message(b"C", b"SELECT 1\0") + READY


def parameters(**values: str) -> bytes:
    pairs = values.items()
    return b"".join(message(b"S", f"{k}\0{v}\0".encode()) for k, v in pairs)


READY = message(b"Z", b"I")
ACCEPTED = message(b"R", struct.pack("!I", 0))
ASKS_MD5 = message(b"R", struct.pack("!I", 5) + b"salt")
ASKS_CLEAR = message(b"R", struct.pack("!I", 3))
KEY = message(b"K", struct.pack("!II", 4711, 1))
SESSION = ACCEPTED + parameters(server_version="15.4") + KEY + READY
WHO = row("shop", "off", "192.0.2.11", "4711")
STATE = row("f", None, None, None, "97", "3", "t")
FACTS = WHO + STATE + row("plpgsql 1.0")


def reason_of(*replies: bytes, **options: object) -> Reason | None:
    seen = observed(*replies, **options)
    return seen.ended_by.reason if seen.ended_by else None


def observed(*replies: bytes, **options: object) -> Observation:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            await reader.read(4096)
            writer.write(reply)
        if replies[-1]:  # an empty one: it hangs up
            await reader.read(4096)

    given: dict[str, object] = {"login": {"username": "shop", "password": "p"}, "tls": PLAIN}
    return against(handle, "postgresql", "postgresql", **{**given, **options})


HBA = 'no pg_hba.conf entry for host "192.0.2.11", user "shop", database "shop", no encryption'


@pytest.mark.parametrize(
    ("code", "words", "reason"),
    [
        ("28P01", "password authentication failed", Reason.AUTH_REJECTED),
        ("28000", HBA, Reason.HOST_NOT_ALLOWED),
        ("3D000", 'database "x" does not exist', Reason.DATABASE_MISSING),
        ("53300", "sorry, too many clients already", Reason.TOO_MANY_CONNECTIONS),
        ("57P03", "the database system is starting up", Reason.LOADING),
        ("57P03", "the database system is not yet accepting connections", Reason.LOADING),
        ("57P03", "the database system is in recovery mode", Reason.LOADING),
        ("57P03", "the database system is shutting down", Reason.UNHEALTHY),
        ("57P01", "terminating connection due to administrator command", Reason.UNHEALTHY),
        ("53300", "remaining connection slots are reserved for superusers",
         Reason.TOO_MANY_CONNECTIONS),
        ("28000", 'role "shop" does not exist', Reason.AUTH_REJECTED),
        ("28000", "connection requires a valid client certificate",
         Reason.CLIENT_CERTIFICATE_REQUIRED),
        ("08P01", "no more connections allowed (max_client_conn)", Reason.TOO_MANY_CONNECTIONS),
        ("08P01", "query_wait_timeout", Reason.UNHEALTHY),
        ("08P01", "pgbouncer cannot connect to server", Reason.UNHEALTHY),
        ("08P01", "server login has been failing, try again later (server_login_retry)",
         Reason.UNHEALTHY),
        ("08P01", "no such database: shop", Reason.DATABASE_MISSING),
        ("08P01", "no such user: shop", Reason.AUTH_REJECTED),
        ("08P01", "SSL required", Reason.TLS_REQUIRED),
        ("08P01", "sorry, too many clients already", Reason.TOO_MANY_CONNECTIONS),
        ("08P01", "the database system is starting up", Reason.LOADING),
        ("08P01", "anything else", Reason.SERVER_ERROR),
        ("XX000", "anything", Reason.SERVER_ERROR),
    ],
)  # fmt: skip
def test_errors_by_sqlstate(code: str, words: str, reason: Reason) -> None:
    assert reason_of(error(code, words)) is reason


def test_tls_that_is_required_and_not_offered() -> None:
    assert reason_of(b"N", tls=TlsSpec(mode=TlsMode.REQUIRE)) is Reason.TLS_NOT_OFFERED


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad", b"-ERR unknown command\r\n", b"\x00" * 9])
def test_something_else_answers(answer: bytes) -> None:
    assert reason_of(answer) is Reason.WRONG_PROTOCOL


def test_an_end_in_place_of_the_answer_to_sslrequest() -> None:
    """As of a proxy whose server is dead: nobody spoke another protocol."""
    seen = observed(b"", tls=TlsSpec())
    assert seen.ended_by is not None
    assert (seen.ended_by.stage, seen.ended_by.reason) == (Stage.TLS, Reason.CLOSED_EARLY)


def test_a_login_method_that_is_not_spoken() -> None:
    gssapi = b"R" + struct.pack("!II", 8, 7)
    assert reason_of(gssapi) is Reason.AUTH_METHOD_UNSUPPORTED


def test_a_standby_that_will_never_serve_is_not_starting_up() -> None:
    words = b"the database system is not accepting connections"
    body = b"C57P03\0M" + words + b"\0DHot standby mode is disabled.\0\0"
    seen = observed(message(b"E", body))
    assert seen.ended_by is not None
    assert seen.ended_by.reason is Reason.UNHEALTHY
    assert "Hot standby mode is disabled" in seen.ended_by.detail


def test_a_host_rule_in_another_language() -> None:
    words = "kein pg_hba-Eintrag für Host „192.0.2.11“, Benutzer „shop“, Datenbank „shop“"
    seen = observed(error("28000", words, "ClientAuthentication"))
    assert seen.ended_by is not None
    assert seen.ended_by.reason is Reason.HOST_NOT_ALLOWED
    assert seen.fact("source_seen") == "192.0.2.11"


@pytest.mark.parametrize("length", [b"S", b"N", b"E", b"J"])
def test_a_mysql_greeting_that_begins_like_an_answer(length: bytes) -> None:
    """The first byte of MySQL's greeting is its length: 78 for 5.7.44-log, an N."""
    greeting = length + b"\0\0\0\x0a5.7.44-log\0" + bytes(60)
    seen = observed(greeting, tls=TlsSpec())
    assert seen.ended_by is not None
    assert seen.ended_by.reason is Reason.WRONG_PROTOCOL
    assert seen.depth is Stage.CONNECT


def test_an_error_in_place_of_the_answer_to_sslrequest() -> None:
    assert reason_of(error("53300", "too many"), tls=TlsSpec()) is Reason.TOO_MANY_CONNECTIONS


@pytest.mark.parametrize("asks", [ASKS_MD5, ASKS_CLEAR, ACCEPTED])
def test_a_whole_conversation(asks: bytes) -> None:
    session = SESSION[len(ACCEPTED) :] if asks == ACCEPTED else SESSION
    rest = session + FACTS + row("7000000000000000001")
    seen = observed(asks + rest) if asks == ACCEPTED else observed(asks, rest)
    assert seen.ended_by is None, seen
    assert seen.fact("role") == "primary"
    assert seen.fact("proxy") is None


def test_a_notice_may_come_at_any_time() -> None:
    notice = message(b"N", b"SNOTICE\0C00000\0Mhello\0\0")
    assert reason_of(notice + ASKS_MD5, notice + SESSION + FACTS, row("7")) is None


@pytest.mark.parametrize("flood", [message(b"N", b""), message(b"S", b"")])
def test_a_flood_of_small_messages_ends(flood: bytes) -> None:
    assert reason_of(ASKS_MD5, ACCEPTED + flood * 100_000) is Reason.TOO_MUCH


def test_what_is_optional_may_fail() -> None:
    denied = error("42501", "permission denied for function") + READY
    seen = observed(ASKS_MD5, SESSION + WHO + denied + denied)
    assert seen.ended_by is None, seen
    assert seen.fact("role") == "primary"  # a standby's transactions are always read-only
    wanted = {"identity": "7"}
    assert reason_of(ASKS_MD5, SESSION + WHO + denied * 2, expect=wanted) is Reason.UNEXPECTED
    standby = row("shop", "on", "192.0.2.11", "4711")
    expect = {"role": "standby"}
    unknown = reason_of(ASKS_MD5, SESSION + standby + denied * 2, expect=expect)
    assert unknown is Reason.UNEXPECTED


def test_cockroachdb_is_recognised_and_asked_less() -> None:
    crdb = parameters(server_version="13.0.0", crdb_version="CockroachDB CCL v23.1.11 (x86_64)")
    replies = (ASKS_CLEAR, ACCEPTED + crdb + READY)
    facts = row("shop", "off", None, None) + row("f") + row(None)
    seen = observed(*replies[:1], replies[1] + facts, expect={"version": ">=23"})
    assert seen.ended_by is None, seen
    assert (seen.fact("product"), seen.fact("role")) == ("cockroachdb", "primary")


def test_a_standby_that_receives_nothing() -> None:
    on = row("shop", "on", "192.0.2.11", "4711")
    state = row("t", "0", "0", "3600.5", "97", "3", "f")
    expect = {"role": "standby", "max_lag_s": 60}
    seen = observed(ASKS_MD5, SESSION + on + state + row(None), expect=expect)
    assert seen.ended_by is not None
    assert seen.ended_by.reason is Reason.LAGGING
    assert "receives nothing" in seen.ended_by.detail
    never = row("t", "1", None, None, "97", "3", "f")
    told = observed(ASKS_MD5, SESSION + on + never + row(None), expect=expect)
    assert told.ended_by is not None
    assert "cannot be told" in told.ended_by.detail


def test_without_a_login_rules_for_a_made_up_user_blame_nobody() -> None:
    seen = observed(error("28000", HBA), login=None)
    assert seen.ended_by is None
    assert seen.status is Status.WARN
    unknown = observed(error("08P01", "no such user: k8sext"), login=None)
    auth = unknown.stage(Stage.AUTH)
    assert auth is not None
    assert (auth.status, auth.reason) == (Status.SKIP, Reason.AUTH_REQUIRED)
    assert unknown.depth is Stage.HANDSHAKE


def test_a_pooler_that_lets_in_and_has_no_server() -> None:
    seen = observed(ASKS_MD5, ACCEPTED, budget=SHORT)
    ended = seen.ended_by
    assert ended and (ended.stage, ended.reason) == (Stage.AUTH, Reason.UNHEALTHY)
    assert "pooler" in ended.detail


def test_the_server_ends_the_session_in_the_middle() -> None:
    gone = error("57P01", "terminating connection due to administrator command")
    assert reason_of(ASKS_MD5, SESSION + gone) is Reason.UNHEALTHY


def test_nothing_but_a_fault_comes_out_of_broken_conversations() -> None:
    cls: Any = check_class("postgresql", "postgresql")
    tail = SESSION + FACTS + row("7")
    asks_sasl = message(b"R", struct.pack("!I", 10) + b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")
    challenge = message(b"R", struct.pack("!I", 11) + b"r=x,s=AAAA,i=4096")
    conversations = (
        ASKS_MD5 + tail,
        ASKS_CLEAR + tail,
        tail,
        asks_sasl + challenge,
        ASKS_MD5 + SESSION + WHO + row("t", "1", "0", "1.5", "97", "95", "f") + row("a 1"),
        error("28000", HBA),
    )  # fmt: skip
    assert survive(cls, conversations, 10_000, seed=7) > 20


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("28000", "SSL connection is required. Please specify SSL options and retry."),
        ("08004", "server requires encryption"),
        ("XX000", "connection is insecure (try using `sslmode=require`)"),
    ],
)
def test_a_managed_server_wants_tls_in_words_of_its_own(code: str, words: str) -> None:
    assert reason_of(error(code, words), tls=PLAIN) is Reason.TLS_REQUIRED
    after = (ASKS_MD5, error(code, words))
    assert reason_of(*after, tls=PLAIN) is Reason.TLS_REQUIRED


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ('role "shop" does not exist', Reason.AUTH_REJECTED),
        ("the project of this database is suspended", Reason.SERVER_ERROR),
    ],
)
def test_before_a_password_only_words_about_the_user_reject_a_login(
    words: str, reason: Reason
) -> None:
    assert reason_of(error("28000", words), tls=PLAIN) is reason


def test_what_lets_everybody_in_and_has_no_version_is_no_postgresql() -> None:
    assert reason_of(ACCEPTED + KEY + READY, FACTS, tls=PLAIN) is Reason.WRONG_PRODUCT
    assert reason_of(SESSION, READY + READY + READY, tls=PLAIN) is Reason.WRONG_PRODUCT


READS_ONLY = row("shop", "on", "192.0.2.11", "4711")


@pytest.mark.parametrize(
    ("setting", "expect", "ends"),
    [
        (row("on", "user"), {}, (Status.PASS, None)),
        (row("on", "database"), {"role": "primary"}, (Status.PASS, None)),
        (row("on", "configuration file"), {}, (Status.WARN, Reason.READ_ONLY)),
        (row("on", "configuration file"), {"role": "primary"}, (Status.FAIL, Reason.READ_ONLY)),
        (error("42501", "permission denied") + READY, {}, (Status.WARN, Reason.READ_ONLY)),
    ],
)
def test_whose_setting_keeps_from_writing(
    setting: bytes, expect: dict[str, Any], ends: tuple[Status, Reason | None]
) -> None:
    state = row("f", None, None, None, "97", "3", "f")
    seen = observed(SESSION, READS_ONLY + state + row("x 1"), setting, tls=PLAIN, expect=expect)
    verify = seen.stage(Stage.VERIFY)
    assert verify is not None
    assert (verify.status, verify.reason) == ends


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (("1", "0", None, "97", "3", "f", "f", "t", "t"), None),
        (("0", "0", None, "97", "3", "f", "f", "t", "f"), Reason.LAGGING),  # it did receive
        (("0", "0", None, "97", "3", "f", "f", "f", "t"), Reason.LAGGING),  # nothing else feeds it
        (("0", None, "9", "97", "3", "f", "f", "f", "f"), None),  # log shipping
        (("0", None, "9", "97", "3", "f", "f", "f", None), None),  # log shipping, before 12
        (("1", "0", None, "97", "3", "f", "t", "t", "t"), Reason.LAGGING),  # paused
    ],
)
def test_a_standby_that_stands_still(state: tuple[str | None, ...], reason: Reason | None) -> None:
    seen = observed(SESSION, READS_ONLY + row("t", *state) + row("x 1"), tls=PLAIN)
    verify = seen.stage(Stage.VERIFY)
    assert verify is not None
    assert (verify.status, verify.reason) == (Status.WARN if reason else Status.PASS, reason)


def test_a_pool_that_is_exhausted_is_no_hole_in_the_path() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(SESSION)
        while await reader.read(4096):
            pass  # the question waits for a connection to the server

    login = {"username": "shop", "password": "x"}
    seen = against(handle, "postgresql", "postgresql", tls=PLAIN, login=login, budget=SHORT)
    ended = seen.ended_by
    assert ended is not None
    assert (ended.stage, ended.reason) == (Stage.VERIFY, Reason.UNHEALTHY)
    assert "its pool is exhausted" in ended.detail
