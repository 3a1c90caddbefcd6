"""What may be expected is declared, and what cannot be compared is said, never dropped."""

import asyncio
from typing import Any

import pytest

from k8sext import registry
from k8sext.agent.expect import Key, read
from k8sext.agent.login.credentials import NoLogins
from k8sext.agent.main import load_checks
from k8sext.agent.run.runner import Runner
from k8sext.bridges import discover, infer
from k8sext.errors import K8sextError
from k8sext.model.bridge import Bridge, Kind, Port
from k8sext.model.plan import Plan, Target
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Route, Stage
from k8sext.provision.desired import complete
from k8sext.provision.spec import BridgeSpec
from tests.support.converse import PATIENT, against, observe
from tests.support.loopback import answering

DECLARED: dict[str, Key | str] = {
    "role": Key("", choices=("primary", "standby")),
    "version": Key("", "version"),
    "extension": Key("", "words"),
    "max_lag_s": Key("", "number"),
    "old": "a key that is only documented",
}


@pytest.mark.parametrize(
    ("given", "good"),
    [
        ({"role": "primary"}, {"role": "primary"}),
        ({"version": 15}, {"version": "15"}),
        ({"version": ">=12,<17"}, {"version": ">=12,<17"}),
        ({"extension": "timescaledb"}, {"extension": ["timescaledb"]}),
        ({"extension": ["a", "b>=2"]}, {"extension": ["a", "b>=2"]}),
        ({"max_lag_s": 1.5}, {"max_lag_s": 1.5}),
        ({"unreachable": True}, {"unreachable": True}),
        ({"old": ["x"]}, {"old": ["x"]}),
    ],
)
def test_what_fits(given: dict[str, Any], good: dict[str, Any]) -> None:
    assert read(DECLARED, given) == (good, ())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"rolle": "primary"}, "expect.rolle is not known; there are extension, max_lag_s, old"),
        ({"role": "master"}, "expect.role must be primary or standby"),
        ({"role": True}, "must be text"),
        ({"version": ">>1"}, "no version range"),
        ({"version": None}, "must be text"),
        ({"extension": []}, "must not be empty"),
        ({"max_lag_s": "5"}, "must be a number"),
        ({"max_lag_s": -1}, "at least 0"),
        ({"max_lag_s": float("nan")}, "at least 0"),
        ({"unreachable": "yes"}, "must be true or false"),
        ({"old": {}}, "must be text"),
    ],
)
def test_what_does_not(given: dict[str, Any], words: str) -> None:
    good, wrong = read(DECLARED, given)
    assert not good
    assert words in wrong[0]


def test_another_ports_key_is_not_wrong_and_not_ours() -> None:
    assert read(DECLARED, {"queue": "q"}, elsewhere={"queue"}) == ({}, ())


@pytest.mark.parametrize("name", sorted(registry.wire_checks()))
def test_no_check_takes_a_version_that_is_none(name: str) -> None:
    _, wrong = read(registry.wire_checks()[name].info.expects, {"version": "twelve"})
    assert wrong


async def accept(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read(64)


def test_a_probe_that_passes_with_a_misspelt_expectation_fails_for_it() -> None:
    seen = against(accept, "tcp", "tcp", expect={"rolle": "primary"})
    assert seen.ended_by is not None
    assert (seen.ended_by.stage, seen.ended_by.reason) == (Stage.VERIFY, Reason.BAD_EXPECTATION)
    assert "expect.rolle is not known" in seen.ended_by.detail


def test_what_ends_a_probe_first_is_said_first() -> None:
    seen = observe("tcp", "tcp", "127.0.0.1", 1, expect={"rolle": "primary"})
    assert seen.ended_by is not None
    assert seen.ended_by.reason is Reason.REFUSED


def test_a_whole_services_expectation_may_be_of_another_port() -> None:
    """`queue` is for AMQP; the management port beside it passes."""
    seen: list[Observation] = []

    async def served() -> None:
        async with answering(accept) as port:
            base: dict[str, Any] = {"service": "mq", "route": Route.ENDPOINT, "host": "127.0.0.1"}
            base |= {"port": port, "expect": {"queue": "orders"}}
            targets = (
                Target(id="o1", port_key="amqp", protocol="rabbitmq", **base),
                Target(id="o2", port_key="web", protocol="tcp", **base),
            )
            modules = ("rabbitmq", "tcp")
            plan = Plan(
                run_id="t", namespace="dev", targets=targets, modules=modules, budget=PATIENT
            )
            await Runner(plan, load_checks(modules), NoLogins(), seen.append).run()

    asyncio.run(served())
    web = next(o for o in seen if o.id == "o2")
    assert web.ended_by is None, web


def bridge(*protocols: str, **expect: Any) -> Bridge:
    ports = tuple(
        Port(name=p, port=n, protocol=p, protocol_source="port name")
        for n, p in enumerate(protocols, 1)
    )
    return Bridge(namespace="dev", service="s", kind=Kind.SELECTORLESS, ports=ports, expect=expect)


def test_discovery_tells_of_it() -> None:
    words = infer.vocabulary(e.info for e in registry.wire_checks().values())
    problems = discover.expectation_problems(bridge("postgresql", rolle="x"), words)
    assert len(problems) == 1
    assert problems[0].startswith("expect.rolle is not known")
    assert not discover.expectation_problems(bridge("rabbitmq", "http", queue="q"), words)


def test_provision_refuses_it() -> None:
    spec = BridgeSpec(
        name="db", namespace="dev", to=("192.0.2.1",), protocol="postgresql", expect={"rolle": "x"}
    )
    with pytest.raises(K8sextError, match=r"expect\.rolle"):
        complete(spec)
