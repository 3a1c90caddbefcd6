"""What is waited for is told, unless it is over before that is worth a line."""

import time

import pytest

from k8sext.cli import console


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(console, "QUIET_S", 0.05)
    monkeypatch.setattr(console, "say", found.append)
    return found


def wait_for(said: list[str], count: int) -> None:
    end = time.monotonic() + 5
    while len(said) < count and time.monotonic() < end:
        time.sleep(0.01)


def test_what_was_said_early_is_told_when_it_lasts(said: list[str]) -> None:
    progress = console.Progress(quiet=False)
    progress.phase("dev", "found")
    progress.phase("dev", "not admitted")
    progress.phase("prod", "found")
    assert said == []
    wait_for(said, 2)
    assert said == ["dev: not admitted", "prod: found"]
    progress.phase("dev", "scheduled")
    progress.close()
    assert said[2:] == ["dev: scheduled"]


@pytest.mark.parametrize("quiet", [False, True])
def test_what_is_over_soon_is_not_worth_a_line(said: list[str], quiet: bool) -> None:
    progress = console.Progress(quiet=quiet)
    progress.phase("dev", "found")
    progress.close()
    time.sleep(0.15)
    assert said == []
