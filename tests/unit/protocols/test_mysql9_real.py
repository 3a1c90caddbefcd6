"""The MySQL check against real MySQL 9 on loopback: what MariaDB does not have.

PyMySQL is the oracle over TLS. In clear it needs a package that we do not install (`cryptography`),
so there the oracle is MariaDB's own client program, which has the login method by OpenSSL.
"""

import contextlib
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pymysql
import pytest

from k8sext.model.result import Observation
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Stage, Status
from tests.lab.building import mysql9
from tests.lab.place import LabError
from tests.support import sql_servers
from tests.support.converse import end_of, observe
from tests.support.sql_servers import Server

PLAIN, TLS = TlsSpec(mode=TlsMode.DISABLE), TlsSpec(mode=TlsMode.REQUIRE)
SECRET = "canary-4711"
LONG = "x" * 230
SQL = f"""
CREATE DATABASE shop; CREATE DATABASE other;
CREATE USER shop@'%' IDENTIFIED BY '{SECRET}'; GRANT ALL ON shop.* TO shop@'%';
CREATE USER old@'%' IDENTIFIED WITH sha256_password BY '{SECRET}';
CREATE USER nopass@'%' IDENTIFIED BY '';
CREATE USER lengthy@'%' IDENTIFIED BY '{LONG}';
CREATE USER tlsonly@'%' IDENTIFIED BY '{SECRET}' REQUIRE SSL;
CREATE USER locked@'%' IDENTIFIED BY '{SECRET}' ACCOUNT LOCK;
CREATE USER expired@'%' IDENTIFIED BY '{SECRET}' PASSWORD EXPIRE;
CREATE USER thrice@'%' IDENTIFIED BY '{SECRET}' FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME 1;
CREATE USER single@'%' IDENTIFIED BY '{SECRET}' WITH MAX_USER_CONNECTIONS 1;
CREATE USER monitor@'%' IDENTIFIED BY '{SECRET}'; GRANT REPLICATION CLIENT ON *.* TO monitor@'%';
CREATE USER copier@'%' IDENTIFIED BY '{SECRET}'; GRANT REPLICATION SLAVE ON *.* TO copier@'%';
"""
NO_KEYS = tuple(
    f"--{method}-{option}"
    for method in ("caching-sha2-password", "sha256-password")
    for option in (
        "auto-generate-rsa-keys=OFF", "private-key-path=none", "public-key-path=none",
    )
)  # fmt: skip


@contextlib.contextmanager
def running(*options: str) -> Generator[Server]:
    try:
        with sql_servers.mysql9(SQL, options) as server:
            yield server
    except sql_servers.NotInstalled as why:
        pytest.skip(str(why))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("--server-id=7", "--log-bin=b") as started:
        yield started


@pytest.fixture(scope="module")
def without_keys() -> Iterator[Server]:
    with running(*NO_KEYS) as started:
        yield started


def see(server: Server, user: str, database: str = "", **more: Any) -> Observation:
    login = {"username": user, "password": more.pop("password", SECRET)}
    login |= {"database": database} if database else {}
    seen = observe("mysql", "mysql", "127.0.0.1", server.port, login=login, **more)
    assert SECRET not in repr(seen)
    return seen


def reason(seen: Observation) -> tuple[Stage, Reason | None] | None:
    ended = end_of(seen)
    return (ended.stage, ended.reason) if ended else None


def forget(server: Server) -> None:
    """Empty the server's cache: the next login is a full one (MySQL manual, caching_sha2)."""
    server.sql("FLUSH PRIVILEGES")


def pymysql_gets_in(server: Server, user: str, password: str, database: str = "") -> bool:
    options: dict[str, Any] = {"host": "127.0.0.1", "port": server.port, "user": user}
    options |= {"password": password, "database": database or None}
    options |= {"ssl": {"check_hostname": False}}
    try:
        pymysql.connect(**options).close()
    except pymysql.err.MySQLError:
        return False
    return True


def program_gets_in(server: Server, user: str, password: str, database: str = "") -> bool:
    argv = ["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{server.port}", f"-u{user}"]
    argv += ["--skip-ssl", "-e", "SELECT 1", *([database] if database else [])]
    env = {"PATH": "/usr/bin:/bin", "MYSQL_PWD": password}
    return subprocess.run(argv, env=env, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("tls", [PLAIN, TLS], ids=["in clear", "tls"])
@pytest.mark.parametrize(
    ("user", "password", "database"),
    [
        ("shop", SECRET, "shop"),
        ("shop", "wrong", "shop"),
        ("shop", SECRET, "missing"),
        ("shop", SECRET, "other"),
        ("old", SECRET, ""),
        ("old", "wrong", ""),
        ("nopass", "", ""),
        ("nopass", SECRET, ""),
        ("tlsonly", SECRET, ""),
        ("locked", SECRET, ""),
        ("expired", SECRET, ""),
        ("stranger", SECRET, ""),
        ("lengthy", LONG, ""),
    ],
)
def test_the_check_and_the_drivers_agree(
    server: Server, user: str, password: str, database: str, tls: TlsSpec
) -> None:
    """Both by a full login, and again by what the server then remembers."""
    oracle = pymysql_gets_in if tls is TLS else program_gets_in
    for _ in range(2):
        forget(server)
        seen = see(server, user, database, password=password, tls=tls)
        again = see(server, user, database, password=password, tls=tls)
        assert reason(seen) == reason(again)
        forget(server)
        assert (seen.ended_by is None) is oracle(server, user, password, database), seen


@pytest.mark.parametrize("tls", [PLAIN, TLS], ids=["in clear", "tls"])
@pytest.mark.parametrize(
    ("user", "more", "expected"),
    [
        ("shop", {}, None),
        ("shop", {"password": "wrong"}, (Stage.AUTH, Reason.AUTH_REJECTED)),
        ("old", {}, None),
        ("stranger", {}, (Stage.AUTH, Reason.AUTH_REJECTED)),
        ("locked", {}, (Stage.AUTH, Reason.ACCOUNT_LOCKED)),
        ("expired", {}, (Stage.AUTH, Reason.PASSWORD_EXPIRED)),
        ("shop", {"database": "other"}, (Stage.VERIFY, Reason.PERMISSION_DENIED)),
    ],
)
def test_what_the_server_says_is_understood(
    server: Server, user: str, more: dict[str, Any], expected: object, tls: TlsSpec
) -> None:
    forget(server)
    assert reason(see(server, user, tls=tls, **more)) == expected


def test_an_account_locks_itself_after_wrong_passwords_one_for_each_run(server: Server) -> None:
    runs = [reason(see(server, "thrice", password="wrong", tls=TLS)) for _ in range(3)]
    rejected, locked = (Stage.AUTH, Reason.AUTH_REJECTED), (Stage.AUTH, Reason.ACCOUNT_LOCKED)
    assert runs == [rejected, rejected, locked]
    assert reason(see(server, "thrice", tls=TLS)) == locked


def test_the_user_has_no_connection_left(server: Server) -> None:
    options: dict[str, Any] = {"host": "127.0.0.1", "port": server.port, "user": "single"}
    options |= {"password": SECRET, "ssl": {"check_hostname": False}}
    with pymysql.connect(**options):
        seen = reason(see(server, "single", tls=TLS))
    assert seen == (Stage.AUTH, Reason.TOO_MANY_CONNECTIONS)


def test_a_password_that_only_tls_can_send(server: Server) -> None:
    forget(server)
    wanted = (Stage.AUTH, Reason.AUTH_METHOD_UNSUPPORTED)
    assert reason(see(server, "lengthy", password=LONG, tls=PLAIN)) == wanted
    assert reason(see(server, "lengthy", password=LONG, tls=TLS)) is None


def test_tls_is_required(server: Server) -> None:
    """3159, before the password; without a mode the check takes TLS, as clients do."""
    server.sql("SET GLOBAL require_secure_transport = ON")
    try:
        seen = see(server, "shop", tls=PLAIN)
        assert reason(seen) == (Stage.AUTH, Reason.TLS_REQUIRED)
        assert seen.fact("code") == "3159"
        assert reason(see(server, "shop", tls=None)) is None
    finally:
        server.sql("SET GLOBAL require_secure_transport = OFF")


def test_the_facts(server: Server) -> None:
    uuid = server.sql("SELECT @@server_uuid")
    seen = see(server, "shop", "shop", tls=TLS, expect={"identity": uuid, "charset": "utf8mb4"})
    assert reason(seen) is None, seen
    facts = {k: seen.fact(k) for k in ("product", "role", "identity", "connections")}
    assert facts == {"product": "mysql", "role": "primary", "identity": uuid, "connections": 1}
    assert mysql9.version().startswith(str(seen.fact("version")).split("-")[0])


def test_nothing_is_counted_against_us(server: Server) -> None:
    """Aborted_connects counts rejected logins on MySQL, too; the host cache is what locks out."""
    counted = "SHOW GLOBAL STATUS WHERE Variable_name LIKE 'Aborted_c%' "
    counted += "OR Variable_name LIKE 'Connection_errors%'"
    before = server.sql(counted)
    for tls in (PLAIN, TLS):
        forget(server)
        for _ in range(2):
            assert reason(see(server, "shop", "shop", tls=tls)) is None
            assert reason(see(server, "old", tls=tls)) is None
    assert server.sql(counted) == before


# -- a server without an RSA key ------------------------------------------------------------------


@pytest.mark.parametrize("user", ["shop", "old"])
def test_without_a_key_the_first_login_needs_tls(without_keys: Server, user: str) -> None:
    """It says Access denied to the right password, as to a wrong one."""
    forget(without_keys)
    # Before ours, which tries TLS once to tell the two apart: the server remembers it then.
    assert not program_gets_in(without_keys, user, SECRET)
    seen = see(without_keys, user, tls=PLAIN)
    assert reason(seen) == (Stage.AUTH, Reason.TLS_REQUIRED)
    assert seen.fact("code") == "1045"
    assert reason(see(without_keys, user, tls=TLS)) is None


def test_what_the_server_remembers_needs_no_key(without_keys: Server) -> None:
    """So what let the second login in was the fast path."""
    forget(without_keys)
    assert reason(see(without_keys, "shop", tls=TLS)) is None
    assert reason(see(without_keys, "shop", tls=PLAIN)) is None
    seen = see(without_keys, "shop", tls=PLAIN, password="wrong")
    assert reason(seen) == (Stage.AUTH, Reason.TLS_REQUIRED)


def wait_until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


# -- a replica ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def replica(server: Server) -> Iterator[Server]:
    options = ("--server-id=8", "--read-only=ON", "--skip-replica-start")
    log, position, *_ = server.sql("SHOW BINARY LOG STATUS").split("\t")
    with running(*options) as copy:
        copy.sql(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', "
            f"SOURCE_PORT={server.port}, SOURCE_USER='copier', SOURCE_PASSWORD='{SECRET}', "
            f"SOURCE_LOG_FILE='{log}', SOURCE_LOG_POS={position}, SOURCE_SSL=1; START REPLICA"
        )
        wait_until(lambda: see(copy, "monitor", tls=TLS).fact("streaming") is True)
        yield copy


def test_a_replica_that_keeps_up(server: Server, replica: Server) -> None:
    seen = see(replica, "monitor", tls=TLS, expect={"role": "replica", "max_lag_s": 60})
    assert reason(seen) is None, seen
    assert (seen.fact("role"), seen.fact("streaming")) == ("replica", True)
    assert seen.fact("source_identity") == see(server, "shop", tls=TLS).fact("identity")
    assert seen.fact("identity") != seen.fact("source_identity")


def test_replication_that_stopped(replica: Server) -> None:
    replica.sql("STOP REPLICA")
    try:
        seen = see(replica, "monitor", tls=TLS, expect={"max_lag_s": 60})
        assert reason(seen) == (Stage.VERIFY, Reason.LAGGING)
        assert seen.fact("role") == "replica"
    finally:
        replica.sql("START REPLICA")
        wait_until(lambda: see(replica, "monitor", tls=TLS).fact("streaming") is True)


def test_who_may_not_ask_is_told(replica: Server) -> None:
    verify = see(replica, "shop", tls=TLS, expect={"max_lag_s": 5}).stage(Stage.VERIFY)
    assert verify is not None
    assert (verify.status, verify.reason) == (Status.WARN, Reason.PERMISSION_DENIED)


def test_a_replica_where_a_primary_is_expected(replica: Server) -> None:
    seen = see(replica, "monitor", tls=TLS, expect={"role": "primary"})
    assert reason(seen) == (Stage.VERIFY, Reason.READ_ONLY)


# -- the build ------------------------------------------------------------------------------------


def test_the_version_is_read() -> None:
    said = "/usr/sbin/mysqld  Ver 9.7.4-2 for debian-linux on x86_64 ((Debian))"
    assert mysql9.checked(said) == "9.7.4"


@pytest.mark.parametrize(
    "said",
    ["mysqld  Ver 5.7.44 for Linux", "mariadbd  Ver 10.11.6-MariaDB", "no such program"],
)
def test_too_old_a_server_is_refused(said: str) -> None:
    with pytest.raises(LabError, match="Debian sid has no MySQL 8"):
        mysql9.checked(said)
