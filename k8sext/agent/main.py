"""The agent in the probe pod: plan from the environment, JSON lines to standard output."""

from __future__ import annotations

import asyncio
import base64
import importlib
import json
import os
import signal
import sys
import zlib
from pathlib import Path

from k8sext.model.codec import from_json, to_json
from k8sext.model.plan import Plan
from k8sext.model.result import Observation

from . import summary
from .check import WireCheck
from .credentials import MountedSecrets
from .runner import Checks, Runner

HEARTBEAT_S = 5.0  # load balancers cut log streams that are silent for longer than they like
MAX_OUTPUT = 8 << 20  # kubelets rotate a container's log at 10 MiB


class Output:
    """Numbered JSON lines, bounded as a whole."""

    def __init__(self) -> None:
        self.count = 0
        self.written = 0
        self.seen: list[Observation] = []

    def record(self, kind: str, **fields: object) -> None:
        """Write one record; observations past the bound are counted and left out."""
        line = json.dumps({"seq": self.count, "type": kind, **fields}, separators=(",", ":"))
        if self.written + len(line) > MAX_OUTPUT and kind == "observation":
            kind, line = "dropped", json.dumps({"seq": self.count, "type": "dropped"})
        self.count += 1
        self.written += len(line) + 1
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def observation(self, seen: Observation) -> None:
        """Write one observation and keep it for the termination message."""
        self.record("observation", observation=to_json(seen))
        self.seen.append(seen)


def load_checks(modules: tuple[str, ...]) -> Checks:
    """Every WireCheck that the named modules under k8sext.checks.protocols define, by its names."""
    found: dict[str, type[WireCheck]] = {}
    for name in modules:
        module = importlib.import_module(f"k8sext.checks.protocols.{name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, WireCheck) and "info" in vars(value):
                found[value.info.name] = value
    return found


def read_plan() -> Plan:
    """The plan that `pack.environment` put into the environment."""
    chunks: list[str] = []
    while f"K8SEXT_PLAN_{len(chunks)}" in os.environ:
        chunks.append(os.environ[f"K8SEXT_PLAN_{len(chunks)}"])
    return from_json(Plan, json.loads(zlib.decompress(base64.b64decode("".join(chunks)))))


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
    heart = asyncio.create_task(_heartbeat(output))
    work = asyncio.create_task(runner.run())
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
    _leave_word(summary.encode(output.seen, control, interrupted=interrupted))
    output.record("end", records=output.count + 1, interrupted=interrupted)


async def _heartbeat(output: Output) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_S)
        output.record("heartbeat")


def _leave_word(text: str) -> None:
    path = os.environ.get("K8SEXT_TERMINATION_LOG", "/dev/termination-log")
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError:
        return  # not every runtime lets the container write it; the log has everything


def main() -> None:
    """Entry point in the pod."""
    part = read_plan().part(int(os.environ.get("JOB_COMPLETION_INDEX", "0")))
    asyncio.run(probe(part, Output()))
