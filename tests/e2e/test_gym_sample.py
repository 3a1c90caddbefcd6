"""Some cases of the fault gym, chosen by the commit's hash: another sample with every commit."""

import hashlib
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.gym.__main__ import CASES
from tests.gym.case import Case, load
from tests.gym.run import Gym
from tests.lab import guise
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab
SAMPLE, CONTROLS = 5, 2
"""Faults and controls, besides one case of each kind."""


def commit() -> str:
    """The checked-out commit; without git the sample is always the same."""
    argv = ["git", "rev-parse", "HEAD"]
    done = subprocess.run(argv, cwd=Path(__file__).parent, capture_output=True, text=True)
    return done.stdout.strip()


def sample(cases: list[Case], seed: str) -> list[Case]:
    """One case of each kind, so many other faults and some controls, as the seed decides.

    Cases whose servers need more than the default build are left to `make gym`, and no case is
    repeated here.
    """

    def place(case: Case) -> str:
        return hashlib.sha256(f"{seed} {case.id}".encode()).hexdigest()

    mixed = sorted((c for c in cases if not c.extra), key=place)
    of_kinds = list({c.kind: c for c in mixed if c.kind}.values())
    others = [c for c in mixed if c not in of_kinds]
    faults = [c for c in others if not c.control][:SAMPLE]
    controls = [c for c in others if c.control][:CONTROLS]
    return [replace(c, times=1) for c in (*of_kinds, *faults, *controls)]


def test_a_sample_of_the_gym(lab: Lab) -> None:
    said: list[str] = []
    chosen = sample(load(CASES), commit())
    assert len(chosen) >= SAMPLE + CONTROLS
    try:
        board = Gym.on(lab, said.append).run(chosen)
    finally:
        guise.clear(lab.place)
    bad = [r for r in board.results if not r.ok]
    assert not bad, "\n".join(said)
