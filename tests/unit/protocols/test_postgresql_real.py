"""The PostgreSQL check against real servers on loopback, with psycopg as the oracle."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from k8sext.model.result import Observation, StageResult
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Stage, Status
from tests.support import sql_servers
from tests.support.converse import observe
from tests.support.sql_servers import Server

ODD = "pä\u00a0ss\u2168"  # SASLprep: a no-break space, a Roman numeral
PLAIN, TLS = TlsSpec(mode=TlsMode.DISABLE), TlsSpec(mode=TlsMode.REQUIRE)
USERS = ("shop", "odd", "md5user", "clear", "tlsonly", "plainonly", "rejected", "certuser",
         "locked", "full", "reader", "trusted", "elsewhere")  # fmt: skip
HBA = """
host all clear 127.0.0.1/32 password
host all md5user 127.0.0.1/32 md5
hostssl all tlsonly 127.0.0.1/32 scram-sha-256
hostnossl all plainonly 127.0.0.1/32 scram-sha-256
host all rejected 127.0.0.1/32 reject
hostssl all certuser 127.0.0.1/32 cert
host all trusted,ghost 127.0.0.1/32 trust
host all shop,odd,locked,full,reader 127.0.0.1/32 scram-sha-256
"""
ROLES = "".join(
    f"CREATE ROLE {user} LOGIN PASSWORD '{ODD if user == 'odd' else 'canary-4711'}';"
    for user in USERS
    if user != "md5user"
)
SQL = f"""{ROLES}
SET password_encryption = 'md5';
CREATE ROLE md5user LOGIN PASSWORD 'canary-4711';
ALTER ROLE locked NOLOGIN;
ALTER ROLE full CONNECTION LIMIT 0;
ALTER ROLE reader SET default_transaction_read_only = on;
"""


SETTINGS = "ssl_ca_file = '{folder}/server.crt'\n"


SECRET = "canary-4711"


def secret(user: str) -> str:
    return ODD if user == "odd" else "canary-4711"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    try:
        with sql_servers.postgresql(HBA, SQL, SETTINGS) as running:
            running.sql("CREATE DATABASE shop OWNER shop")
            yield running
    except sql_servers.NotInstalled as why:
        pytest.skip(str(why))


def see(server: Server, user: str | None, database: str = "postgres", **more: Any) -> Observation:
    password = more.pop("password", None) or (secret(user) if user else "")
    login = {"username": user, "password": password, "database": database} if user else None
    options: dict[str, Any] = {"login": login, **more}
    return observe("postgresql", "postgresql", "127.0.0.1", server.port, **options)


def reason(seen: Observation) -> tuple[Stage, Reason | None] | None:
    return (seen.ended_by.stage, seen.ended_by.reason) if seen.ended_by else None


def driver_gets_in(server: Server, user: str, password: str, database: str, mode: str) -> bool:
    try:
        psycopg.connect(
            host="127.0.0.1",
            port=server.port,
            user=user,
            password=password,
            dbname=database,
            sslmode=mode,
            gssencmode="disable",
        ).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.parametrize("mode", [None, TlsMode.DISABLE, TlsMode.REQUIRE], ids=str)
@pytest.mark.parametrize(
    ("user", "password", "database"),
    [
        *((user, secret(user), "postgres") for user in USERS if user != "plainonly"),
        ("shop", "wrong", "postgres"),
        ("md5user", "wrong", "postgres"),
        ("ghost", "canary-4711", "postgres"),
        ("nobody", "canary-4711", "postgres"),
        ("shop", "canary-4711", "missing"),
    ],
)
def test_the_check_and_the_driver_agree(
    server: Server, user: str, password: str, database: str, mode: TlsMode | None
) -> None:
    word = {None: "prefer", TlsMode.DISABLE: "disable", TlsMode.REQUIRE: "require"}[mode]
    seen = see(server, user, database, password=password, tls=TlsSpec(mode=mode))
    gets_in = driver_gets_in(server, user, password, database, word)
    assert (seen.ended_by is None) is gets_in, seen
    assert "canary-4711" not in repr(seen)


@pytest.mark.parametrize(
    ("user", "more", "expected"),
    [
        ("shop", {"password": "wrong"}, (Stage.AUTH, Reason.AUTH_REJECTED)),
        ("shop", {"database": "missing"}, (Stage.VERIFY, Reason.DATABASE_MISSING)),
        ("elsewhere", {}, (Stage.HANDSHAKE, Reason.HOST_NOT_ALLOWED)),
        ("rejected", {}, (Stage.HANDSHAKE, Reason.HOST_NOT_ALLOWED)),
        ("elsewhere", {"tls": PLAIN}, (Stage.HANDSHAKE, Reason.HOST_NOT_ALLOWED)),
        ("tlsonly", {"tls": PLAIN}, (Stage.HANDSHAKE, Reason.TLS_REQUIRED)),
        ("plainonly", {"tls": TLS}, (Stage.HANDSHAKE, Reason.HOST_NOT_ALLOWED)),
        ("certuser", {"tls": TLS}, (Stage.HANDSHAKE, Reason.CLIENT_CERTIFICATE_REQUIRED)),
        ("ghost", {}, (Stage.AUTH, Reason.AUTH_REJECTED)),
        ("locked", {}, (Stage.AUTH, Reason.AUTH_REJECTED)),
        ("full", {}, (Stage.VERIFY, Reason.TOO_MANY_CONNECTIONS)),
        ("clear", {"tls": PLAIN}, None),
    ],
)
def test_what_the_server_refuses(
    server: Server, user: str, more: dict[str, Any], expected: tuple[Stage, Reason] | None
) -> None:
    assert reason(see(server, user, **more)) == expected


def test_a_refusal_by_host_rules_names_our_address(server: Server) -> None:
    seen = see(server, "elsewhere", tls=PLAIN)
    assert seen.fact("source_seen") == "127.0.0.1"


def test_a_rule_for_plain_connections_alone_is_said(server: Server) -> None:
    ended = see(server, "plainonly", tls=TLS).ended_by
    assert ended is not None
    assert "k8sext.io/tls=disable" in ended.detail


def test_a_clear_password_is_warned_of_only_without_tls(server: Server) -> None:
    auth = see(server, "clear").stage(Stage.AUTH)
    assert auth is not None
    assert auth.reason is None  # prefer: the server has TLS
    shown = see(server, "clear", tls=PLAIN).stage(Stage.AUTH)
    assert shown is not None
    assert shown.status is Status.PASS  # the bridge says: disable


def test_the_login_is_bound_to_the_channel_where_there_is_one(server: Server) -> None:
    auth = see(server, "shop", tls=TLS).stage(Stage.AUTH)
    assert auth is not None
    assert auth.detail == "user shop, SCRAM-SHA-256-PLUS"
    assert auth.status is Status.PASS


@pytest.mark.parametrize(
    ("name", "expected"),
    [("localhost", None), ("other.example", (Stage.TLS, Reason.CERTIFICATE_NAME_MISMATCH))],
)
def test_a_verified_certificate(
    server: Server, name: str, expected: tuple[Stage, Reason] | None
) -> None:
    tls = TlsSpec(mode=TlsMode.VERIFY_FULL, ca_secret="svc", ca_key="ca", server_name=name)
    authority = (server.folder / "server.crt").read_text()
    login = {"username": "shop", "password": SECRET, "database": "postgres", "ca": authority}
    assert reason(see(server, "shop", tls=tls, login=login)) == expected


def test_facts(server: Server) -> None:
    seen = see(server, "shop", "shop")
    assert reason(seen) is None
    told = server.sql("SELECT system_identifier FROM pg_control_system()")
    facts = {k: seen.fact(k) for k in ("identity", "role", "database", "product", "source_seen")}
    assert facts == {
        "identity": told,
        "role": "primary",
        "database": "shop",
        "product": "postgresql",
        "source_seen": "127.0.0.1",
    }
    assert str(seen.fact("version")).startswith("15.")
    assert seen.fact("extensions") == "plpgsql 1.0"
    assert isinstance(seen.fact("connections"), int)
    assert seen.fact("max_connections") == 17
    assert seen.fact("proxy") is None


@pytest.mark.parametrize(
    ("expect", "ends"),
    [
        ({"role": "primary", "database": "shop", "version": ">=15,<16"}, None),
        ({"extension": ["plpgsql>=1", "plpgsql[>=1]"]}, None),
        ({"max_lag_s": 1}, None),
        ({"role": "standby"}, Reason.WRONG_ROLE),
        ({"database": "other"}, Reason.UNEXPECTED),
        ({"version": 12}, Reason.UNSUPPORTED_VERSION),
        ({"identity": 7}, Reason.UNEXPECTED),
        ({"extension": "timescaledb>=2"}, Reason.OBJECT_MISSING),
        ({"extension": "plpgsql>=2"}, Reason.UNSUPPORTED_VERSION),
        ({"extension": "plpgsql>>2"}, Reason.BAD_EXPECTATION),
        ({"extnsion": "plpgsql"}, Reason.BAD_EXPECTATION),
    ],
    ids=str,
)
def test_expectations(server: Server, expect: dict[str, Any], ends: Reason | None) -> None:
    seen = see(server, "shop", "shop", expect=expect)
    assert reason(seen) == (ends and (Stage.VERIFY, ends))


def test_the_pinned_identity(server: Server) -> None:
    told = server.sql("SELECT system_identifier FROM pg_control_system()")
    assert reason(see(server, "shop", expect={"identity": told})) is None


def test_a_primary_that_takes_no_writes(server: Server) -> None:
    """By the server's configuration: nobody may write. By a role's own: only that role may not."""
    own = see(server, "reader", expect={"role": "primary"}).stage(Stage.VERIFY)
    assert own is not None
    assert (own.status, "read-only by ALTER ROLE" in own.detail) == (Status.PASS, True)
    server.sql("ALTER SYSTEM SET default_transaction_read_only = on")
    server.sql("SELECT pg_reload_conf()")
    try:
        verify = until(lambda: see(server, "shop").stage(Stage.VERIFY))
        assert (verify.status, verify.reason) == (Status.WARN, Reason.READ_ONLY)
        expected = see(server, "shop", expect={"role": "primary"})
        assert reason(expected) == (Stage.VERIFY, Reason.READ_ONLY)
    finally:
        server.sql("ALTER SYSTEM RESET default_transaction_read_only")
        server.sql("SELECT pg_reload_conf()")


def until(look: Callable[[], StageResult | None]) -> StageResult:
    """A reloaded configuration reaches new sessions a moment later."""
    for _ in range(50):
        stage = look()
        assert stage is not None
        if stage.reason:
            return stage
        time.sleep(0.1)
    raise AssertionError("the configuration was not reloaded")


def test_without_a_login_nothing_is_logged(server: Server) -> None:
    before = server.log()
    seen = see(server, None, tls=PLAIN, expect={})
    assert seen.depth is Stage.HANDSHAKE
    assert "no pg_hba.conf entry" in server.log()[len(before) :]  # a made-up user: only that
    assert seen.ended_by is None
    handshake = seen.stage(Stage.HANDSHAKE)
    assert handshake is not None
    assert (handshake.status, handshake.reason) == (Status.WARN, Reason.HOST_NOT_ALLOWED)


@pytest.mark.parametrize("user", ["shop", "odd", "md5user", "clear", "tlsonly", "trusted"])
def test_a_good_run_leaves_nothing_in_the_log(server: Server, user: str) -> None:
    before = len(server.log())
    assert reason(see(server, user)) is None
    assert server.log()[before:] == ""


def test_a_wrong_password_is_one_failed_login(server: Server) -> None:
    before = len(server.log())
    see(server, "shop", password="wrong")
    assert server.log()[before:].count("FATAL:") == 1


def test_nearly_every_connection_in_use(server: Server) -> None:
    options: dict[str, Any] = {"host": "127.0.0.1", "port": server.port, "dbname": "postgres"}
    options |= {"user": "trusted", "password": "x"}
    held = [psycopg.connect(**options) for _ in range(15)]
    try:
        verify = see(server, "shop").stage(Stage.VERIFY)
        assert verify is not None
        assert (verify.status, verify.reason) == (Status.WARN, Reason.NEARLY_FULL)
        assert "of 17 connections in use" in verify.detail
        held += [psycopg.connect(**options) for _ in range(2)]
        assert reason(see(server, "shop")) == (Stage.VERIFY, Reason.TOO_MANY_CONNECTIONS)
    finally:
        for connection in held:
            connection.close()


# -- a standby ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def standby(server: Server) -> Iterator[Server]:
    with sql_servers.standby(server) as running:
        yield running


def test_a_standby_is_one_and_the_same_system(server: Server, standby: Server) -> None:
    seen = see(standby, "shop", expect={"role": "standby", "max_lag_s": 60})
    assert reason(seen) is None, seen
    assert seen.fact("role") == "standby"
    assert seen.fact("streaming") is True
    assert seen.fact("identity") == see(server, "shop").fact("identity")


def test_a_standby_where_a_primary_is_expected(standby: Server) -> None:
    seen = see(standby, "shop", expect={"role": "primary"})
    assert reason(seen) == (Stage.VERIFY, Reason.READ_ONLY)


def test_a_standby_that_is_behind(server: Server, standby: Server) -> None:
    server.sql("CREATE TABLE t (n int)")
    standby.sql("SELECT pg_wal_replay_pause()")
    try:
        server.sql("INSERT INTO t SELECT generate_series(1, 1000); SELECT pg_sleep(0.3)")
        seen = see(standby, "shop", expect={"max_lag_s": 0.1})
        assert reason(seen) == (Stage.VERIFY, Reason.LAGGING), seen
        lag = seen.fact("lag_bytes")
        assert isinstance(lag, int)
        assert lag > 0
        assert reason(see(standby, "shop")) is None
    finally:
        standby.sql("SELECT pg_wal_replay_resume()")


# -- PgBouncer ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pooler(server: Server) -> Iterator[Server]:
    users = '"shop" "canary-4711"\n"trusted" "canary-4711"\n"late" "canary-4711"\n'
    users += '"admin" "canary-4711"\n'
    settings = "max_client_conn=2\nadmin_users=admin\nignore_startup_parameters=extra_float_digits"
    try:
        with sql_servers.pgbouncer(server, users, settings) as running:
            yield running
    except sql_servers.NotInstalled as why:
        pytest.skip(str(why))


def test_through_a_pooler(server: Server, pooler: Server) -> None:
    seen = see(pooler, "shop", "shop")
    assert reason(seen) is None, seen
    assert "PgBouncer" in str(seen.fact("proxy"))
    assert seen.fact("source_seen") is None
    assert seen.fact("identity") == see(server, "shop").fact("identity")


@pytest.mark.parametrize(
    ("user", "more", "expected"),
    [
        ("shop", {"password": "wrong"}, (Stage.AUTH, Reason.AUTH_REJECTED)),
        ("stranger", {}, (Stage.AUTH, Reason.AUTH_REJECTED)),
        ("shop", {"database": "missing"}, (Stage.AUTH, Reason.DATABASE_MISSING)),
        ("admin", {"database": "pgbouncer"}, (Stage.VERIFY, Reason.WRONG_PRODUCT)),
    ],
)
def test_what_the_pooler_refuses(
    pooler: Server, user: str, more: dict[str, Any], expected: tuple[Stage, Reason]
) -> None:
    assert reason(see(pooler, user, **more)) == expected


def test_a_full_pooler(pooler: Server) -> None:
    options: dict[str, Any] = {"host": "127.0.0.1", "port": pooler.port, "dbname": "postgres"}
    held = [psycopg.connect(**options, user="shop", password="canary-4711") for _ in range(2)]
    try:
        seen = see(pooler, "shop")
        assert seen.ended_by is not None
        assert seen.ended_by.reason is Reason.TOO_MANY_CONNECTIONS
    finally:
        for connection in held:
            connection.close()
