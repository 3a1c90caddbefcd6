"""The Zipkin check against scripted answers: the shapes of older versions, and hostile ones."""

import importlib
import json
from collections.abc import Mapping
from typing import Any

import pytest

from k8sext.model.plan import Budget
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Stage, Status
from tests.lab.standins.web import Answer, Request
from tests.support.odd_http import hostile
from tests.support.path_probe import There, probe
from tests.support.serving import serving

zipkin = importlib.import_module("k8sext.checks.protocols.zipkin.answers")
INFO = {"zipkin": {"version": "3.5.1", "commit": "b7e2258"}}
SOON = Budget(stage_s=2, probe_s=6, run_s=20, active_s=1)


def health(**parts: str) -> dict[str, Any]:
    """A report; a part's value is its error, "" where it is up."""
    details: dict[str, Any] = {}
    for name, error in parts.items():
        about = {"status": "DOWN", "details": {"error": error}} if error else {"status": "UP"}
        details[name.replace("__", "{}")] = about
    status = "DOWN" if any(parts.values()) else "UP"
    return {"status": status, "zipkin": {"status": status, "details": details}}


def see(pages: Mapping[str, Answer], active: bool = False, **expect: Any) -> Observation:
    asked: list[str] = []

    def answer(request: Request) -> Answer:
        asked.append(f"{request.method} {request.path}")
        known = {"/info": Answer(200, INFO), "/health": Answer(200, health(InMemoryStorage__="")),
                 "/api/v2/services": Answer(200, []), **pages}  # fmt: skip
        return known.get(request.path, Answer(404, "404 Not Found"))

    with serving(answer) as port:
        seen = probe(There("zipkin", port, expect=expect), active=active, budget=SOON)
    if not active:
        assert not [a for a in asked if not a.startswith("GET ")]
    return seen


def verdict(seen: Observation) -> tuple[Status, Reason | None]:
    stage = seen.ended_by or seen.stage(Stage.VERIFY)
    return (seen.status, stage.reason if stage else None)


def said(seen: Observation) -> str:
    stage = seen.ended_by or seen.stage(Stage.VERIFY)
    assert stage is not None
    return stage.detail


@pytest.mark.parametrize(
    ("pages", "reason", "words"),
    [
        ({}, None, "InMemoryStorage is up"),
        ({"/info": Answer(200, {"app": "x"})}, Reason.WRONG_PRODUCT, "not as Zipkin does"),
        ({"/info": Answer(404, "no")}, Reason.WRONG_PRODUCT, "404"),
        ({"/health": Answer(200, "fine")}, Reason.SERVER_ERROR, "no report of its parts"),
        ({"/health": Answer(404, "")}, Reason.SERVER_ERROR, "no report of its parts"),
        ({"/health": Answer(503, health(MySQLStorage__="Connection refused"))}, Reason.UNHEALTHY,
         "MySQLStorage is down: Connection refused"),
        ({"/health": Answer(503, health(InMemoryStorage__=""))}, Reason.UNHEALTHY, "503"),
        ({"/api/v2/services": Answer(500, "no such\ntable http://u:canary@h/x")},
         Reason.SERVER_ERROR, "cannot be read: 500 Internal Server Error: no such table http://h/x"),
        ({"/api/v2/services": Answer(404, "")}, None, "its query API is off"),
        ({"/api/v2/services": Answer(200, {"a": 1})}, Reason.SERVER_ERROR, "cannot be read"),
    ],
)  # fmt: skip
def test_what_it_may_say(pages: dict[str, Answer], reason: Reason | None, words: str) -> None:
    seen = see(pages)
    assert verdict(seen)[1] is reason
    assert words in said(seen)
    assert "canary" not in repr(seen)


OLD = {"zipkin": {"version": "2.16.2", "commit": "b7e2258"}}


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        # Fact: Zipkin 2.16.2 answers 307 with Location: /actuator/info.
        (Answer(307, "", {"Location": "/actuator/info"}), None),
        # Fact: Zipkin 2.11.12 answers 302 with an absolute URL made of the client's own Host.
        (Answer(302, "", {"Location": "http://{host}/actuator/info"}), None),
        # Nobody is followed elsewhere, and no login goes there.
        (Answer(302, "", {"Location": "http://192.0.2.7/actuator/info"}), Reason.WRONG_PRODUCT),
        (Answer(302, "", {"Location": "https://{host}/actuator/info"}), Reason.WRONG_PRODUCT),
        (Answer(302, "", {"Location": "//192.0.2.7/actuator/info"}), Reason.WRONG_PRODUCT),
        (Answer(302, "", {"Location": "http://{host}:x/actuator/info"}), Reason.WRONG_PRODUCT),
        # One step only: a server that leads in a circle is no Zipkin.
        (Answer(302, "", {"Location": "/info"}), Reason.WRONG_PRODUCT),
    ],
)
def test_info_of_the_older_ones_is_a_redirection(info: Answer, reason: Reason | None) -> None:
    asked: list[str] = []

    def answer(request: Request) -> Answer:
        asked.append(request.path)
        there = {k: v.format(host=request.headers["host"]) for k, v in info.headers.items()}
        known = {"/info": Answer(info.status, "", there), "/actuator/info": Answer(200, OLD),
                 "/health": Answer(200, {"status": "UP", "zipkin": {
                     "status": "UP", "InMemoryStorage{}": {"status": "UP"}}}),
                 "/api/v2/services": Answer(200, [])}  # fmt: skip
        return known.get(request.path, Answer(404, ""))

    with serving(answer) as port:
        seen = probe(There("zipkin", port, expect={"version": "<3"}), budget=SOON)
    assert verdict(seen)[1] is reason
    assert ("/actuator/info" in asked) == (reason is None)
    assert seen.fact("version") == ("2.16.2" if reason is None else None)


def test_a_redirection_below_the_path_of_the_bridge_is_followed_and_none_out_of_it() -> None:
    def lies_at(location: str) -> tuple[Status, Reason | None]:
        def answer(request: Request) -> Answer:
            moved = Answer(307, "", {"Location": location})
            known = {"/tracing/info": moved, "/tracing/actuator/info": Answer(200, OLD),
                     "/actuator/info": Answer(200, OLD),
                     "/tracing/api/v2/services": Answer(200, []),
                     "/tracing/health": Answer(200, health(InMemoryStorage__=""))}  # fmt: skip
            return known.get(request.path, Answer(404, ""))

        with serving(answer) as port:
            return verdict(probe(There("zipkin", port, expect={"path": "/tracing"}), budget=SOON))

    assert lies_at("/tracing/actuator/info") == (Status.PASS, None)
    assert lies_at("/actuator/info")[1] is Reason.WRONG_PRODUCT


def test_names_of_services_that_must_be_known() -> None:
    pages = {"/api/v2/services": Answer(200, ["shop", "pay"])}
    assert verdict(see(pages, services=["Shop", "pay"]))[1] is None
    missing = see(pages, services=["shop", "bill"])
    assert verdict(missing)[1] is Reason.OBJECT_MISSING
    assert "from bill; there are shop, pay" in said(missing)
    assert verdict(see({"/api/v2/services": Answer(404, "")}, services="shop"))[1] is not None


def test_a_span_that_is_taken_and_lost() -> None:
    lost = see({"/api/v2/spans": Answer(202, "")}, active=True)
    assert verdict(lost) == (Status.FAIL, Reason.NOT_ARRIVED)
    assert "a span sent by HTTP is not found" in said(lost)
    words = see({"/api/v2/spans": Answer(403, "no spans here")}, active=True)
    assert verdict(words) == (Status.FAIL, Reason.SERVER_ERROR)
    assert "it takes no span by HTTP: 403 Forbidden: no spans here" in said(words)


def test_without_its_query_api_nothing_is_sent() -> None:
    seen = see({"/api/v2/services": Answer(404, "")}, active=True)
    assert verdict(seen)[1] is None
    assert "nothing was sent" in said(seen)


def test_a_collector_that_was_not_looked_at_is_named() -> None:
    name = "RabbitMQCollector{addresses=[mq:5672], queue=zipkin}"
    parts = {"InMemoryStorage{}": {"status": "UP"}, name: {"status": "UP"}}
    body = {"status": "UP", "zipkin": {"status": "UP", "details": parts}}
    seen = see({"/health": Answer(200, body)})
    assert verdict(seen)[1] is None
    assert "RabbitMQCollector (mq:5672) says UP of a dead broker" in said(seen)


# -- its parts -----------------------------------------------------------------------------------


def test_parts_of_a_health_report() -> None:
    name = (
        "ElasticsearchStorage{initialEndpoints=http://u:p@one:9200,http://two:9200, index=zipkin}"
    )
    (part,) = zipkin.components({"zipkin": {"details": {name: {"status": "UP"}}}})
    assert (part.kind, part.up, part.storage) == ("ElasticsearchStorage", True, True)
    assert part.settings["index"] == "zipkin"
    assert "u:p" not in part.sentence
    old = {"zipkin": {"status": "UP", "KafkaCollector": {"status": "DOWN", "details.error": "no"}}}
    (part,) = zipkin.components(old)
    assert (part.kind, part.up, part.storage, part.error) == ("KafkaCollector", False, False, "no")


@pytest.mark.parametrize("junk", [None, [], 7, {"zipkin": []}, {"zipkin": {"details": {"a": 1}}}])
def test_reports_of_another_shape_have_no_parts(junk: Any) -> None:
    assert zipkin.components(junk) == ()


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [("elasticsearch", True), ("Elasticsearch", True), ("opensearch", True), ("mem", False),
     ("mysql", False), ("cassandra", False)],
)  # fmt: skip
def test_kinds_of_storage(wanted: str, fits: bool) -> None:
    parts = zipkin.components({"zipkin": {"details": {"ElasticsearchStorage{}": {"status": "UP"}}}})
    assert zipkin.stored_in(parts, wanted) is fits


def test_the_span_is_marked_and_passes_sampling() -> None:
    trace = "a" * 16 + "b" * 16
    span = zipkin.span(trace, "HTTP", 1.5)
    assert json.loads(json.dumps(span)) == span
    assert (span["traceId"], span["id"], span["timestamp"]) == (trace, "b" * 16, 1_500_000)
    assert span["debug"] is True
    assert span["localEndpoint"] == {"serviceName": "k8sext-probe"}
    assert zipkin.is_ours([span], trace)
    assert zipkin.is_ours([{"traceId": "b" * 16}], trace)  # not strict: the last 16 digits
    others: list[Any] = [
        [],
        None,
        [{}],
        [{"traceId": "b"}],
        [{"traceId": "c" * 32}],
        {"traceId": trace},
    ]
    for other in others:
        assert not zipkin.is_ours(other, trace)


def test_hostile_answers() -> None:
    hostile(
        "zipkin", "zipkin",
        ("zipkin", "version", "status", "details", "error", "InMemoryStorage{}", "details.error",
         "ElasticsearchStorage{initialEndpoints=x, index=y}", "RabbitMQCollector{queue=}"),
        values=("UP", "DOWN", "3.5.1", INFO, health(InMemoryStorage__="")),
        expect={"version": ">=2", "services": ["shop"], "storage": "mem"},
    )  # fmt: skip
