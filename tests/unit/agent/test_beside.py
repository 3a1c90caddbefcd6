"""A page through an Ingress, and the same question to the bridge itself: HTTP on loopback."""

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from k8sext.agent.login.credentials import GivenValues
from k8sext.agent.main import load_checks
from k8sext.agent.run.runner import Runner
from k8sext.model.bridge import CredentialRef
from k8sext.model.codec import from_json, to_json
from k8sext.model.plan import Beside, Budget, Plan, Target
from k8sext.model.result import Json, Observation
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Route, Stage, Status

HOST = "kibana.example.com"
VIA = f"Ingress/kibana {HOST}/ui"
Asked = list[tuple[str, str, str]]


@contextmanager
def http(status: int, **headers: str) -> Generator[tuple[int, Asked]]:
    """A server that answers all with one status; its port, and (path, Host, Authorization)."""
    asked: Asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            login = self.headers.get("Authorization", "")
            asked.append((self.path, self.headers.get("Host", ""), login))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, asked
        server.shutdown()


def target(controller: int, bridge: int, **more: Any) -> Target:
    beside = Beside(host="127.0.0.1", port=bridge, protocol="http", path="/ui")
    base: dict[str, Any] = {
        "id": "o3",
        "service": "kibana-svc",
        "port_key": "http",
        "protocol": "http",
        "route": Route.INGRESS,
        "host": "127.0.0.1",
        "port": controller,
        "tls": TlsSpec(mode=TlsMode.DISABLE, server_name=HOST),
        "expect": {"path": "/ui"},
        "via": VIA,
        "beside": beside,
    }
    return Target(**{**base, **more})


def observed(*targets: Target) -> dict[str, Observation]:
    """What a run makes of targets that came through JSON, as in a pod."""
    modules = ("http", "redis")
    budget = Budget(stage_s=5, probe_s=10, run_s=30)
    plan = Plan(run_id="r", namespace="dev", targets=targets, modules=modules, budget=budget)
    plan = from_json(Plan, to_json(plan))
    seen: list[Observation] = []
    logins = GivenValues({"kibana-svc": {"username": Secret("u"), "password": Secret("p")}})
    asyncio.run(Runner(plan, load_checks(modules), logins, seen.append).run())
    return {o.id: o for o in seen}


def direct(seen: Observation) -> Json:
    stage = seen.stage(Stage.HANDSHAKE)
    assert stage
    return stage.evidence.get("direct")


def test_the_same_path_and_host_are_asked_of_both() -> None:
    with http(404) as (controller, through), http(200) as (bridge, straight):
        found = observed(target(controller, bridge))["o3"]
    assert (found.route, found.via, found.status) == (Route.INGRESS, VIA, Status.PASS)
    assert {(path, host) for path, host, _ in through} == {("/ui", HOST)}
    assert [(path, host) for path, host, _ in straight] == [("/ui", HOST)]
    assert direct(found) == {"status": 200}


def test_no_login_goes_through_a_controller() -> None:
    """Not even where the vantage knows one for the Service, and 401 asks for it."""
    with http(401) as (controller, through), http(401) as (bridge, straight):
        found = observed(target(controller, bridge))["o3"]
    assert found.status is not Status.FAIL
    assert [login for *_, login in through + straight] == ["", ""]
    assert direct(found) == {"status": 401}


def test_where_the_bridge_sends_its_clients_is_known() -> None:
    with http(502) as (controller, _), http(302, Location="/login") as (bridge, _):
        found = observed(target(controller, bridge))["o3"]
    assert direct(found) == {"status": 302, "location": "/login"}
    ended = found.ended_by
    assert ended and (ended.stage, ended.reason) == (Stage.VERIFY, Reason.UNHEALTHY)


def test_a_bridge_that_does_not_answer_is_a_fact_too() -> None:
    with http(504) as (controller, _), http(200) as (gone, _):
        pass
    with http(504) as (controller, _):
        found = observed(target(controller, gone))["o3"]
    assert direct(found) == {"reason": "refused", "stage": "connect"}


def test_a_controller_that_does_not_answer_asks_nothing_of_the_bridge() -> None:
    with http(200) as (gone, _):
        pass
    with http(200) as (bridge, straight):
        found = observed(target(gone, bridge))["o3"]
    assert straight == []
    ended = found.ended_by
    assert ended and ended.stage is Stage.CONNECT


@pytest.mark.parametrize("address", ["169.254.169.254", "127.0.0.1", "0.0.0.0", "224.0.0.1"])
def test_what_a_status_may_not_make_us_talk_to(address: str) -> None:
    """The status of an Ingress is others' word; the pod's own loopback is no controller either."""
    away = target(80, 1, host=address)
    away = replace(away, beside=Beside(host="kibana-svc", port=1, protocol="http", path="/"))
    ended = observed(away)["o3"].ended_by
    assert ended and (ended.stage, ended.reason) == (Stage.CONNECT, Reason.NOT_PERMITTED)
    assert ended.evidence == {}


def test_a_node_port_is_greeted_and_no_more() -> None:
    with http(500) as (port, asked):
        node = target(port, 1, id="o4", route=Route.NODE_PORT, beside=None, via="Node/node1",
                      expect={}, credentials=CredentialRef(secret="x"),
                      greet_only=True)  # fmt: skip
        found = observed(node)["o4"]
    assert (found.status, found.via, found.depth) == (Status.PASS, "Node/node1", Stage.HANDSHAKE)
    assert [path for path, *_ in asked] == ["/"]


def test_a_mysterious_server_behind_a_node_port() -> None:
    with http(200) as (port, _):
        node = target(port, 1, route=Route.NODE_PORT, beside=None, protocol="redis", expect={})
        found = observed(node)["o3"]
    ended = found.ended_by
    assert ended and ended.reason is Reason.WRONG_PROTOCOL
