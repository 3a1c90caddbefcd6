"""The Apollo check against the lab's stand-in, and against answers that no Apollo gives."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any

import pytest

from k8sext.agent.wire.http import Response
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Stage, Status
from tests.lab.standins.apollo import Apollo
from tests.lab.standins.web import Answer, Request
from tests.support.converse import SHORT, end_of, observe
from tests.support.odd_http import hostile
from tests.support.serving import serving

read = importlib.import_module("k8sext.checks.protocols.apollo.answers")

KEY = "canary-4711"
SHOP = {"app_id": "shop"}


def probe(handler: Callable[[Request], Answer], **options: Any) -> Observation:
    with serving(handler) as port:
        if isinstance(handler, Apollo):
            handler.options = {"address": "127.0.0.1", "port": port, **handler.options}
        seen = observe("apollo", "apollo", "127.0.0.1", port, **options)
        if isinstance(handler, Apollo):
            handler.held.set()
    assert KEY not in repr(seen)
    return seen


def see(options: dict[str, Any] | None = None, **more: Any) -> Observation:
    return probe(Apollo(options or {}), **more)


def came_to(seen: Observation) -> tuple[Status, Reason | None]:
    worst = next((s for s in seen.stages if s.status in (Status.FAIL, Status.WARN)), None)
    return seen.status, worst.reason if worst else None


def said(seen: Observation, stage: Stage = Stage.VERIFY) -> str:
    found = seen.stage(stage)
    assert found is not None
    return found.detail


GOOD, FAIL, WARN = (Status.PASS, None), Status.FAIL, Status.WARN


def test_a_healthy_one() -> None:
    seen = see()
    assert (came_to(seen), seen.depth, seen.fact("product")) == (GOOD, Stage.VERIFY, "apollo")


def test_below_a_path() -> None:
    seen = see({"base_path": "/apollo"}, expect={"path": "/apollo", **SHOP})
    assert came_to(seen) == GOOD


@pytest.mark.parametrize(
    ("options", "expected", "words"),
    [
        ({"announce": []}, (FAIL, Reason.UNHEALTHY), "lists no config service"),
        ({"database": False, "silent_s": 0}, (FAIL, Reason.UNHEALTHY), "JDBCConnectionException"),
        ({"admin": False}, (WARN, Reason.DEGRADED), "no admin service is registered"),
        ({"announce": ["127.0.0.1:1"]}, (FAIL, Reason.ANNOUNCED_UNREACHABLE), "127.0.0.1:1"),
        ({"announce": ["http://nowhere"]}, (FAIL, Reason.ANNOUNCED_UNREACHABLE), "nowhere:80"),
        ({"announce": ["file://x"]}, (FAIL, Reason.ANNOUNCED_UNREACHABLE), "file://x"),
    ],
)
def test_what_it_says_of_itself(
    options: dict[str, Any], expected: tuple[Status, Reason], words: str
) -> None:
    seen = see(options)
    assert came_to(seen) == expected
    assert words in said(seen)


def test_the_admin_service_is_told_apart() -> None:
    assert came_to(see({"admin_role": True})) == (FAIL, Reason.WRONG_ROLE)


@pytest.mark.parametrize("other", ["admin", "web"])
def test_it_sends_clients_to_another_server(other: str) -> None:
    """apolloconfig/apollo#1369: the home page was that of the admin service."""
    wrong = Apollo({"admin_role": True}) if other == "admin" else (lambda _: Answer(200, "hello"))
    with serving(wrong) as port:
        seen = see({"announce": [f"http://127.0.0.1:{port}/"]})
    assert came_to(seen) == (FAIL, Reason.ANNOUNCED_UNREACHABLE)
    assert f"127.0.0.1:{port} (wrong" in said(seen)


def test_a_home_page_with_a_path_is_not_asked_without_it() -> None:
    with serving(lambda _: Answer(404, "x")) as port:
        assert came_to(see({"announce": [f"http://127.0.0.1:{port}/apollo/"]})) == GOOD


# -- a namespace -----------------------------------------------------------------------------------


def test_a_published_namespace_is_seen_without_becoming_an_instance_of_it() -> None:
    server = Apollo({})
    seen = probe(server, expect=SHOP)
    assert came_to(seen) == GOOD
    assert "namespace application of application shop in cluster default is published" in said(seen)
    assert server.readers == []


def test_it_only_asks() -> None:
    asked: list[tuple[str, str]] = []
    server = Apollo({"address": "127.0.0.1", "port": 1, "announce": ["127.0.0.1:1"]})

    def handle(request: Request) -> Answer:
        asked.append((request.method, request.path))
        return server(request)

    probe(handle, expect=SHOP)
    paths = ["/services/config", "/health", "/notifications/v2", "/services/admin"]
    assert asked == [("GET", path) for path in paths]


def test_active_reads_the_release_key_under_a_name_of_its_own() -> None:
    server = Apollo({})
    seen = probe(server, expect=SHOP, active=True)
    assert came_to(seen) == GOOD
    assert "release 20261124100000-1dc524aa9a4a5974" in said(seen)
    assert server.readers == [("shop", "k8sext")]


@pytest.mark.parametrize(
    "expect",
    [
        {"app_id": "shop", "namespace": "redis"},
        {"app_id": "shop", "namespace": "redis", "cluster": "blue"},
        {"app_id": "other"},
    ],
)
@pytest.mark.parametrize("active", [False, True])
def test_a_namespace_that_was_never_published(expect: dict[str, str], active: bool) -> None:
    seen = see(expect=expect, active=active, budget=SHORT)
    assert came_to(seen) == (FAIL, Reason.OBJECT_MISSING)
    assert said(seen).count(expect.get("namespace", "application"))


@pytest.mark.parametrize("active", [False, True])
def test_a_cluster_of_which_only_the_default_is_published(active: bool) -> None:
    """Measured: asked for cluster `other`, the answer is `default`'s (`messages.details`)."""
    seen = see(expect={**SHOP, "cluster": "other"}, active=active)
    assert came_to(seen) == (WARN, Reason.OBJECT_MISSING)
    words = "is not published in cluster other: its clients get that of cluster default"
    assert words in said(seen)


@pytest.mark.parametrize("active", [False, True])
@pytest.mark.parametrize("cluster", ["blue", "BLUE", "default"])
def test_a_cluster_with_a_release_of_its_own(cluster: str, active: bool) -> None:
    apps = {"shop": {"blue": {"application": {"a": "b"}}, "default": {"application": {}}}}
    apps["shop"][cluster] = {"application": {}}
    seen = see({"apps": apps}, expect={**SHOP, "cluster": cluster}, active=active)
    assert came_to(seen) == GOOD
    assert f"in cluster {cluster} is published" in said(seen)


def test_notifications_as_the_real_server_writes_them() -> None:
    details = {"shop+default+application": 7, "shop+Blue+application": 9, "a+b+c+d": 1}
    one = {"namespaceName": "application", "notificationId": 9, "messages": {"details": details}}
    answer = Answer(200, [one]).encoded()[0]
    known = read.published(Response(200, "", {}, answer))
    assert (known.number, known.clusters) == (9, ("default", "Blue"))


def test_what_is_worse_than_a_missing_namespace_is_told_first() -> None:
    seen = see({"database": False}, expect={"app_id": "other"}, budget=SHORT)
    assert came_to(seen) == (FAIL, Reason.UNHEALTHY)


def test_a_health_that_is_silent_while_the_lists_come_is_the_database() -> None:
    """Measured: without its database /health is silent for 30.0 s, /services/config is not."""
    seen = see({"database": False}, budget=SHORT)
    assert came_to(seen) == (FAIL, Reason.UNHEALTHY)
    assert "/services/config answers at once, and /health not in time" in said(seen)


@pytest.mark.parametrize("login", [None, {"secret": KEY}, {"secret": "wrong"}])
def test_a_key_that_is_wanted_does_not_hide_a_database_that_is_gone(login: Any) -> None:
    seen = see({"key": KEY, "database": False, "silent_s": 0}, login=login, expect=SHOP)
    assert came_to(seen) == (FAIL, Reason.UNHEALTHY)


def test_a_health_as_gson_writes_it() -> None:
    """Measured with 1.9.2 and 2.5.2; in an error page `status` is a number."""
    parts = {"db": {"status": {"code": "DOWN", "description": ""}}, "ping": {"status": "UP"}}
    gson = {"groups": [], "components": parts, "status": {"code": "DOWN", "description": ""}}
    answer = Response(503, "", {}, Answer(503, gson).encoded()[0])
    assert (read.health_word(answer), read.unwell(answer)) == ("DOWN", "db is DOWN")
    error = Response(500, "", {}, b'{"status":500,"message":"no database"}')
    assert (read.health_word(error), read.unwell(error)) == ("", "no database")


def test_a_namespace_whose_name_could_be_a_path() -> None:
    asked: list[str] = []
    server = Apollo({"apps": {"a/b": {"default": {"x y.yml": {}}}}})

    def handle(request: Request) -> Answer:
        asked.append(request.target)
        return server(request)

    server.options = {"address": "127.0.0.1", "port": 1, "announce": ["127.0.0.1:1"]}
    probe(handle, expect={"app_id": "a/b", "namespace": "x y.yml"}, active=True)
    assert "/configs/a%2Fb/default/x%20y.yml?ip=k8sext" in asked


# -- access keys -----------------------------------------------------------------------------------


@pytest.mark.parametrize("active", [False, True])
def test_access_keys(active: bool) -> None:
    options: dict[str, Any] = {"key": KEY}
    good = see(options, login={"access-key": KEY}, expect=SHOP, active=active)
    signed = "signed with the access key, which the server asks for"
    assert (came_to(good), said(good, Stage.AUTH)) == (GOOD, signed)
    wrong = see(options, login={"secret": f"x{KEY}"}, expect=SHOP, active=active)
    assert came_to(wrong) == (FAIL, Reason.AUTH_REJECTED)
    ended = end_of(see(options, expect=SHOP, active=active))
    assert ended and (ended.stage, ended.reason) == (Stage.AUTH, Reason.AUTH_REQUIRED)


def test_a_clock_that_differs_is_not_a_wrong_key() -> None:
    seen = see({"key": KEY, "clock_s": 300}, login={"secret": KEY}, expect=SHOP)
    assert came_to(seen) == (FAIL, Reason.SERVER_ERROR)
    assert re.search(r"(299|300|301) s apart", said(seen))


def test_a_key_without_an_application_signs_nothing() -> None:
    seen = see({"key": KEY}, login={"secret": KEY})
    assert (came_to(seen), said(seen, Stage.AUTH)) == (GOOD, "")
    assert "an access key signs for one application, and expect.app_id names none" in said(seen)


@pytest.mark.parametrize("active", [False, True])
def test_a_key_that_the_server_does_not_compare_proves_nothing(active: bool) -> None:
    """ClientAuthenticationFilter: without a secret of the application it compares none."""
    seen = see(login={"secret": "any"}, expect=SHOP, active=active)
    assert (came_to(seen), said(seen, Stage.AUTH)) == (GOOD, "")
    assert "the server asks for none of application shop" in said(seen)
    assert "signed" not in repr(seen)


def test_a_signature_is_that_of_apollos_own_client() -> None:
    """The example of apollo-core's SignatureTest."""
    path = "/configs/100004458/default/application?ip=10.0.0.1"
    made = read.signed("100004458", "df23df3f59884980844ff3dada30fa97", path, 1576478257.344)
    assert made == {
        "Authorization": "Apollo 100004458:EoKyziXvKqzHgwx+ijDJwgVTDgE=",
        "Timestamp": "1576478257344",
    }


def test_a_proxy_before_it_is_not_given_an_access_key() -> None:
    asked: list[str] = []

    def handle(request: Request) -> Answer:
        asked.append(request.headers.get("authorization", ""))
        return Answer(401, {}, {"WWW-Authenticate": 'Basic realm="proxy"'})

    seen = probe(handle, login={"secret": KEY}, expect=SHOP)
    assert came_to(seen) == (FAIL, Reason.AUTH_METHOD_UNSUPPORTED)
    assert set(asked) == {""}
    ended = end_of(probe(handle, expect=SHOP))
    assert ended and ended.reason is Reason.AUTH_REQUIRED


# -- others ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer", [Answer(200, {"a": 1}), Answer(200, "x"), Answer(404, "x"), Answer(200, [{"a": 1}])]
)
def test_something_else(answer: Answer) -> None:
    assert came_to(probe(lambda _: answer)) == (FAIL, Reason.WRONG_PRODUCT)


def test_health_behind_a_login_is_no_failure() -> None:
    server = Apollo({"address": "127.0.0.1", "port": 1})

    def handle(request: Request) -> Answer:
        answer = server(request)
        if request.path == "/services/config":
            page = f"http://{request.headers['host']}/"
            return Answer(200, [{"homepageUrl": page}])
        return Answer(401) if request.path == "/health" else answer

    seen = probe(handle)
    assert (came_to(seen), said(seen)) == (GOOD, "its health may not be asked")


@pytest.mark.parametrize(
    ("page", "address"),
    [
        ("http://198.51.100.7:8080/", "198.51.100.7:8080"),
        ("https://apollo.example/config", "apollo.example:443"),
        ("http://[2001:db8::7]:8080/", "[2001:db8::7]:8080"),
        ("http://[x", "http://[x"),
        ("http://a:99999/", "http://a:99999/"),
        ("apollo:8080", "apollo:8080"),
    ],
)
def test_addresses_of_home_pages(page: str, address: str) -> None:
    assert read.address_of(page) == address


def test_hostile_answers() -> None:
    hostile(
        "apollo", "apollo",
        ("status", "components", "homepageUrl", "releaseKey", "configurations", "notificationId"),
        values=("http://x:1/", "UP", [{"homepageUrl": "http://127.0.0.1:1/"}], 42),
        headers=("Date: x", "Date: Tue, 24 Nov 9999999 13:16:28 GMT", "location: /"),
        expect=SHOP,
    )  # fmt: skip
