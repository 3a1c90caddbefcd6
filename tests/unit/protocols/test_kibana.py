"""The Kibana check against the lab's stand-in, and against answers that no Kibana gives."""

from collections.abc import Iterator
from typing import Any

import pytest

from k8sext.model.result import Observation
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Stage, Status
from tests.lab.standins import kibana
from tests.lab.standins.web import Answer, Request
from tests.support.converse import end_of, observe
from tests.support.odd_http import hostile
from tests.support.serving import serving

LOGIN = {"username": "shop", "password": "canary-4711"}
CALM = TlsSpec(mode=TlsMode.DISABLE)


@pytest.fixture(scope="module")
def nodes() -> Iterator[str]:
    """What Kibana asks its Elasticsearch for."""

    def answer(request: Request) -> Answer:
        return Answer(200, {"nodes": {"n": {"version": "8.19.3"}}})

    with serving(answer) as port:
        yield f"http://127.0.0.1:{port}"


def see(options: dict[str, Any], login: dict[str, str] | None = None, **expect: Any) -> Observation:
    with serving(kibana.make(options)) as port:
        seen = observe("kibana", "kibana", "127.0.0.1", port, login=login, tls=CALM, expect=expect)
    assert "canary-4711" not in repr(seen)
    return seen


def came_to(seen: Observation) -> tuple[Status, Reason | None]:
    worst = next((s for s in seen.stages if s.status in (Status.FAIL, Status.WARN)), None)
    return seen.status, worst.reason if worst else None


def said(seen: Observation, stage: Stage = Stage.VERIFY) -> str:
    found = seen.stage(stage)
    assert found is not None
    return found.detail


@pytest.mark.parametrize("version", ["7.1.1", "7.17.0", "8.19.3"])
def test_a_healthy_one(version: str, nodes: str) -> None:
    seen = see({"version": version, "elasticsearch": nodes}, version=">=7.1")
    assert (came_to(seen), seen.depth) == ((Status.PASS, None), Stage.VERIFY)
    assert (seen.fact("product"), seen.fact("version")) == ("kibana", version)
    assert seen.fact("elasticsearch") in ("green", "available")


@pytest.mark.parametrize("version", ["7.1.1", "7.17.0", "8.19.3"])
def test_its_elasticsearch_is_gone(version: str) -> None:
    seen = see({"version": version, "elasticsearch": "http://127.0.0.1:1"})
    assert came_to(seen) == (Status.FAIL, Reason.UNHEALTHY)
    assert "elasticsearch is " in said(seen)
    assert "Connection refused" in said(seen)


@pytest.mark.parametrize("version", ["7.1.1", "8.19.3"])
@pytest.mark.parametrize(
    ("wish", "status", "reason"),
    [
        ({}, Status.WARN, Reason.DEGRADED),
        ({"health": "degraded"}, Status.PASS, None),
        ({"health": "available"}, Status.FAIL, Reason.DEGRADED),
    ],
)
def test_a_degraded_one(
    version: str, nodes: str, wish: dict[str, str], status: Status, reason: Reason | None
) -> None:
    options = {"version": version, "elasticsearch": nodes, "plugins": {"reporting": "degraded"}}
    seen = see(options, None, **wish)
    assert came_to(seen) == (status, reason)
    assert "plug-in reporting is " in said(seen)


def test_one_that_is_starting_is_not_taken_for_a_proxy() -> None:
    seen = see({"starting": True})
    assert came_to(seen) == (Status.FAIL, Reason.LOADING)
    assert "Kibana server is not ready yet" in said(seen, Stage.HANDSHAKE)


@pytest.mark.parametrize("body", [{"status": "unavailable"}, "Kibana server is not ready yet."])
def test_other_words_of_one_that_is_starting(body: Any) -> None:
    with serving(lambda _: Answer(503, body)) as port:
        assert came_to(observe("kibana", "kibana", "127.0.0.1", port))[1] is Reason.LOADING


def test_a_proxy_without_its_server() -> None:
    with serving(lambda _: Answer(503, "<html>", {"Server": "nginx/1.22"})) as port:
        seen = observe("kibana", "kibana", "127.0.0.1", port)
    assert came_to(seen) == (Status.FAIL, Reason.UNHEALTHY)


# -- base path -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/kibana", "kibana", "/kibana/"])
def test_under_its_base_path(nodes: str, path: str) -> None:
    seen = see({"elasticsearch": nodes, "base_path": "/kibana"}, path=path)
    assert came_to(seen) == (Status.PASS, None)


@pytest.mark.parametrize(
    ("base", "expect", "status", "where"),
    [
        ("/kibana", {}, Status.WARN, "under /kibana, and not under /"),
        ("", {"path": "/kibana"}, Status.FAIL, "under /, and not under /kibana"),
        ("/kibana", {"path": "/logs"}, Status.FAIL, "under /kibana, and not under /logs"),
        ("/odd", {"path": "/kibana"}, Status.FAIL, "none of the usual ones"),
    ],
)
def test_a_base_path_mistake_is_told_with_the_right_one(
    nodes: str, base: str, expect: dict[str, str], status: Status, where: str
) -> None:
    seen = see({"elasticsearch": nodes, "base_path": base}, None, **expect)
    assert came_to(seen) == (status, Reason.UNEXPECTED)
    assert where in said(seen, Stage.HANDSHAKE)


def test_a_page_that_only_a_proxy_can_serve(nodes: str) -> None:
    seen = see({"elasticsearch": nodes, "base_path": "/kibana", "rewrite": False})
    assert came_to(seen) == (Status.PASS, None)
    assert "sends browsers on to /kibana" in said(seen)


# -- logins --------------------------------------------------------------------------------------


def test_without_a_login_8_tells_the_level_alone(nodes: str) -> None:
    options = {"elasticsearch": nodes, "login": "shop:canary-4711"}
    seen = see(options)
    assert came_to(seen) == (Status.PASS, None)
    assert "tells no more" in said(seen)
    assert seen.fact("elasticsearch") is None
    assert came_to(see(options, version=">=8"))[1] is Reason.AUTH_REQUIRED


def test_without_a_login_8_does_not_say_why() -> None:
    seen = see({"elasticsearch": "http://127.0.0.1:1", "login": "shop:canary-4711"})
    assert came_to(seen) == (Status.FAIL, Reason.UNHEALTHY)
    assert "tells only those who are logged in" in said(seen)


@pytest.mark.parametrize("version", ["7.17.0", "8.19.3"])
def test_logins(version: str, nodes: str) -> None:
    options = {"version": version, "elasticsearch": nodes, "login": "shop:canary-4711"}
    good = see(options, LOGIN, version=">=7")
    assert (came_to(good), said(good, Stage.AUTH)) == (
        (Status.PASS, None), f"login accepted; kibana {version}",
    )  # fmt: skip
    wrong = see(options, {"username": "shop", "password": "wrong-canary-4711"})
    assert came_to(wrong) == (Status.FAIL, Reason.AUTH_REJECTED)


def test_7_wants_a_login() -> None:
    seen = see({"version": "7.17.0", "login": "shop:canary-4711"})
    ended = end_of(seen)
    assert ended and (ended.stage, ended.reason) == (Stage.AUTH, Reason.AUTH_REQUIRED)


def test_a_login_that_nobody_asks_for_is_not_sent(nodes: str) -> None:
    asked: list[str] = []
    inner = kibana.make({"elasticsearch": nodes})

    def handle(request: Request) -> Answer:
        asked.append(request.headers.get("authorization", ""))
        return inner(request)

    with serving(handle) as port:
        seen = observe("kibana", "kibana", "127.0.0.1", port, login=LOGIN)
    assert (came_to(seen), set(asked)) == ((Status.PASS, None), {""})


def test_it_only_asks(nodes: str) -> None:
    asked: list[tuple[str, str]] = []
    inner = kibana.make({"elasticsearch": nodes, "login": "shop:canary-4711"})

    def handle(request: Request) -> Answer:
        asked.append((request.method, request.path))
        return inner(request)

    with serving(handle) as port:
        observe("kibana", "kibana", "127.0.0.1", port, login=LOGIN)
    assert asked == [("GET", "/api/status"), ("GET", "/api/status"), ("GET", "/")]


# -- others --------------------------------------------------------------------------------------


def test_version() -> None:
    assert came_to(see({"version": "7.1.1"}, version=">=8"))[1] is Reason.UNSUPPORTED_VERSION


def test_opensearch_dashboards(nodes: str) -> None:
    inner = kibana.make({"version": "7.10.2", "elasticsearch": nodes})

    def handle(request: Request) -> Answer:
        answer = inner(request)
        return Answer(answer.status, answer.body, {"osd-name": "lab", **answer.headers})

    with serving(handle) as port:
        seen = observe("kibana", "kibana", "127.0.0.1", port)
    assert (came_to(seen), seen.fact("product")) == ((Status.PASS, None), "opensearch-dashboards")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {"cluster_name": "lab", "version": {"number": "7.1.1"}}),
        Answer(404, "nothing here"),
        Answer(200, "<html>"),
        Answer(302, "", {"Location": "/app/other"}),
    ],
)
def test_something_else(answer: Answer) -> None:
    with serving(lambda _: answer) as port:
        seen = observe("kibana", "kibana", "127.0.0.1", port)
    assert came_to(seen) == (Status.FAIL, Reason.WRONG_PRODUCT)


def test_a_page_that_fails_beside_a_good_status(nodes: str) -> None:
    inner = kibana.make({"elasticsearch": nodes})

    def handle(request: Request) -> Answer:
        return Answer(500, {}) if request.path == "/" else inner(request)

    with serving(handle) as port:
        seen = observe("kibana", "kibana", "127.0.0.1", port)
    assert came_to(seen) == (Status.FAIL, Reason.UNHEALTHY)


def test_hostile_answers() -> None:
    hostile(
        "kibana", "kibana",
        ("status", "overall", "level", "state", "core", "plugins", "statuses", "id", "version",
         "number", "elasticsearch", "summary", "message", "uuid"),
        values=("green", "available", "degraded"),
        headers=("kbn-name: x", "location: /kibana/app", "location: http://[", "osd-name: "),
        expect={"version": ">=7"},
    )  # fmt: skip
