"""What a run does with its targets: behaviour against counting servers on loopback."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from k8sext.agent.login.credentials import GivenValues
from k8sext.agent.main import load_checks
from k8sext.agent.net.resolver import Config
from k8sext.agent.run.runner import MAX_EXPANDED, Runner
from k8sext.model.bridge import CredentialRef
from k8sext.model.plan import Budget, Control, Plan, Target
from k8sext.model.result import Observation
from k8sext.model.secret import Secret
from k8sext.model.words import STAGES, Reason, Route, Stage, Status
from tests.support import nameserver
from tests.support.nameserver import Asked, a

INFO = b"redis_version:7.0.15\r\nrun_id:abc\r\nrole:master\r\nredis_mode:standalone\r\n"


@dataclass
class Redis:
    """A scripted server with a password; on all of 127.0.0.0/8, so that it has many addresses."""

    password: str = "right"
    log: list[str] = field(default_factory=list[str])
    peak: int = 0
    open: int = 0
    silent: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("0.0.0.0", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        here = str(connection.getsockname()[0])
        try:
            while data := connection.recv(4096):
                self._answer(connection, here, data)
        except OSError:
            pass
        finally:
            connection.close()

    def _count(self, data: bytes) -> None:
        """From PING to QUIT, whose answer a probe waits for: no race with its next connection."""
        with self.lock:
            self.open += (b"PING" in data) - (b"QUIT" in data)
            self.peak = max(self.peak, self.open)
        time.sleep(0.005)

    def _answer(self, connection: socket.socket, here: str, data: bytes) -> None:
        if self.silent:
            return
        self._count(data)
        if b"AUTH" in data:
            good = f"\r\n{self.password}\r\n".encode() in data
            self.log.append(f"login {'ok' if good else 'rejected'} {here}")
            connection.sendall(b"+OK\r\n" if good else b"-WRONGPASS invalid password\r\n")
        elif b"INFO" in data:
            connection.sendall(b"$%d\r\n%s\r\n" % (len(INFO), INFO))
        else:
            connection.sendall(b"+PONG\r\n" if b"PING" in data else b"+OK\r\n")


@pytest.fixture
def redis() -> Iterator[Redis]:
    server = Redis()
    yield server
    server.listener.close()


def target(id: str, port: int, route: Route = Route.ENDPOINT, **more: Any) -> Target:
    base: dict[str, Any] = {
        "id": id,
        "service": "redis-svc",
        "port_key": "redis",
        "protocol": "redis",
        "route": route,
        "host": "127.0.0.1",
        "port": port,
        "server": f"dev/redis-svc:{port}",
        "credentials": CredentialRef(secret="redis-auth", vouched=True),
    }
    return Target(**{**base, **more})


def run(
    targets: list[Target],
    password: str = "right",
    config: Config | None = None,
    control: Control | None = None,
    **budget: float,
) -> tuple[list[Observation], dict[str, object], Runner]:
    seen: list[Observation] = []
    chosen: dict[str, Any] = {"stage_s": 5, "resolve_s": 5, "probe_s": 20, "run_s": 30, **budget}
    plan = Plan(
        run_id="t",
        namespace="dev",
        targets=tuple(targets),
        modules=("redis",),
        budget=Budget(**chosen),
        control=control or Control(),
    )
    logins = GivenValues({"redis-svc": {"password": Secret(password)}})

    async def work() -> tuple[dict[str, object], Runner]:
        runner = Runner(plan, load_checks(plan.modules), logins, seen.append, config or Config())
        await runner.run()
        return await runner.control(), runner

    told, runner = asyncio.run(work())
    return seen, told, runner


def test_each_target_is_observed_once_with_every_stage(redis: Redis) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        targets = [
            target("works", redis.port),
            target("closed", closed.getsockname()[1], server="closed"),
            target("no-name", redis.port, Route.NAME, host="no.example", server="x"),
            target("no-login", redis.port, credentials=None, service="other"),
        ]
        with nameserver.serve(lambda q: [q.reply(rcode=3)]) as dns:
            seen, _, runner = run(targets, config=dns.config())
    assert sorted(o.id for o in seen) == sorted(t.id for t in targets)
    assert all(tuple(s.stage for s in o.stages) == STAGES for o in seen)
    assert runner.failed
    assert runner.connected


def test_an_empty_plan_ends() -> None:
    seen, _, runner = run([])
    assert (seen, runner.failed) == ([], False)


def test_one_rejected_login_ends_the_logins(redis: Redis) -> None:
    """Three addresses and the name of one server: a second try could lock the user out."""
    targets = [target(f"o{n}", redis.port, host=f"127.0.0.{n}") for n in (1, 2, 3)]
    targets.append(target("name", redis.port, Route.NAME))
    seen, _, _ = run(targets, password="wrong")
    assert len([x for x in redis.log if x.startswith("login")]) == 1
    reasons = [s.reason for o in seen for s in o.stages if s.stage is Stage.AUTH]
    assert reasons.count(Reason.AUTH_REJECTED) == 1
    assert reasons.count(Reason.LOGIN_REJECTED_BEFORE) == 3
    others = [o for o in seen if not o.ended_by]
    assert {o.depth for o in others} == {Stage.HANDSHAKE}


def test_another_server_s_login_goes_on(redis: Redis) -> None:
    other = Redis()
    try:
        targets = [target("bad", redis.port), target("good", other.port)]
        redis.password = "changed"
        seen, _, _ = run(targets)
    finally:
        other.listener.close()
    assert {o.id: o.depth for o in seen}["good"] is Stage.VERIFY
    assert other.log == ["login ok 127.0.0.1"]


def test_endpoints_log_in_before_the_virtual_address(redis: Redis) -> None:
    targets = [
        target("name", redis.port, Route.NAME, host="127.0.0.9"),
        *(target(f"o{n}", redis.port, host=f"127.0.0.{n}") for n in (1, 2, 3)),
    ]
    seen, _, _ = run(targets)
    assert all(o.depth is Stage.VERIFY for o in seen)
    assert redis.log[-1] == "login ok 127.0.0.9"
    assert len(redis.log) == 4


def test_the_virtual_address_waits_for_nobody_where_there_are_no_endpoints(redis: Redis) -> None:
    seen, _, _ = run([target("name", redis.port, Route.NAME)])
    assert seen[0].depth is Stage.VERIFY


def test_logins_on_one_server_come_one_after_another(redis: Redis) -> None:
    targets = [target(f"o{n}", redis.port, host=f"127.0.0.{n}") for n in range(1, 9)]
    seen, _, _ = run(targets)
    assert all(o.depth is Stage.VERIFY for o in seen)
    assert redis.peak == 1


def test_connections_to_one_address_are_counted(redis: Redis) -> None:
    """Without logins nothing else holds them back."""
    targets = [target(f"o{n}", redis.port, credentials=None, service="x") for n in range(12)]
    seen, _, _ = run(targets, per_server=3)
    assert len(seen) == 12
    assert redis.peak <= 3


# -- names -----------------------------------------------------------------------------------------


def script(*addresses: str) -> Any:
    def answer(asked: Asked) -> list[bytes]:
        if asked.name != "db.example":
            return [asked.reply(rcode=3)]
        records = [a("db.example", x) for x in addresses]
        return [asked.reply(*(r for r in records if r[1] == asked.kind))]

    return answer


def test_an_outside_name_is_expanded(redis: Redis) -> None:
    """The name's own probe, and one for each address that it leads to."""
    addresses = [f"127.0.0.{n}" for n in range(1, 4)]
    with nameserver.serve(script(*addresses)) as dns:
        name = target("o1", redis.port, Route.NAME, host="db.example", expand=True)
        seen, _, _ = run([name], config=dns.config())
    ids = {o.id: o for o in seen}
    assert sorted(ids) == ["o1", "o1.1", "o1.2", "o1.3"]
    assert [ids[f"o1.{n}"].target for n in (1, 2, 3)] == [f"{x}:{redis.port}" for x in addresses]
    assert {ids[i].route for i in ids} == {Route.NAME, Route.ENDPOINT}
    resolved = ids["o1"].stage(Stage.RESOLVE)
    assert resolved is not None
    assert resolved.evidence["addresses"] == addresses


def test_an_expansion_has_an_end(redis: Redis) -> None:
    addresses = [f"127.0.1.{n}" for n in range(1, 61)]
    with nameserver.serve(script(*addresses)) as dns:
        name = target("o1", redis.port, Route.NAME, host="db.example", expand=True)
        seen, _, _ = run([name], config=dns.config())
    assert len(seen) == 1 + MAX_EXPANDED


def test_a_name_is_asked_for_once(redis: Redis) -> None:
    with nameserver.serve(script("127.0.0.1")) as dns:
        targets = [
            target(f"o{n}", redis.port, Route.NAME, host="db.example", server=f"{n}")
            for n in range(4)
        ]
        run(targets, config=dns.config())
    assert len(dns.asked) == 2  # A and AAAA


@pytest.mark.parametrize(("name", "probed"), [("db.example", False), ("gone.example", True)])
def test_the_cluster_ip_is_tried_when_the_name_does_not_resolve(
    name: str, probed: bool, redis: Redis
) -> None:
    with nameserver.serve(script("127.0.0.1")) as dns:
        targets = [
            target("name", redis.port, Route.NAME, host=name, service=name),
            target("ip", redis.port, Route.CLUSTER_IP, service=name, fallback=True),
        ]
        seen, _, _ = run(targets, config=dns.config())
    assert ("ip" in {o.id for o in seen}) is probed
    assert "name" in {o.id for o in seen}


# -- time and the vantage --------------------------------------------------------------------------


def test_what_is_not_done_in_time_is_nobody_s_fault(redis: Redis) -> None:
    redis.silent = True
    targets = [target(f"o{n}", redis.port, host=f"127.0.0.{n}") for n in (1, 2, 3)]
    seen, _, _ = run(targets, run_s=0.3)
    assert sorted(o.id for o in seen) == ["o1", "o2", "o3"]
    assert {o.status for o in seen} == {Status.INCONCLUSIVE}
    assert {o.ended_by.reason for o in seen if o.ended_by} == {Reason.OUT_OF_TIME}
    assert all(tuple(s.stage for s in o.stages) == STAGES for o in seen)


def test_a_probe_has_an_end_of_its_own(redis: Redis) -> None:
    redis.silent = True
    seen, _, _ = run([target("o1", redis.port)], stage_s=5, probe_s=0.3)
    assert seen[0].ended_by is not None
    assert seen[0].ended_by.reason is Reason.SILENT


def test_the_control_tells_the_vantage(redis: Redis) -> None:
    control = Control(name="db.example", port=redis.port)
    with nameserver.serve(script("127.0.0.1")) as dns:
        assert run([], config=dns.config(), control=control)[1] == {
            "connected": False,
            "dns": True,
            "api": True,
        }
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            refused = Control(name="db.example", port=closed.getsockname()[1])
            told = run([], config=dns.config(), control=refused)[1]
    assert (told["dns"], told["api"]) == (True, False)
    with nameserver.serve(lambda q: [q.reply(rcode=2)]) as dns:
        told = run([], config=dns.config(), control=control)[1]
    assert (told["dns"], told["api"]) == (False, None)
