"""`make bench`: every figure is a ratio of medians to a baseline measured in alternation with it.

Whole processes, the first pair of each is discarded.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from k8sext.kube.session import Session
from tests.demo.base import BRIDGES, prepare
from tests.lab.lab import K8SEXT, Lab, up

PAIRS = 9
PAIRS_OF_PODS = 21
RELIST_S = 1.0
"""The kubelet notices once a second that a container runs (PLEG), so a pod costs up to a second by
luck. Commands that start pods begin at a random moment of it; at once after each other, they would
keep to one moment through all pairs, and the next run of the bench to another one.
"""
MANY = 5000
MANY_NAMESPACE = "bench"
FLOOR = Path(__file__).with_name("floor.py")


Measure: TypeAlias = Callable[[Lab | None, Sequence[str]], float]


@dataclass(frozen=True)
class Result:
    """One line of the scoreboard; `bar` None: reported, not judged."""

    name: str
    ratio: float
    bar: float | None
    holds: bool
    baseline: str
    detail: str


def seconds(lab: Lab | None, argv: Sequence[str]) -> float:
    """Wall time of one process."""
    began = time.monotonic()
    if lab:
        done = lab.run(argv)
    else:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: {argv[0]} failed: {done.stderr[-500:]}")
    return time.monotonic() - began


def from_some_moment(lab: Lab | None, argv: Sequence[str]) -> float:
    """`seconds` of a command that starts a pod."""
    time.sleep(random.uniform(0, RELIST_S))
    return seconds(lab, argv)


def compare(
    name: str,
    lab: Lab | None,
    ours: Sequence[str],
    theirs: Sequence[str],
    bar: float | None,
    baseline: str,
    pairs: int = PAIRS,
    measure: Measure = seconds,
) -> Result:
    """Alternate the two commands."""
    measured = [(measure(lab, ours), measure(lab, theirs)) for _ in range(pairs + 1)][1:]
    mine, base = (statistics.median(column) for column in zip(*measured, strict=True))
    ratio = mine / base
    detail = f"median {mine:.3f} s against {base:.3f} s, {pairs} pairs"
    return Result(name, round(ratio, 3), bar, bar is None or ratio <= bar, baseline, detail)


LIMITS = {"resources": {"limits": {"cpu": "500m"}}}


def kubectl_run(image: str, name: str, limits: Mapping[str, Any] | None = None) -> list[str]:
    """What people do today for one check."""
    spec = {"spec": {"containers": [{"name": name, **(limits or {})}]}}
    limited = ["--override-type=strategic", f"--overrides={json.dumps(spec)}"] if limits else []
    code = "import socket;socket.create_connection(('redis-svc',26379),3);print('ok')"
    return [
        "kubectl", "run", name, "-n", "dev", "--rm", "-i", "--quiet", "--restart=Never",
        f"--image={image}", "--image-pull-policy=IfNotPresent", *limited, "--command", "--",
        "python3", "-c", code,
    ]  # fmt: skip


def many_bridges(lab: Lab) -> None:
    """5,000 headless bridges with a slice each; made once."""
    lab.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": MANY_NAMESPACE}}])
    script = "from tests.bench.__main__ import fill; fill()"
    seconds_limit = 600
    lab.run([sys.executable, "-c", script], timeout=seconds_limit, check=True)


def await_idle(seconds: float = 60) -> None:
    """Until the machine idles for two seconds: controllers and kube-proxy work through 5,000 new
    Services for a while after the last was made.
    """
    give_up, calm = time.monotonic() + seconds, 0
    before = _idle_s()
    while calm < 2 and time.monotonic() < give_up:
        time.sleep(1)
        now = _idle_s()
        calm = calm + 1 if now - before > 0.9 * (os.cpu_count() or 1) else 0
        before = now


def _idle_s() -> float:
    """Seconds that the processors of this machine have idled (proc(5), /proc/uptime)."""
    return float(Path("/proc/uptime").read_text().split()[1])


def fill() -> None:
    """Runs inside the lab's network."""
    session = Session.load(Path(os.environ["KUBECONFIG"]), None, None, ())
    there = session.get(f"/api/v1/namespaces/{MANY_NAMESPACE}/services", limit=1)
    if there["items"]:
        return
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: _make(session, n), range(MANY)))


def _make(session: Session, number: int) -> None:
    name = f"redis-{number}"
    ports = [{"name": "redis", "port": 6379}]
    meta: dict[str, Any] = {"name": name}
    spec: dict[str, Any] = {"clusterIP": "None", "ports": ports}
    session.post(
        f"/api/v1/namespaces/{MANY_NAMESPACE}/services",
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec},
    )
    address = f"198.51.100.{number % 200 + 1}"
    session.post(
        f"/apis/discovery.k8s.io/v1/namespaces/{MANY_NAMESPACE}/endpointslices",
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address]}],
            "ports": ports,
        },
    )


def limited(lab: Lab) -> Result:
    """The image without bytecode under a CPU limit, on both sides; reported, not judged."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as patch:
        json.dump({"spec": {"containers": [{"name": "probe", **LIMITS}]}}, patch)
        patch.flush()
        image = lab.probe_image_313
        ours = [K8SEXT, "doctor", "-n", "dev", "--image", image, "--pod-patch", patch.name]
        theirs = kubectl_run(image, "bench-limited", LIMITS)
        baseline = "kubectl run --rm -i, image without bytecode, both limited to 500m"
        return compare("doctor-500m", lab, ours, theirs, None, baseline, PAIRS, from_some_moment)


def run(lab: Lab) -> list[Result]:
    """All comparisons."""
    prepare(lab)
    lab.run([K8SEXT, "provision", "-f", str(BRIDGES)], check=True)
    doctor = [K8SEXT, "doctor", "-n", "dev", "--image", lab.probe_image]
    people = kubectl_run(lab.probe_image, "bench")
    results = [
        compare("help", None, [K8SEXT, "--help"], [sys.executable, "-c", "import typer"], 3.0,
                "python -c 'import typer'"),
        compare("doctor", lab, doctor, people, 0.75, "kubectl run --rm -i, same image",
                PAIRS_OF_PODS, from_some_moment),
        compare("doctor-floor", lab, doctor, [sys.executable, str(FLOOR), lab.probe_image], None,
                "Job created and log followed over raw HTTPS (aim 1.4)", PAIRS, from_some_moment),
        limited(lab),
    ]  # fmt: skip
    many_bridges(lab)
    await_idle()
    raw = " && ".join(
        f"kubectl get --raw {path} >/dev/null"
        for path in (
            "/api/v1/services",
            "/apis/discovery.k8s.io/v1/endpointslices",
            "/api/v1/endpoints",
        )
    )
    listed = f"{K8SEXT} list -A -o json >/dev/null"
    results.append(
        compare("list-5000", lab, ["sh", "-c", listed], ["sh", "-c", raw], 2.5,
                "kubectl get --raw of services, endpointslices and endpoints, one after another")
    )  # fmt: skip
    # Waited for: whatever runs next would share the API server with 10,000 deletions.
    lab.run(["kubectl", "delete", "namespace", MANY_NAMESPACE], timeout=600, check=True)
    return results


def main() -> int:
    """Print the scoreboard; 1 when a bar does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = run(up())
    for r in results:
        bar = f"bar {r.bar}" if r.bar else "no bar"
        mark = "ok" if r.holds else "MISSED"
        sys.stdout.write(f"{r.name:14} {r.ratio:6.3f}  {bar:8} {mark:7} {r.detail}; {r.baseline}\n")
    if options.json:
        options.json.write_text(json.dumps({"results": [asdict(r) for r in results]}, indent=1))
    return 0 if all(r.holds for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
