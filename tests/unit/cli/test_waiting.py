"""--wait: how often is looked, and when it is given up."""

from dataclasses import replace

import pytest

from k8sext.cli import app, waiting
from k8sext.errors import K8sextError
from k8sext.model.report import BridgeReport, Report
from k8sext.model.words import Reason, Stage, Status
from tests.support.seen import bridge, by_name

GOOD = BridgeReport(bridge=bridge(), status=Status.PASS, depth=Stage.VERIFY)
BAD = replace(GOOD, status=Status.FAIL)
DENIED = replace(BAD, observations=(by_name(Stage.AUTH, Reason.AUTH_REJECTED),))


def whole(one: BridgeReport) -> Report:
    return Report(
        run_id="r", started="", duration_s=0, tool_version="", vantages=(), bridges=(one,)
    )


def waited(*found: BridgeReport, wait_s: float = 60) -> tuple[Report, int, list[float], list[str]]:
    """The report, how often was looked, the pauses, what was said. A look takes a second."""
    clock, pauses, said, looks = [0.0], list[float](), list[str](), [0]

    def look() -> Report:
        clock[0] += 1
        looks[0] += 1
        return whole(found[min(looks[0], len(found)) - 1])

    def pause(length: float) -> None:
        clock[0] += length
        pauses.append(length)

    report = waiting.until_it_passes(look, wait_s, said.append, now=lambda: clock[0], pause=pause)
    return report, looks[0], pauses, said


def test_what_passes_at_once_is_looked_at_once() -> None:
    assert waited(GOOD)[1:3] == (1, [])


def test_it_is_looked_at_until_it_passes() -> None:
    report, looks, pauses, said = waited(BAD, BAD, GOOD)
    assert (report.exit_code, looks, pauses) == (0, 3, [2.0, 3.0])
    assert said[0] == "not yet (exit 1); looking again in 2 s"


def test_the_last_report_counts_when_the_time_is_up() -> None:
    report, looks, pauses, _ = waited(BAD, wait_s=20)
    assert report.exit_code == 1
    assert looks == len(pauses) + 1 > 3
    assert sum(pauses) + looks <= 20 + 1
    assert max(pauses) <= waiting.LONGEST_PAUSE_S


def test_a_rejected_login_is_never_tried_again() -> None:
    report, looks, _, said = waited(BAD, DENIED, GOOD)
    assert (report.exit_code, looks) == (1, 2)
    assert "rejected" in said[-1]


@pytest.mark.parametrize(("text", "expected"), [("90", 90), ("1.5m", 90), ("1h", 3600), ("5s", 5)])
def test_durations(text: str, expected: float) -> None:
    assert waiting.seconds(text) == expected


@pytest.mark.parametrize("text", ["", "0", "soon", "-5", "5d", "25h"])
def test_what_is_no_duration(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(K8sextError, match="--wait"):
        waiting.seconds(text)
    assert app.run(["doctor", f"--wait={text}"]) == 2
