"""A Service that its node has not programmed yet: refused by name, and asked again."""

import asyncio
import socket
from collections.abc import Iterator, Sequence

import pytest

from k8sext.agent.fault import Fault
from k8sext.agent.login.credentials import GivenValues
from k8sext.agent.main import load_checks
from k8sext.agent.net.resolver import DnsAnswer
from k8sext.agent.net.stream import Stream
from k8sext.agent.run.runner import PROGRAMMING_S, Runner
from k8sext.model.plan import Plan, Target
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Route, Stage, Status

NAME, ADDRESS = "127.0.0.9", "127.0.0.1"  # what the name resolves to, and the endpoint behind it


@pytest.fixture
def port() -> Iterator[int]:
    """Of a listener on ADDRESS only."""
    with socket.create_server((ADDRESS, 0)) as server:
        yield server.getsockname()[1]


def by_name(
    monkeypatch: pytest.MonkeyPatch,
    port: int,
    refusals: int,
    endpoints: Sequence[str] = (ADDRESS,),
    *,
    nowhere: bool = False,
) -> tuple[Observation, int]:
    """What the probe by name saw, refused `refusals` times before, and how often it dialled."""
    dials = 0
    dial = Stream.connect

    async def connect(address: str, port: int, deadline: float) -> Stream:
        nonlocal dials
        if address != NAME:
            return await dial(address, port, deadline)
        dials += 1
        if dials <= refusals:
            raise Fault(Reason.REFUSED, "connection refused")
        return await dial(ADDRESS, port, deadline)

    async def resolve(name: str, *_more: object) -> DnsAnswer:
        return DnsAnswer(name=name, addresses=(NAME,))

    monkeypatch.setattr(Stream, "connect", connect)
    monkeypatch.setattr("k8sext.agent.net.resolver.resolve", resolve)
    monkeypatch.setattr("k8sext.agent.run.runner.PROGRAMMING_S", (0.0,) * len(PROGRAMMING_S))
    routes = [("o1", Route.NAME, "svc")]
    routes += [(f"e{number}", Route.ENDPOINT, host) for number, host in enumerate(endpoints)]
    all_of_them = tuple(
        Target(
            id=number, service="svc", port_key="p", protocol="tcp", route=route, host=host,
            port=port, server="s", nowhere=nowhere and route is Route.NAME,
        )
        for number, route, host in routes
    )  # fmt: skip
    plan = Plan(run_id="t", namespace="dev", targets=all_of_them, modules=("tcp",))
    seen: list[Observation] = []
    asyncio.run(Runner(plan, load_checks(plan.modules), GivenValues({}), seen.append).run())
    return next(o for o in seen if o.route is Route.NAME), dials


def test_a_name_that_is_refused_at_first_passes_and_tells_how_often(
    monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    seen, dials = by_name(monkeypatch, port, refusals=len(PROGRAMMING_S))
    connect = seen.stage(Stage.CONNECT)
    assert connect
    assert (connect.status, connect.evidence["refused_before"]) == (Status.PASS, dials - 1)


def test_a_name_that_is_accepted_at_once_tells_of_no_refusal(
    monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    seen, dials = by_name(monkeypatch, port, refusals=0)
    connect = seen.stage(Stage.CONNECT)
    assert connect
    assert dials == 1
    assert "refused_before" not in connect.evidence


def test_a_name_that_stays_refused_is_given_up(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    seen, dials = by_name(monkeypatch, port, refusals=100)
    assert (dials, seen.ended_by and seen.ended_by.reason) == (
        1 + len(PROGRAMMING_S),
        Reason.REFUSED,
    )


def test_where_the_server_itself_refuses_the_name_is_dialled_once(
    monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    seen, dials = by_name(monkeypatch, port, refusals=100, endpoints=["127.0.0.2"])
    assert (dials, seen.ended_by and seen.ended_by.reason) == (1, Reason.REFUSED)


def test_where_one_of_two_addresses_refuses_the_name_is_dialled_once(
    monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    """It is explained: kube-proxy may have chosen that one."""
    _, dials = by_name(monkeypatch, port, refusals=100, endpoints=[ADDRESS, "127.0.0.2"])
    assert dials == 1


def test_what_the_objects_explain_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    _, dials = by_name(monkeypatch, port, refusals=100, nowhere=True)
    assert dials == 1
