"""Wire checks and plain sockets through a relay, both ends on loopback."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from k8sext.agent.fault import Fault
from k8sext.agent.login.credentials import NoLogins
from k8sext.agent.main import load_checks
from k8sext.agent.net.resolver import A
from k8sext.agent.net.stream import Stream
from k8sext.agent.run.runner import Runner
from k8sext.errors import K8sextError
from k8sext.model.plan import Budget, Plan, Target
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Route, Stage, Status
from k8sext.vantage.through import Through, Tunnel
from tests.support import nameserver
from tests.support.nameserver import Asked, a
from tests.support.relay_ends import Ends, relayed
from tests.support.standins import serving

T = TypeVar("T")
INFO = b"redis_version:7.0.15\r\nrun_id:abc\r\nrole:master\r\nredis_mode:standalone\r\n"


def redis(connection: socket.socket) -> None:
    while data := connection.recv(4096):
        if b"INFO" in data:
            connection.sendall(b"$%d\r\n%s\r\n" % (len(INFO), INFO))
        else:
            connection.sendall(b"+PONG\r\n" if b"PING" in data else b"+OK\r\n")


def resets(connection: socket.socket) -> None:
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silent(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def target(host: str, port: int, protocol: str = "redis") -> Target:
    return Target(
        id="o1",
        service="redis-svc",
        port_key="redis",
        protocol=protocol,
        route=Route.NAME if host.endswith("svc") else Route.ENDPOINT,
        host=host,
        port=port,
    )


def plan(*targets: Target) -> Plan:
    budget = Budget(stage_s=1, resolve_s=1, probe_s=4, run_s=20)
    return Plan(run_id="r", namespace="dev", targets=targets, modules=("redis",), budget=budget)


def through(what: Plan, config: Any, work: Callable[[Ends], Awaitable[T]]) -> T:
    async def run() -> T:
        async with relayed(what, config) as ends:
            return await work(ends)

    return asyncio.run(run())


def observed(what: Plan, config: Any = None, relay: bool = True) -> Observation:
    seen: list[Observation] = []

    async def work(ends: Ends) -> None:
        network = ends.network if relay else None
        checks = load_checks(what.modules)
        await Runner(what, checks, NoLogins(), seen.append, config, network=network).run()

    through(what, config, work)
    (only,) = seen
    return only


def shape(seen: Observation) -> list[tuple[Any, ...]]:
    """What a verdict is made of."""
    return [
        (s.stage, s.status, s.reason, s.detail, s.evidence.get("errno"), s.evidence.get("peer"))
        for s in seen.stages
    ]


def test_a_check_passes_by_name_and_the_evidence_is_the_pods() -> None:
    def answers(asked: Asked) -> list[bytes]:
        return [asked.reply(*([a("redis-svc", "127.0.0.1")] if asked.kind == A else []))]

    with serving(redis) as port, nameserver.serve(answers) as dns:
        seen = observed(plan(target("redis-svc", port)), dns.config())
    assert (seen.status, seen.depth) == (Status.PASS, Stage.VERIFY)
    connect = seen.stage(Stage.CONNECT)
    assert connect is not None
    assert connect.evidence["peer"] == f"127.0.0.1:{port}"
    assert seen.fact("identity") == "abc"


@pytest.mark.parametrize("serve", [redis, resets, silent])
def test_a_verdict_through_the_relay_is_the_verdict_without(
    serve: Callable[[socket.socket], None],
) -> None:
    with serving(serve) as port:
        what = plan(target("127.0.0.1", port))
        assert shape(observed(what)) == shape(observed(what, relay=False))


def test_refused_and_unknown_names_come_out_as_without() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        what = plan(target("127.0.0.1", bound.getsockname()[1]))
        assert shape(observed(what)) == shape(observed(what, relay=False))

    with nameserver.serve(lambda asked: [asked.reply(rcode=3)]) as dns:
        what = plan(target("no-such-svc", 1))
        with_it, without = observed(what, dns.config()), observed(what, dns.config(), relay=False)
    assert shape(with_it) == shape(without)
    assert with_it.ended_by is not None
    assert with_it.ended_by.reason is Reason.NAME_NOT_FOUND


def test_a_second_connection_goes_the_same_way() -> None:
    with serving(redis) as port:

        async def work(ends: Ends) -> str:
            way = await ends.network.way()
            stream = await way.connect("127.0.0.1", port, asyncio.get_running_loop().time() + 5)
            second = await stream.again()
            await second.write(b"PING\r\n")
            said = await second.read_until()
            assert second.relayed is not stream.relayed
            assert second.peer == stream.peer
            await second.close()
            await stream.reconnect()
            await stream.write(b"PING\r\n")
            said += await stream.read_until()
            await stream.close()
            return said.decode()

        assert through(plan(target("127.0.0.1", port)), None, work) == "+PONG\r\n+PONG\r\n"


def test_a_tunnel_that_breaks_blames_no_server() -> None:
    with serving(silent) as port:
        seen: list[Observation] = []
        what = plan(target("127.0.0.1", port))

        async def work(ends: Ends) -> None:
            checks = load_checks(what.modules)
            runner = Runner(what, checks, NoLogins(), seen.append, network=ends.network)
            running = asyncio.create_task(runner.run())
            while not ends.relay.served:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            for tunnel in ends.tunnels:
                tunnel.words = "lost connection to pod"
            for task in ends.relay.served:
                task.cancel()
            await running

        through(what, None, work)
    ended = seen[0].ended_by
    assert ended is not None
    assert (ended.status, ended.reason) == (Status.INCONCLUSIVE, Reason.VANTAGE_UNPROVEN)
    assert "lost connection to pod" in ended.detail


@pytest.mark.parametrize(
    "error", [K8sextError("pods is forbidden"), ConnectionRefusedError("nobody")]
)
def test_a_tunnel_that_cannot_be_made_blames_no_server(error: Exception) -> None:
    async def refuse() -> Tunnel:
        raise error

    async def work() -> list[Observation]:
        seen: list[Observation] = []
        what = plan(target("127.0.0.1", 1))
        checks = load_checks(what.modules)
        network = Through(refuse)
        await Runner(what, checks, NoLogins(), seen.append, network=network).run()
        return seen

    (seen,) = asyncio.run(work())
    ended = seen.ended_by
    assert ended is not None
    assert (ended.stage, ended.status) == (Stage.CONNECT, Status.INCONCLUSIVE)
    assert str(error) in ended.detail


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400\r\n\r\n", b"{}\n" * 1000 + b"\xff" * 99, b"[\n"])
def test_what_answers_and_is_no_relay_blames_no_server(answer: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answer)

    with serving(serve) as port:

        async def work() -> Fault | None:
            class Elsewhere(Ends):
                pass

            reached = Elsewhere(None, port, None)  # type: ignore[arg-type]  # pyright: ignore
            way = await reached.network.way()
            until = asyncio.get_running_loop().time() + 5
            try:
                stream: Stream = await way.connect("127.0.0.1", 1, until)
                await stream.close()
            except Fault as fault:
                return fault
            finally:
                await way.close()
                await reached.network.close()
            return None

        fault = asyncio.run(work())
    assert fault is not None
    assert fault.reason is Reason.VANTAGE_UNPROVEN


def test_a_door_leads_a_plain_socket_there_and_back() -> None:
    def answers(asked: Asked) -> list[bytes]:
        return [asked.reply(*([a("redis-svc", "127.0.0.1")] if asked.kind == A else []))]

    def talk(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as made:
            made.sendall(b"PING\r\n")
            made.shutdown(socket.SHUT_WR)
            said = b""
            while data := made.recv(100):
                said += data
            return said

    with serving(redis) as port, nameserver.serve(answers) as dns:
        what = plan(target("redis-svc", port))

        async def work(ends: Ends) -> bytes:
            async with ends.network.door(what.targets[0]) as door:
                return await asyncio.to_thread(talk, door)

        assert through(what, dns.config(), work) == b"+PONG\r\n"


def test_a_door_to_nowhere_hangs_up() -> None:
    def talk(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as made:
            return made.recv(100)

    async def work(ends: Ends) -> None:
        async with ends.network.door(target("127.0.0.9", 1)) as door:
            with pytest.raises(ConnectionResetError):
                await asyncio.to_thread(talk, door)

    through(plan(), None, work)
