"""Fifteen cases of the fault gym, chosen by the commit's hash: another sample with every commit."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from tests.gym.__main__ import CASES
from tests.gym.case import Case, load
from tests.gym.run import Gym
from tests.lab import guise
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab
SAMPLE, CONTROLS = 15, 3


def commit() -> str:
    """The checked-out commit; without git the sample is always the same."""
    argv = ["git", "rev-parse", "HEAD"]
    done = subprocess.run(argv, cwd=Path(__file__).parent, capture_output=True, text=True)
    return done.stdout.strip()


def sample(cases: list[Case], seed: str) -> list[Case]:
    """So many faults and some controls, in an order that the seed decides.

    Cases whose servers need more than the default build are left to `make gym`.
    """

    def place(case: Case) -> str:
        return hashlib.sha256(f"{seed} {case.id}".encode()).hexdigest()

    mixed = sorted((c for c in cases if not c.extra), key=place)
    faults = [c for c in mixed if not c.control][:SAMPLE]
    return [*faults, *[c for c in mixed if c.control][:CONTROLS]]


def test_a_sample_of_the_gym(lab: Lab) -> None:
    said: list[str] = []
    chosen = sample(load(CASES), commit())
    assert len(chosen) == SAMPLE + CONTROLS
    try:
        board = Gym.on(lab, said.append).run(chosen)
    finally:
        guise.clear(lab.place)
    bad = [r for r in board.results if not r.ok]
    assert not bad, "\n".join(said)
