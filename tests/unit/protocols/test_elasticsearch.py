"""The Elasticsearch check against stand-ins that answer what real servers answered (7.1.1, 8.19.21
and OpenSearch 2.11.1, recorded from their test distributions). The real 7.1.1 is in
test_elasticsearch_real.py.
"""

import asyncio
import importlib
import json
import random
from collections.abc import Mapping
from typing import Any

import pytest

from k8sext.agent.check import Fault
from k8sext.agent.wire.http import HttpConnection, Response
from k8sext.model.plan import Budget
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Stage, Status
from tests.support.converse import against, end_of, fed
from tests.support.loopback import Handler

read = importlib.import_module("k8sext.checks.protocols.elastic.answers")

ROOT: dict[str, Any] = {
    "cluster_name": "lab",
    "cluster_uuid": "u-1",
    "version": {"number": "7.1.1", "build_flavor": "oss"},
    "tagline": "You Know, for Search",
}
OPENSEARCH: dict[str, Any] = {
    **ROOT,
    "version": {"distribution": "opensearch", "number": "2.11.1"},
    "tagline": "The OpenSearch Project: https://opensearch.org/",
}
GREEN: dict[str, Any] = {
    "status": "green",
    "number_of_nodes": 1,
    "number_of_data_nodes": 1,
    "unassigned_shards": 0,
}
YELLOW = {**GREEN, "status": "yellow", "unassigned_shards": 1}
RED = {**GREEN, "status": "red", "unassigned_shards": 3}
WHY = {
    "index": "orders",
    "shard": 0,
    "primary": True,
    "unassigned_info": {"reason": "NODE_LEFT"},
    "allocate_explanation": "cannot allocate",
    "node_allocation_decisions": [{"deciders": [{"explanation": "the node is above the mark"}]}],
}
WRITE_LOCK = {"description": "index read-only / allow delete (api)", "levels": ["write"]}
CLUSTER_LOCK = {"description": "cluster read-only (api)", "levels": ["write", "metadata_write"]}
NO_STATE = {"description": "state not recovered / initialized", "levels": ["read", "write"]}
GIB = 1 << 30
MARKS = {"low": "85%", "high": "90%", "flood_stage": "95%"}
# What 8.19.21 and OpenSearch 2.11.1 say to a request without a login.
DENIED_8 = (401, {"error": {"type": "security_exception", "reason": "missing credentials"}})
PAGES = {
    "root": "/",
    "health": "/_cluster/health",
    "nodes": "/_nodes/http",
    "blocks": "/_cluster/state/blocks",
    "disks": "/_nodes/stats/fs",
    "marks": "/_cluster/settings",
    "why": "/_cluster/allocation/explain",
    "red": "/_cat/indices",
    "shards": "/_cat/shards/orders",
    "index": "/orders",
    "count": "/orders/_count",
}
FOUND = {"orders-1": {"settings": {"index": {"provided_name": "orders-1"}}}}
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
            status, body = pages.get(head.split(" ")[1].split("?")[0], (404, {}))
            if login and f"Authorization: {login}\r\n" not in head:
                status, body = DENIED_8
            writer.write(page(status, body, header))

    return handle


def observed(handler: Handler, **options: object) -> Observation:
    seen = against(handler, "elastic", "elasticsearch", **options)
    assert "canary-4711" not in repr(seen)
    return seen


def see(handler: Handler, **options: object) -> tuple[Stage | None, Reason | None]:
    seen = observed(handler, **options)
    ended = end_of(seen)
    return seen.depth, ended.reason if ended else None


def verified(handler: Handler, **options: object) -> tuple[Status, Reason | None, str]:
    stage = observed(handler, **options).stage(Stage.VERIFY)
    assert stage is not None
    return stage.status, stage.reason, stage.detail


def cluster(**changes: Answer) -> dict[str, Answer]:
    pages: dict[str, Answer] = {"/": (200, ROOT), PAGES["health"]: (200, GREEN)}
    pages["/orders"] = (200, FOUND)
    return {**pages, **{PAGES[name]: answer for name, answer in changes.items()}}


def locked(**indices: object) -> Answer:
    return (200, {"blocks": {"indices": {name: {"12": lock} for name, lock in indices.items()}}})


def disk(free_gib: int, *roles: str, **marks: object) -> dict[str, Answer]:
    """One node with a disk of 1,000 GiB, and the settings of its cluster."""
    total = {"total_in_bytes": 1000 * GIB, "available_in_bytes": free_gib * GIB}
    node = {"name": "one", "roles": roles or ("master", "data"), "fs": {"total": total}}
    tree: dict[str, object] = {"threshold_enabled": "true", "watermark": {**MARKS, **marks}}
    for key in ("disk", "allocation", "routing", "cluster"):
        tree = {key: tree}
    return {"disks": (200, {"nodes": {"n": node}}), "marks": (200, {"defaults": tree})}


# -- who it is ------------------------------------------------------------------------------------


def test_green_passes_without_a_login() -> None:
    seen = observed(scripted(cluster()))
    assert (seen.depth, seen.status) == (Stage.VERIFY, Status.PASS)
    assert (seen.fact("version"), seen.fact("identity")) == ("7.1.1", "u-1")


@pytest.mark.parametrize(
    ("root", "official", "lets_in"),
    [
        (ROOT, False, []),  # measured: 7.14 to 7.17 refuse the flavour, 8 and 9 want the header
        ({**ROOT, "version": {"number": "7.1.1", "build_flavor": "default"}}, False, ["7 from"]),
        ({**ROOT, "version": {"number": "6.8.0"}}, False, ["7 from"]),
        ({**ROOT, "version": {"number": "7.17.9"}}, True, ["7 from", "8", "9"]),
        ({**ROOT, "version": {"number": "8.19.21"}}, True, ["7 from", "8"]),
        ({**ROOT, "version": {"number": "9.1.0"}}, True, ["7 from", "8", "9"]),
        (OPENSEARCH, False, []),
    ],
)
def test_what_the_official_clients_do_with_it(
    root: object, official: bool, lets_in: list[str]
) -> None:
    header = "X-Elastic-Product: Elasticsearch\r\n" if official else ""
    seen = observed(scripted(cluster(root=(200, root)), header=header))
    clients = seen.fact("clients")
    assert isinstance(clients, dict)
    refused = [name for name, what in clients.items() if "refuse" in str(what)]
    assert [n for n in ("7 from", "8", "9") if not any(r.startswith(n) for r in refused)] == lets_in
    handshake = seen.stage(Stage.HANDSHAKE)
    assert handshake is not None
    assert ("no way in" in handshake.detail) == bool(refused)


@pytest.mark.parametrize(
    ("client", "reason"),
    [
        ("7", None),
        (7.13, None),
        ("7.17", Reason.UNSUPPORTED_VERSION),
        (8, Reason.UNSUPPORTED_VERSION),
        ("9.1", Reason.UNSUPPORTED_VERSION),
    ],
)
def test_the_client_that_the_bridge_is_for(client: object, reason: Reason | None) -> None:
    assert see(scripted(cluster()), expect={"client": client})[1] is reason


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
    ("status", "header", "reason", "word"),
    [
        (301, "Location: https://es/\r\n", Reason.TLS_REQUIRED, "https://es/"),
        (302, "Location: /app/home\r\nkbn-name: k\r\n", Reason.WRONG_PRODUCT, "Kibana"),
        (200, "Server: nginx/1.22\r\n", Reason.WRONG_PRODUCT, "nginx"),
        (502, "Server: nginx/1.22\r\n", Reason.UNHEALTHY, "nginx, a proxy in front"),
        (504, "", Reason.UNHEALTHY, "a proxy without a name"),
    ],
)
def test_what_stands_there_instead(status: int, header: str, reason: Reason, word: str) -> None:
    seen = observed(scripted(cluster(root=(status, b"<html>")), header=header)).ended_by
    assert seen is not None
    assert seen.reason is reason
    assert word in seen.detail


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

    ended = observed(handle).ended_by
    assert ended is not None
    assert ended.reason is Reason.WRONG_PROTOCOL
    assert word in ended.detail


@pytest.mark.parametrize(
    ("greeting", "reason"),
    [
        (b"\x16\x03\x03\x00\x7a", Reason.TLS_REQUIRED),  # as 8.19.21 and OpenSearch, measured
        (b"\x15\x03\x03\x00\x02\x02\x28", Reason.TLS_REQUIRED),  # an alert is TLS as well
        (b"", Reason.CLOSED_EARLY),  # a proxy whose server is dead closes on everything
        (b"no tls", Reason.CLOSED_EARLY),
    ],
)
def test_an_https_port_closes_on_clear_text(greeting: bytes, reason: Reason) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(2) == b"\x16\x03":
            writer.write(greeting)

    assert see(handle) == (Stage.CONNECT, reason)


# -- who may come in ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("login", "header"),
    [
        ({"username": "shop", "password": "canary-4711"}, "Basic c2hvcDpjYW5hcnktNDcxMQ=="),
        ({"api_key": "canary-4711"}, "ApiKey canary-4711"),
        ({"api_key": "id:canary-4711"}, "ApiKey aWQ6Y2FuYXJ5LTQ3MTE="),
        ({"token": "canary-4711"}, "Bearer canary-4711"),
    ],
)
def test_logins(login: dict[str, str], header: str) -> None:
    assert see(scripted(cluster(), login=header), login=login) == (Stage.VERIFY, None)
    assert see(scripted(cluster(), login="no"), login=login)[1] is Reason.AUTH_REJECTED
    assert see(scripted(cluster(), login="no"))[1] is Reason.AUTH_REQUIRED


@pytest.mark.parametrize(
    ("answer", "header", "who"),
    [
        (DENIED_8, 'WWW-Authenticate: Basic realm="security"\r\n', "Elasticsearch"),
        ((401, b""), 'WWW-Authenticate: Basic realm="OpenSearch Security"\r\n', "OpenSearch"),
        ((401, b"<html>"), "Server: nginx/1.22\r\n", "a proxy (nginx)"),
    ],
)
def test_who_asks_for_the_login(answer: Answer, header: str, who: str) -> None:
    assert observed(scripted(cluster(root=answer), header=header)).fact("asked_by") == who


DENIED = {"error": {"type": "security_exception", "reason": "action is unauthorized"}}


def test_a_login_that_may_ask_nothing_is_sound() -> None:
    """A user with rights on one index only; what could not be asked is said."""
    pages = cluster(root=(403, DENIED), health=(403, DENIED))
    login = {"username": "shop", "password": "canary-4711"}
    seen = observed(scripted(pages), login=login)
    assert (seen.depth, verified(scripted(pages), login=login)[1]) == (Stage.VERIFY, None)
    assert "may not be asked" in str(seen.fact("not_asked"))
    assert see(scripted(pages), login=login, expect={"health": "green"}) == (
        Stage.AUTH,
        Reason.PERMISSION_DENIED,
    )


def test_a_server_that_does_not_serve_its_root_is_asked_for_its_version_elsewhere() -> None:
    """8.19.21 as published for tests answers 405 to GET /, with its header."""
    nodes = {"nodes": {"a": {"version": "8.19.21"}, "b": {"version": "8.19.20"}}}
    header = "X-elastic-product: Elasticsearch\r\n"
    pages = cluster(root=(405, {"error": "x", "status": 405}), nodes=(200, nodes))
    seen = observed(scripted(pages, header=header), expect={"version": ">=8,<9"})
    assert (seen.depth, seen.fact("version")) == (Stage.VERIFY, "8.19.20")
    assert seen.fact("versions") == ["8.19.20", "8.19.21"]


def test_a_403_of_something_else_proves_no_cluster() -> None:
    """A proxy that forbids everything to everybody would else pass as one with few rights."""
    pages = cluster(root=(403, b"<html>Forbidden</html>"), health=(403, b"<html>"))
    login = {"username": "shop", "password": "canary-4711"}
    assert see(scripted(pages), login=login)[1] is Reason.PERMISSION_DENIED


# -- how it is ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("health", "reason"),
    [
        ((200, RED), Reason.UNHEALTHY),
        ((503, {"error": {"type": "master_not_discovered_exception"}}), Reason.UNHEALTHY),
        ((503, {"error": {"type": "cluster_block_exception", "reason": "blocked by: "
            "[SERVICE_UNAVAILABLE/1/state not recovered / initialized];"}}), Reason.LOADING),
        ((503, b"OpenSearch Security not initialized."), Reason.LOADING),
        ((503, b"<html>"), Reason.UNHEALTHY),
        ((429, {"error": {"type": "circuit_breaking_exception"}}), Reason.UNHEALTHY),
        ((500, {"error": {"reason": "x"}}), Reason.SERVER_ERROR),
        ((200, []), Reason.UNHEALTHY),
        ((200, {**GREEN, "status": "purple"}), Reason.UNHEALTHY),
        ((401, {}), Reason.AUTH_REQUIRED),
        ((200, ROOT), Reason.WRONG_PRODUCT),  # a stub: the same page under every path
    ],
)  # fmt: skip
def test_what_health_can_be_answered_with(health: Answer, reason: Reason) -> None:
    assert see(scripted(cluster(health=health))) == (Stage.HANDSHAKE, reason)


def test_red_for_a_moment_is_asked_again() -> None:
    """A new or closing index makes a cluster red until its shards have begun (measured)."""
    answers = [{**RED, "unassigned_shards": 0}, GREEN]

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            path = (await reader.readuntil(b"\r\n\r\n")).decode().split(" ")[1].split("?")[0]
            health = path == PAGES["health"]
            writer.write(
                page(*((200, answers.pop(0)) if health else cluster().get(path, (404, {}))))
            )

    assert verified(handle)[0] is Status.PASS


def test_red_says_why() -> None:
    status, _, detail = verified(scripted(cluster(health=(200, RED), why=(200, WHY))))
    assert status is Status.FAIL
    assert "primary of orders (NODE_LEFT): the node is above the mark" in detail


def test_red_says_why_of_the_primary_that_is_lost() -> None:
    """Asked for any shard, OpenSearch 2.11.1 explained a replica of another index (measured)."""
    answers = [{**WHY, "primary": False, "index": "twice"}, WHY]
    bodies: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pages = cluster(health=(200, RED), red=(200, [{"index": "orders"}]), shards=(200, [
            {"shard": "0", "prirep": "p", "state": "STARTED"},
            {"shard": "1", "prirep": "r", "state": "UNASSIGNED"},
            {"shard": "2", "prirep": "p", "state": "UNASSIGNED"},
        ]))  # fmt: skip
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split(" ")[1].split("?")[0]
            if "Content-Length: " in head:
                length = int(head.split("Content-Length: ")[1].split("\r\n")[0])
                bodies.append(await reader.readexactly(length))
            answer = (200, answers.pop(0)) if path == PAGES["why"] else pages.get(path, (404, {}))
            writer.write(page(*answer))

    ended = observed(handle).ended_by
    assert ended is not None
    assert "primary of orders (NODE_LEFT)" in ended.detail
    assert ended.evidence["red_indices"] == ["orders"]
    assert [json.loads(b) for b in bodies] == [{"index": "orders", "shard": 2, "primary": True}]


@pytest.mark.parametrize(
    ("expect", "status", "reason"),
    [
        ({}, Status.WARN, Reason.DEGRADED),
        ({"health": "yellow"}, Status.PASS, None),
        ({"health": "green"}, Status.FAIL, Reason.DEGRADED),
    ],
)
def test_yellow(expect: dict[str, str], status: Status, reason: Reason | None) -> None:
    pages = cluster(health=(200, YELLOW), why=(403, {}))
    assert verified(scripted(pages), expect=expect)[:2] == (status, reason)


@pytest.mark.parametrize(
    ("expect", "reason"),
    [
        ({"version": ">=7.1,<8"}, None),
        ({"version": ">=8"}, Reason.UNSUPPORTED_VERSION),
        ({"version": "new"}, Reason.BAD_EXPECTATION),
        ({"cluster_name": "lab", "health": "green", "identity": "u-1"}, None),
        ({"cluster_name": "other"}, Reason.UNEXPECTED),
        ({"identity": "other"}, Reason.UNEXPECTED),
        ({"index": "orders"}, None),
        ({"index": "absent"}, Reason.OBJECT_MISSING),
    ],
)
def test_expectations(expect: dict[str, str], reason: Reason | None) -> None:
    assert see(scripted(cluster()), expect=expect)[1] is reason


def test_a_pattern_that_nothing_matches_is_no_index() -> None:
    handler = scripted({**cluster(), "/logs-*": (200, {})})
    assert see(handler, expect={"index": "logs-*"})[1] is Reason.OBJECT_MISSING


def test_a_cluster_that_never_formed_has_no_identity() -> None:
    root = {**ROOT, "cluster_uuid": "_na_"}
    assert observed(scripted(cluster(root=(200, root)))).fact("identity") == ""


@pytest.mark.parametrize(
    ("index", "count", "reason"),
    [
        (403, (403, {}), Reason.FORBIDDEN),
        (403, (200, {"count": 1}), None),  # a login that may only read
        (403, (404, {}), Reason.OBJECT_MISSING),
        (500, (200, {}), Reason.SERVER_ERROR),
    ],
)
def test_an_index_that_may_not_be_asked_for(
    index: int, count: Answer, reason: Reason | None
) -> None:
    handler = scripted(cluster(index=(index, {}), count=count))
    assert see(handler, expect={"index": "orders"})[1] is reason


@pytest.mark.parametrize(
    ("blocks", "expect", "status", "reason"),
    [
        (locked(**{"orders-1": WRITE_LOCK}), {}, Status.WARN, Reason.READ_ONLY),
        (locked(**{"orders-1": WRITE_LOCK}), {"index": "orders"}, Status.FAIL, Reason.READ_ONLY),
        (locked(other=WRITE_LOCK), {"index": "orders"}, Status.WARN, Reason.READ_ONLY),
        ((200, {"blocks": {"indices": {"old": {"8": WRITE_LOCK}}}}), {}, Status.PASS, None),
        ((200, {"blocks": {"indices": {"orders-1": {"4": {}}}}}), {"index": "orders"},
            Status.FAIL, Reason.READ_ONLY),
        ((200, {"blocks": {"global": {"6": CLUSTER_LOCK}}}), {}, Status.FAIL, Reason.READ_ONLY),
        ((200, {"blocks": {"global": {"2": CLUSTER_LOCK}}}), {}, Status.FAIL, Reason.UNHEALTHY),
        ((200, {"blocks": {"global": {"1": NO_STATE}}}), {}, Status.FAIL, Reason.LOADING),
        ((403, {}), {}, Status.PASS, None),
    ],
)  # fmt: skip
def test_blocks(
    blocks: Answer, expect: dict[str, str], status: Status, reason: Reason | None
) -> None:
    assert verified(scripted(cluster(blocks=blocks)), expect=expect)[:2] == (status, reason)


@pytest.mark.parametrize(
    ("pages", "status"),
    [
        (disk(free_gib=500), Status.PASS),
        (disk(free_gib=120), Status.PASS),  # over the low mark: noted, no warning
        (disk(free_gib=80), Status.WARN),
        (disk(80, **{"high.max_headroom": "70GB", "flood_stage.max_headroom": "50GB"}),
            Status.PASS),
        (disk(80, high="50gb", flood_stage="10gb"), Status.PASS),
        (disk(80, high="-1", flood_stage="nonsense"), Status.WARN),  # -1 %: more than there is
        (disk(20, "master", "ingest"), Status.PASS),
        ({**disk(80), "marks": (403, {})}, Status.PASS),
    ],
)  # fmt: skip
def test_disks(pages: dict[str, Answer], status: Status) -> None:
    said = verified(scripted(cluster(**pages)))
    assert said[0] is status
    assert said[1] is (Reason.ALARM if status is Status.WARN else None)


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("192.0.2.1:9200", "192.0.2.1:9200"),
        ("es1.example.com/192.0.2.1:9200", "es1.example.com:9200"),
        ("[2001:db8::1]:9200", "[2001:db8::1]:9200"),
    ],
)
def test_publish_addresses(said: str, address: str) -> None:
    assert read.published(said) == address


def test_publish_addresses_that_lead_nowhere() -> None:
    nodes = {"nodes": {"a": {"http": {"publish_address": "127.0.0.2:1"}}}}
    status, reason, detail = verified(scripted(cluster(nodes=(200, nodes))))
    assert (status, reason) == (Status.WARN, Reason.ANNOUNCED_UNREACHABLE)
    assert "clients that sniff are told to go to 127.0.0.2:1" in detail


def test_an_extra_question_without_an_answer_costs_nothing_but_itself() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pages = cluster()
        while True:
            path = (await reader.readuntil(b"\r\n\r\n")).decode().split(" ")[1].split("?")[0]
            if path == PAGES["blocks"]:
                await reader.read()
                return
            writer.write(page(*pages.get(path, (404, {}))))

    seen = observed(handle, budget=Budget(stage_s=0.3, probe_s=2.0, run_s=3.0))
    assert (seen.depth, seen.status) == (Stage.VERIFY, Status.PASS)
    assert seen.fact("not_answered") == PAGES["blocks"]


# -- anything -------------------------------------------------------------------------------------

SCRAPS: list[Any] = [
    None, True, -1, 1e400, 10**30, "", "x", "12", "95%", "\ud800", [], {}, [[]], {"": {}},
]  # fmt: skip


def grown(dice: random.Random, tree: Any) -> Any:
    """A tree like the given one in which some parts are something else."""
    if dice.random() < 0.15:
        return dice.choice(SCRAPS)
    if isinstance(tree, dict):
        return {k: grown(dice, v) for k, v in tree.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(tree, list):
        return [grown(dice, v) for v in tree]  # pyright: ignore[reportUnknownVariableType]
    return tree


def test_the_readers_survive_any_json() -> None:
    dice = random.Random(11)
    disks, marks = disk(80)["disks"][1], disk(80)["marks"][1]
    assert isinstance(disks, dict)
    node = disks["nodes"]["n"]
    readers = [
        (read.explained, WHY),
        (read.marks_of, marks),
        (read.disk_of, node),
        (read.stopped_indices, {"a": {"12": WRITE_LOCK, "4": {}}}),
        (read.stops_writes, WRITE_LOCK),
        (read.lost_primary, {"r": [{"shard": "0", "prirep": "p", "state": "UNASSIGNED"}]}),
    ]
    for _ in range(4000):
        for reader, tree in readers:
            data = grown(dice, tree)
            data = data if isinstance(data, dict) else {}
            reader(data.get("r") if reader is read.lost_primary else data)
        found = read.disk_of(grown(dice, node))
        if found:
            assert 0 <= read.used(*found[1:]) <= 1
            read.passed(read.marks_of(read.mapping(grown(dice, marks))), *found[1:])
        for name in (read.identified, read.refusal, read.asker, read.reason_of):
            body = json.dumps(grown(dice, ROOT)).encode()
            try:
                name(Response(dice.choice((200, 401, 403, 429, 503)), "", {}, body))
            except Fault:
                continue


def test_the_parser_survives_anything() -> None:
    dice = random.Random(7)
    whole = page(200, ROOT, "Transfer-Encoding: none\r\n")

    async def parse(data: bytes) -> None:
        stream = fed(data)
        try:
            answer = await HttpConnection(stream, "h")._response("GET")  # pyright: ignore[reportPrivateUsage]
            read.identified(answer)
        except Fault:
            return

    async def all_of_them() -> None:
        for _ in range(10_000):
            broken = bytearray(whole)
            for _ in range(dice.randrange(1, 6)):
                broken[dice.randrange(len(broken))] = dice.randrange(256)
            await parse(bytes(broken[: dice.randrange(len(broken) + 1)]))

    asyncio.run(all_of_them())
