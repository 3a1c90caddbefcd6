"""Visits to other bridges, a listener for calls back, and what the runner writes down of both."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from k8sext.agent.check import (
    Callbacks,
    CheckInfo,
    Fault,
    Key,
    Login,
    Registered,
    Seen,
    WireCheck,
)
from k8sext.agent.login.credentials import GivenValues
from k8sext.agent.net.listener import listening
from k8sext.agent.net.stream import Stream
from k8sext.agent.run.runner import Runner
from k8sext.doctor import plan
from k8sext.model.bridge import Bridge, CredentialRef, Endpoint, Kind, Port
from k8sext.model.plan import Budget, Plan
from k8sext.model.result import Observation
from k8sext.model.secret import Secret
from k8sext.model.words import Reason, Stage, Status
from tests.support.loopback import answering

HOST = "127.0.0.1"


class Store(WireCheck):
    """Says what it is told; wants the password `right`."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="store", summary="s", proves="p", credential_keys={"password": ()}
    )
    logins: ClassVar[list[str]] = []

    async def handshake(self) -> Seen:
        await self.stream.write(b"hello\n")
        return Seen(detail=(await self.stream.read_until(b"\n")).decode())

    async def auth(self, login: Login | None) -> Seen | None:
        word = login.get("password") if login else ""
        self.logins.append(word)
        if word != "right":
            raise Fault(Reason.AUTH_REJECTED, "no")
        return Seen()

    async def verify(self) -> Seen | None:
        await self.stream.write(b"verify\n")
        return Seen(detail=(await self.stream.read_until(b"\n")).decode())


class Path(WireCheck):
    """Needs a store."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="path", summary="s", proves="p", expects={"store": Key("the store", "bridge")}
    )
    verify_needs_login = False

    async def verify(self) -> Seen | None:
        async with self.visit("store") as other:
            seen = await other.verify()
            assert seen
            return Seen(detail=f"through {other.target.service}: {seen.detail.strip()}")


class Caller(WireCheck):
    """Knows two addresses, and calls the third that it is given."""

    info: ClassVar[CheckInfo] = CheckInfo(name="caller", summary="s", proves="p", active="calls")
    verify_needs_login = False
    known: ClassVar[tuple[Registered, ...]] = ()

    async def verify(self) -> Seen | None:
        calls = Callbacks(entries=self.known, caller="the caller")
        if not self.target.reverse_app:
            return Seen(callbacks=calls)
        async with listening(self.stream, b'{"code":200}') as here:
            await self.stream.write(f"call {here.address} {self.target.reverse_app}\n".encode())
            call = await here.called(3)
            return Seen(detail=f"called back: {call.path if call else 'never'}")


CHECKS: Mapping[str, type[WireCheck]] = {"store": Store, "path": Path, "caller": Caller}


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        words = line.decode().split()
        if words[0] == "call":
            host, _, port = words[1].rpartition(":")
            there, back = await asyncio.open_connection(host, int(port))
            back.write(f"GET /beat/{words[2]} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert b"200 OK" in await there.readline()
            back.close()
        else:
            writer.write(line)
            await writer.drain()


def bridge(protocol: str, port: int, expect: dict[str, Any] | None = None) -> Bridge:
    return Bridge(
        namespace="dev",
        service=f"{protocol}-svc",
        kind=Kind.SELECTORLESS,
        ports=(Port(name=protocol, port=port, protocol=protocol, protocol_source="x"),),
        endpoints=(Endpoint(address=HOST, port=port, port_name=protocol),),
        expect=expect or {},
    )


def looked(
    first: str, expect: dict[str, Any] | None = None, password: str = "right", **acting: Any
) -> Observation:
    """The probe of one bridge, with a store beside it that is not probed itself."""

    async def run() -> Observation:
        async with answering(_echo) as port:
            made = plan.make(
                [bridge(first, port, expect)],
                run_id="r",
                namespace="dev",
                modules=dict.fromkeys(CHECKS, "m"),
                vantage="local",
                visits=plan.Companions(bridges=[bridge("store", port)], keys={"path": ("store",)}),
                acting=plan.Acting(**acting) if acting else None,
            )
            seen: list[Observation] = []
            logins = GivenValues({"store-svc": {"password": Secret(password)}})
            await Runner(made, CHECKS, logins, seen.append).run()
        return seen[0]

    Store.logins.clear()
    return asyncio.run(run())


def test_a_visit_is_connected_greeted_and_logged_in() -> None:
    stage = looked("path", {"store": "store-svc"}).stage(Stage.VERIFY)
    assert stage and stage.status is Status.PASS
    assert stage.detail == "through store-svc: verify"
    assert Store.logins == ["right"]


def test_a_visit_that_fails_names_the_other_bridge() -> None:
    stage = looked("path", {"store": "store-svc"}, password="wrong").stage(Stage.VERIFY)
    assert stage and stage.reason is Reason.COMPANION_FAILED
    assert "store-svc" in stage.detail and "(store): no" in stage.detail


def test_a_bridge_that_does_not_exist_is_a_bad_expectation() -> None:
    stage = looked("path", {"store": "other-svc"}).stage(Stage.VERIFY)
    assert stage and stage.reason is Reason.BAD_EXPECTATION and "other-svc" in stage.detail


@pytest.mark.parametrize("value", ["no_name", "a b", "x:y:z", "-x", "x" * 64, 'x","y'])
def test_a_companion_is_a_service_name(value: str) -> None:
    stage = looked("path", {"store": value}).stage(Stage.VERIFY)
    assert stage and stage.reason is Reason.BAD_EXPECTATION


def test_registered_addresses_become_evidence_and_the_doubtful_are_looked_at() -> None:
    async def run() -> Observation:
        async with answering(_echo) as port:
            Caller.known = (
                Registered(
                    address=f"{HOST}:{port}", app="shop", state="down", error="late", age_s=3.14
                ),
                Registered(address=f"{HOST}:1", app="shop"),
                Registered(address="198.51.100.22:80", app="web", state="up"),
            )
            made = plan.make(
                [bridge("caller", port)],
                run_id="r",
                namespace="dev",
                modules={"caller": "m"},
                vantage="local",
            )
            seen: list[Observation] = []
            await Runner(made, CHECKS, GivenValues({}), seen.append).run()
        return seen[0]

    stage = asyncio.run(run()).stage(Stage.VERIFY)
    assert stage and stage.status is Status.PASS
    facts: Any = stage.evidence["callbacks"]
    assert facts["caller"] == "the caller" and facts["known"] == 3
    known, dead, up = facts["entries"]
    assert known["reached"] is True and known["age_s"] == 3.1 and known["error"] == "late"
    assert dead["reached"] is False and dead["state"] == "unknown"
    assert "reached" not in up  # what the system reaches itself is left alone


def test_a_listener_takes_the_call_back() -> None:
    stage = looked("caller", reverse_app="canary").stage(Stage.VERIFY)
    assert stage and stage.detail == "called back: /beat/canary"


def test_only_one_route_acts() -> None:
    made = plan.make(
        [bridge("caller", 80), bridge("store", 81)],
        run_id="r",
        namespace="dev",
        modules=dict.fromkeys(CHECKS, "m"),
        acting=plan.Acting(reverse_app="canary"),
    )
    assert [(t.service, t.route.value) for t in made.targets if t.active] == [
        ("caller-svc", "name"),
        ("store-svc", "name"),
    ]
    assert {t.reverse_app for t in made.targets if not t.active} == {""}


def test_companions_take_their_secrets_along() -> None:
    from k8sext.vantage.job import secrets_of

    store = replace(bridge("store", 81), credentials=CredentialRef(secret="store-auth"))
    made: Plan = plan.make(
        [bridge("path", 80, {"store": "store-svc:store"})],
        run_id="r",
        namespace="dev",
        modules=dict.fromkeys(CHECKS, "m"),
        visits=plan.Companions(bridges=[store], keys={"path": ("store",)}),
    )
    assert secrets_of(made) == ("store-auth",)
    assert [(t.id, t.service, t.route.value) for t in made.companions] == [
        ("c1", "store-svc", "name")
    ]
    assert made.part(0).companions == made.companions


def test_a_long_visit_keeps_nobody_from_logging_in() -> None:
    """The lock is that of the login, not of what follows it."""

    async def run() -> list[str]:
        async with answering(_echo) as port:
            made = plan.make(
                [bridge("path", port, {"store": "store-svc"})],
                run_id="r",
                namespace="dev",
                modules=dict.fromkeys(CHECKS, "m"),
                vantage="local",
                visits=plan.Companions(bridges=[bridge("store", port)], keys={"path": ("store",)}),
            )
            logins = GivenValues({"store-svc": {"password": Secret("right")}})
            runner = Runner(made, CHECKS, logins, lambda _: None)
            (target,), (store,) = made.targets, made.companions
            check = Path(target, await Stream.connect(HOST, port, None))
            check.around = runner.visits
            login, held = Login({"password": Secret("right")}), []
            keys = runner.order.keys(store, HOST, login)
            async with check.visit("store"):
                held.append(str(not runner.order.turns.free(keys)))
            await check.stream.close()
        return held

    assert asyncio.run(run()) == ["False"]


def test_who_waits_for_a_long_turn_does_not_connect_before_it() -> None:
    """A check that acts may keep its turn for as long as it waits for what it sent."""
    connected: list[float] = []

    class Slow(Store):
        info: ClassVar[CheckInfo] = CheckInfo(
            name="slow", summary="s", proves="p", credential_keys={"password": ()}, active="writes"
        )

        async def verify(self) -> Seen | None:
            if self.target.active:
                await asyncio.sleep(0.3)
            return Seen()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(asyncio.get_running_loop().time())
        await _echo(reader, writer)

    async def run() -> None:
        async with answering(accept) as port:
            one = bridge("slow", port)
            made = plan.make(
                [one, replace(one, service="other-svc")],
                run_id="r",
                namespace="dev",
                modules={"slow": "m"},
                vantage="local",
                acting=plan.Acting(),
            )
            shared = replace(
                made,
                targets=tuple(
                    replace(t, credentials=CredentialRef(secret="one")) for t in made.targets
                ),
            )
            logins = GivenValues(
                {s: {"password": Secret("right")} for s in ("slow-svc", "other-svc")}
            )
            await Runner(shared, {"slow": Slow}, logins, lambda _: None).run()

    asyncio.run(run())
    first, second = connected
    assert second - first > 0.25


def test_a_visit_does_not_spend_its_stage_on_waiting_for_who_acts() -> None:
    """Another probe of the same login waits for what it has written, longer than a stage lasts."""

    async def run() -> Observation:
        async with answering(_echo) as port:
            made = plan.make(
                [bridge("path", port, {"store": "store-svc"})],
                run_id="r",
                namespace="dev",
                modules=dict.fromkeys(CHECKS, "m"),
                vantage="local",
                visits=plan.Companions(bridges=[bridge("store", port)], keys={"path": ("store",)}),
                budget=replace(Budget(), stage_s=0.6),
            )
            (store,), seen = made.companions, list[Observation]()
            logins = GivenValues({"store-svc": {"password": Secret("right")}})
            runner = Runner(made, CHECKS, logins, seen.append)
            login = Login({"password": Secret("right")})
            async with runner.order.turns.turn(runner.order.keys(store, HOST, login)):
                await runner.run()
        return seen[0]

    stage = asyncio.run(run()).stage(Stage.VERIFY)
    assert stage and stage.status is Status.PASS
