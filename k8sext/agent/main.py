"""The agent in the probe pod: plan from the environment, JSON lines to standard output."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from k8sext.agent.login.credentials import MountedSecrets
from k8sext.agent.run.runner import Runner
from k8sext.model.plan import Plan

from . import summary
from .check import Checks, WireCheck
from .ending import leave
from .output import Output, heartbeat, read_plan


def load_checks(modules: tuple[str, ...]) -> Checks:
    """Every WireCheck that the named files or folders of checks.protocols define, by its name."""
    found: dict[str, type[WireCheck]] = {}
    for name in modules:
        module = importlib.import_module(f"k8sext.checks.protocols.{name}")
        if hasattr(module, "__path__"):
            module = importlib.import_module(f"{module.__name__}.check")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, WireCheck) and "info" in vars(value):
                found[value.info.name] = value
    return found


async def _carry_out(runner: Runner, output: Output) -> None:
    """The wire probes, then the drivers, where the plan has any and the image has them."""
    plan, until = runner.plan, time.monotonic() + runner.budget.run_s
    await runner.run()
    if not plan.clients:
        return
    # By name: the archive carries this file only with a plan that has drivers.
    drivers = importlib.import_module("k8sext.agent.drive.drivers")
    scene = drivers.Scene(
        plan=plan,
        wire={o.id: o for o in output.seen},
        clients=drivers.load(plan.clients),
        checks=runner.checks,
        logins=runner.logins,
        until=until,
    )
    for seen in await drivers.aside(scene):
        output.observation(replace(seen, node=runner.node))


async def probe(plan: Plan, output: Output) -> None:
    """Carry out the plan; the last record says how many there were."""
    output.record("hello", run=plan.run_id, python=sys.version.split()[0])
    secrets = MountedSecrets(Path(os.environ.get("K8SEXT_SECRETS", "/k8sext/credentials")))
    runner = Runner(
        plan,
        load_checks(plan.modules),
        secrets,
        output.observation,
        node=os.environ.get("K8SEXT_NODE", ""),
    )
    heart = asyncio.create_task(heartbeat(output))
    work = asyncio.create_task(_carry_out(runner, output))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    interrupted, control = False, None
    try:
        await work
        if runner.failed:
            control = await runner.control()
            output.record("control", **control)
    except asyncio.CancelledError:
        interrupted = True
    finally:
        heart.cancel()
    wire = [o for o in output.seen if not o.client]
    _leave_word(summary.encode(wire, control, interrupted=interrupted))
    output.record("end", records=output.count + 1, interrupted=interrupted)


def _leave_word(text: str) -> None:
    path = os.environ.get("K8SEXT_TERMINATION_LOG", "/dev/termination-log")
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError:
        return  # not every runtime lets the container write it; the log has everything


def main() -> None:
    """Entry point in the pod."""
    part = read_plan().part(int(os.environ.get("JOB_COMPLETION_INDEX", "0")))
    asyncio.run(probe(part, Output(part.nonce)))
    leave(0)
