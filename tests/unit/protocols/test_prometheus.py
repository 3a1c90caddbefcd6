"""The Prometheus check against stand-ins; test_prometheus_real.py has the real server."""

import asyncio
import gzip
import json
import random
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest

from k8sext.agent.check import Seen
from k8sext.agent.fault import Fault
from k8sext.agent.wire.http import Response
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Stage, Status
from tests.support.converse import against, check_class, end_of, on

MODULE = PROTOCOL = "prometheus"
BUILD = "/api/v1/status/buildinfo"
ALL = "/api/v1/query?query=count by (job) (up)"
DOWN = "/api/v1/query?query=count by (job) (up == 0)"
TARGETS = "/api/v1/targets?state=active"
RULES = "/api/v1/rules?exclude_alerts=true"
INFO = "/api/v1/status/runtimeinfo"
DATE = "Tue, 24 Nov 2026 13:00:00 GMT"
Replies = dict[str, tuple[int, Any]]


def fine(data: Any) -> tuple[int, Any]:
    return 200, {"status": "success", "data": data}


def vector(**jobs: int) -> tuple[int, Any]:
    rows = [{"metric": {"job": j}, "value": [1, str(n)]} for j, n in jobs.items()]
    return fine({"resultType": "vector", "result": rows})


def target(job: str, url: str, state: str = "up", error: str = "", **more: Any) -> dict[str, Any]:
    return {
        "labels": {"job": job, "instance": "any"},
        "scrapePool": job,
        "scrapeUrl": url,
        "health": state,
        "lastError": error,
        "lastScrape": "2026-11-24T12:59:50.123456789Z",
        **more,
    }


def targets(*found: dict[str, Any]) -> tuple[int, Any]:
    return fine({"activeTargets": list(found), "droppedTargets": []})


HEALTHY: Replies = {
    BUILD: fine({"version": "2.42.0", "revision": "x"}),
    "/-/ready": (200, b"Prometheus Server is Ready.\n"),
    INFO: fine({"reloadConfigSuccess": True, "startTime": "2026-11-24T10:00:00Z"}),
    ALL: vector(shop=2, itself=1),
    DOWN: vector(),
    TARGETS: targets(
        target("shop", "http://192.0.2.11:31208/metrics"),
        target("shop", "https://192.0.2.12/metrics"),
        target("itself", "http://localhost:9090/metrics"),
    ),
    RULES: fine({"groups": [{"name": "g", "rules": [{"name": "r", "health": "ok"}]}]}),
    "/api/v1/alertmanagers": fine({"activeAlertmanagers": [], "droppedAlertmanagers": []}),
}


def answer(status: int, body: Any, packed: bool = False, **headers: str) -> bytes:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    text = gzip.compress(text) if packed else text
    fields = {"Date": DATE, "Content-Length": str(len(text)), **headers}
    fields |= {"Content-Encoding": "gzip"} if packed else {}
    lines = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in fields.items())
    return b"HTTP/1.1 %d X\r\n%s\r\n" % (status, lines.encode()) + text


def see(replies: Replies, asked: list[str] | None = None, **expect: Any) -> Observation:
    """A stand-in that answers by path and packs what may be packed."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = unquote(head.split(" ")[1])
            if asked is not None:
                asked.append(path)
            packed = "Accept-Encoding: gzip" in head
            writer.write(answer(*replies.get(path, (404, b"404 page not found\n")), packed))

    return against(handle, MODULE, PROTOCOL, expect=expect)


def reason(seen: Observation) -> Reason | None:
    stage = end_of(seen) or seen.stage(Stage.VERIFY)
    return stage.reason if stage else None


def said(seen: Observation) -> str:
    stage = seen.ended_by or seen.stage(Stage.VERIFY)
    assert stage is not None
    return stage.detail


def verified(replies: Replies, **expect: Any) -> Seen | Fault:
    """The verify step alone: no address that it tells of is looked at."""

    async def get(path: str, headers: Any = None) -> Response:
        status, body = replies.get(unquote(path), (404, b""))
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Response(status, "X", {"date": DATE}, text)

    async def run() -> Seen | Fault:
        check: Any = on(MODULE, PROTOCOL, b"", expect=expect)
        check.http = SimpleNamespace(kept=True)
        check.get = get
        check.answer = await get(BUILD)
        check.recognise(check.answer)
        try:
            found: Seen = await check.verify()
            return found
        except Fault as fault:
            return fault

    return asyncio.run(run())


def test_a_healthy_server() -> None:
    seen = see(HEALTHY)
    assert (seen.status, seen.depth) == (Status.PASS, Stage.VERIFY), said(seen)
    assert "prometheus 2.42.0; all 3 targets are up; 1 rules" in said(seen)


def test_every_target_is_an_address_that_it_calls_but_those_of_its_own_host() -> None:
    found = see(HEALTHY).fact("callbacks")
    assert isinstance(found, dict)
    assert found["caller"] == "Prometheus"
    assert found["entries"] == [
        {"address": "192.0.2.11:31208", "state": "up", "app": "shop", "age_s": 9.9},
        {"address": "192.0.2.12:443", "state": "up", "app": "shop", "age_s": 9.9},
    ]


@pytest.mark.parametrize(
    ("ready", "build", "product"),
    [
        ((200, b"Prometheus Agent is Ready.\n"), {}, "prometheus-agent"),
        ((200, b"VictoriaMetrics is Ready.\n"), {}, "victoriametrics"),
        ((200, b"OK"), {}, "thanos"),
        ((200, b"ready\n"), {"application": "Grafana Mimir"}, "grafana-mimir"),
        ((404, b""), {}, "prometheus-compatible"),
        ((200, b"\xff" * 300), {}, "prometheus-compatible"),
    ],
)
def test_products_that_speak_its_api(ready: Any, build: Any, product: str) -> None:
    few = {k: HEALTHY[k] for k in (ALL, DOWN)}
    seen = see({**few, "/-/ready": ready, BUILD: fine({"version": "1.2", **build})})
    assert (seen.status, seen.fact("product")) == (Status.PASS, product), said(seen)


ONE = "/api/v1/query?query=vector(1)"
VICTORIA: Replies = {
    ALL: HEALTHY[ALL],
    DOWN: HEALTHY[DOWN],
    ONE: vector(),
    "/-/ready": (200, b"VictoriaMetrics is Ready.\n"),
    "/metrics": (
        200,
        b'vm_rows 1\nvm_app_version{version="victoria-metrics-20240425-tags-v1.101.0-0-g5334f",'
        b' short_version="v1.101.0"} 1\n',
    ),
}


@pytest.mark.parametrize(
    "build",
    [
        # Fact: VictoriaMetrics tells {"version":"2.24.0"}: the API's version, not its own.
        fine({"version": "2.24.0"}),
        fine({}),  # 1.77 to 1.95 (its issue #5370)
        (404, b"unsupported path"),  # before 1.77
    ],
)
def test_victoriametrics_is_named_with_a_version_of_its_own(build: Any) -> None:
    seen = see({**VICTORIA, BUILD: build}, version=">=1.90,<2")
    assert seen.status is Status.PASS, said(seen)
    assert (seen.fact("product"), seen.fact("version")) == ("victoriametrics", "1.101.0")
    assert "victoriametrics 1.101.0; " in said(seen)


def test_a_version_that_is_only_imitated_is_nobodys() -> None:
    """Behind a path of its own (vmselect) nothing tells the product's version."""
    replies = {**VICTORIA, BUILD: fine({"version": "2.24.0"}), "/metrics": (404, b"")}
    seen = see(replies)
    assert (seen.status, seen.fact("version")) == (Status.PASS, "")
    assert "victoriametrics (the API of Prometheus 2.24.0)" in said(seen)
    wanted = see(replies, version=">=2")
    assert reason(wanted) is Reason.UNSUPPORTED_VERSION
    assert "version not told, expected is >=2" in said(wanted)


@pytest.mark.parametrize(
    ("build", "ready", "product"),
    [
        (fine({"version": "", "revision": "", "goVersion": "go1.22"}), (200, b"OK"), "thanos"),
        (fine({"application": "Grafana Mimir", "version": "", "features": {}}), (404, b""),
         "grafana-mimir"),
        ((404, b"404 page not found\n"), (200, b"ready"), "prometheus-compatible"),  # old Cortex
        ((404, b"404 page not found\n"), (200, b"Prometheus is Ready.\n"), "prometheus"),  # 2.13
    ],
)  # fmt: skip
def test_an_empty_version_is_no_other_product(build: Any, ready: Any, product: str) -> None:
    few = {k: HEALTHY[k] for k in (ALL, DOWN)}
    seen = see({**few, ONE: vector(), BUILD: build, "/-/ready": ready})
    assert (seen.status, seen.fact("product")) == (Status.PASS, product), said(seen)


# -- not what it should be -----------------------------------------------------------------------


def test_it_is_not_ready() -> None:
    unready = (503, b"Service Unavailable")
    replay = {"/api/v1/status/walreplay": fine({"min": 3, "max": 9, "current": 5})}
    seen = see({BUILD: unready, **replay})
    assert (reason(seen), "segment 5 of 9" in said(seen)) == (Reason.LOADING, True)
    assert reason(see({BUILD: unready})) is Reason.UNHEALTHY  # a proxy's own word, as far as known


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ((200, {"status": "success", "data": {}}), Reason.WRONG_PRODUCT),
        ((200, b"<html>"), Reason.WRONG_PRODUCT),
        ((404, b""), Reason.WRONG_PRODUCT),
        ((500, b""), Reason.WRONG_PRODUCT),
        ((502, b"<html>"), Reason.UNHEALTHY),
        ((400, b"Client sent an HTTP request to an HTTPS server.\n"), Reason.TLS_REQUIRED),
    ],
)
def test_first_answers(reply: Any, expected: Reason) -> None:
    assert reason(see({**HEALTHY, BUILD: reply})) is expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ((503, {"status": "error", "errorType": "timeout", "error": "x"}), Reason.SERVER_ERROR),
        ((422, {"status": "error", "error": "too many samples"}), Reason.SERVER_ERROR),
        ((403, b"forbidden"), Reason.FORBIDDEN),
        ((200, b"{"), Reason.SERVER_ERROR),
        ((404, b""), Reason.OBJECT_MISSING),
    ],
)
def test_queries_that_fail_are_no_pass(reply: Any, expected: Reason) -> None:
    assert reason(see({**HEALTHY, ALL: reply})) is expected


def test_nothing_is_stored() -> None:
    seen = see({**HEALTHY, ALL: vector()})
    assert (reason(seen), "stores nothing" in said(seen)) == (Reason.UNHEALTHY, True)
    fresh = fine({"startTime": "2026-11-24T12:59:30Z"})
    assert reason(see({**HEALTHY, ALL: vector(), INFO: fresh})) is None


def test_an_old_configuration() -> None:
    info = fine({"reloadConfigSuccess": False, "lastConfigTime": "2026-11-01T00:00:00Z"})
    seen = see({**HEALTHY, INFO: info})
    assert (seen.status, reason(seen)) == (Status.WARN, Reason.CONFIG_REFUSED)
    assert "2026-11-01" in said(seen)


def test_addresses_that_are_down_are_told_as_such_and_not_warned_of_twice() -> None:
    url, words = "http://192.0.2.11:31208/a?token=hidden", "dial tcp 192.0.2.11:31208: refused"
    down = target("shop", url, "down", f'Get "{url}": {words}')
    seen = verified({**HEALTHY, TARGETS: targets(down)})
    assert isinstance(seen, Seen)
    assert (seen.warning, seen.evidence["targets_down"]) == (None, 1)
    assert seen.callbacks is not None
    (entry,) = seen.callbacks.entries
    assert (entry.state, entry.error) == ("down", words)
    assert "hidden" not in repr(seen)


def test_what_is_down_on_its_own_host_is_warned_of_here() -> None:
    down = target("node", "http://node-exporter:9100/metrics", "down", "EOF")
    seen = verified({**HEALTHY, TARGETS: targets(down)})
    assert isinstance(seen, Seen)
    assert (seen.warning, seen.callbacks and seen.callbacks.entries) == (Reason.TARGET_DOWN, ())
    assert "node node-exporter:9100 (EOF)" in seen.detail


def test_an_expected_job_that_is_down_fails_and_still_tells_whom_it_calls() -> None:
    down = target("shop", "http://192.0.2.11:31208/metrics", "down", "EOF")
    fault = verified({**HEALTHY, TARGETS: targets(down)}, jobs=["shop"])
    assert isinstance(fault, Fault)
    assert fault.reason is Reason.TARGET_DOWN
    assert fault.callbacks is not None
    assert [e.state for e in fault.callbacks.entries] == ["down"]


def test_targets_that_were_never_asked_are_neither_up_nor_down() -> None:
    seen = see({**HEALTHY, TARGETS: targets(target("shop", "http://192.0.2.11:1/", "unknown"))},
               jobs=["shop"])  # fmt: skip
    assert reason(seen) is Reason.TARGET_DOWN
    assert "0 of 0 targets are up" in said(seen)


# -- large servers -------------------------------------------------------------------------------


def test_of_very_many_targets_only_sums_and_some_jobs_are_asked() -> None:
    asked: list[str] = []
    pool = f"{TARGETS}&scrapePool="
    large = {
        **HEALTHY,
        ALL: vector(mine=200, huge=5000, ill=300, well=300),
        DOWN: vector(huge=7, ill=1),
        f"{pool}mine": targets(target("mine", "http://192.0.2.11:80/")),
        f"{pool}ill": targets(target("ill", "http://backup:80/", "down", "EOF")),
        f"{pool}well": targets(target("well", "http://192.0.2.12:80/")),
    }
    seen = see(large, asked, jobs=["mine"], targets=150)
    assert TARGETS not in asked
    assert [a.removeprefix(pool) for a in asked if a.startswith(pool)] == ["mine", "ill", "well"]
    assert (seen.status, reason(seen)) == (Status.WARN, Reason.TARGET_DOWN)
    assert (seen.fact("targets"), seen.fact("targets_down")) == (5800, 8)
    assert "ill backup:80 (EOF), 7 of job huge" in said(seen)
    assert reason(see(large, jobs=["huge"], targets=4994)) is Reason.TARGET_DOWN


def test_an_answer_that_is_too_large_is_left_out_and_said_so() -> None:
    heavy = targets(*[target("shop", "http://192.0.2.1:1/", note="x" * 9000)] * 600)
    seen = see({**HEALTHY, TARGETS: heavy, DOWN: vector(shop=1)})
    assert (seen.status, reason(seen)) == (Status.WARN, Reason.TARGET_DOWN)
    assert seen.fact("not_answered") == ["/api/v1/targets"]
    assert "1 of 3 targets are down: 1 of job shop" in said(seen)


def test_a_body_that_says_gzip_and_is_none() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(200, HEALTHY[BUILD][1]))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(200, b"ready", Content_Encoding="gzip"))
        await reader.readuntil(b"\r\n\r\n")

    assert against(handle, MODULE, PROTOCOL).status is Status.FAIL


# -- anything may come back ----------------------------------------------------------------------


def _anything(rng: random.Random, depth: int = 0) -> Any:
    leaves: list[Any] = [None, True, -1, 10**30, 1e308, "", "up", "9" * 40, "http://[", "\x1b[2J"]
    if depth > 4 or rng.random() < 0.3:
        return rng.choice(leaves)
    if rng.random() < 0.4:
        return [_anything(rng, depth + 1) for _ in range(rng.randrange(4))]
    keys = ["data", "result", "metric", "value", "job", "activeTargets", "scrapeUrl", "health",
            "lastScrape", "lastError", "labels", "groups", "rules", "scrapePools", "url",
            "activeAlertmanagers", "reloadConfigSuccess", "startTime"]  # fmt: skip
    return {rng.choice(keys): _anything(rng, depth + 1) for _ in range(rng.randrange(5))}


@pytest.mark.parametrize("seed", range(60))
def test_hostile_answers_end_in_a_result(seed: int) -> None:
    rng = random.Random(seed)
    replies = {**HEALTHY}
    for path in (p for p in HEALTHY if p != BUILD):
        if rng.random() < 0.7:
            replies[path] = fine(_anything(rng)) if rng.random() < 0.8 else (200, _anything(rng))
    found = verified(replies, jobs=["shop"] if rng.random() < 0.5 else ["till"])
    json.dumps(dict(found.evidence), allow_nan=False)
    assert isinstance(found, Seen | Fault)


@pytest.mark.parametrize("seed", range(30))
def test_shapes_of_the_right_kind_with_wrong_leaves(seed: int) -> None:
    rng = random.Random(seed)
    odd = [_anything(rng, 5) for _ in range(6)]
    replies = {
        **HEALTHY,
        TARGETS: fine({"activeTargets": [{**target("a", "http://192.0.2.1:1/"), "health": odd[0],
                                          "scrapeUrl": odd[1], "lastScrape": odd[2]},
                                         {"labels": odd[3], "scrapeUrl": "http://a.b:99999/"}]}),
        ALL: fine({"result": [{"metric": odd[4], "value": [odd[5], odd[0]]}]}),
        RULES: fine({"groups": [{"rules": [{"health": "err", "lastError": odd[1]}]}]}),
    }  # fmt: skip
    found = verified(replies)
    json.dumps(dict(found.evidence), allow_nan=False)


def test_the_check_is_the_one_that_is_shipped() -> None:
    assert check_class(MODULE, PROTOCOL).info.ports == (9090,)
