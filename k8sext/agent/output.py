"""What every entry point of the agent shares: the plan it is given and the lines that it writes."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import zlib
from collections.abc import Mapping

from k8sext.model.codec import from_json, to_json
from k8sext.model.plan import Plan
from k8sext.model.result import Observation

HEARTBEAT_S = 5.0  # load balancers cut log streams that are silent for longer than they like
MAX_OUTPUT = 8 << 20  # kubelets rotate a container's log at 10 MiB


class Output:
    """Numbered JSON lines with the run's nonce, bounded as a whole."""

    def __init__(self, nonce: str = "") -> None:
        self.nonce = nonce
        self.count = 0
        self.written = 0
        self.seen: list[Observation] = []

    def record(self, kind: str, **fields: object) -> None:
        """Write one record; observations past the bound are counted and left out."""
        line = self._line(kind, fields)
        if self.written + len(line) > MAX_OUTPUT and kind == "observation":
            line = self._line("dropped", {})
        self.count += 1
        self.written += len(line) + 1
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def _line(self, kind: str, fields: Mapping[str, object]) -> str:
        told = {"seq": self.count, "nonce": self.nonce, "type": kind, **fields}
        return json.dumps(told, separators=(",", ":"))

    def observation(self, seen: Observation) -> None:
        """Write one observation and keep it for the termination message."""
        self.record("observation", observation=to_json(seen))
        self.seen.append(seen)


async def heartbeat(output: Output) -> None:
    """Write a record now and then, for ever."""
    while True:
        await asyncio.sleep(HEARTBEAT_S)
        output.record("heartbeat")


def read_plan() -> Plan:
    """The plan that `pack.environment` put into the environment."""
    chunks: list[str] = []
    while f"K8SEXT_PLAN_{len(chunks)}" in os.environ:
        chunks.append(os.environ[f"K8SEXT_PLAN_{len(chunks)}"])
    return from_json(Plan, json.loads(zlib.decompress(base64.b64decode("".join(chunks)))))
