"""`python -m tests.sequence`: demo, tests and gym on one lab, in an order that nobody planned.

Each must be green whatever ran before it, also where that was killed. It takes some ten minutes,
so that `make test` leaves it out: it is part of the check before a release (`make sequence`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.lab.place import PROJECT

DEMO = ("-m", "tests.demo")
TESTS = ("-m", "pytest", "-q", "tests/e2e/test_doctor.py", "tests/e2e/test_probe_pod.py")
SAMPLE = ("-m", "pytest", "-q", "tests/e2e/test_gym_sample.py")
GYM = ("-m", "tests.gym")


@dataclass(frozen=True)
class Step:
    """One command; with `killed_after` it is killed so many seconds after its start."""

    name: str
    words: Sequence[str]
    killed_after: float = 0.0


STEPS = (
    Step("demo", DEMO),
    Step("demo again", DEMO),
    Step("tests after a demo", TESTS),
    Step("gym's sample", SAMPLE),
    Step("demo after gym and tests", DEMO),
    Step("demo, killed", DEMO, killed_after=25),
    Step("gym, killed", GYM, killed_after=40),
    Step("gym's sample after both were killed", SAMPLE),
    Step("demo after both were killed", DEMO),
)


def main() -> int:
    """Run the steps; ends at the first that is not as it must be."""
    for step in STEPS:
        began = time.monotonic()
        code = run(step)
        right = code == (-signal.SIGKILL if step.killed_after else 0)
        print(f"{'ok ' if right else 'BAD'} {step.name}: {time.monotonic() - began:.0f} s")
        if not right:
            print(f"    it ended with {code}: {' '.join(step.words)}")
            return 1
    return 0


def run(step: Step) -> int:
    """The exit code of one step; below 0 for a signal."""
    argv = [sys.executable, *step.words]
    with subprocess.Popen(argv, cwd=PROJECT, start_new_session=True) as process:
        try:
            return process.wait(step.killed_after or None)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return process.wait()


if __name__ == "__main__":
    sys.exit(main())
