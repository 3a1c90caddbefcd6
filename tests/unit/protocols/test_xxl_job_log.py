"""XXL-JOB's trigger log: how an executor fares, and whether that differs by who calls it."""

import importlib
from typing import Any

import pytest

from tests.lab.standins.xxl_job_admin.wording import Wording

read: Any = importlib.import_module("k8sext.checks.protocols.xxl_job.log")
URL = "http://a:1/"
RELEASES = ("2.3.0", "2.4.1", "3.2.0", "3.3.2", "3.4.2")
OURS, THEIRS = "10.244.1.7", "172.17.0.2"


def line(
    said: str = "", at: int = 30, *, by: str = OURS, version: str = "2.3.0", language: str = "zh_CN"
) -> dict[str, Any]:
    """`said` is what went wrong, as Java words it, or `=WORDS` of an executor."""
    words = Wording(version, language)
    answer: dict[str, Any] = {"code": 500 if said else 200, "msg": None}
    if said:
        answer["msg"] = said[1:] if said[0] == "=" else words.unanswered(said, f"{URL}run")
    return {
        "triggerMsg": words.line(by, (URL,), URL, answer, ""),
        "triggerTime": f"2021-11-04T05:{at // 60:02}:{at % 60:02}.000+00:00",
        "triggerCode": answer["code"],
        "executorAddress": URL,
    }


def state(lines: list[dict[str, Any]]) -> str:
    return str(outcome(lines).state)


def outcome(lines: list[dict[str, Any]]) -> Any:
    newest_first = sorted(lines, key=lambda one: str(one["triggerTime"]), reverse=True)
    return read.outcomes([{"data": newest_first}])[URL]


DEAD, LATE, REFUSED = "connect timed out", "Read timed out", "Connection refused"


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([("", 30)], "up"),
        ([(DEAD, 30)], "down"),
        ([("Connect timed out", 30), ("", 20)], "up"),  # one of many was lost
        ([(DEAD, 50), (DEAD, 40), ("", 10)], "down"),
        ([(REFUSED, 30), ("", 20)], "down"),  # nobody listens: that is never too fresh
        ([("No route to host (Host unreachable)", 30), ("", 20)], "down"),
        ([(LATE, 30)], "unwell"),
        ([("=job handler [one] not found.", 30)], "up"),  # it was asked, and answered
        ([("=The access token is wrong.", 30)], "unwell"),
        ([("", 30), (DEAD, 20)], "up"),
    ],
)
def test_how_an_executor_fares(calls: list[tuple[str, int]], expected: str, version: str) -> None:
    assert state([line(said, at, version=version) for said, at in calls]) == expected


@pytest.mark.parametrize("language", ["zh_CN", "en"])
@pytest.mark.parametrize("version", RELEASES)
def test_the_words_are_the_admins_and_the_scheduler_is_found_by_its_place(
    version: str, language: str
) -> None:
    found = outcome([line(REFUSED, version=version, language=language)])
    assert "Connection refused" in found.error and "<br>" not in found.error
    assert found.scheduler == OURS


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        ("xxl-job remoting fail, StatusCode(404) invalid. for url : http://a:1/run", 500, "unwell"),
        ("Http Request fail, statusCode(404) for url : http://a:1/run", 500, "unwell"),
        ("xxl-job remoting (url=http://a:1/run) response content invalid(x).", 500, "unwell"),
    ],
)
def test_what_answers_and_is_no_executor(text: str, code: int, expected: str) -> None:
    said = f"触发调度：<br>address：{URL}<br>code：{code}<br>msg：{text}"
    assert state([{"triggerMsg": said, "triggerTime": ""}]) == expected


@pytest.mark.parametrize(
    "row",
    [
        {"executorAddress": URL, "triggerCode": 0, "triggerMsg": None},  # not called yet
        {"executorAddress": None, "triggerCode": 500, "triggerMsg": "调度失败：执行器地址为空"},
        {"executorAddress": 5, "triggerCode": [], "triggerMsg": {"a": 1}},
    ],
)
def test_lines_that_say_nothing_of_an_executor(row: dict[str, Any]) -> None:
    assert read.outcomes([{"data": [row, None, "x"]}, None, {"data": {"data": 3}}]) == {}


@pytest.mark.parametrize("inner", [True, False])
def test_rows_of_both_generations(inner: bool) -> None:
    rows = [line()]
    assert read.rows_of({"data": {"data": rows}} if inner else {"data": rows}) == rows


@pytest.mark.parametrize(
    "time", ["2026-11-30T12:18:30.000+00:00", "2026-11-30T12:18:30Z", "2026-11-30 12:18:30"]
)
def test_times_of_all_generations(time: str) -> None:
    (found,) = read.outcomes([{"data": [{**line(), "triggerTime": time}]}]).values()
    assert found.when == 1796041110


# -- several schedulers --------------------------------------------------------------------------


def two(newest: str, **more: Any) -> list[dict[str, Any]]:
    """A second admin on the same database reaches nothing; ours does, now and then."""
    theirs = [line(DEAD, at, by=THEIRS, **more) for at in range(60, 600, 60)]
    ours = [line("", at, by=OURS, **more) for at in (310, 590 if newest == "ours" else 130)]
    return theirs + ours


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("language", ["zh_CN", "en"])
@pytest.mark.parametrize("newest", ["theirs", "ours"])
def test_outcomes_that_differ_by_scheduler(newest: str, version: str, language: str) -> None:
    found = outcome(two(newest, version=version, language=language))
    assert (found.state, found.callers) == ("down", {OURS: "up", THEIRS: "down"})
    assert found.scheduler == THEIRS


def test_a_scheduler_that_has_lost_its_way_to_the_executors() -> None:
    lines = [line(DEAD, at, by=THEIRS) for at in (30, 50, 60)]
    lines += [line("", at, by=by) for at, by in ((10, OURS), (20, THEIRS), (40, OURS), (70, OURS))]
    assert outcome(lines).callers == {OURS: "up", THEIRS: "down"}


def test_a_second_admin_with_another_token_differs_too() -> None:
    refused = "=The access token is wrong."
    lines = [line(refused, 10, by=THEIRS), line("", 20), line(refused, 30, by=THEIRS)]
    assert outcome(lines).callers == {OURS: "up", THEIRS: "unwell"}


@pytest.mark.parametrize(
    "lines",
    [
        # two admins that share the work
        [line("", at, by=(OURS, THEIRS)[at % 2]) for at in range(20)],
        # an executor that was restarted: both failed meanwhile
        [line("", 10), line(REFUSED, 20, by=THEIRS), line(REFUSED, 25, by=THEIRS),
         line(REFUSED, 30), line("", 40), line("", 50, by=THEIRS)],
        # one admin that was given another address
        [line(DEAD, 10, by=THEIRS), line(DEAD, 20, by=THEIRS), line("", 30), line("", 40)],
        # one call that was lost
        [line("", 10), line(DEAD, 20, by=THEIRS), line("", 30)],
        # busy, and reached
        [line(LATE, 10, by=THEIRS), line("", 20), line(LATE, 30, by=THEIRS), line("", 40)],
        # it was mended since
        [*two("ours"), line("", 620, by=THEIRS), line("", 630)],
        # an executor that comes and goes, as both have seen
        [line("", 10), line(REFUSED, 20, by=THEIRS), line("", 30), line(REFUSED, 40, by=THEIRS),
         line("", 50, by=THEIRS), line(REFUSED, 60), line("", 70)],
    ],
    ids=["work", "restart", "address", "lost", "busy", "mended", "comes-and-goes"],
)  # fmt: skip
def test_several_schedulers_alone_are_normal(lines: list[dict[str, Any]]) -> None:
    found = outcome(lines)
    assert (found.state, found.callers) == ("up", {})


def test_the_schedulers_of_a_log() -> None:
    assert read.schedulers([{"data": two("theirs")}]) == [THEIRS, OURS]
    assert read.schedulers([{"data": [{"triggerMsg": "a：b"}, {"triggerMsg": "<br>x<br>y"}]}]) == []
