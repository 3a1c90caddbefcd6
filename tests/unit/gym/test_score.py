"""The sums of the scoreboard, and what counts as which kind of mistake."""

from dataclasses import replace
from typing import Any

import pytest

from tests.gym import case, score
from tests.gym.score import Board, Result, Seen

FAULT = case.of_text("""title: t
source: s
bridges: [{name: a, protocol: redis}, {name: b, protocol: redis}]
fault: [{pause: 0}]
expect: {code: KX302, culprit: path, says: [hello], never: [secret]}
""")
CONTROL = case.of_text("""title: t
source: s
bridges: [{name: a, protocol: redis}]
expect: {status: pass, depth: verify}
""")


def seen(
    status: str = "fail",
    said: tuple[tuple[str, str], ...] = (("KX302", "path"),),
    exit: int = 1,
    text: str = "hello",
    other: str = "pass",
    depth: str = "verify",
) -> Seen:
    diagnoses = [{"code": c, "culprit": w, "severity": "fail"} for c, w in said]
    bridges: list[dict[str, Any]] = [
        {"service": "a", "status": status, "diagnoses": diagnoses, "depth": depth},
        {"service": "b", "status": other, "diagnoses": []},
    ]
    return Seen(exit, {"bridges": bridges, "vantages": []}, text)


def healthy(**more: Any) -> Seen:
    whole: dict[str, Any] = {"status": "pass", "said": (), "exit": 0, **more}
    return seen(**whole)


def test_all_right() -> None:
    found = score.judge_fault(FAULT, seen())
    assert (found.ok, found.localised, found.false_ok) == (True, True, False)
    assert found.got == FAULT.expected == "KX302 path"


@pytest.mark.parametrize(
    ("run", "localised", "words"),
    [
        (seen(said=(("KX302", "server-host"),)), False, "culprit is server-host"),
        (seen(said=(("KX301", "path"),)), False, "code is KX301"),
        (seen(status="warn"), True, "status is warn"),
        (seen(exit=3), True, "exit code is 3"),
        (seen(text="bye"), True, "does not say 'hello'"),
        (seen(text="hello secret"), True, "says 'secret'"),
        (seen(other="fail"), True, "bridge b is fail"),
        (seen(said=(("KX302", "path"), ("KX601", "credentials"))), True, "also said: KX601"),
    ],
)
def test_what_is_wrong_is_told(run: Seen, localised: bool, words: str) -> None:
    found = score.judge_fault(FAULT, run)
    assert not found.ok
    assert found.localised is localised
    assert not found.false_ok
    assert any(words in w for w in found.wrong), found.wrong


def test_a_fault_that_passes_is_a_false_ok() -> None:
    found = score.judge_fault(FAULT, healthy())
    assert (found.false_ok, found.localised, found.got) == (True, False, "pass")


@pytest.mark.parametrize("status", ["pass", "skip", "absent"])
def test_a_fault_that_nobody_would_notice_is_a_false_ok(status: str) -> None:
    assert score.judge_fault(FAULT, seen(status=status, said=(), exit=0)).false_ok


EITHER = replace(
    FAULT,
    expect={"code": ["KX301", "KX302"], "culprit": "path", "status": ["warn", "fail"]},
)


@pytest.mark.parametrize(
    ("run", "right"),
    [
        (seen(), True),
        (seen(said=(("KX301", "path"),), status="warn", exit=0), True),
        (seen(status="warn", exit=1), False),
        (seen(said=(("KX303", "path"),)), False),
    ],
)
def test_any_of_several_answers_is_right(run: Seen, right: bool) -> None:
    assert score.judge_fault(EITHER, run).ok is right


def test_a_case_is_right_only_if_every_run_is() -> None:
    thrice = replace(FAULT, times=3)
    runs = (seen(), healthy(), seen())
    looks = [(k, score.judge_fault(thrice, r, k)) for k, r in zip(thrice.looks, runs, strict=True)]
    found = score.all_of(thrice, looks)
    assert (found.ok, found.localised, found.false_ok, found.got) == (False, False, True, "pass")
    assert all(w.startswith("run 2: ") for w in found.wrong), found.wrong
    assert score.all_of(thrice, looks[:1]).ok


def test_nodes_with_verdicts_of_their_own() -> None:
    nodes = {"node1": {}, "node2": {"status": "pass"}}
    case_ = replace(FAULT, expect={"code": "KX302", "culprit": "path", "nodes": nodes})
    one, two = case_.looks
    assert score.judge_fault(case_, seen(), one).ok
    assert score.judge_fault(case_, healthy(), two).ok
    assert not score.judge_fault(case_, healthy(), one).ok
    assert not score.judge_fault(case_, seen(), two).localised


def test_other_bridges_with_verdicts_of_their_own() -> None:
    bridges = {"b": {"code": "KX601", "culprit": "credentials"}}
    case_ = replace(FAULT, expect={**FAULT.expect, "bridges": bridges, "says": [], "never": []})
    assert not score.judge_fault(case_, seen(other="fail")).ok
    wrong = [{"code": "KX601", "culprit": "credentials", "severity": "fail"}]
    run = seen(other="fail")
    run.report["bridges"][1]["diagnoses"] = wrong
    assert score.judge_fault(case_, run).ok


def test_notes_and_findings_that_must_be_said() -> None:
    control = replace(CONTROL, expect={"notes": ["KX720"], "findings": ["KX104"]})
    run = healthy(said=(("KX720", "server-state"),))
    assert not score.judge_control(control, run).ok
    said = replace(run, report={**run.report, "findings": [{"code": "KX104"}]})
    assert score.judge_control(control, said).ok
    assert not score.judge_control(
        control, replace(said, report={**said.report, **healthy().report})
    ).ok


def test_a_control_may_be_something_that_was_not_tested() -> None:
    control = replace(CONTROL, expect={"status": "skip", "exit": 5})
    assert score.judge_control(control, healthy(status="skip", exit=5)).ok
    assert score.judge_control(control, healthy()).false_alarm


def test_inconclusive_is_no_false_ok() -> None:
    assert not score.judge_fault(FAULT, seen(status="inconclusive", said=(), exit=3)).false_ok


def test_a_diagnosis_above_all_bridges() -> None:
    wanted = replace(FAULT, expect={**FAULT.expect, "above": True})
    above = {"code": "KX302", "culprit": "path"}
    run = Seen(1, {**seen().report, "vantages": [{"diagnoses": [above]}]}, "hello")
    assert score.judge_fault(wanted, run).localised
    assert not score.judge_fault(wanted, seen()).localised


def test_a_healthy_control() -> None:
    assert score.judge_control(CONTROL, healthy()).ok


@pytest.mark.parametrize(
    ("run", "alarm"),
    [
        (seen(), True),
        (healthy(exit=1), True),
        (healthy(status="warn"), True),
        (healthy(status="inconclusive"), True),
        (Seen(0, {}, ""), True),
        (healthy(depth="handshake"), False),
    ],
)
def test_a_control_that_is_not_healthy_is_a_false_alarm(run: Seen, alarm: bool) -> None:
    found = score.judge_control(CONTROL, run)
    assert not found.ok
    assert found.false_alarm is alarm


@pytest.mark.parametrize(
    ("result", "twin", "lasts"),
    [
        (Result(FAULT, "KX302 path"), "svc: KX302 path (svc: KX302 path; exit code is 1)", True),
        (Result(FAULT, "KX302 path"), "a: KX709 server-state, svc: KX302 path (…)", True),
        (Result(FAULT, "KX302 path"), "svc: KX301 path (svc: KX301 path; exit code is 1)", False),
        (Result(FAULT, "KX302 path", ("code",)), "svc: KX302 path (svc: KX302 path)", False),
        (Result(FAULT, "KX302 path"), "", False),
    ],
)
def test_only_the_verdict_of_the_fault_itself_is_waited_out(
    result: Result, twin: str, lasts: bool
) -> None:
    assert score.is_after_effect(result, twin) is lasts


def board(*results: Result) -> Board:
    return Board(results, 12.34)


def results(right: int, wrong: int, **more: Any) -> list[Result]:
    good = [Result(FAULT, "KX302 path", localised=True) for _ in range(right)]
    return [*good, *(Result(FAULT, "KX301 path", ("code",), **more) for _ in range(wrong))]


def test_the_document_is_that_of_the_contract() -> None:
    found = board(*results(1, 1), Result(CONTROL, "pass")).as_json()
    assert found["summary"] == {
        "cases": 2,
        "localised": 1,
        "false_ok": 0,
        "false_alarms": 0,
        "controls": 1,
        "seconds": 12.3,
    }
    assert found["cases"][0] == {
        "id": "case",
        "expected": "KX302 path",
        "got": "KX302 path",
        "ok": True,
    }
    assert [c["ok"] for c in found["cases"]] == [True, False, True]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (results(19, 1), 0),
        (results(18, 1), 1),
        ([*results(99, 0), *results(0, 1, false_ok=True)], 1),
        ([*results(99, 0), Result(CONTROL, "x", false_alarm=True)], 1),
        ([*results(99, 0), Result(FAULT, "KX302 path", localised=True, false_alarm=True)], 1),
        ([*results(99, 0), Result(FAULT, "error", error="no such host")], 1),
        ([Result(CONTROL, "pass")], 0),
        ([], 1),
    ],
)
def test_the_exit_code(given: list[Result], code: int) -> None:
    assert board(*given).exit_code == code
