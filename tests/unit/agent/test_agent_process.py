"""The agent as the pod runs it: code and plan from the environment, `python -I`, its last words."""

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from k8sext.agent import summary
from k8sext.model.bridge import CredentialRef
from k8sext.model.plan import Budget, Plan, Target
from k8sext.model.words import Route
from k8sext.vantage import pack
from tests.support import real_servers


def plan(port: int, shards: int = 1, stage_s: float = 3.0) -> Plan:
    targets = tuple(
        Target(
            id=f"o{n + 1}",
            service=f"redis-{n}",
            port_key="redis",
            protocol="redis",
            route=Route.ENDPOINT,
            host="127.0.0.1",
            port=port,
            shard=n,
        )
        for n in range(shards)
    )
    budget = Budget(stage_s=stage_s, probe_s=30, run_s=30)
    return Plan(run_id="r", namespace="dev", modules=("redis",), targets=targets, budget=budget)


def start(what: Plan, folder: Path, **more: str) -> subprocess.Popen[str]:
    env = {**pack.environment(what), "K8SEXT_TERMINATION_LOG": str(folder / "last-words"), **more}
    argv = [sys.executable, *pack.COMMAND[1:]]
    return subprocess.Popen(argv, env={**os.environ, **env}, stdout=subprocess.PIPE, text=True)


def records(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    out, _ = process.communicate(timeout=30)
    return [json.loads(line) for line in out.splitlines()]


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_each_pod_of_several_carries_out_its_part_alone(tmp_path: Path) -> None:
    what = plan(closed_port(), shards=3)
    said = records(start(what, tmp_path, JOB_COMPLETION_INDEX="1"))
    assert [r["observation"]["id"] for r in said if r["type"] == "observation"] == ["o2"]
    assert said[-1]["type"] == "end"
    assert [r["seq"] for r in said] == list(range(len(said)))
    _, (seen,) = summary.decode((tmp_path / "last-words").read_text(), what, "")
    assert (seen.id, seen.service) == ("o2", "redis-1")


def test_a_pod_that_is_ended_leaves_word_that_it_was_not_done(tmp_path: Path) -> None:
    """The server accepts and says nothing; the node sends SIGTERM meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = start(plan(server.getsockname()[1], stage_s=20), tmp_path)
        server.settimeout(20)
        connection, _ = server.accept()
        process.send_signal(signal.SIGTERM)
        said = records(process)
        connection.close()
    assert said[-1]["type"] == "end"
    assert said[-1]["interrupted"] is True
    told, seen = summary.decode((tmp_path / "last-words").read_text(), plan(1), "")
    assert (told[0]["interrupted"], seen) == (True, [])


def test_drivers_of_the_image_are_tried_after_the_wire_probes(tmp_path: Path) -> None:
    """This interpreter has them, as an image made for it would."""
    with real_servers.redis_server() as server:
        base = plan(server.port)
        one = replace(base.targets[0], credentials=CredentialRef(secret="login", vouched=True))
        what = replace(base, targets=(one,), clients=("redis_client",))
        (tmp_path / "login").mkdir()
        (tmp_path / "login" / "password").write_text(real_servers.PASSWORD)
        said = records(start(what, tmp_path, K8SEXT_SECRETS=str(tmp_path), K8SEXT_NODE="node1"))
    seen = [r["observation"] for r in said if r["type"] == "observation"]
    assert [(o["id"], o.get("client", "").split(" ")[0]) for o in seen] == [
        ("o1", ""),
        ("o1-client", "redis"),
    ]
    assert [o["node"] for o in seen] == ["node1", "node1"]
    for one_seen in seen:
        assert [s["status"] for s in one_seen["stages"] if s["stage"] == "verify"] == ["pass"]
    _, words = summary.decode((tmp_path / "last-words").read_text(), what, "")
    assert [o.id for o in words] == ["o1"]  # the termination message is for the wire probes


def test_drivers_travel_only_with_a_plan_that_has_some() -> None:
    def carried(clients: tuple[str, ...]) -> list[str]:
        return [p for p in pack.sources(["redis"], clients=clients) if "client" in p]

    assert not [p for p in carried(()) if "checks/clients" in p or p.endswith("agent/client.py")]
    assert "k8sext/checks/clients/redis_client.py" in carried(("redis_client",))
    assert "k8sext/agent/drive/client.py" in carried(("redis_client",))
