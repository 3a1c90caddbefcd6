"""The management check against stand-ins; test_rabbitmq_real.py has the real broker."""

import asyncio
import json
import random
from typing import Any

import pytest

from k8sext.agent.check import Login
from k8sext.model.result import Observation
from k8sext.model.secret import Secret
from k8sext.model.words import Reason, Stage, Status
from tests.support.converse import against, left_to_itself, on

MODULE, PROTOCOL = "rabbitmq_management", "rabbitmq-management"
DEMAND = (401, {"error": "not_authorized", "reason": "Login failed"})
OVERVIEW = {"rabbitmq_version": "3.10.8", "cluster_name": "lab"}
HEALTHY: dict[str, tuple[int, Any]] = {
    "/api/whoami": (200, {"name": "guest", "tags": ["monitoring"]}),
    "/api/overview": (200, OVERVIEW),
    "/api/health/checks/alarms": (200, {"status": "ok"}),
}


def answer(status: int, body: Any) -> bytes:
    text = json.dumps(body).encode()
    realm = b'www-authenticate: Basic realm="RabbitMQ Management"\r\n' if status == 401 else b""
    return b"HTTP/1.1 %d X\r\n%scontent-length: %d\r\n\r\n%s" % (status, realm, len(text), text)


def see(replies: dict[str, tuple[int, Any]], **options: Any) -> Observation:
    """A stand-in that answers by path, and demands a login where none is sent."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split(" ")[1]
            known = "Authorization: Basic" in head
            writer.write(answer(*(replies.get(path, (404, {})) if known else DEMAND)))

    login = {"username": "guest", "password": "canary-4711"}
    seen = against(handle, MODULE, PROTOCOL, **{"login": login, **options})
    assert "canary-4711" not in repr(seen)
    return seen


def reason(seen: Observation) -> Reason | None:
    stage = seen.ended_by or seen.stage(Stage.VERIFY)
    return stage.reason if stage else None


def test_a_healthy_broker() -> None:
    seen = see(HEALTHY)
    assert (seen.depth, reason(seen), seen.fact("identity")) == (Stage.VERIFY, None, "lab")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("User can only log in via localhost", Reason.LOOPBACK_ONLY_USER),
        ("Login failed", Reason.AUTH_REJECTED),
    ],
)
def test_refused_logins_are_told_apart(words: str, expected: Reason) -> None:
    refused = (401, {"error": "not_authorised", "reason": words})
    assert reason(see({**HEALTHY, "/api/whoami": refused})) is expected


def test_a_user_without_a_tag_is_logged_in_and_sees_nothing() -> None:
    """An application's user at AMQP mostly has none."""
    refused = (401, {"error": "not_authorised", "reason": "Not management user"})
    replies = {**HEALTHY, "/api/whoami": refused}
    assert see(replies).depth is Stage.AUTH
    assert see(replies).ended_by is None
    assert reason(see(replies, expect={"queue": "q"})) is Reason.PERMISSION_DENIED


@pytest.mark.parametrize(
    "replies",
    [
        {"/api/whoami": (200, {})},
        {"/api/whoami": (200, {"name": "somebody else"})},
        {"/api/overview": (200, {"status": "ok"})},
    ],
)
def test_right_looking_json_is_not_the_product(replies: dict[str, tuple[int, Any]]) -> None:
    ended = see({**HEALTHY, **replies}).ended_by
    assert ended is not None
    assert ended.reason is Reason.WRONG_PRODUCT


NODE = {"name": "rabbit@one", "running": True, "partitions": [], "being_drained": False}


@pytest.mark.parametrize(
    ("node", "ends"),
    [
        ({}, (Status.PASS, None)),
        ({"partitions": ["rabbit@two"]}, (Status.FAIL, Reason.UNHEALTHY)),
        ({"being_drained": True}, (Status.WARN, Reason.DEGRADED)),
        ({"running": False}, (Status.WARN, Reason.DEGRADED)),
    ],
)
def test_what_nodes_say_of_each_other(
    node: dict[str, Any], ends: tuple[Status, Reason | None]
) -> None:
    path = "/api/nodes?columns=name,running,partitions,being_drained"
    stage = see({**HEALTHY, path: (200, [{**NODE, **node}])}).stage(Stage.VERIFY)
    assert stage is not None
    assert (stage.status, stage.reason) == ends


def test_what_is_missing_is_missing_at_a_named_cluster() -> None:
    ended = see(HEALTHY, expect={"queue": "q"}).ended_by
    assert ended is not None
    assert (ended.reason, ended.evidence["cluster_name"]) == (Reason.OBJECT_MISSING, "lab")


@pytest.mark.parametrize(
    ("alarms", "expected"),
    [
        ((503, {"status": "failed", "alarms": [{"resource": "disk", "node": "n"}]}), Reason.ALARM),
        ((503, "nonsense"), Reason.ALARM),
        ((404, {}), None),
        ((401, {"reason": "Not monitor user"}), None),
    ],
)
def test_alarms(alarms: tuple[int, Any], expected: Reason | None) -> None:
    seen = see({**HEALTHY, "/api/health/checks/alarms": alarms})
    assert reason(seen) is expected
    assert seen.status is (Status.WARN if expected else seen.status)
    stage = seen.stage(Stage.VERIFY)
    assert stage is not None
    assert ("no alarm" in stage.detail) is False


@pytest.mark.parametrize("state", ["down", "crashed", "stopped", "minority"])
def test_a_queue_that_is_not_up(state: str) -> None:
    replies = {**HEALTHY, "/api/queues/%2F/q": (200, {"state": state})}
    assert reason(see(replies, expect={"queue": "q"})) is Reason.UNHEALTHY


@pytest.mark.parametrize("status", [200, 404])
def test_another_http_server(status: int) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(status, {}))

    assert reason(against(handle, MODULE, PROTOCOL)) is Reason.WRONG_PRODUCT


def test_any_json_is_no_defect_of_ours() -> None:
    dice = random.Random(4711)
    leaves: list[Any] = [None, True, 1, 1.5, "", "x\x1b", "down", [], {}, 10**30]
    keys = ["rabbitmq_version", "cluster_name", "alarms", "type", "state", "messages", "consumers"]

    def anything(depth: int = 0) -> Any:
        if depth > 2 or dice.random() < 0.3:
            return dice.choice(leaves)
        if dice.random() < 0.3:
            return [anything(depth + 1) for _ in range(2)]
        return {dice.choice(keys): anything(depth + 1) for _ in range(3)}

    async def all_of_them() -> None:
        expect = {"queue": "q", "exchange": "e", "routing_key": "k", "version": ">=1"}
        for n in range(4_000):
            statuses = (200, 200, 200, 503, 401, 404)
            rest = b"".join(answer(dice.choice(statuses), anything()) for _ in range(6))
            data = answer(*DEMAND) + answer(200, {}) + rest
            check = on(MODULE, PROTOCOL, data, expect=expect if n % 2 else {"queue": "q"})
            check.login = Login({"password": Secret("x")})
            await left_to_itself(check, Stage.HANDSHAKE, Stage.AUTH, Stage.VERIFY)

    asyncio.run(all_of_them())
