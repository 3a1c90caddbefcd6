import asyncio
import hashlib
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from k8sext.agent.login.rsa import encrypt_oaep
from k8sext.model.result import Observation
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Stage, Status
from tests.support.converse import against, check_class
from tests.support.sql_fuzz import survive


def packet(body: bytes, number: int = 0) -> bytes:
    return len(body).to_bytes(3, "little") + bytes([number]) + body


def error(number: int, words: str) -> bytes:
    return b"\xff" + number.to_bytes(2, "little") + b"#HY000" + words.encode()


GREETING = (
    b"\x0a5.5.5-10.11.6-MariaDB\0" + bytes(4) + b"12345678\0" + b"\xfe\xf7\x2d\x02\x00\xff\x81\x15"
    + bytes(10) + b"123456789012\0mysql_native_password\0"
)  # fmt: skip
OLD = GREETING.replace(b"5.5.5-10.11.6-MariaDB", b"8.0.36").replace(
    b"mysql_native_password", b"caching_sha2_password"
)
WITH_TLS = OLD.replace(b"\xfe\xf7", b"\xfe\xff")
SALT = b"12345678" + b"123456789012"
PASSWORD = "pä"


def see(*replies: bytes, **options: object) -> Reason | None:
    seen = observed(*replies, **options)
    return seen.ended_by.reason if seen.ended_by else None


def observed(*replies: bytes, **options: object) -> Observation:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            writer.write(reply)
            await reader.read(4096)

    given: dict[str, object] = {"login": {"username": "shop", "password": "p"}}
    return against(handle, "mysql", "mysql", **{**given, **options})


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
        (1862, Reason.PASSWORD_EXPIRED),
        (1044, Reason.PERMISSION_DENIED),
        (1203, Reason.TOO_MANY_CONNECTIONS),
        (1226, Reason.TOO_MANY_CONNECTIONS),
        (1698, Reason.AUTH_REJECTED),
        (3118, Reason.ACCOUNT_LOCKED),
        (3955, Reason.ACCOUNT_LOCKED),
        (4150, Reason.ACCOUNT_LOCKED),
        (4151, Reason.ACCOUNT_LOCKED),
        (1053, Reason.UNHEALTHY),
        (9001, Reason.UNHEALTHY),
        (1105, Reason.SERVER_ERROR),
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


def test_a_server_of_before_protocol_41() -> None:
    ancient = GREETING.replace(b"\xfe\xf7", b"\x00\x00")
    assert see(packet(ancient)) is Reason.UNSUPPORTED_VERSION


# -- a whole conversation -------------------------------------------------------------------------

OK = b"\0\0\0\2\0\0\0"
END = b"\xfe\0\0\2\0"


def text(value: str | None) -> bytes:
    return b"\xfb" if value is None else bytes([len(value.encode())]) + value.encode()


def table(names: tuple[str, ...], *rows: tuple[str | None, ...]) -> bytes:
    """A result set, its packets numbered from 1."""
    bodies = [bytes([len(names)])]
    bodies += [b"\3def" + b"\0" * 3 + text(n) + b"\0\x0c" + bytes(12) for n in names]
    bodies += [END, *(b"".join(text(v) for v in row) for row in rows), END]
    return b"".join(packet(body, n) for n, body in enumerate(bodies, 1))


WHO = table(("user", "account", "db", "id"), ("shop@192.0.2.11", "shop@192.0.2.%", "shop", "0"))


def variables(**values: str) -> bytes:
    base = {
        "version": "8.0.36", "version_comment": "MySQL Community Server", "read_only": "OFF",
        "server_uuid": "b1946ac9-2492-11ee-be56-0242ac120002", "max_connections": "151",
        "character_set_database": "utf8mb4",
    }  # fmt: skip
    return table(("Variable_name", "Value"), *{**base, **values}.items())


USED = table(("Variable_name", "Value"), ("Threads_connected", "3"))
REPLICA = (
    "Replica_IO_Running", "Replica_SQL_Running", "Seconds_Behind_Source", "Source_UUID",
    "Last_SQL_Error",
)  # fmt: skip


def asked(told: bytes, *more: bytes, **options: object) -> Observation:
    return observed(packet(OLD), packet(OK, 2), WHO, told, USED, *more, **options)


def verdict(seen: Observation) -> tuple[Status, Reason | None]:
    verify = seen.stage(Stage.VERIFY)
    assert verify is not None
    return verify.status, verify.reason


def test_a_primary() -> None:
    seen = asked(variables(), expect={"identity": "b1946ac9-2492-11ee-be56-0242ac120002"})
    assert seen.ended_by is None, seen
    facts = {k: seen.fact(k) for k in ("product", "role", "source_seen", "connections", "proxy")}
    assert facts == {
        "product": "mysql", "role": "primary", "source_seen": "192.0.2.11", "connections": 3,
        "proxy": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("told", "product"),
    [
        ({"version_comment": "Percona Server (GPL), Release 28"}, "percona"),
        ({"aurora_version": "3.05.2"}, "aurora"),
        ({}, "mysql"),
    ],
)
def test_products(told: Mapping[str, str], product: str) -> None:
    assert asked(variables(**told)).fact("product") == product


def test_a_proxy_is_not_taken_for_the_server() -> None:
    other = table(("user", "account", "db", "id"), ("shop@192.0.2.9", "shop@%", "shop", "77"))
    seen = observed(packet(OLD), packet(OK, 2), other, variables(), USED)
    assert seen.fact("source_seen") is None
    assert seen.fact("proxy")
    assert asked(variables(version_comment="(ProxySQL)")).fact("proxy") == "proxysql"


@pytest.mark.parametrize(
    ("state", "expect", "ends"),
    [
        (("Yes", "Yes", "0", "x", ""), {"role": "replica", "max_lag_s": 5}, (Status.PASS, None)),
        (("Yes", "Yes", "9", "x", ""), {"max_lag_s": 5}, (Status.FAIL, Reason.LAGGING)),
        (("Yes", "No", None, "x", "1062"), {"max_lag_s": 5}, (Status.FAIL, Reason.LAGGING)),
        (("Yes", "No", None, "x", "1062"), {}, (Status.WARN, Reason.LAGGING)),
        (("Yes", "Yes", "0", "x", ""), {"role": "primary"}, (Status.FAIL, Reason.READ_ONLY)),
    ],
)
def test_replicas(
    state: tuple[str | None, ...], expect: dict[str, Any], ends: tuple[Status, Reason | None]
) -> None:
    told = table(REPLICA, state)
    assert verdict(asked(variables(read_only="ON"), told, expect=expect)) == ends


def test_optional_questions_may_fail() -> None:
    denied = packet(error(1227, "Access denied; you need REPLICATION CLIENT"), 1)
    replies = (packet(OLD), packet(OK, 2), WHO, denied, denied, denied)
    assert verdict(observed(*replies, expect={"max_lag_s": 5})) == (
        Status.WARN,
        Reason.PERMISSION_DENIED,
    )


@pytest.mark.parametrize("answer", [b"\xfb/etc/passwd", OK, b"\2\1"])
def test_a_query_that_is_answered_with_something_else(answer: bytes) -> None:
    assert see(packet(OLD), packet(OK, 2), packet(answer, 1)) is Reason.WRONG_PROTOCOL


def test_a_flood_of_rows_ends() -> None:
    flood = table(("user",))[:-9] + packet(b"\1x", 4) * 100_000
    assert see(packet(OLD), packet(OK, 2), flood) is Reason.TOO_MUCH


def test_what_comes_in_clear_before_tls_is_not_taken_for_encrypted() -> None:
    offers = GREETING.replace(b"\xfe\xf7", b"\xfe\xff")
    require = TlsSpec(mode=TlsMode.REQUIRE)
    assert see(packet(offers) + packet(OK, 2), tls=require) is Reason.WRONG_PROTOCOL
    assert see(packet(GREETING), tls=require) is Reason.TLS_NOT_OFFERED


# -- caching_sha2_password and parsec: stand-ins made from the documented packets -----------------


def sha2(password: bytes, salt: bytes) -> bytes:
    first = hashlib.sha256(password).digest()
    second = hashlib.sha256(hashlib.sha256(first).digest() + salt).digest()
    return bytes(a ^ b for a, b in zip(first, second, strict=True))


async def one(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(4)
    return await reader.readexactly(int.from_bytes(head[:3], "little"))


def login(password: str = PASSWORD) -> dict[str, str]:
    return {"username": "shop", "password": password}


@pytest.mark.parametrize(("word", "depth"), [(PASSWORD, Stage.AUTH), ("x", Stage.HANDSHAKE)])
def test_the_fast_way(word: str, depth: Stage) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(packet(OLD))
        good = sha2(PASSWORD.encode(), SALT) in await one(reader)
        said = packet(b"\1\3", 2) + packet(OK, 3) if good else packet(error(1045, "no"), 2)
        writer.write(said)
        await reader.read(100)

    assert against(handle, "mysql", "mysql", login=login(word)).depth is depth


@dataclass(frozen=True)
class RsaKey:
    private: Path
    public: bytes


@pytest.fixture(scope="module")
def rsa_key(tmp_path_factory: pytest.TempPathFactory) -> RsaKey:
    key = tmp_path_factory.mktemp("rsa") / "key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    argv = ["openssl", "rsa", "-in", str(key), "-pubout"]
    return RsaKey(key, subprocess.run(argv, check=True, capture_output=True).stdout)


def test_in_full_by_the_servers_key(rsa_key: RsaKey) -> None:
    """What we send opens with the private key and is the password, masked by the salt."""
    got: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(packet(OLD))
        await one(reader)
        writer.write(packet(b"\1\4", 2))
        got.append(await one(reader))
        writer.write(packet(b"\1" + rsa_key.public, 4))
        got.append(await one(reader))
        writer.write(packet(OK, 6))
        await reader.read(100)

    assert against(handle, "mysql", "mysql", login=login()).depth is Stage.AUTH
    assert got[0] == b"\2"
    argv = ["openssl", "pkeyutl", "-decrypt", "-inkey", str(rsa_key.private), "-pkeyopt"]
    argv += ["rsa_padding_mode:oaep"]
    clear = subprocess.run(argv, input=got[1], check=True, capture_output=True).stdout
    assert bytes(c ^ SALT[i % 20] for i, c in enumerate(clear)) == PASSWORD.encode() + b"\0"


def test_a_key_that_is_none_ends_the_login() -> None:
    none = b"\1-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"
    assert see(packet(OLD), packet(b"\1\4", 2), packet(none, 4)) is Reason.WRONG_PROTOCOL


@pytest.mark.parametrize("offer", [packet(b"\1\4", 2), packet(b"\xfesha256_password\0" + SALT, 2)])
def test_access_denied_in_place_of_the_key_is_not_about_the_password(offer: bytes) -> None:
    """MySQL 9.7 without an RSA key; what is said after the key is about the password."""
    denied = packet(error(1045, "Access denied for user 'shop'@'192.0.2.11'"), 4)
    seen = observed(packet(WITH_TLS), offer, denied, tls=TlsSpec(mode=TlsMode.DISABLE))
    ended = seen.ended_by
    assert ended is not None
    assert ended.reason is Reason.TLS_REQUIRED
    assert "no RSA key" in ended.detail and "Access denied" in ended.detail
    assert (ended.evidence["code"], ended.evidence["source_seen"]) == ("1045", "192.0.2.11")
    locked = packet(error(3118, "Account is locked"), 4)
    assert see(packet(OLD), offer, locked) is Reason.ACCOUNT_LOCKED


def test_without_tls_and_without_a_key_nobody_logs_in() -> None:
    said = (packet(b"\1\4", 2), packet(error(1045, "no"), 4))
    assert see(packet(OLD), *said) is Reason.AUTH_METHOD_UNSUPPORTED


def test_after_the_key_access_denied_is_about_the_password(rsa_key: RsaKey) -> None:
    said = (packet(b"\1\4", 2), packet(b"\1" + rsa_key.public, 4), packet(error(1045, "no"), 6))
    assert see(packet(OLD), *said) is Reason.AUTH_REJECTED


def test_a_password_too_long_for_the_key(rsa_key: RsaKey) -> None:
    """MySQL takes 255 bytes, a key of 2048 bits 214 with the zero; the login ends well."""
    got: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in (OLD, b"\1\4", b"\1" + rsa_key.public):
            writer.write(packet(reply, 2 * len(got)))
            got.append(await one(reader))
        writer.write(packet(error(1045, "no"), 6))
        await reader.read(100)

    ended = against(handle, "mysql", "mysql", login=login("x" * 214)).ended_by
    assert ended is not None
    assert ended.reason is Reason.AUTH_METHOD_UNSUPPORTED
    assert "only TLS" in ended.detail
    assert got[2] == b"\0"


def test_parsec_is_signed_with_the_derived_key(tmp_path: Path) -> None:
    """OpenSSL verifies the signature with the key that PBKDF2 makes of the password."""
    salt, extended = b"s" * 32, b"P\0" + b"t" * 18
    got: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(packet(GREETING))
        await one(reader)
        writer.write(packet(b"\xfeparsec\0" + salt, 2))
        assert await one(reader) == b""
        writer.write(packet(extended, 4))
        got.append(await one(reader))
        writer.write(packet(OK, 6))
        await reader.read(100)

    seen = against(handle, "mysql", "mysql", login=login())
    assert seen.depth is Stage.AUTH, seen
    seed = hashlib.pbkdf2_hmac("sha512", PASSWORD.encode(), extended[2:], 1024, 32)
    key = bytes.fromhex("302e020100300506032b657004220420") + seed  # RFC 8410 section 7
    files = {"key": key, "said": salt + got[0][:32], "signature": got[0][32:]}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    argv = ["openssl", "pkeyutl", "-verify", "-rawin", "-keyform", "DER", "-inkey", "key"]
    argv += ["-in", "said", "-sigfile", "signature"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, check=False)
    assert b"Successfully" in done.stdout, done


@pytest.mark.parametrize("extended", [b"", b"P\4" + b"t" * 18, b"Q\0" + b"t" * 18, b"P\0short"])
def test_parsec_with_a_salt_that_is_none(extended: bytes) -> None:
    switch = packet(b"\xfeparsec\0" + b"s" * 32, 2)
    assert see(packet(GREETING), switch, packet(b"\1" + extended, 4)) is Reason.WRONG_PROTOCOL


def test_a_server_that_never_ends_the_login() -> None:
    more = packet(b"\xfemysql_native_password\0" + SALT + b"\0", 2)
    assert see(packet(GREETING), *[more] * 20) is Reason.WRONG_PROTOCOL


def test_nothing_but_a_fault_comes_out_of_broken_conversations() -> None:
    cls: Any = check_class("mysql", "mysql")
    tail = WHO + variables(read_only="ON") + USED + table(REPLICA, ("Yes", "Yes", "0", "x", ""))
    start, switch = packet(OLD), b"\xfemysql_native_password\0" + SALT + b"\0"
    conversations = (
        start + packet(OK, 2) + tail,
        start + packet(switch, 2) + packet(OK, 4) + WHO + variables() + USED,
        start + packet(b"\1\4", 2) + packet(b"\1-----BEGIN PUBLIC KEY-----\nMA==\n", 4),
        start + packet(b"\xfeparsec\0" + b"s" * 32, 2) + packet(b"P\0" + b"t" * 17, 4),
        packet(error(1130, "Host '192.0.2.11' is not allowed")),
        packet(GREETING) + packet(b"\xfedialog\0\4Password:", 2) + packet(error(1045, "no"), 4),
    )
    assert survive(cls, conversations, 10_000, seed=7) > 20


TLS_OFFERED = {"tls": TlsSpec(mode=TlsMode.DISABLE)}


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (9002, "SSL connection is required. Please specify SSL options and retry."),
        (1105, "server does not allow insecure connections, client must use SSL/TLS"),
        (1045, "ProxySQL Error: Access denied for user 'a' (using password: YES). SSL is required"),
    ],
)
def test_servers_that_say_that_they_want_tls(number: int, words: str) -> None:
    assert see(packet(OLD), packet(error(number, words), 2), **TLS_OFFERED) is Reason.TLS_REQUIRED


def test_a_greeting_without_a_version_is_another_product() -> None:
    nameless = OLD.replace(OLD[1 : OLD.index(b"\0")], b"", 1)
    assert see(packet(nameless)) is Reason.WRONG_PRODUCT


def test_where_no_tls_is_offered_nothing_is_tried_again() -> None:
    denied = packet(error(1045, "Access denied for user 'shop'@'192.0.2.11'"), 2)
    seen = observed(packet(OLD), denied)
    ended = seen.ended_by
    assert ended is not None
    assert (ended.reason, "REQUIRE SSL" in ended.detail) == (Reason.AUTH_REJECTED, False)


def test_one_more_login_and_no_further_where_tls_is_offered() -> None:
    """The stand-in offers TLS and speaks none: the second login cannot be tried."""
    logins: list[int] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        logins.append(1)
        writer.write(packet(WITH_TLS))
        await one(reader)
        writer.write(packet(error(1045, "Access denied for user 'shop'@'192.0.2.11'"), 2))
        await reader.read(4096)
        writer.close()

    seen = against(handle, "mysql", "mysql", login=login(), **TLS_OFFERED)
    ended = seen.ended_by
    assert ended is not None
    assert (ended.reason, len(logins)) == (Reason.AUTH_REJECTED, 2)
    assert "REQUIRE SSL" in ended.detail


@pytest.mark.parametrize(
    ("status", "ends"),
    [
        ({"wsrep_cluster_status": "Primary", "wsrep_local_state_comment": "Synced"},
         (Status.PASS, None)),
        ({"wsrep_cluster_status": "non-Primary", "wsrep_local_state_comment": "Initialized"},
         (Status.FAIL, Reason.UNHEALTHY)),
        ({"wsrep_cluster_status": "Primary", "wsrep_ready": "OFF"},
         (Status.FAIL, Reason.UNHEALTHY)),
        ({"wsrep_cluster_status": "Primary", "wsrep_local_state_comment": "Donor/Desynced"},
         (Status.WARN, Reason.DEGRADED)),
    ],
)  # fmt: skip
def test_nodes_of_a_galera_cluster(
    status: dict[str, str], ends: tuple[Status, Reason | None]
) -> None:
    told = table(("Variable_name", "Value"), ("Threads_connected", "3"), *status.items())
    replies = (packet(OLD), packet(OK, 2), WHO, variables(wsrep_on="ON"), told)
    assert verdict(observed(*replies)) == ends
