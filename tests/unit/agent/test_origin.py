"""The outside name that a bridge's addresses were taken from is asked for beside its own."""

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from k8sext.agent.login.credentials import GivenValues
from k8sext.agent.main import load_checks
from k8sext.agent.relay import Allowed
from k8sext.agent.run.runner import Runner
from k8sext.model.plan import Budget, Plan, Target
from k8sext.model.result import Json, Observation
from k8sext.model.words import Route, Stage, Status
from tests.support import nameserver
from tests.support.nameserver import Asked, a

SERVICE, ORIGIN = "svc.example", "db.corp.example"


@pytest.fixture
def port() -> Iterator[int]:
    """Of a listener on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def plan(port: int, origin: str = ORIGIN, **budget: float) -> Plan:
    only = Target(
        id="o1", service="svc", port_key="p", protocol="tcp", route=Route.NAME, host=SERVICE,
        port=port, origin=origin,
    )  # fmt: skip
    chosen: dict[str, Any] = {"stage_s": 5, "resolve_s": 5, "probe_s": 20, "run_s": 30, **budget}
    return Plan(
        run_id="t", namespace="dev", targets=(only,), modules=("tcp",),
        budget=Budget(**chosen),
    )  # fmt: skip


def probed(what: Plan, origin: tuple[str, ...] | None) -> tuple[Observation, list[str]]:
    """The probe, and the names that were asked for; with None the origin's zone is silent."""

    def answer(asked: Asked) -> list[bytes]:
        if asked.name == ORIGIN and origin is None:
            return []
        found = {SERVICE: ("127.0.0.1",), ORIGIN: origin or ()}.get(asked.name, ())
        records = [a(asked.name, x) for x in found]
        return [asked.reply(*(r for r in records if r[1] == asked.kind), rcode=0 if found else 3)]

    seen: list[Observation] = []
    with nameserver.serve(answer) as dns:
        runner = Runner(what, load_checks(what.modules), GivenValues({}), seen.append, dns.config())
        asyncio.run(runner.run())
    return seen[0], [name for name, *_ in dns.asked]


def told(seen: Observation) -> Json:
    stage = seen.stage(Stage.RESOLVE)
    assert stage
    assert stage.status is Status.PASS
    return stage.evidence.get("origin")


def test_its_addresses_stand_in_the_resolve_stage_of_the_name(port: int) -> None:
    seen, _ = probed(plan(port), ("198.51.100.7", "198.51.100.8"))
    assert told(seen) == {"name": ORIGIN, "addresses": ["198.51.100.7", "198.51.100.8"]}
    assert seen.depth is Stage.CONNECT


def test_it_is_asked_for_where_the_server_is_dead_as_well() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    seen, _ = probed(plan(free), ("198.51.100.7",))
    assert seen.ended_by and seen.ended_by.stage is Stage.CONNECT
    assert told(seen) == {"name": ORIGIN, "addresses": ["198.51.100.7"]}


def test_a_name_that_does_not_exist_leaves_the_probe_as_it_was(port: int) -> None:
    seen, _ = probed(plan(port), ())
    said = told(seen)
    assert isinstance(said, dict)
    assert said["reason"] == "name_not_found"
    assert (seen.status, seen.depth) == (Status.PASS, Stage.CONNECT)


def test_a_zone_that_is_silent_leaves_the_probe_as_it_was(port: int) -> None:
    seen, _ = probed(plan(port, resolve_s=0.3), None)
    said = told(seen)
    assert isinstance(said, dict)
    assert said["reason"] == "dns_timed_out"
    assert (seen.status, seen.depth) == (Status.PASS, Stage.CONNECT)


def test_without_one_nothing_more_is_asked(port: int) -> None:
    seen, names = probed(plan(port, origin=""), ("198.51.100.7",))
    assert told(seen) is None
    assert set(names) == {SERVICE}


def test_who_only_asks_connects_to_nothing(port: int) -> None:
    what = plan(port, origin="")
    asks = replace(what, targets=(replace(what.targets[0], ask_only=True),))
    seen, _ = probed(asks, None)
    assert (seen.status, seen.depth) == (Status.PASS, Stage.RESOLVE)
    stage = seen.stage(Stage.RESOLVE)
    assert stage and stage.evidence["addresses"] == ["127.0.0.1"]


def test_the_relay_resolves_it_and_goes_nowhere_for_it(port: int) -> None:
    allowed = Allowed(plan(port))
    assert allowed.name(ORIGIN)
    allowed.resolved(ORIGIN, ["198.51.100.7"])
    assert not allowed.address("198.51.100.7", port)
