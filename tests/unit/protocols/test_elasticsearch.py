import asyncio
import json
import random
from collections.abc import Mapping

import pytest

from k8sext.agent.check import Fault
from k8sext.agent.http import HttpConnection
from k8sext.model.plan import Target
from k8sext.model.words import Reason, Route, Stage, Status
from tests.support.converse import Handler, against, check_class, fed

ROOT = {
    "cluster_name": "lab",
    "cluster_uuid": "u-1",
    "version": {"number": "7.1.1"},
    "tagline": "You Know, for Search",
}
GREEN = {"status": "green", "number_of_nodes": 1, "unassigned_shards": 0}
HEALTH = "/_cluster/health"
Answer = tuple[int, object]


def page(status: int, body: object, header: str = "") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"HTTP/1.1 %d x\r\n%sContent-Length: %d\r\n\r\n%s" % (
        status,
        header.encode(),
        len(data),
        data,
    )


def scripted(pages: Mapping[str, Answer], login: str = "", header: str = "") -> Handler:
    """A stand-in for a cluster: a page for each path; with `login`, 401 for any other header."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            status, body = pages.get(head.split(" ")[1], (404, {}))
            if login and f"Authorization: {login}\r\n" not in head:
                status, body = 401, {"error": {"reason": "missing credentials"}}
            writer.write(page(status, body, header))

    return handle


def see(handler: Handler, **options: object) -> tuple[Stage | None, Reason | None]:
    seen = against(handler, "elastic", "elasticsearch", **options)
    assert "canary-4711" not in repr(seen)
    ended = seen.ended_by
    return seen.depth, ended.reason if ended else None


def cluster(**changes: Answer) -> dict[str, Answer]:
    named = {"root": "/", "health": HEALTH, "index": "/orders"}
    pages: dict[str, Answer] = {"/": (200, ROOT), HEALTH: (200, GREEN), "/orders": (200, {})}
    return {**pages, **{named[name]: answer for name, answer in changes.items()}}


@pytest.mark.parametrize("colour", ["green", "yellow"])
def test_green_and_yellow_pass_without_a_login(colour: str) -> None:
    pages = cluster(health=(200, {**GREEN, "status": colour}))
    seen = against(scripted(pages), "elastic", "elasticsearch")
    assert (seen.depth, seen.status) == (Stage.VERIFY, Status.PASS)
    assert (seen.fact("version"), seen.fact("identity")) == ("7.1.1", "u-1")


def test_what_the_official_clients_do_with_it_is_evidence() -> None:
    seen = against(scripted(cluster()), "elastic", "elasticsearch")
    assert "X-Elastic-Product" in str(seen.fact("clients"))
    eight = cluster(root=(200, {**ROOT, "version": {"number": "8.19.0"}}))
    handler = scripted(eight, header="X-Elastic-Product: Elasticsearch\r\n")
    seen = against(handler, "elastic", "elasticsearch")
    assert "9" in str(seen.fact("clients"))


@pytest.mark.parametrize(
    ("health", "reason"),
    [
        ((200, {**GREEN, "status": "red", "unassigned_shards": 3}), Reason.UNHEALTHY),
        ((503, {"error": {"reason": "no master"}}), Reason.UNHEALTHY),
        ((200, []), Reason.UNHEALTHY),
        ((401, {}), Reason.AUTH_REQUIRED),
        ((403, {}), Reason.PERMISSION_DENIED),
    ],
)
def test_what_health_can_be_answered_with(health: Answer, reason: Reason) -> None:
    assert see(scripted(cluster(health=health))) == (Stage.HANDSHAKE, reason)


@pytest.mark.parametrize(
    ("expect", "reason"),
    [
        ({"version": ">=7.1,<8"}, None),
        ({"version": ">=8"}, Reason.UNSUPPORTED_VERSION),
        ({"cluster": "lab", "status": "green"}, None),
        ({"cluster": "other"}, Reason.UNEXPECTED),
        ({"index": "orders"}, None),
        ({"index": "absent"}, Reason.OBJECT_MISSING),
    ],
)
def test_expectations(expect: dict[str, str], reason: Reason | None) -> None:
    assert see(scripted(cluster()), expect=expect)[1] is reason


def test_yellow_where_green_is_expected() -> None:
    pages = cluster(health=(200, {**GREEN, "status": "yellow"}))
    assert see(scripted(pages), expect={"status": "green"})[1] is Reason.DEGRADED


@pytest.mark.parametrize(
    ("status", "reason"), [(403, Reason.PERMISSION_DENIED), (500, Reason.SERVER_ERROR)]
)
def test_an_index_that_may_not_be_asked_for_is_no_pass(status: int, reason: Reason) -> None:
    handler = scripted(cluster(index=(status, {})))
    assert see(handler, expect={"index": "orders"})[1] is reason


@pytest.mark.parametrize(
    ("login", "header"),
    [
        ({"username": "shop", "password": "canary-4711"}, "Basic c2hvcDpjYW5hcnktNDcxMQ=="),
        ({"api_key": "canary-4711"}, "ApiKey canary-4711"),
    ],
)
def test_logins(login: dict[str, str], header: str) -> None:
    assert see(scripted(cluster(), login=header), login=login) == (Stage.VERIFY, None)
    assert see(scripted(cluster(), login="no"), login=login)[1] is Reason.AUTH_REJECTED
    assert see(scripted(cluster(), login="no"))[1] is Reason.AUTH_REQUIRED


@pytest.mark.parametrize(
    "root",
    [
        {"hello": "world"},
        {**ROOT, "tagline": "x"},
        {**ROOT, "version": {"number": "soon"}},
        {**ROOT, "version": "7.1.1"},
        b"<html>",
    ],
)
def test_http_that_is_no_elasticsearch(root: object) -> None:
    assert see(scripted(cluster(root=(200, root))))[1] is Reason.WRONG_PRODUCT


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (b"This is not an HTTP port", "9200"),  # 7.1.1, measured: bare text, no status line
        (b"-ERR wrong number of arguments\r\n", "Redis"),
        (b"AMQP\x00\x00\x09\x01", "AMQP"),
    ],
)
def test_something_else_answers(answer: bytes, word: str) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    ended = against(handle, "elastic", "elasticsearch").ended_by
    assert ended is not None
    assert ended.reason is Reason.WRONG_PROTOCOL
    assert word in ended.detail


def test_the_parser_survives_anything() -> None:
    dice = random.Random(7)
    target = Target(
        id="o", service="s", port_key="p", protocol="x", route=Route.NAME, host="h", port=1
    )
    cls = check_class("elastic", "elasticsearch")
    whole = page(200, ROOT, "Transfer-Encoding: none\r\n")

    async def parse(data: bytes) -> None:
        stream = fed(data)
        try:
            answer = await HttpConnection(stream, "h")._response("GET")  # pyright: ignore[reportPrivateUsage]
            cls(target, stream)._identify(answer)  # type: ignore[attr-defined]
        except Fault:
            return

    async def all_of_them() -> None:
        for _ in range(2000):
            broken = bytearray(whole)
            for _ in range(dice.randrange(1, 6)):
                broken[dice.randrange(len(broken))] = dice.randrange(256)
            await parse(bytes(broken[: dice.randrange(len(broken) + 1)]))

    asyncio.run(all_of_them())
