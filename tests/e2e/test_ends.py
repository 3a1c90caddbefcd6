"""How a run begins, is interrupted and ends, and what it leaves: nothing, and no secret."""

import base64
import random
import re
import select
import signal
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.lab.lab import K8SEXT, Lab
from tests.support import cluster
from tests.support.cluster import REDIS, deploy, doctor, k8sext
from tests.support.rough_proxy import RECORD, rough_proxy
from tests.support.watch import watched

pytestmark = pytest.mark.lab
SHORT = ("--pod-start-timeout", "5", "--timeout", "3", "--pod-ttl", "2")
DEADLINE_S, TTL_S, CONTROLLERS_S = 5 + 3 + 10, 2, 15
SEED = 106


def left(lab: Lab, namespace: str) -> list[str]:
    """Jobs and pods of ours that are there."""
    chosen = ["-l", "k8sext.io/run", "-n", namespace]
    return [f"{i['kind']}/{i['metadata']['name']}" for i in lab.get("jobs,pods", *chosen)["items"]]


def await_job(lab: Lab, namespace: str) -> None:
    for _ in range(200):
        if left(lab, namespace):
            return
        time.sleep(0.05)
    raise AssertionError("no Job was made")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_deletes_the_job_and_exits_130(
    lab: Lab, namespace: str, number: signal.Signals
) -> None:
    deploy(lab, namespace, [REDIS])
    with lab.firewall("DROP", destination="198.51.100.21"):
        process = cluster.started(lab, "doctor", "-n", namespace)
        await_job(lab, namespace)
        process.send_signal(number)
        ran = cluster.ended(process, timeout=20)
    assert ran.code == 130
    assert "Traceback" not in ran.err
    jobs = lab.get("jobs", "-n", namespace)["items"]
    assert [j for j in jobs if "deletionTimestamp" not in j["metadata"]] == []


@contextmanager
def killed_runs(lab: Lab) -> Generator[list[str]]:
    """Five runs, each in a namespace of its own, killed at five moments; not all had begun.

    Every other one can never be scheduled: nothing but the Job's deadline ends that.
    """
    moments = random.Random(SEED)
    with ExitStack() as stack:
        spaces = [stack.enter_context(lab.namespace()) for _ in range(5)]
        for namespace in spaces:
            deploy(lab, namespace, [REDIS])
        stack.enter_context(lab.firewall("DROP", destination="198.51.100.21"))
        for number, namespace in enumerate(spaces):
            nowhere = ["--node-selector", "k8sext-test=nowhere"] if number % 2 else []
            process = cluster.started(lab, "doctor", "-n", namespace, *SHORT, *nowhere)
            time.sleep(moments.uniform(0.3, 4.0))
            process.kill()
            process.communicate(timeout=10)
        yield spaces


def test_killed_runs_leave_nothing_for_longer_than_deadline_and_ttl(lab: Lab) -> None:
    with killed_runs(lab) as spaces:
        there = [n for n in spaces if left(lab, n)]
        # One that can be scheduled is ended by its agent, one that cannot by its Job's deadline.
        assert {spaces.index(n) % 2 for n in there} == {0, 1}, "the moments prove nothing"
        end = time.monotonic() + DEADLINE_S + TTL_S + CONTROLLERS_S
        while there and time.monotonic() < end:
            time.sleep(1)
            there = [n for n in there if left(lab, n)]
        assert {n: left(lab, n) for n in there} == {}


def test_cleanup_removes_at_once_what_killed_runs_left(lab: Lab) -> None:
    with killed_runs(lab) as spaces:
        assert any(left(lab, n) for n in spaces)
        for namespace in spaces:
            done = k8sext(lab, "cleanup", "-n", namespace, "--all")
            assert done.code == 0, done.err
            assert left(lab, namespace) == []


# -- early words ---------------------------------------------------------------------------------

QUOTA = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "compute"},
    "spec": {"hard": {"pods": "0"}},
}


@pytest.mark.parametrize(
    ("words", "objects", "said"),
    [
        (["--image", "lab.k8sext.io/absent:1"], [], "the probe's image cannot be pulled"),
        (["--node-selector", "k8sext-test=nowhere"], [], "the pod is not scheduled"),
        ([], [QUOTA], "the pod was not admitted"),
    ],
    ids=["image", "scheduling", "quota"],
)
def test_why_the_pod_does_not_start_is_said_while_it_is_waited_for(
    lab: Lab, namespace: str, words: list[str], objects: list[Any], said: str
) -> None:
    deploy(lab, namespace, [REDIS])
    lab.apply(objects, namespace=namespace) if objects else None
    time.sleep(1 if objects else 0)
    image = [] if "--image" in words else ["--image", lab.probe_image]
    argv = ["doctor", "-n", namespace, "--pod-start-timeout", "60", *image, *words]
    process = lab.popen([K8SEXT, *argv])
    heard = _first_words(process, said, seconds=20)
    if said in heard:
        process.terminate()
    out, _ = process.communicate(timeout=20)
    # A state that is final ends the run at once, and its verdict is all that is said.
    assert said in heard or (process.returncode == 3 and said in out)


def _first_words(process: subprocess.Popen[str], wanted: str, seconds: float) -> str:
    """What came on stderr until the wanted words, or until time is up."""
    assert process.stderr
    heard, end = "", time.monotonic() + seconds
    while wanted not in heard and time.monotonic() < end:
        ready, _, _ = select.select([process.stderr], [], [], 0.2)
        if ready:
            line = process.stderr.readline()
            if not line:
                break
            heard += line
    return heard


# -- consent -------------------------------------------------------------------------------------


def _uri(lab: Lab, host: str) -> str:
    return f"redis://:{quote(lab.passwords['redis'], safe='')}@{host}"


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("redis-svc", True),
        ("redis-svc.NAMESPACE", True),
        ("redis-svc.NAMESPACE.svc.cluster.local", True),
        ("198.51.100.21", True),
        ("redis-svc.elsewhere", False),
        ("198.51.100.22", False),
        ("other.example.com", False),
    ],
)
@pytest.mark.parametrize("key", ["host", "uri"])
def test_a_service_binding_says_where_its_password_may_go(
    lab: Lab, namespace: str, key: str, host: str, allowed: bool
) -> None:
    deploy(lab, namespace, [REDIS])
    lab.kubectl("delete", "secret", "redis-auth", "-n", namespace)
    host = host.replace("NAMESPACE", namespace)
    values = {"password": lab.passwords["redis"], "host": host}
    if key == "uri":
        values = {"uri": _uri(lab, f"{host}:26379/0")}
    lab.apply([cluster.secret_of("redis-auth", **values)], namespace=namespace)
    ran = doctor(lab, namespace)
    assert ran.code == 0, ran.out + ran.err
    codes = [code for code, _ in ran.said("redis-svc")]
    assert codes == ([] if allowed else ["KX612"])
    assert ran.bridge("redis-svc")["depth"] == ("verify" if allowed else "handshake")


# -- no secret anywhere --------------------------------------------------------------------------


def our_processes() -> list[str]:
    """Command line and environment of each process of ours, here and in the probe's pod."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
            if b"k8sext" in words:
                found.append((words + (folder / "environ").read_bytes()).decode(errors="replace"))
        except OSError:
            continue
    return found


def forms(password: str) -> Sequence[str]:
    """A password in the ways in which it may be written."""
    return (password, base64.b64encode(password.encode()).decode().rstrip("="), quote(password))


def test_the_canary_password_appears_nowhere(lab: Lab, namespace: str, tmp_path: Path) -> None:
    """Wrong and right logins; objects, events, all talk with the API server, processes, output."""
    deploy(lab, namespace)
    wrong = f"canary-{random.Random().getrandbits(64):x}"
    lab.apply([cluster.secret_of("mysql-auth", password=wrong)], namespace=namespace)
    canaries = [wrong, *(lab.passwords[n] for n in ("postgresql", "mysql", "rabbitmq", "redis"))]
    lists = re.split(
        r"\s+",
        lab.kubectl("api-resources", "--namespaced", "--verbs=list", "-o", "name").strip(),
    )
    processes: list[str] = []
    with (
        rough_proxy(lab, "record", tmp_path) as (config, _),
        watched(lab, namespace, tmp_path) as seen,
    ):
        argv = ["doctor", "-n", namespace, "--kubeconfig", config, "-o", "json", "--debug", "-v"]
        process = cluster.started(lab, *argv)
        while process.poll() is None:
            processes += our_processes()
        ran = cluster.ended(process)
        kinds = ",".join(k for k in lists if k != "secrets")
        objects = lab.kubectl("get", kinds, "-n", namespace, "-o", "json")
    assert ran.code == 1, ran.out + ran.err
    assert ran.said("mysql-svc") == [("KX601", "credentials")]
    passed = (tmp_path / RECORD).read_text(errors="replace")
    assert '"hello"' in passed.replace("\\", ""), "the log did not pass the proxy"
    assert any("K8SEXT_PLAN_0" in p for p in processes), "the agent was never looked at"
    places = {
        "output": ran.out + ran.err,
        "objects": objects,
        "traffic": passed,
        "processes": "\n".join(processes),
        **seen.text,
    }
    assert all(len(text) > 100 for text in places.values())
    found = [(k, c) for k, text in places.items() for c in canaries if any(
        form in text for form in forms(c))]  # fmt: skip
    assert found == []
