"""The MySQL check against a real MariaDB on loopback, with PyMySQL as the oracle."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pymysql
import pytest

from k8sext.agent.login.credentials import GivenValues
from k8sext.agent.main import load_checks
from k8sext.agent.run.runner import Runner
from k8sext.model.plan import Plan, Target
from k8sext.model.result import Observation
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Route, Stage, Status
from tests.support import sql_servers
from tests.support.converse import PATIENT, end_of, observe
from tests.support.sql_servers import Server

PLAIN, TLS = TlsSpec(mode=TlsMode.DISABLE), TlsSpec(mode=TlsMode.REQUIRE)
VERIFIED = TlsSpec(mode=TlsMode.VERIFY_FULL)
SECRET = "canary-4711"
SQL = f"""
INSTALL SONAME 'auth_ed25519'; INSTALL SONAME 'auth_pam';
CREATE DATABASE shop CHARACTER SET utf8mb4; CREATE DATABASE other;
CREATE USER shop@'%' IDENTIFIED BY '{SECRET}'; GRANT ALL ON shop.* TO shop@'%';
CREATE USER signer@'%' IDENTIFIED VIA ed25519 USING PASSWORD('{SECRET}');
CREATE USER odd@'%' IDENTIFIED BY 'pä ss';
CREATE USER tlsonly@'%' IDENTIFIED BY '{SECRET}' REQUIRE SSL;
CREATE USER certonly@'%' IDENTIFIED BY '{SECRET}' REQUIRE X509;
CREATE USER locked@'%' IDENTIFIED BY '{SECRET}' ACCOUNT LOCK;
CREATE USER expired@'%' IDENTIFIED BY '{SECRET}' PASSWORD EXPIRE;
CREATE USER single@'%' IDENTIFIED BY '{SECRET}' WITH MAX_USER_CONNECTIONS 1;
CREATE USER socket@'%' IDENTIFIED VIA unix_socket;
CREATE USER pam@'%' IDENTIFIED VIA pam;
CREATE USER boss@'%' IDENTIFIED BY '{SECRET}'; GRANT ALL ON *.* TO boss@'%';
CREATE USER either@'%' IDENTIFIED VIA ed25519 USING PASSWORD('{SECRET}')
 OR mysql_native_password USING PASSWORD('x');
CREATE USER far@'192.0.2.1' IDENTIFIED BY '{SECRET}';
CREATE USER monitor@'%' IDENTIFIED BY '{SECRET}'; GRANT SLAVE MONITOR ON *.* TO monitor@'%';
CREATE USER copier@'%' IDENTIFIED BY '{SECRET}'; GRANT REPLICATION SLAVE ON *.* TO copier@'%';
DELETE FROM mysql.global_priv WHERE User = '';
FLUSH PRIVILEGES;
"""
OPTIONS = ("--performance-schema=ON", "--max-connections=12", "--log-bin=b", "--server-id=7")


def secret(user: str) -> str:
    return "pä ss" if user == "odd" else SECRET


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    try:
        with sql_servers.mariadb(SQL, OPTIONS) as running:
            yield running
    except sql_servers.NotInstalled as why:
        pytest.skip(str(why))


def see(server: Server, user: str | None, database: str = "", **more: Any) -> Observation:
    password = more.pop("password", None) or (secret(user) if user else "")
    login = {"username": user, "password": password, "database": database} if user else None
    options: dict[str, Any] = {"login": login, **more}
    return observe("mysql", "mysql", "127.0.0.1", server.port, **options)


def reason(seen: Observation) -> tuple[Stage, Reason | None] | None:
    ended = end_of(seen)
    return (ended.stage, ended.reason) if ended else None


def counters(server: Server) -> str:
    """Everything that a client can spoil, and what the host cache holds against 127.0.0.1."""
    cache = "SELECT COALESCE(SUM(SUM_CONNECT_ERRORS + COUNT_HANDSHAKE_ERRORS "
    cache += "+ COUNT_AUTHENTICATION_ERRORS), 0) FROM performance_schema.host_cache"
    return server.sql(
        "SHOW GLOBAL STATUS WHERE Variable_name LIKE 'Aborted_c%' "
        f"OR Variable_name LIKE 'Connection_errors%'; {cache}"
    )


def counted(server: Server, name: str) -> int:
    return int(server.sql(f"SHOW GLOBAL STATUS LIKE '{name}'").split()[-1])


def driver_gets_in(server: Server, user: str, password: str, database: str, tls: bool) -> bool:
    options: dict[str, Any] = {"host": "127.0.0.1", "port": server.port, "user": user}
    options |= {"password": password, "ssl_disabled": not tls}
    options |= {"database": database} if database else {}
    options |= {"ssl": {"check_hostname": False}} if tls else {}
    try:
        pymysql.connect(**options).close()
    except (pymysql.err.MySQLError, RuntimeError):
        return False
    return True


@pytest.mark.parametrize("tls", [None, PLAIN, TLS], ids=["none", "disable", "require"])
@pytest.mark.parametrize(
    ("user", "password", "database"),
    [
        ("shop", SECRET, "shop"),
        ("shop", SECRET, ""),
        ("shop", "wrong", ""),
        ("shop", SECRET, "missing"),
        ("shop", SECRET, "other"),
        ("tlsonly", SECRET, ""),
        ("certonly", SECRET, ""),
        ("locked", SECRET, ""),
        ("stranger", SECRET, ""),
        ("far", SECRET, ""),
    ],
)
def test_the_check_and_the_driver_agree(
    server: Server, user: str, password: str, database: str, tls: TlsSpec | None
) -> None:
    seen = see(server, user, database, password=password, tls=tls)
    assert (seen.ended_by is None) is driver_gets_in(
        server, user, password, database, tls is not PLAIN
    ), seen
    assert SECRET not in repr(seen)


@pytest.mark.parametrize(
    ("user", "more", "expected"),
    [
        ("shop", {"password": "wrong"}, (Stage.AUTH, Reason.AUTH_REJECTED)),
        ("stranger", {}, (Stage.AUTH, Reason.AUTH_REJECTED)),
        ("shop", {"database": "missing"}, (Stage.VERIFY, Reason.PERMISSION_DENIED)),
        ("shop", {"database": "other"}, (Stage.VERIFY, Reason.PERMISSION_DENIED)),
        ("locked", {}, (Stage.AUTH, Reason.ACCOUNT_LOCKED)),
        ("signer", {"tls": PLAIN}, None),
        ("signer", {"tls": TLS}, None),
        ("signer", {"password": "wrong"}, (Stage.AUTH, Reason.AUTH_REJECTED)),
        ("either", {}, None),
        ("odd", {}, None),  # UTF-8, as JDBC; PyMySQL sends Latin-1
        ("tlsonly", {"tls": PLAIN}, (Stage.AUTH, Reason.TLS_REQUIRED)),
        ("tlsonly", {"tls": PLAIN, "password": "wrong"}, (Stage.AUTH, Reason.AUTH_REJECTED)),
        ("certonly", {"tls": PLAIN}, (Stage.AUTH, Reason.AUTH_REJECTED)),
        ("shop", {"tls": VERIFIED}, (Stage.TLS, Reason.CERTIFICATE_UNTRUSTED)),
        ("boss", {"database": "missing"}, (Stage.VERIFY, Reason.DATABASE_MISSING)),
        ("expired", {}, (Stage.VERIFY, Reason.PASSWORD_EXPIRED)),
        ("socket", {}, (Stage.AUTH, Reason.AUTH_REJECTED)),
        (None, {}, (Stage.AUTH, Reason.AUTH_REQUIRED)),
    ],
)
def test_what_the_server_refuses(
    server: Server, user: str | None, more: dict[str, Any], expected: tuple[Stage, Reason] | None
) -> None:
    seen = see(server, user, **more)
    assert reason(seen) == expected, seen


def test_a_password_is_not_sent_in_clear(server: Server) -> None:
    """PAM asks for it (method dialog), or gives up by itself where its helper is slow."""
    ended = see(server, "pam", tls=PLAIN).ended_by
    assert ended is not None
    assert ended.reason in (Reason.AUTH_METHOD_UNSUPPORTED, Reason.AUTH_REJECTED)


@pytest.mark.parametrize("user", ["shop", "signer", "odd", "tlsonly", "either"])
@pytest.mark.parametrize("tls", [None, PLAIN], ids=["none", "disable"])
def test_a_good_run_leaves_no_trace(server: Server, user: str, tls: TlsSpec | None) -> None:
    if user == "tlsonly" and tls is PLAIN:
        return
    with sql_servers.from_another_address(server) as there:
        before, log = counters(server), len(server.log())
        assert reason(see(there, user, tls=tls)) is None
    assert counters(server) == before
    said = server.log()[log:].splitlines()
    # It looks up the name of every address that it has not seen before.
    assert [line for line in said if "could not be resolved" not in line] == []


@pytest.mark.parametrize(
    ("user", "more"),
    [
        ("shop", {"password": "wrong"}),
        ("signer", {"password": "wrong"}),
        ("pam", {"tls": PLAIN}),
        ("socket", {}),
        ("locked", {}),
        (None, {}),
        (None, {"tls": PLAIN}),
    ],
)
def test_a_rejected_login_is_one_and_never_counts_towards_1129(
    server: Server, user: str | None, more: dict[str, Any]
) -> None:
    with sql_servers.from_another_address(server) as there:
        before = counted(server, "Aborted_connects")
        preauth = counted(server, "Aborted_connects_preauth")
        see(there, user, **more)
    assert counted(server, "Aborted_connects") == before + 1
    assert counted(server, "Aborted_connects_preauth") == preauth
    assert blocking(server) == 0


def blocking(server: Server) -> int:
    """What the server counts towards max_connect_errors."""
    told = server.sql("SELECT SUM(SUM_CONNECT_ERRORS) FROM performance_schema.host_cache")
    return int(told) if told.isdigit() else 0


@pytest.mark.parametrize("user", ["tlsonly", "shop"])
def test_a_rejected_login_is_tried_once_more_over_tls_and_on_no_other_route(
    server: Server, user: str
) -> None:
    before = counted(server, "Access_denied_errors")
    endpoint, name = see_twice(server, PLAIN, user, SECRET if user == "tlsonly" else "wrong")
    first = Reason.TLS_REQUIRED if user == "tlsonly" else Reason.AUTH_REJECTED
    assert reason(endpoint) == (Stage.AUTH, first)
    spared = name.stage(Stage.AUTH)
    assert spared is not None
    assert spared.reason is Reason.LOGIN_REJECTED_BEFORE
    rejected = counted(server, "Access_denied_errors") - before
    goodbye = 1  # by name: a greeted server gets a login of nobody
    assert rejected - goodbye == (1 if user == "tlsonly" else 2)


def test_a_certificate_is_found_wanting_once(server: Server) -> None:
    before = counted(server, "Aborted_connects_preauth")
    seen = see_twice(server, VERIFIED)
    assert [reason(o) for o in seen] == [(Stage.TLS, Reason.CERTIFICATE_UNTRUSTED)] * 2
    assert counted(server, "Aborted_connects_preauth") == before + 1


def see_twice(
    server: Server, tls: TlsSpec, user: str = "shop", word: str = SECRET
) -> list[Observation]:
    """By the endpoint, then by a name that leads to it."""
    base: dict[str, Any] = {"service": "svc", "port_key": "p", "protocol": "mysql", "tls": tls}
    base |= {"host": "127.0.0.1", "port": server.port, "server": f"127.0.0.1:{server.port}"}
    targets = (
        Target(id="o1", route=Route.ENDPOINT, **base),
        Target(id="o2", route=Route.NAME, **base),
    )
    plan = Plan(run_id="t", namespace="dev", targets=targets, modules=("mysql",), budget=PATIENT)
    seen: list[Observation] = []
    logins = GivenValues({"svc": {"username": Secret(user), "password": Secret(word)}})
    asyncio.run(Runner(plan, load_checks(("mysql",)), logins, seen.append).run())
    return seen


def test_facts(server: Server) -> None:
    seen = see(server, "shop", "shop")
    with pymysql.connect(
        host="127.0.0.1", port=server.port, user="shop", password=SECRET
    ) as driver:
        told = str(driver.get_server_info())  # type: ignore[no-untyped-call]
    facts = {k: seen.fact(k) for k in ("version", "role", "database", "charset", "account")}
    assert facts == {
        "version": told.removeprefix("5.5.5-"),
        "role": "primary",
        "database": "shop",
        "charset": "utf8mb4",
        "account": "shop@%",
    }
    assert seen.fact("product") == "mariadb"
    assert seen.fact("source_seen") in ("127.0.0.1", "localhost")
    assert seen.fact("identity") == server.sql(
        "SELECT CONCAT(@@server_id, '@', @@hostname, ':', @@port)"
    )
    assert (seen.fact("max_connections"), seen.fact("max_connect_errors")) == (12, 100)


@pytest.mark.parametrize(
    ("expect", "ends"),
    [
        ({"role": "primary", "database": "shop", "version": ">=10.6", "charset": "utf8mb4"}, None),
        ({"role": "replica"}, Reason.WRONG_ROLE),
        ({"charset": "latin1"}, Reason.UNEXPECTED),
        ({"identity": "x"}, Reason.UNEXPECTED),
        ({"version": 8}, Reason.UNSUPPORTED_VERSION),
        ({"charst": "latin1"}, Reason.BAD_EXPECTATION),
    ],
    ids=str,
)
def test_expectations(server: Server, expect: dict[str, Any], ends: Reason | None) -> None:
    seen = see(server, "boss", "shop", expect=expect)
    assert reason(seen) == (ends and (Stage.VERIFY, ends))


def test_the_expected_schema_is_asked_for_where_the_login_names_none(server: Server) -> None:
    assert reason(see(server, "shop", expect={"database": "shop"})) is None
    refused = see(server, "shop", expect={"database": "other"})
    assert reason(refused) == (Stage.VERIFY, Reason.PERMISSION_DENIED)


def test_read_only(server: Server) -> None:
    server.sql("SET GLOBAL read_only = ON")
    try:
        expected = see(server, "boss", expect={"role": "primary"})
        assert reason(expected) == (Stage.VERIFY, Reason.READ_ONLY)
        verify = see(server, "boss").stage(Stage.VERIFY)
        assert verify is not None
        assert (verify.status, verify.reason) == (Status.WARN, Reason.READ_ONLY)
        assert see(server, "shop").fact("role") == "replica"  # it may not ask; likely one
    finally:
        server.sql("SET GLOBAL read_only = OFF")


def test_limits(server: Server) -> None:
    options: dict[str, Any] = {"host": "127.0.0.1", "port": server.port, "password": SECRET}
    held = [pymysql.connect(user="single", **options)]
    try:
        seen = see(server, "single")
        assert reason(seen) == (Stage.AUTH, Reason.TOO_MANY_CONNECTIONS)
        held += [pymysql.connect(user="shop", **options) for _ in range(9)]
        verify = see(server, "shop").stage(Stage.VERIFY)
        assert verify is not None
        assert (verify.status, verify.reason) == (Status.WARN, Reason.NEARLY_FULL)
        held += [pymysql.connect(user="shop", **options) for _ in range(2)]
        full = see(server, "shop")
        assert full.ended_by is not None  # at the greeting or the login: one is kept for SUPER
        assert full.ended_by.reason is Reason.TOO_MANY_CONNECTIONS
    finally:
        for connection in held:
            connection.close()


def test_a_host_that_is_blocked(server: Server) -> None:
    """1129, made as careless clients make it, and taken away as the fix says."""
    server.sql("SET GLOBAL max_connect_errors = 1")
    try:
        with sql_servers.from_another_address(server, "127.0.0.3") as there:
            for _ in range(3):
                with socket.create_connection(("127.0.0.1", there.port)) as bare:
                    bare.recv(100)
            wait_until(lambda: blocking(server) > 0)
            seen = see(there, "shop")
            assert reason(seen) == (Stage.HANDSHAKE, Reason.LOCKED_OUT), seen
            assert seen.fact("source_seen") == "127.0.0.3"
            server.sql("FLUSH HOSTS")
            assert reason(see(there, "shop")) is None
    finally:
        server.sql("SET GLOBAL max_connect_errors = 100; FLUSH HOSTS")


def wait_until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


# -- a replica ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def replica(server: Server) -> Iterator[Server]:
    position = server.sql("SHOW MASTER STATUS").split("\t")
    options = ("--server-id=8", "--read-only=ON", "--skip-slave-start")
    users = f"CREATE USER monitor@'%' IDENTIFIED BY '{SECRET}';"
    users += "GRANT SLAVE MONITOR ON *.* TO monitor@'%';"
    users += f"CREATE USER shop@'%' IDENTIFIED BY '{SECRET}';"
    with sql_servers.mariadb(users, options) as running:
        running.sql(
            f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={server.port}, "
            f"MASTER_USER='copier', MASTER_PASSWORD='{SECRET}', "
            f"MASTER_LOG_FILE='{position[0]}', MASTER_LOG_POS={position[1]}; START SLAVE"
        )
        wait_until(lambda: "\tYes\tYes\t" in running.sql("SHOW SLAVE STATUS"))
        yield running


def test_a_replica_that_keeps_up(server: Server, replica: Server) -> None:
    seen = see(replica, "monitor", expect={"role": "replica", "max_lag_s": 30})
    assert reason(seen) is None, seen
    assert (seen.fact("role"), seen.fact("streaming")) == ("replica", True)
    assert seen.fact("source_identity") == "7"
    assert seen.fact("identity") != see(server, "shop").fact("identity")


def test_a_replica_where_a_primary_is_expected(replica: Server) -> None:
    seen = see(replica, "monitor", expect={"role": "primary"})
    assert reason(seen) == (Stage.VERIFY, Reason.READ_ONLY)


def test_a_user_that_may_not_ask_for_the_lag_is_told_and_does_not_fail(replica: Server) -> None:
    verify = see(replica, "shop", expect={"max_lag_s": 30}).stage(Stage.VERIFY)
    assert verify is not None
    assert (verify.status, verify.reason) == (Status.WARN, Reason.PERMISSION_DENIED)


def test_replication_that_stopped(replica: Server) -> None:
    replica.sql("STOP SLAVE")
    try:
        verify = see(replica, "monitor").stage(Stage.VERIFY)
        assert verify is not None
        assert (verify.status, verify.reason) == (Status.WARN, Reason.LAGGING)
        assert "does not run" in verify.detail
        seen = see(replica, "monitor", expect={"max_lag_s": 30})
        assert reason(seen) == (Stage.VERIFY, Reason.LAGGING)
    finally:
        replica.sql("START SLAVE")
