"""Pods that pretend to be the probe: not one verdict and not one password is theirs."""

import copy
import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_ends import forms
from tests.lab.lab import Lab
from tests.support import cluster
from tests.support.cluster import REDIS, deploy, doctor

pytestmark = pytest.mark.lab
READ_PLAN = """
import base64, json, os, socket, sys, time, zlib
text, n = "", 0
while f"K8SEXT_PLAN_{n}" in os.environ:
    text, n = text + os.environ[f"K8SEXT_PLAN_{n}"], n + 1
plan = json.loads(zlib.decompress(base64.b64decode(text)))
def say(seq, kind, **more):
    print(json.dumps({"seq": seq, "nonce": plan["nonce"], "type": kind, **more}), flush=True)
say(0, "hello", run=plan["run_id"])
"""
# A perfect log: every target passes every stage.
ALL_PASS = (
    READ_PLAN
    + """
words = ("resolve", "connect", "tls", "handshake", "auth", "verify")
stages = [{"stage": word, "status": "pass"} for word in words]
for n, t in enumerate(plan["targets"], 1):
    seen = {"id": t["id"], "namespace": plan["namespace"], "service": t["service"],
            "port": t["port_key"], "protocol": t["protocol"], "vantage": "pod",
            "route": t["route"], "target": f"{t['host']}:{t['port']}", "stages": stages}
    say(n, "observation", observation=seen)
say(n + 1, "end", records=n + 2, interrupted=False)
time.sleep(60)
"""
)
# A relay that agrees to everything and writes down what it is sent.
LISTENS = (
    READ_PLAN
    + """
server = socket.create_server(("127.0.0.1", 0))
say(1, "ready", port=server.getsockname()[1])
while True:
    one = server.accept()[0]
    one.settimeout(5)
    try:
        while data := one.recv(65536):
            print("HEARD", data, flush=True)
            if b'"resolve"' in data:
                one.sendall(b'{"addresses": ["198.51.100.21"]}\\n')
            elif b'"connect"' in data:
                one.sendall(b'{"peer": "198.51.100.21:26379", "local": "192.0.2.1:1"}\\n')
    except OSError:
        pass
"""
)


def forged(job: dict[str, Any], script: str, *, owned: bool) -> dict[str, Any]:
    """The Job's own pod with another command; `owned`: with its owner reference, UID and all."""
    template = copy.deepcopy(job["spec"]["template"])
    spec, meta = template["spec"], template["metadata"]
    spec["containers"][0]["command"] = ["python3", "-I", "-c", script]
    spec.pop("readinessGates", None)
    name = f"{job['metadata']['name']}-0-{'owned' if owned else 'alone'}"
    labels = {k: v for k, v in meta["labels"].items() if "job-name" not in k}
    if not owned:
        labels = {k: v for k, v in labels.items() if "controller-uid" not in k}
    index = {"batch.kubernetes.io/job-completion-index": "0"}
    owner = {"apiVersion": "batch/v1", "kind": "Job", "controller": True}
    owner |= {k: job["metadata"][k] for k in ("name", "uid")}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": {**meta.get("annotations", {}), **index},
            **({"ownerReferences": [owner]} if owned else {}),
        },
        "spec": spec,
    }


@contextmanager
def forger(lab: Lab, namespace: str, script: str, *, owned: bool) -> Generator[list[str]]:
    """Makes a pod of its own for every run's Job as soon as it sees it. Gives the pods' names."""
    made: list[str] = []
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            for job in lab.get("jobs", "-n", namespace)["items"]:
                pod = forged(job, script, owned=owned)
                if pod["metadata"]["name"] not in made:
                    made.append(pod["metadata"]["name"])
                    text = json.dumps(pod)
                    lab.kubectl("create", "-n", namespace, "-f", "-", input=text, check=False)
            time.sleep(0.05)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield made
    finally:
        over.set()
        thread.join()


def test_a_dead_server_is_not_passed_by_whoever_carries_the_runs_label(
    lab: Lab, namespace: str
) -> None:
    deploy(lab, namespace, [REDIS])
    with (
        lab.firewall("DROP", destination="198.51.100.21"),  # a slow verdict: time for a forger
        forger(lab, namespace, ALL_PASS, owned=False) as made,
    ):
        ran = doctor(lab, namespace)
    assert made, "there was no forger: the test proves nothing"
    assert (ran.code, ran.said("redis-svc")) == (1, [("KX302", "path")]), ran.out + ran.err
    assert ran.overall() == ["KX926"]
    assert ran.report["vantages"][0]["pod"] not in made


def test_a_forged_owner_reference_passes_no_dead_server(lab: Lab, namespace: str) -> None:
    """The Job controller counts the forged pod and may take ours away: then nothing is known."""
    deploy(lab, namespace, [REDIS])
    with (
        lab.firewall("DROP", destination="198.51.100.21"),
        forger(lab, namespace, ALL_PASS, owned=True) as made,
    ):
        ran = doctor(lab, namespace)
    assert made
    assert ran.code in (1, 3), ran.out + ran.err
    assert ran.bridge("redis-svc")["status"] in ("fail", "inconclusive")
    assert set(ran.overall()) & {"KX926", "KX927"}, ran.overall()


@pytest.mark.parametrize("owned", [False, True])
def test_the_relays_password_is_sent_to_no_other_pod(
    lab: Lab, namespace: str, tmp_path: Path, owned: bool
) -> None:
    deploy(lab, namespace, [REDIS])
    password = lab.passwords["redis"]
    file = tmp_path / "logins.json"
    file.write_text(json.dumps({namespace: {"redis-svc": {"password": password}}}))
    file.chmod(0o600)
    relay = ("--from", "relay", "--credentials", f"file:{file}")
    assert doctor(lab, namespace, *relay).bridge("redis-svc")["depth"] == "verify"  # it is sent
    heard = ""
    with forger(lab, namespace, LISTENS, owned=owned) as made:
        for _ in range(3):
            doctor(lab, namespace, *relay)
        for name in made:
            heard += lab.kubectl("logs", "-n", namespace, name, check=False)
    assert made
    assert not any(form in heard for form in forms(password))
    assert "HEARD" not in heard


def test_a_run_with_the_printed_role_is_believed(lab: Lab, namespace: str, tmp_path: Path) -> None:
    """The usual case: nobody changes the pod, so that no dry run and no further right is needed."""
    deploy(lab, namespace, [REDIS])
    token = cluster.service_account(lab, namespace)
    config = cluster.with_token(lab, tmp_path / "c", token, namespace)
    ran = doctor(lab, namespace, "--kubeconfig", config)
    assert (ran.code, ran.overall()) == (0, []), ran.out + ran.err
