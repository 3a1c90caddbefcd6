"""A bridge whose login was not tried, because the same one was rejected elsewhere, is as broken."""

from collections.abc import Sequence
from typing import Any

import pytest

from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.judge import judge
from k8sext.model.report import BridgeReport
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Route, Stage, Status
from tests.support.seen import ADDRESS, at, bridge, by_name, seen

HERE = PlaceFacts(namespace="dev", vantage="pod", node="node2", policies=())
LOCAL = PlaceFacts(namespace="dev", vantage="local")
WORDS = 'password authentication failed for user "shop"'


def facts(**more: str) -> dict[str, str]:
    base: dict[str, str] = {
        "tried_at": "orders-db:5432",
        "tried_address": f"{ADDRESS}:26379",
        "rejected_as": "auth_rejected",
        "rejected_with": WORDS,
    }
    return {**base, **more}


def spared(id: str, route: Route, target: str, evidence: dict[str, str]) -> Observation:
    more: dict[str, Any] = {"status": Status.SKIP, **evidence}
    return seen(id, route, target, Stage.AUTH, Reason.LOGIN_REJECTED_BEFORE, **more)


def both(evidence: dict[str, str]) -> list[Observation]:
    return [
        spared("o1", Route.NAME, "redis-svc:26379", evidence),
        spared("o2", Route.ENDPOINT, f"{ADDRESS}:26379", evidence),
    ]


def judged(observations: Sequence[Observation], context: PlaceFacts = HERE) -> BridgeReport:
    return judge([bridge()], observations, [], context).bridges[0]


@pytest.mark.parametrize("context", [HERE, LOCAL])
def test_it_fails_by_the_same_code_and_says_where_the_login_was_tried(context: PlaceFacts) -> None:
    observations = both(facts()) if context is HERE else both(facts())[1:]
    report = judged(observations, context)
    (said,) = report.diagnoses
    assert (report.status, said.code, said.culprit.value) == (
        Status.FAIL, "KX601", "credentials",
    )  # fmt: skip
    assert WORDS in said.summary
    assert "tried once only, at orders-db" in said.summary


def test_another_port_of_the_same_service_is_named_by_its_number() -> None:
    (said,) = judged(both(facts(tried_at="redis-svc:6380"))).diagnoses
    assert "tried once only, at port 6380 of this Service" in said.summary


@pytest.mark.parametrize(
    ("reason", "code", "status"),
    [
        (Reason.PASSWORD_EXPIRED, "KX613", Status.FAIL),
        (Reason.ACCOUNT_LOCKED, "KX620", Status.FAIL),
        (Reason.AUTH_METHOD_UNSUPPORTED, "KX608", Status.INCONCLUSIVE),
    ],
)
def test_it_ends_as_the_one_that_was_tried(reason: Reason, code: str, status: Status) -> None:
    report = judged(both(facts(rejected_as=reason.value)))
    assert ([d.code for d in report.diagnoses], report.status) == ([code], status)


@pytest.mark.parametrize("evidence", [{}, {"rejected_as": "nonsense"}, {"rejected_as": "refused"}])
def test_a_report_without_the_reference_is_no_pass_either(evidence: dict[str, str]) -> None:
    """A run's termination message has the verdicts only."""
    report = judged(both(evidence))
    assert [d.code for d in report.diagnoses] == ["KX601"]
    assert report.status is Status.FAIL


def test_the_bridge_s_own_rejection_goes_first() -> None:
    own = at(ended=Stage.AUTH, reason=Reason.AUTH_REJECTED, detail="wrong here")
    (said,) = judged([both(facts(tried_at="redis-svc:26379"))[0], own]).diagnoses
    assert "wrong here" in said.summary
    assert "tried once" not in said.summary


def test_a_login_that_was_rejected_nowhere_is_no_fault() -> None:
    assert judged([by_name(), at()]).status is Status.PASS
