"""What doctor says of a server from here: well, with a wrong password, and by its version."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.compat.server import HOST, START_S, Server

WRONG = "wrong-canary-4712"
_NO_FAULT = ("KX708",)  # a single search node is yellow by nature


@dataclass(frozen=True)
class Verdict:
    """One run of doctor."""

    status: str
    depth: str
    codes: tuple[str, ...]
    version: str


@dataclass(frozen=True)
class Row:
    """All that was seen of one server; `wrong` is None where it has no login."""

    mark: str
    healthy: Verdict
    wrong: Verdict | None
    named: bool

    @property
    def right(self) -> bool:
        """Whether k8sext was right each time."""
        well = self.healthy.status == "pass" or set(self.healthy.codes) <= {*_NO_FAULT}
        refused = self.wrong is None or self.wrong.codes[:1] == ("KX601",)
        return well and self.healthy.depth == "verify" and refused and self.named

    @property
    def line(self) -> str:
        """As a row of a table in Markdown."""
        wrong = "no login" if self.wrong is None else " ".join(self.wrong.codes)
        well = " ".join((self.healthy.status, "to", self.healthy.depth, *self.healthy.codes))
        mark = "right" if self.right else "WRONG"
        return f"| {self.mark} | {well} | {wrong} | {self.healthy.version} | {mark} |"


def judged(server: Server, port: int) -> Row:
    """The verdict as soon as it is well (it may still be starting), then with a wrong password."""
    give_up = time.monotonic() + START_S
    expect = {"version": f">={server.version}"}
    while True:
        healthy = ask(server, port, server.login, expect)
        if healthy.status in ("pass", "warn") or time.monotonic() > give_up:
            break
        time.sleep(1)
    wrong = None
    if server.login and healthy.status != "fail":
        wrong = ask(server, port, {**server.login, "password": WRONG}, {})
    return Row(server.mark, healthy, wrong, healthy.version.startswith(server.version))


def ask(server: Server, port: int, login: Mapping[str, str], expect: Mapping[str, str]) -> Verdict:
    """One run of doctor on the server."""
    with tempfile.TemporaryDirectory(prefix="k8sext-compat-") as folder:
        bridges = Path(folder) / "bridges.yaml"
        bridges.write_text(json.dumps(_bridges(server, port, login, expect)))
        secrets = Path(folder) / "secrets.yaml"
        secrets.touch(0o600)
        secrets.write_text(json.dumps({"it": dict(login)}))
        argv = [sys.executable, "-m", "k8sext", "doctor", "--from", "local", "-f", str(bridges)]
        more = ["--stage-timeout", "10", "--credentials", f"file:{secrets}", "-o", "json"]
        done = subprocess.run([*argv, *more], capture_output=True, text=True, timeout=120)
    if not done.stdout:
        raise RuntimeError(f"doctor ended with {done.returncode}: {done.stderr[-1500:]}")
    return _verdict(json.loads(done.stdout)["bridges"][0])


def _bridges(
    server: Server, port: int, login: Mapping[str, str], expect: Mapping[str, str]
) -> dict[str, Any]:
    bridge: dict[str, Any] = {
        "name": "it",
        "namespace": "compat",
        "protocol": server.protocol,
        "to": [HOST],
        "ports": [{"port": port}],
        "tls": {"mode": "disable"},
    }
    bridge |= {"credentials": {"secret": "it"}} if login else {}
    bridge |= {"expect": dict(expect)} if expect else {}
    return {"apiVersion": "k8sext.io/v1", "kind": "Bridges", "bridges": [bridge]}


def _verdict(bridge: Mapping[str, Any]) -> Verdict:
    stages = [s for o in bridge["observations"] for s in o["stages"]]
    told = [str(s.get("evidence", {}).get("version") or "") for s in stages]
    return Verdict(
        status=bridge["status"],
        depth=bridge["depth"] or "",
        codes=tuple(d["code"] for d in bridge["diagnoses"] if d["severity"] != "note"),
        version=next(filter(None, reversed(told)), ""),
    )
