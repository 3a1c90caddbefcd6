"""A lab is one process's at a time; the others are told whose."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import turn
from tests.lab.place import LabError, Place

TAKE = """
import sys
from tests.lab import turn
from tests.lab.place import LabError, Place
try:
    with turn.taken(Place("here"), "make demo"):
        print("mine", flush=True)
        sys.stdin.read()
except LabError as problem:
    print(problem)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("K8SEXT_LAB_RUN", str(tmp_path))
    return Place("here")


def other(*, wait: bool) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", TAKE],
        stdin=subprocess.PIPE if wait else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_another_process_is_told_whose_it_is(place: Place) -> None:
    with turn.taken(place, "make gym"), other(wait=False) as second:
        assert "the lab here is in use by make gym (process " in said(second)
    with other(wait=False) as third:
        assert said(third) == "mine\n"


def test_what_a_killed_process_held_is_free(place: Place) -> None:
    with other(wait=True) as holder:
        assert said(holder) == "mine\n"
        with pytest.raises(LabError, match="in use by make demo"), turn.taken(place, "make gym"):
            pass
        holder.kill()
        holder.wait()
        with turn.taken(place, "make gym"):
            pass


def test_a_process_takes_it_once(place: Place) -> None:
    with turn.taken(place, "make test"), turn.taken(place, "the gym"):
        pass
    with other(wait=False) as second:
        assert said(second) == "mine\n"
