"""The relay's protocol, spoken byte by byte against servers on loopback."""

import asyncio
import contextlib
import errno
import json
import resource
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from k8sext.agent import relay as module
from k8sext.agent.fault import Fault
from k8sext.agent.net import relay_wire as wire
from k8sext.agent.net.resolver import A
from k8sext.agent.relay import Allowed
from k8sext.model.plan import Budget, Control, Plan, Target
from k8sext.model.words import Reason, Route
from tests.support import nameserver
from tests.support.loopback import answering
from tests.support.nameserver import Asked, a
from tests.support.relay_ends import Ends, relayed

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter
Serve: TypeAlias = Callable[[Reader, Writer], Awaitable[None]]


def plan(*places: tuple[str, int], service: str = "db-svc") -> Plan:
    targets = tuple(
        Target(
            id=f"o{number}",
            service=service,
            port_key="db",
            protocol="tcp",
            route=Route.ENDPOINT,
            host=host,
            port=port,
        )
        for number, (host, port) in enumerate(places)
    )
    return Plan(run_id="abcd", namespace="dev", targets=targets, modules=(), budget=Budget())


async def echo(reader: Reader, writer: Writer) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


async def ask(ends: Ends, **request: Any) -> tuple[dict[str, Any], wire.Incoming, Writer]:
    reader, writer = await ends.raw()
    writer.write(wire.line(request))
    incoming = wire.Incoming(lambda: reader.read(1 << 16))
    answer = await incoming.object(wire.MAX_ANSWER)
    assert answer is not None
    return answer, incoming, writer


async def connect(ends: Ends, port: int) -> tuple[dict[str, Any], wire.Incoming, Writer]:
    return await ask(ends, op="connect", address="127.0.0.1", port=port, within=5)


async def everything(incoming: wire.Incoming) -> tuple[bytes, wire.FrameKind | None, bytes]:
    """The data, how it ended (None: cut), and the last frame's payload."""
    data = b""
    while got := await incoming.frame():
        if got[0] is not wire.FrameKind.DATA:
            return data, got[0], got[1]
        data += got[1]
    return data, None, b""


def test_it_connects_and_says_from_where() -> None:
    async def run() -> None:
        async with answering(echo) as port, relayed(plan(("127.0.0.1", port))) as ends:
            answer, incoming, writer = await connect(ends, port)
            assert answer["peer"] == f"127.0.0.1:{port}"
            assert answer["local"].startswith("127.0.0.1:")
            writer.write(wire.frame(wire.FrameKind.DATA, b"hello"))
            writer.write(wire.frame(wire.FrameKind.END))
            assert await everything(incoming) == (b"hello", wire.FrameKind.END, b"")

    asyncio.run(run())


@pytest.mark.parametrize(
    "request_",
    [
        {"op": "connect", "address": "127.0.0.1", "port": 1, "within": 1},
        {"op": "connect", "address": "127.0.0.2", "port": 0, "within": 1},  # 0: the right port
        {"op": "connect", "address": "localhost", "port": 0, "within": 1},
        {"op": "connect", "address": "169.254.169.254", "port": 80, "within": 1},
        {"op": "connect", "address": "::1", "port": 0, "within": 1},
        {"op": "resolve", "name": "another-svc", "within": 1},
        {"op": "resolve", "name": "", "within": 1},
        {"op": "resolve", "name": 7, "within": 1},
    ],
)
def test_what_the_plan_does_not_name_is_refused(request_: dict[str, Any]) -> None:
    async def run() -> None:
        async with answering(echo) as port, relayed(plan(("127.0.0.1", port))) as ends:
            asked = {**request_, "port": request_.get("port") or port}
            answer, _, _ = await ask(ends, **asked)
            assert answer["fault"]["reason"] == "internal_error"
            assert "not a target" in answer["fault"]["detail"]

    asyncio.run(run())


def test_addresses_of_a_name_are_open_once_it_resolved_here() -> None:
    def answers(asked: Asked) -> list[bytes]:
        found = [a("db-svc", "127.0.0.1")] if asked.kind == A else []
        return [asked.reply(*found)]

    async def run(config: Any) -> None:
        async with answering(echo) as port, relayed(plan(("db-svc", port)), config) as ends:
            before, _, _ = await connect(ends, port)
            assert before["fault"]["reason"] == "internal_error"
            named, _, _ = await ask(ends, op="resolve", name="db-svc", within=5)
            assert named["addresses"] == ["127.0.0.1"]
            after, _, _ = await connect(ends, port)
            assert after["peer"] == f"127.0.0.1:{port}"
            other, _, _ = await ask(ends, op="connect", address="127.0.0.1", port=1, within=1)
            assert other["fault"]["reason"] == "internal_error"

    with nameserver.serve(answers) as dns:
        asyncio.run(run(dns.config()))


def test_only_the_ports_of_the_name_itself_are_opened_by_it() -> None:
    both = plan(("one-svc", 5432), ("two-svc", 6379))
    allowed = Allowed(both)
    allowed.resolved("one-svc", ["192.0.2.1"])
    assert allowed.address("192.0.2.1", 5432)
    assert not allowed.address("192.0.2.1", 6379)


def test_the_control_is_open_where_the_plan_has_one() -> None:
    control = Control(name="kubernetes.default", address="192.0.2.1", port=443)
    allowed = Allowed(Plan(run_id="a", namespace="b", targets=(), modules=(), control=control))
    assert allowed.name("kubernetes.default")
    assert allowed.address("192.0.2.1", 443)


def test_faults_of_the_operating_system_travel_with_their_evidence() -> None:
    async def run() -> None:
        with socket.socket() as bound:  # bound and not listening: refused
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
            async with relayed(plan(("127.0.0.1", port))) as ends:
                answer, _, _ = await connect(ends, port)
        with pytest.raises(Fault) as caught:
            wire.raise_fault(answer)
        assert caught.value.reason is Reason.REFUSED
        assert caught.value.evidence == {"errno": "ECONNREFUSED"}

    asyncio.run(run())


def test_a_second_request_may_follow_a_fault() -> None:
    async def run() -> None:
        async with answering(echo) as port, relayed(plan(("127.0.0.1", port))) as ends:
            answer, incoming, writer = await ask(
                ends, op="connect", address="127.0.0.1", port=1, within=1
            )
            assert "fault" in answer
            again: dict[str, Any] = {
                "op": "connect",
                "address": "127.0.0.1",
                "port": port,
                "within": 5,
            }
            writer.write(wire.line(again))
            found = await incoming.object(wire.MAX_ANSWER)
            assert found is not None
            assert found["peer"] == f"127.0.0.1:{port}"

    asyncio.run(run())


def test_the_server_may_end_first_and_still_listens() -> None:
    heard: list[bytes] = []

    async def says_bye(reader: Reader, writer: Writer) -> None:
        writer.write(b"bye")
        writer.write_eof()
        heard.append(await reader.read())

    async def run() -> None:
        async with answering(says_bye) as port, relayed(plan(("127.0.0.1", port))) as ends:
            _, incoming, writer = await connect(ends, port)
            assert await everything(incoming) == (b"bye", wire.FrameKind.END, b"")
            writer.write(wire.frame(wire.FrameKind.DATA, b"still here"))
            writer.write(wire.frame(wire.FrameKind.END))
            assert await incoming.frame() is None
            assert heard == [b"still here"]

    asyncio.run(run())


def test_we_may_end_first_and_still_listen() -> None:
    async def after_all(reader: Reader, writer: Writer) -> None:
        said = await reader.read()
        writer.write(b"got " + said)

    async def run() -> None:
        async with answering(after_all) as port, relayed(plan(("127.0.0.1", port))) as ends:
            _, incoming, writer = await connect(ends, port)
            writer.write(wire.frame(wire.FrameKind.DATA, b"all"))
            writer.write(wire.frame(wire.FrameKind.END))
            assert await everything(incoming) == (b"got all", wire.FrameKind.END, b"")

    asyncio.run(run())


def test_a_reset_is_told_from_an_end() -> None:
    async def slams(reader: Reader, writer: Writer) -> None:
        await reader.read(1)
        hard = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, hard)
        writer.transport.abort()

    async def run() -> None:
        async with answering(slams) as port, relayed(plan(("127.0.0.1", port))) as ends:
            _, incoming, writer = await connect(ends, port)
            writer.write(wire.frame(wire.FrameKind.DATA, b"x"))
            _, kind, word = await everything(incoming)
            assert (kind, word) == (wire.FrameKind.BROKEN, b"ECONNRESET")

    asyncio.run(run())


@pytest.mark.parametrize("ended", [False, True])
def test_when_we_are_gone_the_server_is_let_go(ended: bool) -> None:
    async def run() -> None:
        gone = asyncio.Event()

        async def waits(reader: Reader, writer: Writer) -> None:
            with contextlib.suppress(OSError):
                while await reader.read(100):
                    pass
            if ended:  # half-closed by us: the end of the connection shows in writing only
                with contextlib.suppress(OSError):
                    while True:
                        writer.write(b"x")
                        await writer.drain()
                        await asyncio.sleep(0.01)
            gone.set()

        async with answering(waits) as port, relayed(plan(("127.0.0.1", port))) as ends:
            _, _, writer = await connect(ends, port)
            if ended:
                writer.write(wire.frame(wire.FrameKind.END))
                await writer.drain()
            writer.transport.abort()
            await asyncio.wait_for(gone.wait(), 5)

    asyncio.run(run())


GARBAGE = (
    b"\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"[]\n",
    b"null\n",
    b'{"op": "shell"}\n',
    b'{"op": "connect", "address": ["127.0.0.1"], "port": 1, "within": 1}\n',
    b'{"op": "connect", "address": "127.0.0.1", "port": "x", "within": 1}\n',
    b'{"op": "resolve", "name": "db-svc"}\n',
    b'{"op": "resolve", "name": "db-svc", "within": NaN}\n',
    b'{"op": "resolve", "name": "db-svc", "within": -1}\n',
    b'{"op": "resolve", "name": "db-svc", "within": 1e9}\n',
    b"[" * 900 + b"\n",
    b"x" * 5000,
    b"\xff\xfe\n",
    b"\0" * 64,
)


@pytest.mark.parametrize("sent", GARBAGE)
def test_garbage_ends_its_own_connection_and_no_other(sent: bytes) -> None:
    async def run() -> None:
        async with answering(echo) as port, relayed(plan(("127.0.0.1", port))) as ends:
            reader, writer = await ends.raw()
            writer.write(sent)
            writer.write_eof()
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 5) == b""
            answer, _, _ = await connect(ends, port)
            assert "peer" in answer

    asyncio.run(run())


def test_frames_that_are_none_end_the_connection() -> None:
    async def run() -> None:
        async with answering(echo) as port, relayed(plan(("127.0.0.1", port))) as ends:
            for bad in (b"\x07\0\0\0\1x", b"\0\xff\xff\xff\xff", b"\0\0\1\0\1"):
                _, incoming, writer = await connect(ends, port)
                writer.write(bad)
                with contextlib.suppress(ConnectionResetError):
                    assert await asyncio.wait_for(incoming.frame(), 5) is None

    asyncio.run(run())


def test_a_flood_of_connections_is_bounded_and_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 8)

    async def run() -> None:
        async with answering(echo) as port, relayed(plan(("127.0.0.1", port))) as ends:
            flood = [await ends.raw() for _ in range(40)]
            said = [await asyncio.wait_for(r.readline(), 5) for r, _ in flood[8:]]
            reasons = {json.loads(text)["fault"]["reason"] for text in said}
            assert reasons == {"vantage_unproven"}
            for _, writer in flood:
                writer.close()
            while ends.relay.served:
                await asyncio.sleep(0.01)
            answer, _, _ = await connect(ends, port)
            assert "peer" in answer

    asyncio.run(run())


def test_it_ends_itself_when_idle() -> None:
    async def run() -> None:
        async with answering(echo) as port, relayed(plan(("127.0.0.1", port)), idle_s=0.3) as ends:
            await connect(ends, port)  # an open connection on which nothing moves keeps nobody
            assert await asyncio.wait_for(ends.serving, 10) == "idle"
            with pytest.raises(OSError):
                await ends.raw()

    asyncio.run(run())


def test_it_ends_at_its_deadline_however_busy() -> None:
    async def run() -> None:
        busy = plan(("127.0.0.1", 1))
        async with relayed(busy, idle_s=60, life_s=0.3) as ends:
            assert await asyncio.wait_for(ends.serving, 10) == "deadline"

    asyncio.run(run())


@pytest.mark.parametrize("up", [True, False])
def test_half_a_gigabyte_goes_through_in_little_memory(up: bool) -> None:
    total, piece = 512 << 20, b"\0" * wire.MAX_FRAME
    counted = 0

    async def gives(reader: Reader, writer: Writer) -> None:
        for _ in range(total // len(piece)):
            writer.write(piece)
            await writer.drain()

    async def takes(reader: Reader, writer: Writer) -> None:
        nonlocal counted
        while data := await reader.read(1 << 18):
            counted += len(data)

    async def run() -> None:
        nonlocal counted
        async with (
            answering(takes if up else gives) as port,
            relayed(plan(("127.0.0.1", port))) as ends,
        ):
            _, incoming, writer = await connect(ends, port)
            if up:
                for _ in range(total // len(piece)):
                    writer.write(wire.frame(wire.FrameKind.DATA, piece))
                    await writer.drain()
                writer.write(wire.frame(wire.FrameKind.END))
            while (got := await incoming.frame()) and got[0] is wire.FrameKind.DATA:
                counted += len(got[1])
            assert got is not None
            assert got[0] is wire.FrameKind.END

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    asyncio.run(run())
    assert counted == total
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


def test_errno_words() -> None:
    assert wire.errno_word(OSError(errno.ETIMEDOUT, "x")) == b"ETIMEDOUT"
    assert wire.errno_word(ConnectionResetError("no number")) == b"ECONNRESET"
