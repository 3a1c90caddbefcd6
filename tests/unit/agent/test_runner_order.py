"""One server, several routes: endpoints are dialled first, a dead one costs its time once."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from k8sext.agent.fault import Fault
from k8sext.agent.login.credentials import GivenValues
from k8sext.agent.main import load_checks
from k8sext.agent.net.resolver import DnsAnswer
from k8sext.agent.net.stream import Stream
from k8sext.agent.run.runner import Runner
from k8sext.model.plan import Budget, Plan, Target
from k8sext.model.result import Observation
from k8sext.model.secret import Secret
from k8sext.model.words import Reason, Route

NAME, ADDRESS = "127.0.0.9", "127.0.0.1"  # what the name resolves to, and the endpoint behind it


def target(number: str, route: Route, host: str, protocol: str) -> Target:
    return Target(
        id=number, service="svc", port_key="p", protocol=protocol, route=route, host=host, port=9,
        server="s",
    )  # fmt: skip


def dialled(
    monkeypatch: pytest.MonkeyPatch,
    dial: Callable[[list[str], str], Awaitable[None]],
    protocol: str = "tcp",
    module: str = "tcp",
    logins: GivenValues | None = None,
) -> list[str]:
    """What happens, in order, when `dial(events, address)` plays the network."""
    events: list[str] = []

    async def connect(address: str, port: int, deadline: float) -> Stream:
        events.append(f"dial {address}")
        await dial(events, address)
        events.append(f"end {address}")
        raise Fault(Reason.TIMED_OUT, "nothing came back")

    async def resolve(name: str, *_more: object) -> DnsAnswer:
        return DnsAnswer(name=name, addresses=(NAME,))

    monkeypatch.setattr(Stream, "connect", connect)
    monkeypatch.setattr("k8sext.agent.net.resolver.resolve", resolve)
    both = (
        target("o1", Route.NAME, "svc", protocol),
        target("o2", Route.ENDPOINT, ADDRESS, protocol),
    )
    plan = Plan(
        run_id="t", namespace="dev", targets=both, modules=(module,),
        budget=Budget(stage_s=5, run_s=20),
    )  # fmt: skip
    seen: list[Observation] = []
    given = logins or GivenValues({})
    asyncio.run(Runner(plan, load_checks(plan.modules), given, seen.append).run())
    assert len(seen) == 2
    return events


def test_an_endpoint_that_answers_at_once_is_dialled_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def at_once(_events: list[str], _address: str) -> None:
        return

    expected = [f"dial {ADDRESS}", f"end {ADDRESS}", f"dial {NAME}", f"end {NAME}"]
    assert dialled(monkeypatch, at_once) == expected


def test_the_name_does_not_wait_for_the_whole_time_out_of_a_dead_endpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never_before_the_name(events: list[str], address: str) -> None:
        while address == ADDRESS and f"dial {NAME}" not in events:
            await asyncio.sleep(0.01)

    events = dialled(monkeypatch, never_before_the_name)
    assert events.index(f"dial {NAME}") < events.index(f"end {ADDRESS}")


def test_a_login_that_waits_for_its_turn_lets_the_next_one_connect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a login configured, too: the turn is taken after the connection, not before."""

    async def never_before_the_name(events: list[str], address: str) -> None:
        while address == ADDRESS and f"dial {NAME}" not in events:
            await asyncio.sleep(0.01)

    logins = GivenValues({"svc": {"password": Secret("x")}})
    events = dialled(monkeypatch, never_before_the_name, "redis", "redis", logins)
    assert events.index(f"dial {NAME}") < events.index(f"end {ADDRESS}")


def test_a_server_that_speaks_first_is_dialled_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """MySQL counts a connection that keeps its greeting unanswered."""

    async def slow(_events: list[str], _address: str) -> None:
        await asyncio.sleep(0.8)

    logins = GivenValues({"svc": {"password": Secret("x")}})
    events = dialled(monkeypatch, slow, "mysql", "mysql", logins)
    assert events == [f"dial {ADDRESS}", f"end {ADDRESS}", f"dial {NAME}", f"end {NAME}"]
