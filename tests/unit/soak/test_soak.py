"""The pure parts of the soak: the order of its runs, and what it takes for wrong."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from k8sext.cli import app
from tests.soak import judge
from tests.soak.judge import Ended
from tests.soak.schedule import BETWEEN_S, LEAST_S, SPANS, End, Mode, Run, runs

HUNDRED = runs(1, 100)


def test_a_seed_is_an_order_and_another_seed_is_another() -> None:
    assert runs(1, 100) == HUNDRED
    assert runs(2, 100) != HUNDRED
    assert [r.number for r in HUNDRED] == list(range(100))


def test_every_mode_meets_every_end_equally_often() -> None:
    counted = Counter((r.mode, r.end) for r in HUNDRED)
    assert len(counted) == len(Mode) * len(End)
    assert set(counted.values()) == {6, 7}


def test_moments_are_spread_over_the_time_that_a_run_takes() -> None:
    for mode in Mode:
        moments = sorted(r.after_s for r in HUNDRED if r.mode is mode)
        assert LEAST_S <= moments[0] < SPANS[mode] / 4
        assert SPANS[mode] * 3 / 4 < moments[-1] <= SPANS[mode]
    twice = [r.between_s for r in HUNDRED if r.end is End.INT_TWICE]
    assert all(BETWEEN_S[0] <= s <= BETWEEN_S[1] for s in twice)


def test_half_of_the_killed_runs_are_cleaned_up_after() -> None:
    killed = [r.cleanup for r in HUNDRED if r.end is End.KILL]
    assert abs(killed.count(True) - killed.count(False)) <= 1
    assert not any(r.cleanup for r in HUNDRED if r.end is not End.KILL)
    assert any(r.nowhere for r in HUNDRED)


@pytest.mark.parametrize("mode", list(Mode))
def test_its_command_lines_are_understood(mode: Mode, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever fails here is no usage error: there is no cluster."""
    words = Run(0, mode, End.INT, 1.0, nowhere=mode is not Mode.RESOLVE).words("dev", "image")
    nobody = ["--kubeconfig", "/nonexistent/kubeconfig"]
    words = tuple("0.1s" if word == "60s" else word for word in words)  # --wait
    assert app.run([*words, *nobody]) == 3
    assert "see k8sext" not in capsys.readouterr().err


# -- what is wrong --------------------------------------------------------------------------------

KILLED = Run(0, Mode.POD, End.KILL, 1.0, cleanup=True)
ASKED = Run(1, Mode.RELAY, End.INT, 1.0)
JOB = "Job/t-1/k8sext-1"
TOLD = "k8sext: Job k8sext-1 …; or now with: kubectl delete job -n t-1 k8sext-1"


@pytest.mark.parametrize(
    ("ended", "wrong"),
    [
        (Ended(ASKED, 130, 0.4), ""),
        (Ended(ASKED, -2, 0.0), ""),  # Python itself was still starting
        (Ended(ASKED, 0, 0.1), ""),  # it was writing its report
        (Ended(ASKED, 1, 0.0, hit=False), ""),
        (Ended(ASKED, 130, 0.4, left=(JOB,)), "did not say so"),
        (Ended(ASKED, 130, 0.4, err=TOLD, left=(JOB,)), ""),
        (Ended(ASKED, 130, 0.4, err="Traceback (most recent call last)"), "error of its own"),
        (Ended(ASKED, 3, 0.4, err="k8sext: internal error, please report it"), "error of its own"),
        (Ended(ASKED, 130, judge.ENDS_S + 1), "went on for"),
        (Ended(ASKED, -9, 1.0, hung=True), "went on for"),
        (Ended(ASKED, 2, 0.4), "ended with 2"),
        (Ended(ASKED, -2, 0.4, err=TOLD, left=(JOB,)), "ended with -2"),
        (Ended(KILLED, -9, 0.0), ""),
        (Ended(KILLED, 130, 0.0), "ended with 130"),
        (Ended(KILLED, -9, 0.0, after_cleanup=(JOB,)), "cleanup left"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_else(ended: Ended, wrong: str) -> None:
    found = judge.complaints(ended)
    assert (len(found) > 0) is bool(wrong)
    assert wrong in " ".join(found)


NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def job(age_s: float, **meta: Any) -> dict[str, Any]:
    created = (NOW - timedelta(seconds=age_s)).isoformat().replace("+00:00", "Z")
    return {
        "kind": "Job",
        "metadata": {"name": "j", "namespace": "t", "creationTimestamp": created, **meta},
        "spec": {"activeDeadlineSeconds": 18, "ttlSecondsAfterFinished": 2},
    }


def test_a_job_is_overdue_after_deadline_time_to_live_and_the_controllers_lag() -> None:
    at = 18 + 2 + judge.CONTROLLERS_S
    pod = {"kind": "Pod", "metadata": {"name": "p", "namespace": "t"}}
    assert judge.overdue([job(at - 1), pod], NOW) == []
    assert judge.overdue([job(at + 1), pod], NOW) == ["Job/t/j"]


def test_an_object_that_is_deleted_only_ends() -> None:
    assert judge.going(job(1, deletionTimestamp="2026-01-01T12:00:00Z"))
    assert not judge.going(job(1))


def test_the_table_has_a_line_for_each_kind_of_run() -> None:
    lines = judge.table([Ended(ASKED, 130, 0.4), Ended(ASKED, 130, 0.6), Ended(KILLED, -9, 0.0)])
    assert len(lines) == 1 + len(Mode) * len(End)
    (mine,) = (x for x in lines if x.startswith("relay") and "SIGINT " in x and "twice" not in x)
    assert mine.split()[2:] == ["2", "2", "0.50", "s", "0.60", "s"]
