"""`make soak`: runs that are ended at random moments leave nothing. See README.md."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.lab import leftovers, turn
from tests.lab.lab import K8SEXT, Lab, up
from tests.support.cluster import REDIS, deploy

from . import judge
from .judge import Ended
from .schedule import End, Run, runs

SEED, RUNS = 2613, 100
AT_ONCE = 4
POLL_S = 2.0
SEEN_S = 3.0  # for the deletion of a Job to show


def hit(lab: Lab, run: Run, namespace: str) -> Ended:
    """Start it, end it at its moment, and look at what is there."""
    process = lab.popen([K8SEXT, *run.words(namespace, lab.probe_image)])
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(run.after_s)
    was_running = process.poll() is None
    if was_running:
        process.send_signal(run.end.number)
        if run.end is End.INT_TWICE:
            time.sleep(run.between_s)
            process.send_signal(signal.SIGINT)  # does nothing where it has ended
    began = time.monotonic()
    hung = False
    try:
        _, err = process.communicate(timeout=judge.ENDS_S)
    except subprocess.TimeoutExpired:
        hung = True
        process.kill()
        _, err = process.communicate()
    took = time.monotonic() - began
    cleaned = _cleaned(lab, namespace) if run.cleanup else ()
    alone = run.end is End.KILL or not was_running
    return Ended(
        run=run,
        code=process.returncode,
        took_s=round(took, 3),
        err=err,
        hit=was_running,
        left=() if alone else _not_deleted(lab, namespace),
        hung=hung,
        after_cleanup=cleaned,
    )


def _objects(lab: Lab, *where: str) -> list[dict[str, Any]]:
    return list(lab.get("jobs,pods", "-l", "k8sext.io/run", *where)["items"])


def _not_deleted(lab: Lab, namespace: str) -> tuple[str, ...]:
    """Jobs that nobody has deleted, some seconds after the end of the run."""
    end = time.monotonic() + SEEN_S
    while True:
        there = _objects(lab, "-n", namespace)
        jobs = [judge.named(i) for i in there if i["kind"] == "Job" and not judge.going(i)]
        if not jobs or time.monotonic() > end:
            return tuple(jobs)
        time.sleep(0.3)


def _cleaned(lab: Lab, namespace: str) -> tuple[str, ...]:
    """What is there after `k8sext cleanup --all`; what it says where it fails."""
    done = lab.run([K8SEXT, "cleanup", "-n", namespace, "--all"])
    left = tuple(judge.named(i) for i in _objects(lab, "-n", namespace))
    return left if done.returncode == 0 else (*left, done.stderr.strip())


def await_nothing(lab: Lab, namespaces: Iterable[str]) -> list[str]:
    """Until nothing is left in these namespaces: what was there for longer than it may be."""
    ours = set(namespaces)
    until = datetime.now(UTC)
    late: dict[str, None] = {}
    while True:
        there = [i for i in _objects(lab, "-A") if i["metadata"]["namespace"] in ours]
        late |= dict.fromkeys(judge.overdue(there, datetime.now(UTC)))
        until = max([until, *(judge.due(i) for i in there if i["kind"] == "Job")])
        if not there:
            return list(late)
        if datetime.now(UTC) > until:
            return list(dict.fromkeys([*late, *map(judge.named, there)]))
        print(f"{len(there)} objects are left of ended runs", flush=True)
        time.sleep(POLL_S)


def soak(lab: Lab, planned: Sequence[Run]) -> tuple[list[Ended], list[str]]:
    """All runs, each in a namespace of its own; and what was left of them for too long."""
    with ExitStack() as stack, ThreadPoolExecutor(AT_ONCE) as pool:

        def space(_run: Run) -> str:
            # They stay until all has been looked at: with a namespace goes whatever is left in it.
            namespace = stack.enter_context(lab.namespace())
            deploy(lab, namespace, [REDIS])
            return namespace

        spaces = list(pool.map(space, planned))
        stack.enter_context(lab.firewall("DROP", destination=REDIS[2]))  # runs last for a while
        done = list(pool.map(lambda *pair: _told(hit(lab, *pair)), planned, spaces))
        return done, await_nothing(lab, spaces)


def _told(ended: Ended) -> Ended:
    run = ended.run
    what = "hit" if ended.hit else "was done before"
    wrong = "".join(f"\n    {text}" for text in judge.complaints(ended))
    print(
        f"{'BAD' if wrong else 'ok '} {run.number:>3} {run.mode:<8} {run.end:<13} "
        f"at {run.after_s:5.2f} s: {what}, exit {ended.code} after {ended.took_s:.2f} s{wrong}",
        flush=True,
    )
    return ended


def main() -> int:
    """Run it; 0 where nothing was left and nobody hung."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args()
    # A shell starts what it puts into the background with SIGINT ignored, and children inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    lab = up()
    with turn.taken(lab.place, "make soak"):
        leftovers.clear(lab.place)
        done, late = soak(lab, runs(asked.seed, asked.runs))
    bad = [e for e in done if judge.complaints(e)]
    print("\n".join(judge.table(done)))
    print(f"{len(done)} runs, seed {asked.seed}: {len(bad)} bad, {len(late)} objects left too long")
    print("".join(f"  {name}\n" for name in late), end="")
    if asked.json:
        told = [{**asdict(e), "complaints": judge.complaints(e)} for e in done]
        data = {"seed": asked.seed, "runs": told, "late": late}
        Path(asked.json).write_text(json.dumps(data, indent=1), encoding="utf-8")
    return 1 if bad or late else 0


if __name__ == "__main__":
    sys.exit(main())
