"""A healthy cluster of one bridge, whose pod is the real agent: what the fault server stands on."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from k8sext.agent import main as agent
from k8sext.agent import output
from k8sext.agent.net import network
from k8sext.agent.net.resolver import DnsAnswer
from tests.support.probe_pods import defaulted, pod_of

NAMESPACE = "dev"


def service(port: int) -> dict[str, Any]:
    """Headless, without a selector: leads to this machine."""
    notes = {"k8sext.io/protocol": "http"}
    return {
        "metadata": {"name": "web-svc", "namespace": NAMESPACE, "annotations": notes, "uid": "s"},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "clusterIPs": ["None"],
            "ipFamilies": ["IPv4"],
            "ports": [{"name": "http", "port": port, "targetPort": port, "protocol": "TCP"}],
        },
    }


def endpoint_slice(port: int) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": "web-svc"}
    return {
        "metadata": {"name": "web-svc-1", "namespace": NAMESPACE, "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
    }


class _Loop(asyncio.SelectorEventLoop):
    def add_signal_handler(self, *_: Any) -> None:  # type: ignore[override]
        """A thread of the tests gets no signals."""


class Pod:
    """The real agent, in a thread; what it writes is the log."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.word = ""
        self.ended = False
        self.changed = threading.Condition()

    def start(self, environment: dict[str, str]) -> None:
        threading.Thread(target=self._run, args=(environment,), daemon=True).start()

    def _run(self, environment: dict[str, str]) -> None:
        os.environ.update(environment)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "word")
            os.environ["K8SEXT_TERMINATION_LOG"] = str(file)
            try:
                part = output.read_plan().part(0)
                setattr(output, "sys", SimpleNamespace(stdout=self))  # noqa: B010
                with asyncio.Runner(loop_factory=_Loop) as runner:
                    runner.run(agent.probe(part, output.Output(part.nonce)))
                self.word = file.read_text(encoding="utf-8")
            finally:
                setattr(output, "sys", sys)  # noqa: B010
                for name in (*environment, "K8SEXT_TERMINATION_LOG"):
                    os.environ.pop(name, None)
                with self.changed:
                    self.ended = True
                    self.changed.notify_all()

    def write(self, text: str) -> None:
        with self.changed:
            self.lines.append(text.encode())
            self.changed.notify_all()

    def flush(self) -> None:
        """What the agent writes is there at once."""

    def log(self) -> Iterator[bytes]:
        """Its lines as they come, to their end."""
        at = 0
        while True:
            with self.changed:
                if len(self.lines) == at and not self.ended:
                    self.changed.wait(20)
                new, ended = self.lines[at:], self.ended
            yield from new
            at += len(new)
            if ended and not new:
                return


class World:
    """What the API server knows."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.jobs: dict[str, dict[str, Any]] = {}
        self.made = 0
        self.pod: Pod | None = None
        self.objects: dict[str, list[dict[str, Any]]] = {
            "services": [service(port)],
            "endpointslices": [endpoint_slice(port)],
        }

    def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """The Job, whose pod begins to run."""
        name = manifest["metadata"]["name"]
        if name in self.jobs:
            return {}
        self.made += 1
        self.jobs[name] = made = defaulted(manifest)
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        environment = {e["name"]: e["value"] for e in container["env"] if "value" in e}
        self.pod = Pod()
        self.pod.start(environment)
        return made

    def pods(self) -> list[dict[str, Any]]:
        """The Job's pod as it is now; its version grows."""
        if not self.jobs or self.pod is None:
            return []
        made = pod_of(next(iter(self.jobs.values())))
        made["metadata"]["resourceVersion"] = "2" if self.pod.ended else "1"
        if self.pod.ended:
            ended = {"exitCode": 0, "message": self.pod.word}
            made["status"]["containerStatuses"][0]["state"] = {"terminated": ended}
        return [made]


class Names:
    """The pod's DNS: every name is this machine."""

    @staticmethod
    async def resolve(_self: Any, name: str, deadline: float) -> DnsAnswer:
        return DnsAnswer(name=name, addresses=("127.0.0.1",), rcode="NOERROR", server="127.0.0.53")


def with_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network.Direct, "resolve", Names.resolve)


def as_line(kind: str, about: Any) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": kind, "object": about}).encode() + b"\n"


Sends = Callable[[bytes], None]
