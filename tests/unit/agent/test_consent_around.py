"""Consent beside a check's own connection: visits to other bridges, names that servers tell of."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from k8sext.agent.check import CheckInfo, Fault, Key, Login, Seen, WireCheck
from k8sext.agent.login.credentials import HeldSecrets
from k8sext.agent.net.resolver import Config
from k8sext.agent.run.runner import Runner
from k8sext.model.bridge import CredentialRef
from k8sext.model.plan import Budget, Plan, Target, Trail
from k8sext.model.result import Observation
from k8sext.model.secret import Secret
from k8sext.model.words import Reason, Route, Stage, Status
from tests.support import nameserver, trails
from tests.support.loopback import answering
from tests.support.nameserver import Asked, a

HOST, VIRTUAL, EVIL = "127.0.11.2", "127.0.11.9", "127.0.11.66"
CANARY = "canary-4711"


class Store(WireCheck):
    """Sends its password as it is."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="store", summary="s", proves="p", credential_keys={"password": ()}
    )

    async def auth(self, login: Login | None) -> Seen | None:
        if login is None:
            raise Fault(Reason.AUTH_REQUIRED, "no login")
        await self.stream.write(f"{login.get('password')}\n".encode())
        return Seen(detail=(await self.stream.read_until(b"\n")).decode().strip())

    async def verify(self) -> Seen | None:
        name = str(self.target.expect.get("name") or "")
        return Seen(detail=f"{name}: {await self.consents(name)}") if name else Seen()


class Careless(Store):
    """Forgets to encrypt, whatever it is told."""

    info: ClassVar[CheckInfo] = replace(Store.info, name="careless")

    async def tls(self) -> Seen | None:
        return None


class Visitor(WireCheck):
    """Needs a store."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="visitor", summary="s", proves="p", expects={"store": Key("the store", "bridge")}
    )
    verify_needs_login = False

    async def verify(self) -> Seen | None:
        async with self.visit("store") as other:
            return Seen(detail=f"through {other.target.service}")


CHECKS: Mapping[str, type[WireCheck]] = {"store": Store, "visitor": Visitor, "careless": Careless}
Store.info = replace(Store.info, expects={"name": Key("a name")})


def target(protocol: str, route: Route, host: str, port: int, **more: Any) -> Target:
    base: dict[str, Any] = {
        "id": f"{protocol}-{host}",
        "service": f"{protocol}-svc",
        "port_key": "p",
        "protocol": protocol,
        "route": route,
        "host": host,
        "port": port,
    }
    return Target(**{**base, **more})


def looked(
    make: Any, secret: dict[str, str], leads: str = VIRTUAL
) -> tuple[list[Observation], dict[str, bytes]]:
    """A run of `make(port)` targets and companions; what each address received."""
    got: dict[str, bytes] = {}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here = writer.get_extra_info("sockname")[0]
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while data := await reader.read(4096):
                got[here] = got.get(here, b"") + data
                writer.write(b"ok, whatever it is\n")

    def dns(asked: Asked) -> list[bytes]:
        return [asked.reply(a(asked.name, leads))]

    async def run(config: Config) -> list[Observation]:
        async with answering(answer, "0.0.0.0") as port:
            targets, companions = make(port)
            plan = Plan(
                run_id="t",
                namespace="dev",
                targets=targets,
                companions=companions,
                modules=("m",),
                budget=Budget(stage_s=2, probe_s=5, run_s=10),
            )
            held = {k: Secret(v) for k, v in {"password": CANARY, **secret}.items()}
            seen: list[Observation] = []
            await Runner(plan, CHECKS, HeldSecrets({"s": held}), seen.append, config).run()
        return seen

    with nameserver.serve(dns) as server:
        return asyncio.run(run(server.config())), got


REF = CredentialRef(secret="s")
OWN = {"k8sext.service": "store-svc"}


@pytest.mark.parametrize(
    ("secret", "trail", "leads", "sent"),
    [
        (OWN, trails.by_service(HOST, virtual=(VIRTUAL,), peer=""), VIRTUAL, True),
        (OWN, trails.by_service(HOST, virtual=(VIRTUAL,), peer=""), EVIL, False),
        (OWN, trails.by_service(HOST, virtual=(VIRTUAL,), peer="", people=False), VIRTUAL, False),
        ({}, trails.by_service(HOST, virtual=(VIRTUAL,), peer=""), VIRTUAL, False),
        (
            {**OWN, "host": HOST},
            trails.by_service(HOST, EVIL, virtual=(VIRTUAL,), peer=""),
            VIRTUAL,
            False,
        ),
        (
            {**OWN, "k8sext.tls": "require"},
            trails.by_service(HOST, virtual=(VIRTUAL,), peer=""),
            VIRTUAL,
            False,
        ),
    ],
)
def test_a_visit_asks_for_consent_where_it_is_led(
    secret: dict[str, str], trail: Trail, leads: str, sent: bool
) -> None:
    def make(port: int) -> Any:
        own = target(
            "visitor",
            Route.ENDPOINT,
            HOST,
            port,
            expect={"store": "store-svc"},
            companions=(("store", "c1"),),
        )
        store = target("store", Route.NAME, "store-svc", port, credentials=REF, trail=trail)
        return (own,), (replace(store, id="c1"),)

    (seen,), got = looked(make, secret, leads)
    assert any(CANARY.encode() in data for data in got.values()) is sent
    stage = seen.stage(Stage.VERIFY)
    assert stage
    if sent:
        assert (stage.status, stage.detail) == (Status.PASS, "through store-svc")
    else:
        assert stage.reason is Reason.COMPANION_FAILED


@pytest.mark.parametrize(
    ("name", "leads", "may"),
    [
        ("store-svc", VIRTUAL, True),
        ("store-svc.dev.svc", VIRTUAL, True),
        ("store-svc", EVIL, False),
        (HOST, "", True),
        (EVIL, "", False),
    ],
)
def test_a_name_that_the_server_tells_of(name: str, leads: str, may: bool) -> None:
    """As a registry tells of its token service under the bridge's own name."""

    def make(port: int) -> Any:
        end = target(
            "store",
            Route.ENDPOINT,
            HOST,
            port,
            expect={"name": name},
            credentials=REF,
            trail=trails.to_endpoint(HOST, peer=""),
        )
        by_name = target(
            "store",
            Route.NAME,
            "store-svc",
            port,
            credentials=REF,
            trail=trails.by_service(HOST, virtual=(VIRTUAL,), peer=""),
        )
        return (end, by_name), ()

    seen, _ = looked(make, OWN, leads or VIRTUAL)
    (end,) = [o for o in seen if o.route is Route.ENDPOINT]
    stage = end.stage(Stage.VERIFY)
    assert stage and stage.detail == f"{name}: {may}"


@pytest.mark.parametrize(("demand", "sent"), [("any", True), ("require", False)])
def test_a_check_that_does_not_encrypt_is_given_no_login(demand: str, sent: bool) -> None:
    """What the connection is, and not what was asked of it, is compared before the login."""

    def make(port: int) -> Any:
        one = target(
            "careless",
            Route.ENDPOINT,
            HOST,
            port,
            credentials=REF,
            trail=trails.to_endpoint(HOST, peer=""),
        )
        return (one,), ()

    secret = {"k8sext.service": "careless-svc", "k8sext.tls": demand}
    (seen,), got = looked(make, secret)
    assert (CANARY.encode() in got.get(HOST, b"")) is sent
    stage = seen.stage(Stage.AUTH)
    assert stage
    assert (stage.reason is Reason.TLS_DEMANDED) is not sent
