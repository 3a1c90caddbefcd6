"""The stream: deadlines, the byte budget, first bytes; against servers that mean no good."""

import asyncio
import resource
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from k8sext.agent.fault import Fault, fault_of
from k8sext.agent.net.stream import BYTE_BUDGET, FIRST_BYTES, Reader, Stream
from k8sext.model.words import Reason
from tests.support.converse import fed
from tests.support.loopback import Handler, answering

Act = Callable[[Stream], Awaitable[Any]]


def against(serve: Handler, act: Act, seconds: float = 5.0) -> tuple[Any, Stream]:
    """What `act` gives or the Fault it ends with, and the stream."""

    async def run() -> tuple[Any, Stream]:
        async with answering(serve) as port:
            deadline = asyncio.get_running_loop().time() + seconds
            stream = await Stream.connect("127.0.0.1", port, deadline)
            try:
                return await act(stream), stream
            except Fault as fault:
                return fault, stream
            finally:
                await stream.close()

    return asyncio.run(run())


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


def says(data: bytes) -> Handler:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return serve


def test_silence_and_a_stall_are_told_apart() -> None:
    silent, _ = against(says_nothing, lambda s: s.read_exactly(1), 0.2)
    assert silent.reason is Reason.SILENT

    async def begins(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"abc")
        await reader.read()

    async def both(stream: Stream) -> None:
        await stream.read_exactly(3)
        await stream.read_exactly(1)

    stalls, stream = against(begins, both, 0.2)
    assert stalls.reason is Reason.TIMED_OUT
    assert stalls.evidence["first_bytes"] == b"abc".hex()
    assert stream.first_bytes == b"abc"


@pytest.mark.parametrize("read", ["read_exactly", "read_until", "read_some"])
def test_a_server_that_drips_does_not_move_the_deadline(read: str) -> None:
    """The deadline is the stage's, not each read's: a byte every 10 ms never ends otherwise."""

    async def act(stream: Stream) -> None:
        if read == "read_exactly":
            await stream.read_exactly(100_000)
        elif read == "read_until":
            await stream.read_until(b"\n")
        while True:
            await stream.read_some()

    fault, stream = against(drips, act, 0.3)
    assert fault.reason is Reason.TIMED_OUT
    assert fault.evidence["first_bytes"].startswith("7878")
    assert stream.received < 1000


def test_what_is_announced_is_not_believed() -> None:
    """512 MiB are refused before a byte of them is waited for or stored."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fault, stream = against(floods, lambda s: s.read_exactly(512 << 20))
    assert fault.reason is Reason.TOO_MUCH
    assert stream.received == 0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10


def test_a_flood_ends_with_the_budget() -> None:
    async def act(stream: Stream) -> None:
        while True:
            await stream.read_some()

    fault, stream = against(floods, act)
    assert fault.reason is Reason.TOO_MUCH
    assert stream.received <= BYTE_BUDGET + (1 << 16)


def test_a_line_without_an_end() -> None:
    fault, _ = against(floods, lambda s: s.read_until(b"\n"))
    assert fault.reason is Reason.TOO_MUCH
    fault, _ = against(says(b"x" * 500 + b"\r\n"), lambda s: s.read_until(b"\r\n", 100))
    assert fault.reason is Reason.TOO_MUCH


def test_the_first_bytes_are_kept_and_no_more() -> None:
    data = bytes(range(200))
    fault, stream = against(says(data), lambda s: s.read_exactly(300))
    assert fault.reason is Reason.CLOSED_EARLY
    assert stream.first_bytes == data[:FIRST_BYTES]
    assert fault.evidence["first_bytes"] == data[:FIRST_BYTES].hex()


def test_what_came_before_a_reset_is_read_first() -> None:
    """A server that says why and then hangs up hard; asyncio's own reader would forget it."""

    async def run() -> tuple[bytes, Reason, Reason]:
        reader = Reader()
        reader.feed_data(b"-ERR max clients")
        reader.set_exception(ConnectionResetError(104, "reset"))
        stream = Stream(reader, None)
        said = await stream.read_exactly(4)
        await stream.read_some()
        with pytest.raises(Fault) as exact:
            await stream.read_exactly(1)
        with pytest.raises(Fault) as some:
            await stream.read_some()
        return said, exact.value.reason, some.value.reason

    assert asyncio.run(run()) == (b"-ERR", Reason.RESET, Reason.RESET)


def test_an_end_and_a_reset_are_told_apart() -> None:
    fault, _ = against(says(b""), lambda s: s.read_exactly(1))
    assert fault.reason is Reason.CLOSED_EARLY

    async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    async def act(stream: Stream) -> None:
        await stream.write(b"x")
        await stream.read_exactly(1)

    fault, _ = against(resets, act)
    assert fault.reason is Reason.RESET


def test_a_server_that_does_not_read_does_not_hold_us() -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1.5)

    fault, _ = against(deaf, lambda s: s.write(b"x" * (64 << 20)), 0.3)
    assert fault.reason is Reason.TIMED_OUT


def test_nobody_listens() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: nobody else takes the port
        port = held.getsockname()[1]

        async def run() -> None:
            await Stream.connect("127.0.0.1", port, asyncio.get_running_loop().time() + 5)

        with pytest.raises(Fault) as caught:
            asyncio.run(run())
    assert (caught.value.reason, caught.value.evidence["errno"]) == (
        Reason.REFUSED,
        "ECONNREFUSED",
    )


def test_no_name_is_ever_resolved() -> None:
    async def run() -> None:
        await Stream.connect("localhost", 1, asyncio.get_running_loop().time() + 5)

    with pytest.raises(Fault):
        asyncio.run(run())


def test_errors_without_a_number_are_resets() -> None:
    """asyncio's "Connection lost" carries none."""
    assert fault_of(ConnectionResetError("Connection lost")).reason is Reason.RESET
    assert fault_of(PermissionError(1, "no")).reason is Reason.NOT_PERMITTED
    assert fault_of(OSError(101, "no")).reason is Reason.NO_ROUTE


def test_details_are_fit_for_a_terminal() -> None:
    fault = Fault(Reason.SERVER_ERROR, "a\x1b[31mb\u202ec\n")
    assert fault.detail == "a\\x1b[31mb\\u202ec"


def test_reading_from_bytes_alone() -> None:
    async def run() -> bytes:
        return await fed(b"one\r\ntwo").read_until()

    assert asyncio.run(run()) == b"one\r\n"
