"""A driver looks names up and encrypts for itself: its login goes nowhere else for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from k8sext import registry
from k8sext.agent.drive import drivers
from k8sext.agent.drive.client import ClientInfo, ClientProbe, Dial, Notes
from k8sext.agent.drive.reach import reach
from k8sext.agent.drive.scene import Scene
from k8sext.agent.login.credentials import HeldSecrets
from k8sext.model.bridge import CredentialRef
from k8sext.model.plan import Target
from k8sext.model.result import Observation, StageResult
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import STAGES, Reason, Route, Stage, Status
from tests.support import trails
from tests.support.drivers import plan_of, target

GOOD, EVIL = "198.51.100.7", "198.51.100.66"
ALIAS = trails.by_alias("db.corp.example", "")
DIALS: list[Dial] = []


class Scripted(ClientProbe):
    info = ClientInfo(driver="json", package="pytest", protocols=("redis",))

    def look(self, dial: Dial, notes: Notes) -> None:
        DIALS.append(dial)
        notes.passed(Stage.VERIFY)


def by_name(**more: Any) -> Target:
    base: dict[str, Any] = {
        "route": Route.NAME, "host": "svc", "trail": ALIAS, "credentials": CredentialRef(secret="s")
    }  # fmt: skip
    return target("redis", 6379, **{**base, **more})


def scene(one: Target, secret: dict[str, str], *, encrypted: bool = False) -> Scene:
    """The wire probe was led to GOOD, over the alias that the Secret names."""
    facts: dict[Stage, dict[str, Any]] = {
        Stage.RESOLVE: {"addresses": [GOOD], "cname": ["db.corp.example"]},
        Stage.CONNECT: {"peer": f"{GOOD}:6379"},
    }
    plain = {} if encrypted else {Stage.TLS: (Status.SKIP, Reason.NOT_APPLICABLE)}
    stages = tuple(
        StageResult(stage=s, status=plain.get(s, (Status.PASS, None))[0],
                    reason=plain.get(s, (Status.PASS, None))[1], evidence=facts.get(s, {}))
        for s in STAGES
    )  # fmt: skip
    seen = Observation(
        id=one.id, namespace="dev", service="svc", port=one.port_key, protocol="redis",
        vantage="local", route=one.route, target=one.address, stages=stages,
    )  # fmt: skip
    values = {k: Secret(v) for k, v in {"password": "canary-4711", **secret}.items()}
    return Scene(
        plan=plan_of(one),
        wire={one.id: seen},
        clients={"redis": Scripted},
        checks={n: e.cls for n, e in registry.wire_checks().items()},
        logins=HeldSecrets({"s": values}),
        until=float("inf"),
    )


HOST = {"host": "db.corp.example"}


@pytest.mark.parametrize(("now", "dialled"), [(GOOD, True), (EVIL, False)])
def test_a_name_that_leads_elsewhere_a_moment_later(
    now: str, dialled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    DIALS.clear()
    monkeypatch.setattr(drivers, "resolve", lambda *_: now)
    (seen,) = drivers.observe(scene(by_name(), HOST))
    assert [d.host for d in DIALS] == ([GOOD] if dialled else [])
    assert [d.get("password") for d in DIALS] == (["canary-4711"] if dialled else [])
    reasons = {s.reason for s in seen.stages}
    assert (Reason.CONSENT_ELSEWHERE in reasons) is not dialled


@pytest.mark.parametrize(
    ("secret", "trail", "may"),
    [
        (HOST, ALIAS, {GOOD}),
        ({"k8sext.service": "svc"}, ALIAS, None),
        ({"k8sext.service": "svc"}, trails.by_service(GOOD, virtual=(GOOD,)), {GOOD}),
        ({"host": GOOD}, ALIAS, {GOOD}),
        (HOST, None, None),
    ],
)
def test_where_a_driver_may_go(secret: dict[str, str], trail: Any, may: set[str] | None) -> None:
    one = by_name(trail=trail)
    found = reach(scene(one, secret), one)
    assert found == (frozenset(may) if may else None)


@pytest.mark.parametrize(
    ("demand", "asked", "encrypted", "sent"),
    [
        ("any", None, False, True),
        ("require", None, False, False),
        ("require", None, True, True),
        ("require", TlsMode.REQUIRE, True, True),
        ("verify-full", None, True, True),
    ],
)
def test_a_driver_protects_a_login_as_its_secret_demands(
    demand: str, asked: TlsMode | None, encrypted: bool, sent: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    DIALS.clear()
    monkeypatch.setattr(drivers, "resolve", lambda *_: GOOD)
    one = replace(by_name(), tls=TlsSpec(mode=asked))
    (seen,) = drivers.observe(scene(one, {**HOST, "k8sext.tls": demand}, encrypted=encrypted))
    assert bool(DIALS) is sent, seen
    for dial in DIALS:
        assert (dial.verified and dial.named) is (demand == "verify-full")
        assert (dial.tls is TlsMode.DISABLE) is (demand == "any")
