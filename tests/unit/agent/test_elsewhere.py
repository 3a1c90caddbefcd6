"""A question to a server that another server has named: where it goes, and where it never goes."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest

from k8sext.agent.check import CheckInfo, Seen, WireCheck
from k8sext.agent.login.credentials import NoLogins
from k8sext.agent.net.network import Direct
from k8sext.agent.run.runner import Runner
from k8sext.model.plan import Plan, Target
from k8sext.model.result import Observation
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason, Route, Stage
from tests.support.converse import PATIENT
from tests.support.loopback import answering
from tests.support.ports import HOST, free_ports


class Sent(WireCheck):
    """Goes to `where`, and says what it hears there."""

    info: ClassVar[CheckInfo] = CheckInfo(name="sent", summary="s", proves="p")
    verify_needs_login = False
    where: ClassVar[str] = ""

    async def verify(self) -> Seen | None:
        async with self.elsewhere(self.where, TlsMode.DISABLE) as stream:
            return Seen(detail=(await stream.read_until(b"\n")).decode().strip())


class Tied(Direct):
    """As a port-forward: it leads to what the plan has, and nowhere else."""

    anywhere = False


def sent(where: str, network: Direct | None = None) -> Observation:
    """`{port}` in `where` is that of a server that greets."""

    async def run() -> Observation:
        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"welcome\n")

        async with answering(greet) as port:
            Sent.where = where.format(port=port)
            target = Target(
                id="o1",
                service="s",
                port_key="p",
                protocol="sent",
                route=Route.ENDPOINT,
                host=HOST,
                port=port,
            )
            plan = Plan(run_id="t", namespace="dev", targets=(target,), modules=(), budget=PATIENT)
            seen: list[Observation] = []
            await Runner(plan, {"sent": Sent}, NoLogins(), seen.append, network=network).run()
        return seen[0]

    return asyncio.run(run())


@pytest.mark.parametrize("host", [HOST, "localhost"])
def test_an_address_or_a_name(host: str) -> None:
    stage = sent(host + ":{port}").stage(Stage.VERIFY)
    assert stage and (stage.reason, stage.detail) == (None, "welcome")


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("169.254.169.254:80", "not an address that clients can use"),
        ("[fe80::1]:80", "not an address that clients can use"),
        ("0.0.0.0:80", "not an address that clients can use"),
        ("224.0.0.1:80", "not an address that clients can use"),
        ("nowhere", "no address"),
        ("", "no address"),
        (f"{HOST}:0", "no address"),
        (f"{HOST}:{free_ports(1)[0]}", "ECONNREFUSED"),
    ],
)
def test_places_it_does_not_get_to(where: str, says: str) -> None:
    ended = sent(where).ended_by
    assert ended and ended.reason is Reason.ANNOUNCED_UNREACHABLE
    assert says in ended.detail


def test_where_only_the_plan_leads_nobody_is_blamed() -> None:
    ended = sent(HOST + ":{port}", Tied()).ended_by
    assert ended and ended.reason is Reason.VANTAGE_UNPROVEN
