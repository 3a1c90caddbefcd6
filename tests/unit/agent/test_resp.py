"""Redis' wire format: every type of versions 2 and 3, and whatever a hostile server sends."""

import asyncio
import importlib
import random
import tracemalloc
from typing import Any

import pytest

from k8sext.agent.check import Fault
from k8sext.model.words import Reason
from tests.support.converse import fed

resp: Any = importlib.import_module("k8sext.checks.protocols.redis.resp")
RedisError, ReplyReader = resp.RedisError, resp.ReplyReader
command, items, mapping = resp.command, resp.items, resp.mapping


def read(data: bytes) -> Any:
    return asyncio.run(_read(data))


async def _read(data: bytes) -> Any:
    return await ReplyReader(fed(data)).read()


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"+OK\r\n", "OK"),
        (b":-12\r\n", -12),
        (b"$2\r\nab\r\n", "ab"),
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b"*2\r\n:1\r\n$-1\r\n", [1, None]),
        (b"_\r\n", None),
        (b"#t\r\n", True),
        (b"#f\r\n", False),
        (b",1.5\r\n", 1.5),
        (b",-inf\r\n", float("-inf")),
        (b"(3492890328409238509324850943850943825024385\r\n",
         "3492890328409238509324850943850943825024385"),
        (b"=7\r\ntxt:abc\r\n", "abc"),
        (b"%1\r\n+a\r\n:1\r\n", {"a": 1}),
        (b"~2\r\n+a\r\n+b\r\n", ["a", "b"]),
        (b">2\r\n+message\r\n+x\r\n+OK\r\n", "OK"),
        (b"|1\r\n+ttl\r\n:1\r\n*1\r\n|1\r\n+a\r\n+b\r\n+c\r\n", ["c"]),
        (b"$?\r\n;2\r\nab\r\n;1\r\nc\r\n;0\r\n", "abc"),
        (b"*?\r\n:1\r\n*?\r\n.\r\n.\r\n", [1, []]),
        (b"%?\r\n+a\r\n:1\r\n.\r\n", {"a": 1}),
    ],
)  # fmt: skip
def test_every_type(data: bytes, value: Any) -> None:
    assert read(data) == value


@pytest.mark.parametrize("data", [b"-ERR no\r\n", b"!6\r\nERR no\r\n"])
def test_errors_are_values(data: bytes) -> None:
    reply = read(data)
    assert isinstance(reply, RedisError)
    assert reply.words == "ERR no"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"$536870912\r\n", Reason.TOO_MUCH),
        (b"*1000000000\r\n", Reason.TOO_MUCH),
        (b"%1000000000\r\n", Reason.TOO_MUCH),
        (b"*1\r\n" * 100 + b":1\r\n", Reason.TOO_MUCH),
        (b"*?\r\n" * 100, Reason.TOO_MUCH),
        (b">1\r\n+x\r\n" * 40000, Reason.TOO_MUCH),
        (b"$?\r\n" + b";1\r\na\r\n" * 70000, Reason.WRONG_PROTOCOL),
        (b"+" + b"x" * (1 << 17), Reason.TOO_MUCH),
        (b"$1\r\nabc\r\n", Reason.WRONG_PROTOCOL),
        (b":1_0\r\n", Reason.WRONG_PROTOCOL),
        (b":" + "\u0663".encode() + b"\r\n", Reason.WRONG_PROTOCOL),
        (b"*-2\r\n", Reason.WRONG_PROTOCOL),
        (b".\r\n", Reason.WRONG_PROTOCOL),
        (b"HTTP/1.1 400\r\n", Reason.WRONG_PROTOCOL),
        (b"(" + b"9" * 5000 + b"\r\n", Reason.WRONG_PROTOCOL),
    ],
)
def test_what_is_not_believed(data: bytes, reason: Reason) -> None:
    with pytest.raises(Fault) as caught:
        read(data)
    assert caught.value.reason is reason


def test_twelve_thousand_broken_replies_end_as_faults() -> None:
    dice = random.Random(4711)
    starts = [
        b"$536870912\r\n",
        b"*65000\r\n",
        b"%9\r\n",
        b"*?\r\n",
        b"$?\r\n;",
        b"|2\r\n",
        b">1\r\n",
    ]
    alphabet = b"+-:$*_#,(!=%~>|.;?\r\n\r\n0123456789 abc\xff\x00"

    async def all_of_them() -> int:
        faults = 0
        for _ in range(12_000):
            data = b"".join(dice.choice(starts) for _ in range(dice.randrange(3)))
            data += bytes(dice.choice(alphabet) for _ in range(dice.randrange(48)))
            try:
                await _read(data)
            except Fault:
                faults += 1
        return faults

    assert 6_000 < asyncio.run(all_of_them()) < 12_000


@pytest.mark.parametrize("data", [b"$536870912\r\n", b"*65000\r\n*65000\r\n" * 9, b"*?\r\n" * 99])
def test_what_is_announced_is_not_allocated(data: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(Fault):
        read(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20


def test_maps_of_both_versions() -> None:
    assert mapping(["a", 1, "b", 2]) == mapping({"a": 1, "b": 2}) == {"a": 1, "b": 2}
    assert mapping("a") == {}
    assert items(None) == []


def test_a_request() -> None:
    assert command("AUTH", "é") == b"*2\r\n$4\r\nAUTH\r\n$2\r\n\xc3\xa9\r\n"
