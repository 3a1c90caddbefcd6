"""The Grafana check against the lab's stand-in, and against answers that no Grafana gives."""

import asyncio
import json
import random
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from k8sext.agent.check import Login
from k8sext.agent.fault import Fault
from k8sext.agent.wire.http import Response
from k8sext.model.result import Observation
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Stage, Status
from tests.lab.standins import grafana
from tests.lab.standins.web import Answer, Request
from tests.support.converse import end_of, observe, on
from tests.support.ports import HOST, free_ports
from tests.support.serving import serving

MODULE = PROTOCOL = "grafana"
WORD = "canary-4711"
SHOP = {"username": "shop", "password": WORD}
OWN: dict[str, Any] = {"user": "shop", "password": WORD, "token": f"glsa_{WORD}"}
CALM = TlsSpec(mode=TlsMode.DISABLE)


@pytest.fixture(scope="module")
def metrics() -> Iterator[str]:
    """What a data source leads to: fine, slow, or another thing."""

    def answer(request: Request) -> Answer:
        if request.path.startswith("/slow"):
            time.sleep(4)
        return Answer(404 if request.path.startswith("/other") else 200, {"status": "success"})

    with serving(answer) as port:
        yield f"http://{HOST}:{port}"


def see(
    options: dict[str, Any], login: dict[str, str] | None = None, tls: TlsSpec = CALM, **expect: Any
) -> Observation:
    with serving(grafana.make({**OWN, **options})) as port:
        seen = observe(MODULE, PROTOCOL, HOST, port, login=login, tls=tls, expect=expect)
    assert WORD not in repr(seen)
    return seen


def reason(seen: Observation) -> Reason | None:
    """Of what ended the probe, else of the last stage that warns."""
    ended = end_of(seen)
    warned = [s for s in seen.stages if s.status is Status.WARN]
    return ended.reason if ended else warned[-1].reason if warned else None


def said(seen: Observation) -> str:
    stage = seen.ended_by or seen.stage(Stage.VERIFY)
    assert stage is not None
    return stage.detail


def test_its_data_sources_are_well(metrics: str) -> None:
    seen = see({"sources": {"shop": metrics}}, SHOP, datasources=["shop"], version=">=9")
    assert (seen.status, seen.depth) == (Status.PASS, Stage.VERIFY), said(seen)
    assert (seen.fact("version"), seen.fact("health")) == ("11.5.0", {"shop": "ok"})


def test_with_a_token(metrics: str) -> None:
    login = {"token": OWN["token"]}
    assert see({"sources": {"shop": metrics}}, login, datasources=["shop"]).status is Status.PASS
    assert reason(see({}, {"token": "glsa_other"})) is Reason.AUTH_REJECTED


def test_without_a_login_only_health_is_told() -> None:
    seen = see({})
    assert seen.status is Status.PASS
    assert "data sources were not looked at" in said(seen)


@pytest.mark.parametrize(
    ("options", "login", "expect", "expected"),
    [
        ({"database": "failing"}, SHOP, {}, Reason.UNHEALTHY),
        ({}, {**SHOP, "password": "other"}, {}, Reason.AUTH_REJECTED),
        ({}, None, {"datasources": ["shop"]}, Reason.AUTH_REQUIRED),
        ({}, SHOP, {"datasources": ["shop"]}, Reason.OBJECT_MISSING),
        ({"viewer": True}, SHOP, {}, None),
        ({"viewer": True}, SHOP, {"datasources": ["shop"]}, Reason.PERMISSION_DENIED),
        ({"version": "8.5.1"}, None, {"version": ">=9"}, Reason.UNSUPPORTED_VERSION),
        ({"hide_version": True}, None, {"version": ">=9"}, Reason.UNSUPPORTED_VERSION),
        ({"base_path": "/grafana"}, None, {}, Reason.WRONG_PRODUCT),
        ({"base_path": "/grafana"}, SHOP, {"path": "grafana"}, None),
    ],
)
def test_verdicts(options: Any, login: Any, expect: Any, expected: Reason | None) -> None:
    assert reason(see(options, login, **expect)) is expected


def test_another_path_is_told() -> None:
    assert "expect.path may be /grafana" in said(see({"base_path": "/grafana"}))


def test_the_login_that_everybody_knows() -> None:
    admin = {"username": "admin", "password": "admin"}
    everybody = {"user": "admin", "password": "admin"}
    with serving(grafana.make(everybody)) as port:
        seen = observe(MODULE, PROTOCOL, HOST, port, login=admin, tls=CALM)
        none = observe(MODULE, PROTOCOL, HOST, port, tls=CALM)
    assert (seen.status, reason(seen)) == (Status.WARN, Reason.DEFAULT_LOGIN)
    assert none.status is Status.PASS  # nobody tries it unasked


def test_a_password_in_clear_text() -> None:
    assert reason(see({}, SHOP, TlsSpec())) is Reason.PASSWORD_IN_CLEAR


# -- data sources --------------------------------------------------------------------------------


def test_a_data_source_that_is_gone(metrics: str) -> None:
    (dead,) = free_ports(1)
    sources = {"shop": f"http://{HOST}:{dead}", "fine": metrics}
    seen = see({"sources": sources}, SHOP)
    assert (seen.status, reason(seen)) == (Status.WARN, Reason.SOURCE_FAILING)
    assert "data source shop: Post" in said(seen)
    assert see({"sources": sources}, SHOP, datasources=["shop"]).status is Status.FAIL
    assert reason(see({"sources": sources}, SHOP, datasources=["fine"])) is Reason.SOURCE_FAILING


def test_the_address_of_a_data_source_is_told_without_what_it_may_hold() -> None:
    (dead,) = free_ports(1)
    secret = f"http://reader:hidden-1@{HOST}:{dead}/p/hidden-2?token=hidden-3"
    seen = see({"sources": {"shop": secret}}, SHOP)
    assert f"data source shop: Post {HOST}:{dead}: " in said(seen)
    assert "hidden" not in repr(seen)


def test_a_data_source_that_answers_otherwise(metrics: str) -> None:
    seen = see({"sources": {"shop": f"{metrics}/other"}}, SHOP, datasources=["shop"])
    assert (seen.status, reason(seen)) == (Status.FAIL, Reason.SOURCE_FAILING)


def test_a_data_source_that_does_not_answer_in_time(metrics: str) -> None:
    seen = see({"sources": {"shop": f"{metrics}/slow", "fine": metrics}}, SHOP)
    assert (seen.status, reason(seen)) == (Status.WARN, Reason.SOURCE_FAILING)
    assert (seen.fact("health"), "did not answer" in said(seen)) == ({"shop": "late"}, True)


def test_a_plug_in_that_cannot_check_itself_is_not_called_failing(metrics: str) -> None:
    options = {"sources": {"shop": metrics}, "silent": ["shop"]}
    assert see(options, SHOP).status is Status.PASS
    seen = see(options, SHOP, datasources=["shop"])  # and an expected one is not called healthy
    assert reason(seen) is Reason.SOURCE_FAILING


def test_of_very_many_a_few_are_asked(metrics: str) -> None:
    seen = see({"sources": {f"s{n}": metrics for n in range(40)}}, SHOP, datasources=["s39"])
    asked = seen.fact("health")
    assert isinstance(asked, dict)
    assert (len(asked), next(iter(asked))) == (8, "s39")


# -- anything may come back ----------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"[]", b'{"database": 1}', b"<html>", b'{"status":"UP"}'])
def test_another_answer_is_another_product(body: bytes) -> None:
    with serving(lambda request: Answer(200, body)) as port:
        assert reason(observe(MODULE, PROTOCOL, HOST, port)) is Reason.WRONG_PRODUCT


@pytest.mark.parametrize("seed", range(60))
def test_any_json_is_no_defect_of_ours(seed: int) -> None:
    rng = random.Random(seed)
    leaves: list[Any] = [None, True, 1, 10**30, "", "OK", "ERROR", "\x1b[2J", [], {}]

    def anything(depth: int = 0) -> Any:
        if depth > 3 or rng.random() < 0.3:
            return rng.choice(leaves)
        if rng.random() < 0.5:
            return [anything(depth + 1) for _ in range(3)]
        keys = ["name", "uid", "id", "status", "message", "database", "version"]
        return {rng.choice(keys): anything(depth + 1) for _ in range(3)}

    async def get(path: str, headers: Any = None) -> Response:
        status = rng.choice([200, 200, 200, 400, 401, 403, 404, 500])
        return Response(status, "X", {}, json.dumps(anything()).encode())

    async def run() -> None:
        expect = {"datasources": ["shop"]} if rng.random() < 0.5 else {}
        check: Any = on(MODULE, PROTOCOL, b"", expect=expect)
        check.http, check.get = SimpleNamespace(kept=True), get
        check.answer = Response(200, "OK", {}, b'{"database": "ok", "version": "1"}')
        check.recognise(check.answer)
        try:
            await check.auth(Login({"username": Secret("a"), "password": Secret("b")}))
            seen = await check.verify()
            json.dumps(dict(seen.evidence), allow_nan=False)
        except Fault as fault:
            json.dumps(fault.evidence, allow_nan=False)

    for _ in range(20):
        asyncio.run(run())
