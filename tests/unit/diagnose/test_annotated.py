"""Annotations that cannot be read fail the bridge, whatever else passes."""

from dataclasses import replace

import pytest

from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.judge import judge
from k8sext.model.report import BridgeReport
from k8sext.model.words import Reason, Stage, Status
from tests.support.seen import at, bridge, by_name

HERE = PlaceFacts(namespace="dev", vantage="pod", policies=())
TLS = "k8sext.io/tls: 'on' is not disable, require or verify-full"
EXPECT = "k8sext.io/expect: its value is not JSON"


def judged(
    unread: tuple[str, ...] = (), unknown: tuple[str, ...] = (), **name: object
) -> BridgeReport:
    what = replace(bridge(), unread=unread, unknown=unknown)
    seen = by_name(Stage.VERIFY, Reason.BAD_EXPECTATION) if name else by_name()
    return judge([what], [seen, at()], (), HERE).bridges[0]


@pytest.mark.parametrize(("problem", "code"), [(TLS, "KX723"), (EXPECT, "KX722")])
def test_what_cannot_be_read_fails_a_bridge_that_passes_otherwise(problem: str, code: str) -> None:
    report = judged((problem,))
    assert report.status is Status.FAIL
    assert [(d.code, d.culprit.value) for d in report.diagnoses] == [(code, "manifest")]
    assert problem in report.diagnoses[0].summary


def test_what_has_no_effect_warns() -> None:
    report = judged(unknown=("k8sext.io/protokoll: no such annotation is known",))
    assert (report.status, [d.code for d in report.diagnoses]) == (Status.WARN, ["KX724"])


def test_an_expectation_is_told_once() -> None:
    report = judged((EXPECT,), bad=True)
    assert [d.code for d in report.diagnoses] == ["KX722"]


def test_each_has_a_sentence_of_its_own() -> None:
    assert [d.code for d in judged((TLS, "k8sext.io/ports: '0' is not PORT")).diagnoses] == [
        "KX723"
    ] * 2


def test_what_is_ignored_on_purpose_is_ignored() -> None:
    what = replace(bridge(), unread=(TLS,), ignore=(("KX723", "known"),))
    report = judge([what], [by_name(), at()], (), HERE).bridges[0]
    assert (report.status, report.diagnoses) == (Status.PASS, ())
