from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from k8sext.cli import cleanup_command as cleanup
from k8sext.kube.session import ApiError, Session
from k8sext.vantage import created

JOBS = "/apis/batch/v1/namespaces/dev/jobs"


def job(name: str, *, age_s: float, deadline: int | None = 60, ended: bool = False) -> Any:
    created = datetime.now(UTC) - timedelta(seconds=age_s)
    meta = {"name": name, "namespace": "dev", "creationTimestamp": created.isoformat()}
    spec = {} if deadline is None else {"activeDeadlineSeconds": deadline}
    status = {"conditions": [{"type": "Complete", "status": "True"}]} if ended else {}
    return {"metadata": meta, "spec": spec, "status": status}


# Made when the module is collected, which may be minutes before the test runs.
RUNNING, LATE = job("running", age_s=1, deadline=86_400), job("late", age_s=61)
ENDED, ENDLESS = job("ended", age_s=1, ended=True), job("endless", age_s=9999, deadline=None)


class StandIn:
    """Jobs of one namespace; `vanished` ends while it is being cleaned up."""

    namespace = "dev"

    def __init__(self, *jobs: Any, vanished: str = "") -> None:
        self.jobs = {f"{JOBS}/{j['metadata']['name']}": j for j in jobs}
        self.vanished = f"{JOBS}/{vanished}"
        self.deleted: list[str] = []

    def get(self, path: str, /, **params: object) -> Any:
        if path == JOBS:
            assert "managed-by=k8sext" in str(params["labelSelector"])
            return {"items": list(self.jobs.values()) or None}
        if path not in self.jobs:
            raise ApiError(404, "NotFound", "gone", {}, path)
        return self.jobs[path]

    def delete(self, path: str, body: object = None, /, **params: object) -> Any:
        if path == self.vanished:
            self.jobs.pop(path)
            raise ApiError(404, "NotFound", "gone", {}, path)
        self.deleted.append(path.rpartition("/")[2])
        return self.jobs.pop(path)


def cleaned(
    monkeypatch: pytest.MonkeyPatch, api: StandIn, *, all_runs: bool = False, code: int = 0
) -> list[str]:
    def load(*_: Path | None, **__: object) -> StandIn:
        return api

    monkeypatch.setattr(Session, "load", load)
    assert cleanup.cleanup_command(all_runs=all_runs) == code
    return api.deleted


def test_what_has_ended_or_is_late_goes_and_what_runs_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = StandIn(RUNNING, LATE, ENDED, ENDLESS)
    assert cleaned(monkeypatch, api) == ["late", "ended"]
    assert capsys.readouterr().out == "deleted Job/dev/late\ndeleted Job/dev/ended\n"


def test_all_takes_running_ones_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cleaned(monkeypatch, StandIn(RUNNING, ENDLESS), all_runs=True) == ["running", "endless"]


def test_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cleaned(monkeypatch, StandIn()) == []


def test_a_run_that_cleans_up_after_itself_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cleaned(monkeypatch, StandIn(LATE, ENDED, vanished="late")) == ["ended"]


class Failing(StandIn):
    """Answers to DELETE of one Job with these statuses, then as it should; GET fails once."""

    def __init__(self, *jobs: Any, name: str, statuses: list[int]) -> None:
        super().__init__(*jobs)
        self.name, self.statuses, self.lookups = name, statuses, 0

    def get(self, path: str, /, **params: object) -> Any:
        if path != JOBS:
            self.lookups += 1
            if self.lookups == 1:
                raise ApiError(503, "", "busy", {}, path)
        return super().get(path, **params)

    def delete(self, path: str, body: object = None, /, **params: object) -> Any:
        if path.endswith(self.name) and self.statuses:
            raise ApiError(self.statuses.pop(0), "", "no", {}, path)
        return super().delete(path, body)


def test_an_error_that_passes_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(created, "FIRST_PAUSE_S", 0.001)
    api = Failing(LATE, ENDED, name="late", statuses=[500, 429])
    assert cleaned(monkeypatch, api) == ["late", "ended"]


def test_what_stays_is_told_with_the_command_and_the_others_go(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = Failing(LATE, ENDED, name="late", statuses=[403] * 9)
    assert cleaned(monkeypatch, api, code=3) == ["ended"]
    assert "kubectl delete job -n dev late" in capsys.readouterr().err
