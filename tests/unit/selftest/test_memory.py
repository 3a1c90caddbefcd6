"""The agent, as a pod runs it, against everything that floods, announces, drips and babbles."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from k8sext import registry
from k8sext.model.bridge import CredentialRef
from k8sext.model.plan import Budget, Plan, Target
from k8sext.model.words import Reason, Route
from k8sext.selftest.case import SelftestCase
from k8sext.selftest.cases import BAD, CASES, GOOD
from k8sext.selftest.servers import HOST, ServerPort, opened
from k8sext.vantage import pack

MOST_KIB = 80 << 10
KINDS = ("floods", "announces", "drips", "garbage", "greets", "control", "silent", "resets")
# A child's ru_maxrss begins with what its parent had; the peak of its own memory does not.
MEASURED = """
import atexit, sys
def told():
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    sys.stderr.write(peak.split()[1])
atexit.register(told)
"""


def target(number: int, case: SelftestCase, port: int) -> Target:
    return Target(
        id=f"o{number}",
        service=case.id,
        port_key="p",
        protocol=case.protocol,
        route=Route.ENDPOINT,
        host=HOST,
        port=port,
        server=f"{HOST}:{port}",
        credentials=CredentialRef(secret="login", vouched=True) if case.login else None,
    )


def measured(cases: Sequence[SelftestCase], folder: Path) -> tuple[dict[str, list[str]], int]:
    """The reasons of each case, and the most memory that the agent ever had (KiB)."""
    entries = registry.wire_checks()
    modules = {entries[name].in_plan for name in entries}
    (folder / "login").mkdir(exist_ok=True)
    for key, value in GOOD.items():
        (folder / "login" / key).write_text(value)
    with opened([ServerPort(talk=case.talk) for case in cases]) as doors:
        pairs = zip(cases, doors.ports, strict=True)
        plan = Plan(
            run_id="r",
            namespace="dev",
            targets=tuple(target(n, case, port) for n, (case, port) in enumerate(pairs, 1)),
            modules=tuple(sorted(modules)),
            budget=Budget(stage_s=3, resolve_s=3, probe_s=10, run_s=30),
        )
        env = {
            **pack.environment(plan),
            "K8SEXT_SECRETS": str(folder),
            "K8SEXT_TERMINATION_LOG": str(folder / "last-words"),
        }
        argv = [sys.executable, "-I", "-c", MEASURED + pack.COMMAND[-1]]
        done = subprocess.run(
            argv, env={**os.environ, **env}, capture_output=True, text=True, timeout=60, check=True
        )
    records: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert records[-1]["type"] == "end"
    assert done.stdout.replace("\n", "").isprintable()
    seen = [r["observation"] for r in records if r["type"] == "observation"]
    reasons = {o["service"]: [s["reason"] for s in o["stages"] if "reason" in s] for o in seen}
    return reasons, int(done.stderr)


def test_the_agent_stays_below_80_mib_whatever_it_is_told(tmp_path: Path) -> None:
    hostile = [
        c
        for c in CASES
        if c.id.partition("-")[2].startswith(KINDS) and not c.certificate and c.login != BAD
    ]
    assert len([c for c in hostile if "announces" in c.id]) >= 6
    calm, idle = measured([c for c in CASES if c.id == "tcp-closes"], tmp_path)
    reasons, most = measured(hostile, tmp_path)
    assert set(reasons) == {c.id for c in hostile}
    assert Reason.INTERNAL_ERROR.value not in {r for said in reasons.values() for r in said}
    assert Reason.OUT_OF_TIME.value not in {r for said in reasons.values() for r in said}
    assert reasons["redis-announces-512M"].count(Reason.TOO_MUCH.value) == 1
    assert len(calm) == 1
    assert most <= MOST_KIB, f"{most} KiB; with nothing hostile {idle} KiB"
    sys.stderr.write(f"agent: {idle} KiB idle, {most} KiB against {len(hostile)} hostile servers\n")
