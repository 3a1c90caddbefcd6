"""The Eureka check against stand-ins with answers of Spring Cloud 2025.0 (measured)."""

import asyncio
import importlib
import json
import random
from typing import Any

import pytest

from k8sext.agent.wire.http import Response
from k8sext.model.plan import Budget
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Stage, Status
from tests.support.converse import against, left_to_itself, on

half: Any = importlib.import_module("k8sext.checks.protocols.eureka.answers")
NEVER = 0
NOW = 1795526361
DATE = "Tue, 24 Nov 2026 13:19:21 GMT"
ERROR = {"timestamp": "2026-11-24T13:19:07Z", "status": 404, "error": "Not Found", "path": "/x"}
Replies = dict[str, tuple[int, Any]]


def instance(app: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "instanceId": name,
        "hostName": name,
        "app": app,
        "ipAddr": "198.18.1.7",
        "status": "UP",
        "port": {"$": 8080, "@enabled": "true"},
        "securePort": {"$": 443, "@enabled": "false"},
        "leaseInfo": {"durationInSecs": 90, "lastRenewalTimestamp": (NOW - 10) * 1000},
        **more,
    }


def overdue(app: str, name: str) -> dict[str, Any]:
    lease = {"durationInSecs": 90, "lastRenewalTimestamp": (NOW - 400) * 1000}
    return instance(app, name, leaseInfo=lease)


def apps(*instances: dict[str, Any]) -> dict[str, Any]:
    names = dict.fromkeys(i["app"] for i in instances)
    listed = [{"name": n, "instance": [i for i in instances if i["app"] == n]} for n in names]
    return {"applications": {"versions__delta": "1", "apps__hashcode": "", "application": listed}}


def status(available: str = "", unavailable: str = "", own: str = "EUREKA-SERVER") -> str:
    return f"""<com.netflix.eureka.util.StatusInfo>
  <applicationStats>
    <registered-replicas>{available}{unavailable}</registered-replicas>
    <available-replicas>{available}</available-replicas>
    <unavailable-replicas>{unavailable}</unavailable-replicas>
  </applicationStats>
  <instanceInfo><hostName>eureka-1</hostName><app>{own}</app></instanceInfo>
</com.netflix.eureka.util.StatusInfo>"""


SHOP = (instance("SHOP", "shop-1"), instance("SHOP", "shop-2"))
ITSELF = instance("EUREKA-SERVER", "eureka-1", port={"$": 10001, "@enabled": "true"})


def at(*instances: dict[str, Any], prefix: str = "/eureka", **told: str) -> Replies:
    return {f"{prefix}/apps": (200, apps(*instances)), f"{prefix}/status": (200, status(**told))}


def see(replies: Replies, *, secured: bool = False, **options: Any) -> Observation:
    """Answers by path; all else is Spring's own 404."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            asked = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = asked.split(" ")[1]
            code, body = replies.get(path, (404, ERROR))
            if code == NEVER:
                await asyncio.sleep(20)
            if secured and "Authorization: Basic c2hvcDpjYW5hcnktNDcxMQ==" not in asked:
                code, body = 401, ""
            text = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            realm = 'www-authenticate: Basic realm="Realm"\r\n' if code == 401 else ""
            head = f"HTTP/1.1 {code} \r\n{realm}date: {DATE}\r\ncontent-length: {len(text)}\r\n\r\n"
            writer.write(head.encode() + text)

    seen = against(handle, "eureka", "eureka", **options)
    assert "canary" not in repr(seen)
    return seen


def ended(seen: Observation) -> tuple[Status, Reason | None, str]:
    stage = seen.ended_by or seen.stage(Stage.VERIFY)
    assert stage is not None
    return stage.status, stage.reason, stage.detail


def test_a_registry_with_its_peer() -> None:
    expect = {"applications": "shop", "instances": 2, "peers": 1}
    replies = at(*SHOP, ITSELF, available="http://eureka-2:10001/eureka/,")
    seen = see(replies, expect=expect)
    assert ended(seen) == (
        Status.PASS, None, "2 instances UP of 1 applications; 1 peers available",
    )  # fmt: skip
    assert seen.fact("applications") == {"SHOP": 2}
    assert seen.fact("peers") == ["http://eureka-2:10001/eureka/"]


def test_callers_are_sent_to_host_names_and_nobody_has_called_them() -> None:
    secure = instance(
        "PAY",
        "pay-1",
        port={"$": 80, "@enabled": "false"},
        securePort={"$": 8443, "@enabled": "true"},
    )
    found: Any = see(at(*SHOP, secure, ITSELF)).fact("callbacks")
    assert [(e["address"], e["app"], e["state"]) for e in found["entries"]] == [
        ("shop-1:8080", "SHOP", "unknown"),
        ("shop-2:8080", "SHOP", "unknown"),
        ("pay-1:8443", "PAY", "unknown"),
    ]
    assert found["entries"][0]["age_s"] == 10
    assert "prefer-ip-address" in found["setting"]


@pytest.mark.parametrize("given", [(), (ITSELF,)])
def test_nobody_is_registered(given: tuple[dict[str, Any], ...]) -> None:
    found = ended(see(at(*given)))
    assert found[:2] == (Status.WARN, Reason.NOT_REGISTERED)
    found = ended(see(at(*given), expect={"applications": ["SHOP"]}))
    assert found == (Status.FAIL, Reason.NOT_REGISTERED, "SHOP is not registered; there is nobody")
    found = ended(see(at(*given), expect={"instances": 1}))
    assert found[:2] == (Status.FAIL, Reason.NOT_REGISTERED)


def test_instances_that_are_not_up() -> None:
    down = instance("SHOP", "shop-2", status="DOWN")
    replies = at(SHOP[0], down)
    assert ended(see(replies))[0] is Status.PASS
    status_, reason, detail = ended(see(replies, expect={"applications": "SHOP", "instances": 2}))
    assert (status_, reason) == (Status.FAIL, Reason.INSTANCE_DOWN)
    assert "1 of 2 expected instances of SHOP are UP: shop-1 is UP, shop-2 is DOWN" in detail
    replies = at(down)
    assert ended(see(replies))[:2] == (Status.WARN, Reason.INSTANCE_DOWN)
    found = ended(see(replies, expect={"applications": "SHOP"}))
    assert found[:2] == (Status.FAIL, Reason.INSTANCE_DOWN)


def test_an_overdue_lease_is_looked_at_again() -> None:
    """The list is cached by Eureka for minutes; one instance is not."""
    dead, path = overdue("SHOP", "shop-2"), "/eureka/apps/SHOP/shop-2"
    replies = at(SHOP[0], dead)
    fresh = ended(see({**replies, path: (200, {"instance": SHOP[1]})}))
    assert fresh[0] is Status.PASS
    found = ended(see({**replies, path: (200, {"instance": dead})}))
    assert found[:2] == (Status.WARN, Reason.INSTANCE_DOWN)
    assert "SHOP shop-2 is overdue by 310 s and still listed as UP" in found[2]
    wanted = {"applications": "SHOP", "instances": 2}
    found = ended(see({**replies, path: (200, {"instance": dead})}, expect=wanted))
    assert found[:2] == (Status.FAIL, Reason.INSTANCE_DOWN)
    assert "shop-2 is overdue" in found[2]


def test_what_another_team_has_left_lying_is_told_and_is_no_warning_here() -> None:
    """Only applications that the bridge expects can be its concern."""
    down = instance("OTHERS", "other-1", status="DOWN")
    wanted = {"applications": "SHOP"}
    found = ended(see(at(SHOP[0], down), expect=wanted))
    assert found[0] is Status.PASS
    assert "no instance is UP of OTHERS" in found[2]
    dead, path = overdue("OTHERS", "other-2"), "/eureka/apps/OTHERS/other-2"
    found = ended(see({**at(SHOP[0], dead), path: (200, {"instance": dead})}, expect=wanted))
    assert found[0] is Status.PASS
    assert "OTHERS other-2 is overdue" in found[2]


def test_peers() -> None:
    gone = at(*SHOP, unavailable="http://shop:canary@eureka-2:10001/eureka/,")
    found = ended(see(gone))
    assert found[:2] == (Status.WARN, Reason.DEGRADED)
    assert "http://eureka-2:10001/eureka/ is unavailable" in found[2]
    found = ended(see(gone, expect={"peers": 1}))
    assert found[:2] == (Status.FAIL, Reason.DEGRADED)
    found = ended(see(at(*SHOP), expect={"peers": 1}))
    assert found[:2] == (Status.FAIL, Reason.DEGRADED)
    assert "it was told no other" in found[2]


def test_a_peer_that_hangs_is_still_called_available_by_eureka() -> None:
    other = overdue("EUREKA-SERVER", "eureka-2")
    replies = at(
        *SHOP, overdue("EUREKA-SERVER", "eureka-1"), other, available="http://eureka-2:1/,"
    )
    for one in ("eureka-1", "eureka-2"):
        instance_ = (200, {"instance": overdue("EUREKA-SERVER", one)})
        replies[f"/eureka/apps/EUREKA-SERVER/{one}"] = instance_
    found = ended(see(replies))
    assert found[:2] == (Status.WARN, Reason.DEGRADED)
    assert "the peer http://eureka-2:1/ is unavailable" in found[2]
    found = ended(see(replies, expect={"peers": 1}))
    assert found[:2] == (Status.FAIL, Reason.DEGRADED)


def test_a_server_that_was_told_no_peer_names_itself() -> None:
    left = at(*SHOP, unavailable="http://localhost:8761/eureka/,")
    assert ended(see(left))[0] is Status.PASS


def test_a_server_that_does_not_tell_of_peers() -> None:
    replies = {"/eureka/apps": (200, apps(*SHOP)), "/eureka/status": (500, ERROR)}
    assert ended(see(replies))[0] is Status.PASS
    assert ended(see(replies, expect={"peers": 1}))[1] is Reason.BAD_EXPECTATION


def test_self_preservation_is_read_from_the_dashboard() -> None:
    page = "<td>Renews threshold</td>"
    warned = page + "EMERGENCY! EUREKA MAY BE INCORRECTLY CLAIMING INSTANCES ARE UP WHEN THEY'RE"
    assert ended(see({**at(*SHOP), "/": (200, page)}))[0] is Status.PASS
    slow = see({**at(*SHOP), "/": (NEVER, "")}, budget=Budget(stage_s=0.6, probe_s=5.0))
    assert ended(slow)[0] is Status.PASS
    found = ended(see({**at(*SHOP), "/": (200, warned)}))
    assert found[:2] == (Status.WARN, Reason.DEGRADED)


@pytest.mark.parametrize("prefix", ["/eureka/v2", ""])
def test_other_places_of_the_list(prefix: str) -> None:
    seen = see(at(*SHOP, prefix=prefix))
    assert (ended(seen)[0], seen.fact("path_found")) == (Status.PASS, prefix or "/")


@pytest.mark.parametrize(
    ("replies", "expect", "reason"),
    [
        ({}, {}, Reason.OBJECT_MISSING),
        (at(prefix="/registry/eureka"), {}, Reason.OBJECT_MISSING),
        ({"/eureka/apps": (404, "<html>nginx")}, {}, Reason.WRONG_PRODUCT),
        ({"/eureka/apps": (200, {"applications": []})}, {}, Reason.WRONG_PRODUCT),
        ({"/eureka/apps": (403, "")}, {}, Reason.FORBIDDEN),
        ({"/eureka/apps": (500, {**ERROR, "status": 500})}, {}, Reason.SERVER_ERROR),
        ({"/eureka/apps": (502, "<html>")}, {}, Reason.UNHEALTHY),
    ],
)
def test_what_is_no_registry(replies: Replies, expect: Any, reason: Reason) -> None:
    assert ended(see(replies, expect=expect))[:2] == (Status.FAIL, reason)


def test_a_context_path() -> None:
    seen = see(at(*SHOP, prefix="/registry/eureka"), expect={"path": "/registry"})
    assert (ended(seen)[0], seen.fact("path_found")) == (Status.PASS, "/registry/eureka")


def test_logins() -> None:
    stage = see(at(*SHOP), secured=True).stage(Stage.AUTH)
    assert stage and stage.reason is Reason.AUTH_REQUIRED
    right, wrong = ({"username": "shop", "password": p} for p in ("canary-4711", "canary-wrong"))
    assert ended(see(at(*SHOP), secured=True, login=right))[0] is Status.PASS
    assert ended(see(at(*SHOP), secured=True, login=wrong))[1] is Reason.AUTH_REJECTED
    found = see(at(*SHOP, prefix=""), secured=True, login=right)
    assert ended(found)[0] is Status.PASS


def response(body: Any) -> bytes:
    text = json.dumps(body).encode()
    return b"HTTP/1.1 200 X\r\ncontent-length: %d\r\n\r\n%s" % (len(text), text)


ODD: tuple[Any, ...] = (
    None,
    [],
    {},
    "x",
    -1,
    1e300,
    True,
    {"$": "99999999"},
    "1" * 400,
    [[]],
    {"instance": 7},
)


async def alone(data: bytes) -> None:
    check = on("eureka", "eureka", data, expect={"applications": ["SHOP"]})
    await left_to_itself(check, Stage.HANDSHAKE, Stage.AUTH, Stage.VERIFY)


def test_hostile_lists_raise_faults_and_nothing_else() -> None:
    rng = random.Random(4711)

    def broken(value: Any) -> Any:
        if rng.random() < 0.15:
            return rng.choice(ODD)
        if isinstance(value, dict):
            return {k: broken(v) for k, v in value.items()}
        if isinstance(value, list):
            return [broken(v) for v in value]
        return value

    for _ in range(200):
        body = broken(apps(*SHOP, overdue("PAY", "pay-1")))
        data = response(body) + response(broken(apps())) * 12
        asyncio.run(alone(data))


def test_the_clock_of_an_answer_without_one() -> None:
    for text in ("", "x", "Tue, 99 Nov 2026 13:19:21 GMT"):
        assert half.clock_of(Response(200, "", {"date": text}, b"")) <= 0
    assert half.clock_of(Response(200, "", {"date": DATE}, b"")) == NOW


def test_403_of_spring_security_is_a_wanted_login() -> None:
    """Fact: Spring Security without an entry point says 403 to those it does not know."""
    error = {"timestamp": "x", "status": 403, "error": "Forbidden", "path": "/eureka/apps"}
    replies: Replies = {"/eureka/apps": (403, json.dumps(error))}
    end = see(replies).ended_by
    assert end is not None
    assert end.reason is Reason.AUTH_REQUIRED
