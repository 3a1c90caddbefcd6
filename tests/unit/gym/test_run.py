"""Cases side by side: all of them are run, and an interrupt begins no other."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.gym import case, score
from tests.gym.run import Gym, Locks
from tests.gym.scene import Scene
from tests.lab.guise import Wardrobe
from tests.lab.lab import Lab
from tests.lab.place import Place

CASE = """id: %s
title: t
source: s
bridges: [{name: a, protocol: redis}]
fault: [{pause: 0}]
expect: {code: KX301, culprit: server-host}
"""
CASES = [case.of_text(CASE % f"case-{n}") for n in range(7)]


@pytest.fixture
def gym(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gym:
    monkeypatch.setenv("K8SEXT_LAB_RUN", str(tmp_path))
    place = Place("none")
    return Gym(Lab(place), Wardrobe(place), Locks(), lambda _: None)


def test_every_case_is_run_once_and_told_in_the_given_order(
    gym: Gym, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: list[str] = []

    def one(self: Gym, which: case.Case) -> score.Result:
        run.append(which.id)
        return score.Result(which, "pass")

    monkeypatch.setattr(Gym, "_one", one)
    board = gym.run(CASES)
    assert sorted(run) == [c.id for c in CASES]
    assert [r.case.id for r in board.results] == [c.id for c in CASES]


def test_an_interrupt_begins_no_other_case(gym: Gym, monkeypatch: pytest.MonkeyPatch) -> None:
    run: list[str] = []

    def one(self: Gym, which: case.Case) -> score.Result:
        run.append(which.id)
        raise KeyboardInterrupt

    monkeypatch.setattr(Gym, "_one", one)
    with pytest.raises(KeyboardInterrupt):
        gym.run(CASES)
    assert len(run) < len(CASES)


def test_the_twin_is_looked_at_when_the_fault_and_its_objects_are_gone(
    gym: Gym, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    names = iter(("healthy", "broken"))

    @contextlib.contextmanager
    def namespace(self: Scene, steps: Sequence[Any]) -> Generator[str]:
        name = next(names)
        yield name
        told.append(f"{name} ends")
        self.reached_beyond |= name == "broken"

    def doctor(self: Scene, name: str, node: str = "", fault: Sequence[Any] = ()) -> score.Seen:
        told.append(f"doctor in {name}, {len(fault)} faults")
        bad = [{"code": "KX301", "culprit": "server-host", "severity": "fail"}]
        said = bad if name == "broken" else []
        status = "fail" if said else "pass"
        bridge = {"service": "a", "status": status, "diagnoses": said, "namespace": name}
        return score.Seen(1 if said else 0, {"bridges": [bridge], "vantages": []}, "")

    def await_rules(self: Lab, *names: str) -> None:
        told.append(f"rules of {' '.join(names)}")

    monkeypatch.setattr(Scene, "__init__", scene_without_a_lab)
    monkeypatch.setattr(Scene, "namespace", namespace)
    monkeypatch.setattr(Scene, "doctor", doctor)
    monkeypatch.setattr(Lab, "await_rules", await_rules)
    board = gym.run(CASES[:1])
    assert board.results[0].ok, board.results[0]
    assert told == [
        "rules of healthy broken",
        "doctor in broken, 1 faults",
        "broken ends",
        "rules of healthy",
        "doctor in healthy, 0 faults",
        "healthy ends",
    ]


def scene_without_a_lab(self: Scene, lab: Lab, which: case.Case, servers: Any) -> None:
    self.lab, self.case, self.servers = lab, which, servers
    self.fill, self.reached_beyond = (lambda value: value), False
