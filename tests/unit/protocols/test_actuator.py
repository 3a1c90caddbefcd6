"""The Actuator check against stand-ins that answer as Spring Boot 3.5 does (measured), or 1, 2."""

import asyncio
import importlib
import json
from typing import Any

import pytest

from k8sext.agent.wire import spring
from k8sext.agent.wire.http import Response
from k8sext.model.plan import Budget
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Stage, Status
from tests.support.converse import against

half: Any = importlib.import_module("k8sext.checks.protocols.actuator.answers")
V3 = "application/vnd.spring-boot.actuator.v3+json"
Replies = dict[str, tuple[int, str, Any]]
SHOP: dict[str, Any] = {
    "status": "UP",
    "groups": ["liveness", "readiness"],
    "components": {
        "redis": {"status": "UP", "details": {"version": "7.0.15"}},
        "stock": {"status": "UP", "details": {"shelves": 7}},
    },
}
NEVER = 0
REDIS_DOWN: dict[str, Any] = {
    **SHOP,
    "status": "DOWN",
    "components": {
        **SHOP["components"],
        "redis": {
            "status": "DOWN",
            "details": {"error": "x.RedisConnectionFailureException: Unable to connect to Redis"},
        },
    },
}
ERROR = {"timestamp": "2026-11-24T13:19:07Z", "status": 404, "error": "Not Found", "path": "/x"}
METRICS = "# HELP up x\n# TYPE up gauge\nup 1\n"
INDEX: dict[str, Any] = {"_links": {"self": {}, "health": {}, "health-path": {}, "prometheus": {}}}


def at(base: str = "/actuator", health: Any = SHOP, status: int = 200) -> Replies:
    return {
        f"{base}/health": (status, V3, health),
        f"{base}/health/readiness": (200, V3, {"status": "UP"}),
        f"{base}/health/liveness": (200, V3, {"status": "UP"}),
        f"{base}/prometheus": (200, "text/plain;version=0.0.4;charset=utf-8", METRICS),
        base: (200, V3, INDEX),
    }


def see(
    replies: Replies,
    *,
    secured: bool = False,
    known: Replies | None = None,
    head: bytes = b"",
    **options: Any,
) -> Observation:
    """Answers by path; `known` are those that only a login gets. All else is Spring's own 404."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            asked = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = asked.split(" ")[1]
            login = "Authorization: Basic " in asked
            right = "Authorization: Basic c2hvcDpjYW5hcnktNDcxMQ==" in asked
            there = {**replies, **(known or {})} if right else replies
            status, kind, body = there.get(path, (404, "application/json", ERROR))
            if status == NEVER:
                await asyncio.sleep(20)
            if (secured and not login) or (login and not right):
                status, kind, body = 401, "text/plain", ""
            text = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            realm = b'www-authenticate: Basic realm="Realm"\r\n' if status == 401 else b""
            first = b"HTTP/1.1 %d \r\ncontent-type: %s\r\n" % (status, kind.encode())
            writer.write(first + realm + head + b"content-length: %d\r\n\r\n" % len(text) + text)

    seen = against(handle, "actuator", "actuator", **options)
    assert "canary-4711" not in repr(seen)
    return seen


LOGIN = {"username": "shop", "password": "canary-4711"}


def ended(seen: Observation) -> tuple[Status, Reason | None, str]:
    stage = seen.ended_by or seen.stage(Stage.VERIFY)
    assert stage is not None
    return stage.status, stage.reason, stage.detail


def test_up_with_all_its_components() -> None:
    expect = {"component": ["redis", "stock"], "group": "readiness", "metrics": True}
    seen = see(at(), expect=expect)
    status, reason, detail = ended(seen)
    assert (status, reason) == (Status.PASS, None)
    assert detail == "health is UP; group readiness is UP; 2 components; metrics are there"
    assert seen.fact("components") == {"redis": "UP", "stock": "UP"}
    assert seen.fact("endpoints") == ["health", "prometheus"]


def test_a_health_whose_json_is_gsons() -> None:
    """Apollo's, measured: each `status` is an object."""
    up = {"code": "UP", "description": ""}
    health = {"groups": [], "components": {"db": {"status": up}}, "status": up}
    seen = see(at(health=health), expect={"component": ["db"]})
    assert ended(seen)[:2] == (Status.PASS, None)
    down = {**health, "components": {"db": {"status": {"code": "DOWN", "description": "gone"}}}}
    status, reason, detail = ended(see(at(health={**down, "status": {"code": "DOWN"}}, status=503)))
    assert (status, reason) == (Status.FAIL, Reason.UNHEALTHY)
    assert "db is DOWN" in detail


def test_down_tells_the_component_its_word_and_the_groups() -> None:
    status, reason, detail = ended(see(at(health=REDIS_DOWN, status=503)))
    assert (status, reason) == (Status.FAIL, Reason.UNHEALTHY)
    assert "redis is DOWN (x.RedisConnectionFailureException: Unable to connect to Redis)" in detail
    assert "readiness is UP" in detail
    assert "stock" not in detail


def test_down_without_details_says_why_there_are_none() -> None:
    found = ended(see(at(health={"status": "DOWN"}, status=503)))
    assert found[:2] == (Status.FAIL, Reason.UNHEALTHY)
    assert "management.endpoint.health.show-components" in found[2]


def test_a_login_is_told_the_components_where_nobody_asks_for_one() -> None:
    bare, whole = at(health={"status": "DOWN"}, status=503), at(health=REDIS_DOWN, status=503)
    found = ended(see(bare, known=whole, login=LOGIN))
    assert "redis is DOWN" in found[2]
    wrong = {**LOGIN, "password": "wrong"}
    assert ended(see(bare, known=whole, login=wrong))[1] is Reason.AUTH_REJECTED


def test_a_group_may_decide() -> None:
    status, reason, detail = ended(
        see(at(health=REDIS_DOWN, status=503), expect={"group": "readiness"})
    )
    assert (status, reason) == (Status.WARN, Reason.DEGRADED)
    assert "redis is DOWN" in detail
    replies = {**at(), "/actuator/health/readiness": (503, V3, {"status": "OUT_OF_SERVICE"})}
    found = ended(see(replies, expect={"group": "readiness"}))
    assert found[:2] == (Status.FAIL, Reason.UNHEALTHY)
    assert ended(see(at(), expect={"group": "nothing"}))[1] is Reason.OBJECT_MISSING


@pytest.mark.parametrize(
    ("health", "reason", "said"),
    [
        ({"status": "UNKNOWN"}, Reason.DEGRADED, "health is UNKNOWN"),
        ({"status": "FATAL", "components": {}}, Reason.DEGRADED, "health is FATAL"),
        (
            {"status": "UP", "components": {"a": {"status": "UP"}, "b": {"status": "DOWN"}}},
            Reason.DEGRADED,
            "b is DOWN",
        ),
    ],
)
def test_what_is_neither_up_nor_down_warns(health: Any, reason: Reason, said: str) -> None:
    found = ended(see(at(health=health)))
    assert found[:2] == (Status.WARN, reason)
    assert said in found[2]


@pytest.mark.parametrize(
    ("expect", "replies", "reason", "said"),
    [
        ({"component": "db"}, at(), Reason.OBJECT_MISSING, "no component db; it has redis, stock"),
        ({"component": "db"}, at(health={"status": "UP"}), Reason.FORBIDDEN, "db is exp"),
        (
            {"metrics": True},
            {k: v for k, v in at().items() if "prom" not in k},
            Reason.OBJECT_MISSING,
            "micrometer-registry-prometheus",
        ),
        (
            {"metrics": True},
            {**at(), "/actuator/prometheus": (403, "text/plain", "")},
            Reason.FORBIDDEN,
            "403",
        ),
        (
            {"metrics": True},
            {**at(), "/actuator/prometheus": (200, "text/html", "<html>")},
            Reason.UNEXPECTED,
            "no metrics",
        ),
        ({"path": "/shop"}, at(), Reason.UNEXPECTED, "answers under /actuator, and not under /sho"),
        ({"path": "/shop"}, {}, Reason.OBJECT_MISSING, "management.server.port"),
        ({}, {}, Reason.OBJECT_MISSING, "there is no /actuator/health"),
        ({}, {"/actuator/health": (403, "", "")}, Reason.FORBIDDEN, "403"),
        ({}, {"/actuator/health": (200, "text/html", "<html>")}, Reason.WRONG_PRODUCT, "200"),
        (
            {},
            {"/actuator/health": (200, "application/json", {"status": "green"})},
            Reason.WRONG_PRODUCT,
            "200",
        ),
        ({}, {"/actuator/health": (500, "", {**ERROR, "status": 500})}, Reason.SERVER_ERROR, "500"),
    ],
)
def test_what_is_not_as_it_should_be(
    expect: Any, replies: Replies, reason: Reason, said: str
) -> None:
    status, found, detail = ended(see(replies, expect=expect))
    assert (status, found) == (Status.FAIL, reason)
    assert said in detail


@pytest.mark.parametrize("base", ["", "/manage"])
def test_another_base_path_is_found_and_told(base: str) -> None:
    seen = see(at(base))
    stage = seen.stage(Stage.HANDSHAKE)
    assert stage is not None
    assert (stage.status, stage.reason) == (Status.WARN, Reason.UNEXPECTED)
    assert f"it answers under {base or '/'}, and not under /actuator" in stage.detail
    again = see(at(base), expect={"path": base or "/"})
    assert ended(again)[0] is Status.PASS


@pytest.mark.parametrize(("secured", "options"), [(False, {}), (True, {"login": LOGIN})])
def test_a_health_that_waits_for_others_is_not_silence(secured: bool, options: Any) -> None:
    """Measured: Spring's pools wait for 30 s, Lettuce for 60."""
    waits: Replies = {**at(), "/actuator/health": (NEVER, "", "")}
    budget = Budget(stage_s=0.6, resolve_s=0.5, probe_s=2.0, run_s=10.0)
    seen = see(waits, secured=secured, budget=budget, **options)
    status, reason, detail = ended(seen)
    assert (status, reason) == (Status.FAIL, Reason.UNHEALTHY)
    assert "does not come to an end, though the application answers" in detail
    nothing: Replies = dict.fromkeys(("/actuator/health/liveness", "/actuator"), (NEVER, "", ""))
    found = ended(see({**waits, **nothing}, secured=secured, budget=budget, **options))
    assert found[1] in (Reason.SILENT, Reason.TIMED_OUT)


def test_logins() -> None:
    stage = see(at(), secured=True).stage(Stage.AUTH)
    assert stage and stage.reason is Reason.AUTH_REQUIRED
    assert ended(see(at(), secured=True, login=LOGIN))[0] is Status.PASS
    wrong = {**LOGIN, "password": "wrong"}
    assert ended(see(at(), secured=True, login=wrong))[1] is Reason.AUTH_REJECTED
    assert ended(see({}, secured=True, login=LOGIN))[1] is Reason.OBJECT_MISSING


def test_a_page_to_log_in_at_is_for_people() -> None:
    replies: Replies = {"/actuator/health": (302, "", "")}
    head = b"location: http://shop/login?x=1\r\n"
    assert ended(see(replies, head=head))[1] is Reason.FORBIDDEN


def answer(body: object, status: int = 200, kind: str = V3) -> Response:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, "", {"content-type": kind}, text)


def test_shapes_of_older_versions() -> None:
    second = {"status": "UP", "details": {"db": {"status": "UP", "details": {"database": "x"}}}}
    found = half.health_of(answer(second, kind="application/vnd.spring-boot.actuator.v2+json"))
    assert found and [p.name for p in found.parts] == ["db"]
    first = {"status": "DOWN", "db": {"status": "DOWN", "error": "refused"}, "description": "x"}
    found = half.health_of(answer(first, 503, "application/json"))
    assert found and [str(p) for p in found.unwell] == ["db is DOWN (refused)"]


def test_nested_components_are_told_by_their_leaves() -> None:
    inner = {"status": "DOWN", "components": {"primary": {"status": "DOWN"}, "b": {"status": "UP"}}}
    found = half.health_of(answer({"status": "DOWN", "components": {"db": inner}}, 503))
    assert found and [p.name for p in found.unwell] == ["db/primary"]


def test_hostile_answers_are_bounded() -> None:
    deep: dict[str, Any] = {"status": "DOWN"}
    for _ in range(200):
        deep = {"status": "DOWN", "components": {"a" * 500: deep}}
    found = half.health_of(answer(deep))
    assert found and len(found.parts) <= half.MOST
    assert all(len(p.name) <= half.NAME for p in found.parts)
    many = {"status": "UP", "components": {str(n): {"status": "UP"} for n in range(1000)}}
    found = half.health_of(answer(many))
    assert found and len(found.parts) == half.MOST
    bent: tuple[Any, ...] = ([], {"status": []}, {"status": "UP", "components": [1]}, b"\xff", 7)
    for odd in bent:
        half.health_of(answer(odd))


def test_no_login_in_a_text_of_the_applications() -> None:
    said = spring.without_secrets(
        "Cannot get Connection: jdbc:postgresql://shop:canary@db/x?user=a&password=canary&ssl=1"
    )
    assert "canary" not in said
    assert "jdbc:postgresql://db/x?user=a&password=***&ssl=1" in said
