"""Commands that k8sext prints are executed on the object they were printed for; then doctor looks
again, and the fault is gone. One case of the gym for each code whose row has a command.
"""

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Generator, Mapping
from inspect import getsource
from pathlib import Path
from typing import Any

import pytest

from k8sext import registry
from k8sext.diagnose.codes.table import all_rows
from tests.gym import actions
from tests.gym.__main__ import CASES
from tests.gym.case import Case, load
from tests.gym.pods import STATES, await_all
from tests.gym.scene import Scene, servers_of
from tests.gym.score import Seen
from tests.lab import guise
from tests.lab.guise import Wardrobe
from tests.lab.lab import K8SEXT, Lab

CASES_OF: Mapping[str, tuple[str, ...]] = {
    "KX204": ("external-name-is-an-address",),
    "KX207": ("origin-moved-old-still-answers",),
    "KX304": ("port-name-differs",),
    "KX315": ("all-not-ready", "headless-not-ready"),
    "KX319": ("internal-traffic-local",),
    "KX320": ("legacy-skip-mirror",),
    "KX321": ("headless-port-differs", "headless-second-port-differs"),
    "KX334": ("ingress-https-backend",),
    "KX336": ("node-port-local",),
    "KX402": ("tls-required-postgresql", "tls-required-redis"),
    "KX612": ("secret-without-consent",),
}
"""The cases of the gym whose commands are executed, by code."""
CASES_OF_RULES: Mapping[str, tuple[str, ...]] = {
    "KX101": ("selector-beside-a-slice",),
    "KX102": ("transport-of-the-slice-differs",),
    "KX103": ("endpoints-repeat-the-service-port", "headless-repeats-the-service-port"),
    "KX105": ("alias-without-the-cluster-domain",),
    "KX107": ("slice-for-a-name-that-is-not-there",),
    "KX108": ("proxy-name-label",),
    "KX109": ("stale-slice-of-pods",),
    "KX110": ("second-address-never-used",),
    "KX111": ("address-claimed-by-external-ips",),
    "KX618": ("secret-newer-than-its-pods",),
}
"""The same for lint rules. KX107 is said of a KX305, which then has the rule's command."""
ELSEWHERE = ("KX156", "KX158")  # of pods and meshes: test_workloads.py executes theirs
GONE_S = 20.0  # controllers follow: mirrored Endpoints, Ingress controllers, kube-proxy
POD = "your-pod"
NOT_RUN = (2, 126, 127)  # wrong usage, not executable, not found: of the shell and of kubectl
pytestmark = pytest.mark.lab


def cases() -> list[Case]:
    """Those cases."""
    known = {c.id: c for c in load(CASES)}
    every = (*CASES_OF.values(), *CASES_OF_RULES.values())
    return [known[name] for names in every for name in names]


def test_every_code_with_a_command_has_a_case() -> None:
    assert set(CASES_OF) == {row.code for row in all_rows() if row.command}
    commands = re.compile(r"^ +command=", re.M)
    rules = {m.RULE.code: getsource(m) for m in registry.rules().values()}
    known = {*CASES_OF_RULES, *ELSEWHERE}
    assert known == {code for code, text in rules.items() if commands.search(text)}


@pytest.fixture(scope="module")
def wardrobe(lab: Lab) -> Generator[Wardrobe]:
    """Servers for this file's cases."""
    guise.clear(lab.place)
    try:
        yield Wardrobe(lab.place)
    finally:
        guise.clear(lab.place)


@pytest.mark.parametrize("case", cases(), ids=lambda c: c.id)
def test_the_command_takes_the_fault_away(lab: Lab, wardrobe: Wardrobe, case: Case) -> None:
    servers = servers_of(wardrobe, case)
    scene = Scene(lab, case, servers)
    with contextlib.ExitStack() as stack:
        namespace = stack.enter_context(scene.namespace([*case.setup, *case.fault]))
        lab.apply([_pod(lab)], namespace=namespace)
        lab.await_rules(namespace)
        scene.await_fronts([namespace])
        stack.enter_context(actions.done(scene.world(namespace), [*case.setup, *case.fault]))
        seen = scene.doctor(namespace)
        said = _diagnosis(seen, case)
        await_all(lab.place, namespace, "Pod", POD, STATES["Ready"], give_up=time.monotonic() + 30)
        _every_look_runs(lab, seen, case)
        done = _shell(lab, said["command"])
        assert done.returncode == 0, (said["command"], done.stderr)
        _await_gone(scene, namespace, case)


def _diagnosis(seen: Seen, case: Case) -> Mapping[str, Any]:
    """What is said with a command, which its fix shows as well."""
    said = seen.bridge(case.bridge).get("diagnoses", [])
    found = next((d for d in said if d["code"] == case.expect["code"]), None)
    assert found, seen.text
    assert found.get("command"), found
    assert found["command"] in found["fix"]
    return dict(found)


def _await_gone(scene: Scene, namespace: str, case: Case) -> None:
    give_up = time.monotonic() + GONE_S
    while True:
        bridge = scene.doctor(namespace).bridge(case.bridge)
        told = [d["code"] for d in bridge["diagnoses"] if d["severity"] != "note"]
        if bridge["status"] == "pass" or (bridge["status"] == "warn" and _code(case) not in told):
            return
        assert time.monotonic() < give_up, bridge["diagnoses"]
        time.sleep(1)


def _code(case: Case) -> str:
    return str(case.expect["code"])


def _every_look_runs(lab: Lab, seen: Seen, case: Case) -> None:
    """Each part of `see`; what it finds may be a failure, for that is what it looks at."""
    for said in seen.bridge(case.bridge)["diagnoses"]:
        for line in said["see"].split(" · "):
            done = _shell(lab, line.replace("YOUR-POD", POD))
            assert done.returncode not in NOT_RUN or "getent" in line, (line, done.stderr)
            assert not re.search(r"error: unknown|command not found|No such option", done.stderr)


def _shell(lab: Lab, line: str) -> "subprocess.CompletedProcess[str]":
    tools = f"{Path(K8SEXT).parent}:{lab.environment()['PATH']}"
    return lab.run(["env", f"PATH={tools}", "bash", "-c", line], env={"HOME": os.environ["HOME"]})


def _pod(lab: Lab) -> dict[str, Any]:
    """The user's own pod, which `kubectl exec` in `see` speaks of."""
    container = {"name": "app", "image": lab.probe_image, "command": ["sleep", "300"]}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": POD}, "spec": spec}
