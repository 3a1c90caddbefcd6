"""The demo shows what it promises only when it is there, and says what it waits for."""

from typing import Any

import pytest

from tests.demo.article import await_registered
from tests.gym.score import Seen
from tests.lab.place import LabError


def seen(*missing: str) -> Seen:
    bad: dict[str, Any] = {"service": "xxl-job-svc", "status": "fail"}
    bridges: list[dict[str, Any]] = [{"service": "redis-svc", "status": "pass", "diagnoses": []}]
    bridges += [{**bad, "diagnoses": [{"code": "KX804", "summary": m}]} for m in missing]
    return Seen(1 if missing else 0, {"bridges": bridges, "vantages": []}, "")


def test_it_waits_and_says_for_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    looks = iter([seen("1 of 3 executors"), seen("1 of 3 executors"), seen()])
    said: list[str] = []
    await_registered(lambda: next(looks), said.append)
    assert said == ["waiting for: xxl-job-svc (KX804: 1 of 3 executors)\n"]


def test_it_gives_up_with_what_is_missing() -> None:
    with pytest.raises(LabError, match="still missing: xxl-job-svc"):
        await_registered(lambda: seen("1 of 3 executors"), lambda _: None, patience_s=0)
