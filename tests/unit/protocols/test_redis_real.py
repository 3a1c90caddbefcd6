"""The Redis check against a real redis-server on loopback, with redis-py as the oracle."""

import contextlib
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from k8sext.model.result import Observation
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Stage, Status
from tests.support.authority import serving_itself
from tests.support.converse import SHORT, end_of, observe
from tests.support.ports import HOST, free_ports
from tests.support.redis_servers import client, server, until

PASSWORD = "canary-4711"
ACL = """user default on >{password} ~* +@all
user reader on >reader-pass ~* +@all -info
user mute on >mute-pass +auth
user nobody off >nobody-pass +@all
user small on >small-pass ~* +@all -select
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server with a password, users in an ACL file, and four databases."""
    folder = tmp_path_factory.mktemp("redis")
    (folder / "users.acl").write_text(ACL.format(password=PASSWORD))
    with server(folder, free_ports(1)[0], f"aclfile {folder}/users.acl", "databases 4") as number:
        yield number


def see(port: int, login: dict[str, str] | None = None, **expect: Any) -> Observation:
    return observe("redis", "redis", HOST, port, login=login, expect=expect)


def reason(seen: Observation) -> Reason | None:
    """Of what ended the probe, else of what it warns of in the verify stage."""
    stage = end_of(seen) or seen.stage(Stage.VERIFY)
    return stage.reason if stage else None


def said(seen: Observation) -> str:
    stage = seen.ended_by or seen.stage(Stage.VERIFY)
    assert stage is not None
    return stage.detail


def driver_gets_in(port: int, login: dict[str, Any]) -> bool:
    client = redis.Redis(HOST, port, retry=None, **login)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    try:
        return bool(client.ping())
    except redis.AuthenticationError:
        return False
    finally:
        client.close()


@pytest.mark.parametrize(
    "login",
    [
        {"password": PASSWORD},
        {"username": "default", "password": PASSWORD},
        {"password": "wrong"},
        {"username": "nobody", "password": "nobody-pass"},
        {"username": "reader", "password": "reader-pass"},
    ],
)
def test_the_check_and_the_driver_agree(port: int, login: dict[str, str]) -> None:
    seen = see(port, login)
    assert (seen.depth is Stage.VERIFY) is driver_gets_in(port, login)
    if seen.ended_by:
        assert seen.ended_by.reason is Reason.AUTH_REJECTED
    assert login["password"] not in repr(seen)


def test_facts_of_a_real_server(port: int) -> None:
    seen = see(port, {"password": PASSWORD})
    with client(port, PASSWORD) as other:
        told: Any = other.info()
    assert seen.fact("version") == told["redis_version"]
    assert seen.fact("run_id") == told["run_id"]
    assert seen.fact("identity") == told["master_replid"]
    assert (seen.fact("role"), seen.fact("product")) == ("master", "redis")
    assert reason(see(port, {"password": PASSWORD}, identity=told["run_id"])) is None
    assert reason(see(port, {"password": PASSWORD}, identity="other")) is Reason.UNEXPECTED


def test_no_login_where_one_is_asked_for(port: int) -> None:
    assert reason(see(port, None)) is Reason.AUTH_REQUIRED


def test_a_user_without_info_still_proves_version_and_role(port: int) -> None:
    login = {"username": "reader", "password": "reader-pass"}
    seen = see(port, login, role="master", version=">=6")
    assert (seen.depth, reason(seen), seen.fact("role")) == (Stage.VERIFY, None, "master")
    assert "INFO may not be asked (NOPERM" in said(seen)
    ended = see(port, login, maxmemory_policy="noeviction").ended_by
    assert ended is not None
    assert (ended.reason, ended.evidence["command"]) == (Reason.PERMISSION_DENIED, "INFO")


def test_a_user_who_may_nothing_is_logged_in_and_no_failure(port: int) -> None:
    seen = see(port, {"username": "mute", "password": "mute-pass"})
    assert (seen.depth, reason(seen)) == (Stage.VERIFY, None)


@pytest.mark.parametrize(
    ("user", "database", "expected"),
    [
        ("default", 3, None),
        ("default", 4, Reason.DATABASE_MISSING),
        ("default", "orders", Reason.DATABASE_MISSING),
        ("small", 1, Reason.PERMISSION_DENIED),
    ],
)
def test_databases(port: int, user: str, database: int | str, expected: Reason | None) -> None:
    login = {"username": user, "password": PASSWORD if user == "default" else "small-pass"}
    assert reason(see(port, login, database=database)) is expected
    assert reason(see(port, {**login, "database": str(database)})) is expected


@contextlib.contextmanager
def pair(folder: Path, *lines: str) -> Generator[tuple[int, int], None, None]:
    """A master and its replica, in step."""
    first, second = free_ports(2)
    follow = f"replicaof {HOST} {first}"
    diskless = "repl-diskless-sync-delay 0"
    with (
        server(folder / "master", first, diskless) as master,
        server(folder / "replica", second, follow, *lines) as replica,
        client(replica) as other,
    ):
        until(lambda: _field(other, "master_link_status") == "up", "the replica does not follow")
        yield master, replica


def _field(other: Any, name: str) -> Any:
    told: Any = other.info()
    return told.get(name)


def test_a_master_and_its_replica(tmp_path: Path) -> None:
    with pair(tmp_path) as (master, replica):
        copy = see(replica)
        assert reason(copy) is None
        assert said(copy) == f"replica of {HOST}:{master}"
        assert copy.fact("identity") == see(master).fact("identity")
        assert reason(see(replica, role="replica", max_lag_s=30)) is None
        refused = see(replica, role="master")
        assert reason(refused) is Reason.READ_ONLY
        assert f"a replica of {HOST}:{master}" in said(refused)
        assert reason(see(master, role="replica")) is Reason.WRONG_ROLE
        assert reason(see(master, role="cluster")) is Reason.WRONG_ROLE


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("replica-serve-stale-data yes", Reason.LAGGING),
        ("replica-serve-stale-data no", Reason.UNHEALTHY),  # MASTERDOWN
    ],
)
def test_a_replica_whose_master_is_gone(tmp_path: Path, line: str, expected: Reason) -> None:
    gone, number = free_ports(2)
    with server(tmp_path, number, f"replicaof {HOST} {gone}", line) as replica:
        seen = see(replica)
        assert reason(seen) is expected
        assert "master" in said(seen).lower()
        assert seen.status is (Status.WARN if expected is Reason.LAGGING else Status.FAIL)
        if expected is Reason.LAGGING:
            assert see(replica, max_lag_s=5).status is Status.FAIL


@pytest.mark.parametrize("alive", [True, False])
def test_a_sentinel(tmp_path: Path, alive: bool) -> None:
    first, second = free_ports(2)
    watch = f"sentinel monitor mymaster {HOST} {first} 1"
    with contextlib.ExitStack() as stack:
        if alive:
            stack.enter_context(server(tmp_path / "master", first))
        lines = (watch, "sentinel down-after-milliseconds mymaster 60000")
        number = stack.enter_context(server(tmp_path / "sentinel", second, *lines, sentinel=True))
        wrong = see(number)
        assert reason(wrong) is Reason.WRONG_ROLE
        assert f"point the Service at the master (mymaster at {HOST}:{first})" in said(wrong)
        seen = see(number, role="sentinel", sentinel_master="mymaster")
        assert reason(seen) is (None if alive else Reason.ANNOUNCED_UNREACHABLE)
        assert seen.fact("role") == "sentinel"
        missing = see(number, role="sentinel", sentinel_master="other")
        assert reason(missing) is Reason.OBJECT_MISSING


def test_a_sentinel_that_finds_its_master_down(tmp_path: Path) -> None:
    gone, number = free_ports(2)
    lines = (f"sentinel monitor m {HOST} {gone} 1", "sentinel down-after-milliseconds m 1")
    with server(tmp_path, number, *lines, sentinel=True):
        until(lambda: reason(see(number, role="sentinel")) is Reason.UNHEALTHY, "never o_down")


@contextlib.contextmanager
def cluster(folder: Path, count: int, *lines: str) -> Generator[list[int], None, None]:
    """A cluster of `count` masters that serves all its slots."""
    ports, buses = free_ports(count), free_ports(count)
    with contextlib.ExitStack() as stack:
        nodes: list[Any] = []
        for port, bus in zip(ports, buses, strict=True):
            own = (f"cluster-port {bus}", "cluster-enabled yes", "cluster-node-timeout 2000")
            stack.enter_context(server(folder / str(port), port, *own, *lines))
            nodes.append(stack.enter_context(client(port)))
        step = 16384 // count
        for n, node in enumerate(nodes):
            last = 16383 if n == count - 1 else (n + 1) * step - 1
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", n * step, last)
            nodes[0].execute_command("CLUSTER", "MEET", HOST, ports[n], buses[n])
        until(lambda: all(_whole(n, count) for n in nodes), "the cluster does not come together")
        yield ports


def _whole(node: Any, count: int) -> bool:
    told: Any = node.execute_command("CLUSTER INFO")
    text = "\n".join(f"{k}:{v}" for k, v in told.items()) if isinstance(told, dict) else str(told)
    return "cluster_state:ok" in text and f"cluster_known_nodes:{count}" in text


def test_a_cluster_and_the_addresses_that_it_announces(tmp_path: Path) -> None:
    with cluster(tmp_path, 3) as ports:
        seen = see(ports[0])
        assert (seen.status, reason(seen)) == (Status.WARN, Reason.WRONG_ROLE)
        assert "get MOVED for all other keys" in said(seen)
        assert see(ports[0], role="master").status is Status.FAIL
        assert see(ports[0], role="standalone").status is Status.FAIL
        assert (seen.fact("mode"), seen.fact("nodes")) == ("cluster", 3)
        told: Any = seen.fact("announced")
        assert {a["address"] for a in told} == {f"{HOST}:{p}" for p in ports}
        assert all(a["reached"] for a in told)
        assert all(see(p).fact("identity") == seen.fact("identity") for p in ports)
        assert reason(see(ports[1], role="cluster", version=">=7")) is None
        assert reason(see(ports[1], database=1)) is Reason.DATABASE_MISSING
        identity = str(see(ports[2]).fact("node_id"))
        assert reason(see(ports[2], role="cluster", identity=[identity, "other"])) is None
        assert reason(see(ports[2], identity="other")) is Reason.UNEXPECTED


def test_a_cluster_that_announces_what_nobody_reaches(tmp_path: Path) -> None:
    with cluster(tmp_path, 1, "cluster-announce-ip 127.0.0.77") as (number,):
        seen = see(number)
        assert (seen.status, reason(seen)) == (Status.FAIL, Reason.ANNOUNCED_UNREACHABLE)
        assert f"cluster clients are told to go to 127.0.0.77:{number} (refused)" in said(seen)


def test_a_cluster_without_its_slots(tmp_path: Path) -> None:
    number, bus = free_ports(2)
    with server(tmp_path, number, "cluster-enabled yes", f"cluster-port {bus}"):
        assert reason(see(number)) is Reason.UNHEALTHY


def test_a_master_without_the_replicas_that_it_wants(tmp_path: Path) -> None:
    with server(tmp_path, free_ports(1)[0], "min-replicas-to-write 1") as number:
        seen = see(number)
        assert (seen.status, reason(seen)) == (Status.FAIL, Reason.READ_ONLY)
        with client(number) as other, pytest.raises(redis.ResponseError, match="NOREPLICAS"):
            other.set("key", "value")


def test_a_hardened_server_has_no_info(tmp_path: Path) -> None:
    lines = ('rename-command INFO ""', 'rename-command CONFIG ""', 'rename-command CLIENT ""')
    with server(tmp_path, free_ports(1)[0], *lines) as number:
        seen = see(number)
        assert (seen.status, seen.depth, seen.fact("role")) == (Status.PASS, Stage.VERIFY, "master")
        assert reason(see(number, role="standalone", version=">=6")) is None
        assert reason(see(number, maxmemory_policy="noeviction")) is Reason.FORBIDDEN


def test_no_connection_left(tmp_path: Path) -> None:
    with (
        server(tmp_path, free_ports(1)[0], "maxclients 2") as number,
        client(number) as first,
        client(number) as second,
    ):
        first.ping()
        assert reason(see(number)) is None  # the second of two is ours, and leaves again
        second.ping()
        assert reason(see(number)) is Reason.TOO_MANY_CONNECTIONS


def test_memory_that_is_nearly_and_wholly_full(tmp_path: Path) -> None:
    with server(tmp_path, free_ports(1)[0]) as number, client(number) as other:
        other.set("ballast", b"x" * (64 << 20))
        used = int(_field(other, "used_memory"))
        other.config_set("maxmemory", str(int(used * 1.05)))
        nearly = see(number)
        assert (nearly.status, reason(nearly)) == (Status.WARN, Reason.ALARM)
        assert reason(see(number, maxmemory_policy="allkeys-lru")) is Reason.UNEXPECTED
        other.config_set("maxmemory", str(used // 2))
        full = see(number)
        assert (full.status, reason(full)) == (Status.FAIL, Reason.ALARM)
        other.config_set("maxmemory", str(int(used * 1.05)))
        other.config_set("maxmemory-policy", "allkeys-lru")
        assert reason(see(number)) is None


@pytest.mark.parametrize(
    ("line", "expected"), [("", Reason.DEGRADED), ("save 3600 1", Reason.UNHEALTHY)]
)
def test_a_snapshot_that_cannot_be_written(tmp_path: Path, line: str, expected: Reason) -> None:
    folder = tmp_path / "gone"
    with server(folder, free_ports(1)[0], line) as number, client(number) as other:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        other.set("key", "value")
        with contextlib.suppress(redis.ResponseError):
            other.bgsave()
        until(lambda: _field(other, "rdb_last_bgsave_status") == "err", "the snapshot was written")
        assert reason(see(number)) is expected


def test_a_server_that_is_busy_with_a_script(tmp_path: Path) -> None:
    number = free_ports(1)[0]
    with server(tmp_path, number, "busy-reply-threshold 50"), client(number) as other:
        script = threading.Thread(target=_endless, args=(number,))
        script.start()
        try:
            until(lambda: reason(see(number)) is Reason.UNHEALTHY, "never busy")
            assert said(see(number)).startswith("BUSY ")
        finally:
            other.execute_command("SCRIPT", "KILL")
            script.join()


def _endless(number: int) -> None:
    with client(number) as other, contextlib.suppress(redis.ResponseError):
        other.eval("while true do end", 0)


def test_tls_and_both_wrong_doors(tmp_path: Path) -> None:
    plain, number = free_ports(2)
    certificate = serving_itself(tmp_path, "tls", f"IP:{HOST}")
    tls = (f"tls-port {number}", f"tls-cert-file {certificate.crt}",
           f"tls-key-file {certificate.key}", "tls-auth-clients no",
           f"tls-ca-cert-file {certificate.crt}")  # fmt: skip
    asked = TlsSpec(mode=TlsMode.REQUIRE)
    with server(tmp_path / "server", plain, *tls):
        seen = observe("redis", "redis", HOST, number, tls=asked)
        assert (seen.depth, reason(seen)) == (Stage.VERIFY, None)
        trusted = TlsSpec(mode=TlsMode.VERIFY_FULL)
        untrusted = observe("redis", "redis", HOST, number, tls=trusted)
        assert reason(untrusted) is Reason.CERTIFICATE_UNTRUSTED
        in_clear = see(number)
        assert reason(in_clear) is Reason.TLS_REQUIRED
        assert "TLS" in said(in_clear)
        refused = observe("redis", "redis", HOST, plain, tls=asked, budget=SHORT)
        assert refused.ended_by is not None
        assert refused.ended_by.stage is Stage.TLS


def test_a_login_where_the_server_has_no_password(tmp_path: Path) -> None:
    """Jedis, Lettuce and go-redis end with this error: for them the server is down."""
    with server(tmp_path, free_ports(1)[0]) as number:
        auth = see(number, {"password": "x"}).stage(Stage.AUTH)
        assert auth is not None
        assert (auth.status, auth.reason) == (Status.FAIL, Reason.AUTH_REJECTED)
        assert "it has no password" in auth.detail


@pytest.mark.parametrize("login", [{"password": ""}, {"password": "", "database": "0"}])
def test_an_empty_password_is_not_sent_where_none_is_asked_for(
    login: dict[str, str], tmp_path: Path
) -> None:
    with server(tmp_path, free_ports(1)[0]) as number:
        assert see(number, login).status is Status.PASS


def test_an_empty_password_is_sent_where_one_is_asked_for(tmp_path: Path) -> None:
    with server(tmp_path, free_ports(1)[0], "requirepass right") as number:
        auth = see(number, {"password": ""}).stage(Stage.AUTH)
        assert auth is not None
        assert (auth.status, auth.reason) == (Status.FAIL, Reason.AUTH_REJECTED)
