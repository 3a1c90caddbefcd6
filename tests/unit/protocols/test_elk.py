"""The pure half of the ELK check, and the documents it looks for, with hostile answers."""

from __future__ import annotations

import asyncio
import datetime
import importlib
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from k8sext.agent.check import Fault
from k8sext.agent.wire.companion import Web, named
from k8sext.agent.wire.documents import Documents, Hit
from k8sext.agent.wire.http import HttpConnection
from k8sext.model.words import Reason
from tests.support.converse import fed, on

elk = importlib.import_module("k8sext.checks.protocols.elk.answers")
MARK = "k8sext00112233445566"


@pytest.mark.parametrize(
    ("kind", "keys", "key", "fits"),
    [
        ("direct", ["log"], "log", True), ("direct", ["log"], "logs", False),
        ("direct", [], "log", False), ("direct", ["a", "log"], "log", True),
        ("fanout", [""], "anything", True), ("fanout", [], "log", False),
        ("headers", ["x"], "log", True),
        ("topic", ["log"], "log", True), ("topic", ["log"], "log.db", False),
        ("topic", ["log.*"], "log.db", True), ("topic", ["log.*"], "log", False),
        ("topic", ["log.*"], "log.db.slow", False), ("topic", ["log.#"], "log", True),
        ("topic", ["log.#"], "log.db.slow", True), ("topic", ["#"], "", True),
        ("topic", ["#.slow"], "log.db.slow", True), ("topic", ["#.slow"], "log.db", False),
        ("topic", ["#.db.#"], "log.db.slow", True), ("topic", ["*.*.#"], "log", False),
        ("topic", ["other", "*"], "log", True), ("topic", ["#.#"], "a.b", True),
    ],
)  # fmt: skip
def test_what_an_exchange_routes(kind: str, keys: list[str], key: str, fits: bool) -> None:
    assert elk.routes(kind, keys, key) is fits


def test_a_pattern_of_many_hashes_is_judged_at_once() -> None:
    assert not elk.routes("topic", [".".join(["#"] * 60 + ["x"])], ".".join(["a"] * 100))


@pytest.mark.parametrize(
    ("looks", "growing"),
    [([1, 2, 3], True), ([0, 1, 2], False), ([1, 2], False), ([1, 2, 2], False),
     ([3, 2, 4], False), ([], False), ([5, 50, 500], True)],
)  # fmt: skip
def test_a_backlog_grows_if_every_look_sees_more(looks: list[int], growing: bool) -> None:
    assert elk.grows(looks) is growing


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        ({}, "expect.exchange"), ({"exchange": "x"}, "expect.queue"),
        ({"exchange": "x", "queue": "q", "index": "i"}, "expect.elasticsearch"),
        ({"exchange": "x", "queue": "q", "elasticsearch": "e"}, "expect.index"),
        ({"exchange": "x", "queue": "q", "exchange_type": "direct"}, "expect.management"),
    ],
)  # fmt: skip
def test_what_cannot_be_looked_at_is_said(expect: dict[str, Any], words: str) -> None:
    with pytest.raises(Fault) as raised:
        elk.wanted(expect)
    assert raised.value.reason is Reason.BAD_EXPECTATION
    assert words in raised.value.detail


def test_the_line_is_marked_in_text_and_field() -> None:
    now = datetime.datetime(2021, 11, 2, 15, 31, 58, 123456, datetime.UTC)
    event = json.loads(elk.line(MARK, now))
    assert event["@timestamp"] == "2021-11-02T15:31:58.123Z"
    assert event["k8sext"] == MARK
    assert MARK in event["message"]


def test_what_the_queue_says_of_a_lost_line() -> None:
    assert "3 messages wait" in elk.lost((3, 1))
    assert "the consumer has taken it" in elk.lost((0, 1))
    assert "held by one connection" in elk.lost(None)


# -- documents -----------------------------------------------------------------------------------


def documents(*bodies: bytes) -> Documents:
    """An Elasticsearch that answers so, one after another."""
    other: Any = on("elastic", "elasticsearch", b"")
    answers = b"".join(
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(b), b) for b in bodies
    )
    other.http = HttpConnection(fed(answers), "h")
    return Documents(other)


def asked(work: Callable[[], Awaitable[Any]]) -> Any:
    """What comes of it; made and awaited inside a loop."""

    async def run() -> Any:
        return await work()

    return asyncio.run(run())


def hit(source: object, **more: object) -> dict[str, object]:
    return {"_index": "logs", "_id": "1", "_source": source, **more}


def found(*there: object) -> list[Hit]:
    body = json.dumps({"hits": {"hits": list(there)}}).encode()
    hits: list[Hit] = asked(lambda: documents(b"{}", body).find("logs", MARK))
    return hits


def test_only_documents_with_the_mark_are_ours() -> None:
    ours = found(hit({"message": f"x {MARK}: y"}), hit({"message": "another"}), hit(None))
    assert ours == [Hit("logs", "1")]
    assert ours[0].path == "/logs/_doc/1"
    assert found(hit({"k": MARK}, _type="event"))[0].path == "/logs/event/1"
    assert found(hit({"k": MARK}, _id="a/../../_all?x"))[0].path.count("/") == 3


@pytest.mark.parametrize("body", [b"[]", b"7", b'{"hits":7}', b'{"hits":{"hits":[1,null]}}'])
def test_answers_of_another_shape_hold_nothing(body: bytes) -> None:
    assert asked(lambda: documents(b"{}", body).find("logs", MARK)) == []
    assert asked(lambda: documents(body).count("logs")) is None
    assert asked(lambda: documents(body).blocks("logs")) == []


def test_a_companion_that_falls_silent_is_not_this_servers_fault() -> None:
    with pytest.raises(Fault) as raised:
        asked(lambda: documents().count("logs"))
    assert raised.value.reason is Reason.COMPANION_FAILED


def test_what_a_companion_says_is_told_with_its_name() -> None:
    async def run() -> None:
        other = on("elastic", "elasticsearch", b"")
        with pytest.raises(Fault) as raised, named(other):
            raise Fault(Reason.NO_CONSUMER, "nobody")
        assert (raised.value.reason, raised.value.detail) == (Reason.NO_CONSUMER, "s: nobody")
        with pytest.raises(Fault) as raised:
            Web(other, "management", "rabbitmq-management")
        assert raised.value.reason is Reason.BAD_EXPECTATION

    asyncio.run(run())


def test_four_thousand_broken_answers_end_as_faults_or_well() -> None:
    dice = random.Random(4711)
    good = json.dumps({"hits": {"hits": [hit({"k": MARK})]}, "_shards": {"total": 1}}).encode()

    async def run() -> None:
        for _ in range(4_000):
            body = bytearray(good)
            for _ in range(dice.randrange(6)):
                body[dice.randrange(len(body))] = dice.randrange(256)
            data = bytes(body[: dice.randrange(len(body) + 1)])
            one = documents(b"{}", data, data, data)
            try:
                await one.find("logs", MARK)
                await one.count("logs")
                await one.blocks("logs")
            except Fault:
                continue

    asyncio.run(run())


def test_what_cannot_be_deleted_is_named() -> None:
    answers = [b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
               b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"]  # fmt: skip

    async def run() -> str:
        one = documents()
        one.web.http = HttpConnection(fed(b"".join(answers)), "h")
        return await one.remove([Hit("logs", "1"), Hit("logs", "2")])

    assert asyncio.run(run()) == "logs/1 (403 Forbidden)"
