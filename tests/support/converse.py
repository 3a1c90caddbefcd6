"""Runs one wire check against a server, as the agent would, and gives its observation."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from k8sext import registry
from k8sext.agent.check import WireCheck
from k8sext.agent.fault import Fault
from k8sext.agent.login.credentials import GivenValues
from k8sext.agent.main import load_checks
from k8sext.agent.net.stream import Stream
from k8sext.agent.run.runner import Runner
from k8sext.model.plan import Budget, Plan, Target
from k8sext.model.result import Observation, StageResult
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsSpec
from k8sext.model.words import Reason, Route, Stage
from tests.support.loopback import Handler, answering

PATIENT = Budget(stage_s=10, resolve_s=10, probe_s=30, run_s=40)  # few cores, many tests
SHORT = Budget(stage_s=0.5, resolve_s=0.5, probe_s=2.0, run_s=3.0)  # for what runs into it


def check_class(module: str, protocol: str) -> type[WireCheck]:
    """The check of a module under checks/protocols."""
    return load_checks((module,))[protocol]


def on(module: str, protocol: str, data: bytes, **options: Any) -> WireCheck:
    """A check over a stream that has received `data` and then ended."""
    target = Target(
        id="o", service="s", port_key="p", protocol=protocol, route=Route.NAME, host="h", port=1,
        **options,
    )  # fmt: skip
    return check_class(module, protocol)(target, fed(data))


def observe(
    module: str,
    protocol: str,
    host: str,
    port: int,
    login: Mapping[str, str] | None = None,
    tls: TlsSpec | None = None,
    expect: Mapping[str, Any] | None = None,
    budget: Budget = PATIENT,
    **more: Any,
) -> Observation:
    """One probe of one address, over a real socket; `more` is of the target."""
    target = Target(
        id="o1",
        service="svc",
        port_key="p",
        protocol=protocol,
        route=Route.ENDPOINT,
        host=host,
        port=port,
        server=f"{host}:{port}",
        tls=tls or TlsSpec(),
        expect=expect or {},
        **more,
    )
    plan = Plan(
        run_id="t",
        namespace="dev",
        targets=(target,),
        modules=(module,),
        budget=budget,
        fingerprints=registry.fingerprints(),
    )
    values = {"svc": {k: Secret(v) for k, v in (login or {}).items()}} if login else {}
    seen: list[Observation] = []
    runner = Runner(plan, load_checks((module,)), GivenValues(values), seen.append)
    asyncio.run(runner.run())
    return seen[0]


def against(handler: Handler, module: str, protocol: str, **options: Any) -> Observation:
    """One probe of a scripted server on loopback (a stand-in made for the test)."""

    async def served() -> Observation:
        async with answering(handler) as port:
            return await asyncio.to_thread(observe, module, protocol, "127.0.0.1", port, **options)

    return asyncio.run(served())


class _Fed(Stream):
    """Takes what is written, and loses it."""

    async def write(self, data: bytes) -> None:
        return


def fed(data: bytes) -> Stream:
    """A stream without a socket that has received `data` and then ended."""
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return _Fed(reader, None)


async def left_to_itself(check: WireCheck, *stages: Stage) -> None:
    """Steps of a check over a stream that was fed beforehand: Fault, or nothing at all, comes out.

    What a step gives back must be fit for JSON, as the agent writes it.
    """
    steps = {
        Stage.HANDSHAKE: check.handshake,
        Stage.AUTH: lambda: check.auth(check.login),
        Stage.VERIFY: check.verify,
    }
    try:
        for stage in stages:
            seen = await steps[stage]()
            json.dumps(dict(seen.evidence) if seen else {}, allow_nan=False)
    except Fault as fault:
        json.dumps(fault.evidence, allow_nan=False)


def end_of(seen: Observation) -> StageResult | None:
    """What ended the probe: a failure, or a login that is wanted and not configured (a skip)."""
    auth = seen.stage(Stage.AUTH)
    wanted = auth if auth and auth.reason is Reason.AUTH_REQUIRED else None
    return seen.ended_by or wanted


def source(module: str) -> Path:
    """The file of a check."""
    path = importlib.import_module(f"k8sext.checks.protocols.{module}").__file__
    assert path is not None
    return Path(path)
