"""A driver beside the wire probe: what is said where they differ, and that nothing is where not."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.codes import rows
from k8sext.diagnose.judge import judge
from k8sext.model.report import BridgeReport, Report
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Route, Severity, Stage, Status
from tests.support.sample_report import sample
from tests.support.seen import ADDRESS, at, bridge, seen

LOCAL = PlaceFacts(namespace="dev", vantage="local")
HANDSHAKE, AUTH, VERIFY, CONNECT = Stage.HANDSHAKE, Stage.AUTH, Stage.VERIFY, Stage.CONNECT
End = tuple[Stage, Reason] | None


def driver(end: End, **more: Any) -> Observation:
    stage, reason = end or (None, None)
    found = at(ADDRESS, stage, reason, id="o2-client", **more)
    return replace(found, client="redis 8.1.0")


def judged(wire: End, client: Observation, **more: Any) -> BridgeReport:
    stage, reason = wire or (None, None)
    return judge([bridge(**more)], [at(ADDRESS, stage, reason), client], [], LOCAL).bridges[0]


def test_both_pass() -> None:
    report = judged(None, driver(None))
    assert (report.status, report.diagnoses, report.depth) == (Status.PASS, (), VERIFY)


ALONE = [
    (Reason.UNSUPPORTED_VERSION, "KX520", Status.WARN),
    (Reason.AUTH_METHOD_UNSUPPORTED, "KX520", Status.WARN),
    (Reason.AUTH_REJECTED, "KX521", Status.FAIL),
    (Reason.REFUSED, "KX521", Status.FAIL),
    (Reason.SERVER_ERROR, "KX521", Status.FAIL),
    (Reason.WRONG_PROTOCOL, "KX521", Status.FAIL),
    (Reason.TIMED_OUT, "KX522", Status.WARN),
]


@pytest.mark.parametrize(("reason", "code", "status"), ALONE)
def test_only_the_driver_fails(reason: Reason, code: str, status: Status) -> None:
    report = judged(None, driver((HANDSHAKE, reason), detail="words of the driver"))
    assert ([d.code for d in report.diagnoses], report.status) == ([code], status)
    said = report.diagnoses[0]
    assert "redis 8.1.0" in said.summary
    assert "words of the driver" in said.summary
    assert said.because == ("o2-client/handshake", "o2/verify")
    assert "works to verify" in said.why
    assert report.depth is VERIFY


@pytest.mark.parametrize("reason", [Reason.TIMED_OUT, Reason.INTERNAL_ERROR, Reason.OUT_OF_TIME])
def test_a_driver_that_could_not_be_judged_is_told(reason: Reason) -> None:
    client = driver((HANDSHAKE, reason), status=Status.INCONCLUSIVE)
    report = judged(None, client)
    assert ([d.code for d in report.diagnoses], report.status) == (["KX522"], Status.WARN)


SAME = [
    ((CONNECT, Reason.REFUSED), (CONNECT, Reason.REFUSED)),
    ((HANDSHAKE, Reason.SILENT), (CONNECT, Reason.TIMED_OUT)),
    ((HANDSHAKE, Reason.CLOSED_EARLY), (HANDSHAKE, Reason.WRONG_PROTOCOL)),
    ((Stage.TLS, Reason.CERTIFICATE_EXPIRED), (Stage.TLS, Reason.CERTIFICATE_UNTRUSTED)),
    ((AUTH, Reason.DATABASE_MISSING), (AUTH, Reason.DATABASE_MISSING)),
    ((AUTH, Reason.DATABASE_MISSING), (AUTH, Reason.SERVER_ERROR)),
]


@pytest.mark.parametrize(("wire", "client"), SAME)
def test_both_fail_alike_and_nothing_is_added(wire: End, client: End) -> None:
    stage, reason = wire or (None, None)
    without = judge([bridge()], [at(ADDRESS, stage, reason)], [], LOCAL).bridges[0]
    report = judged(wire, driver(client))
    assert [d.code for d in report.diagnoses] == [d.code for d in without.diagnoses]
    assert report.status is without.status


def test_a_driver_that_hangs_where_the_wire_fails_adds_nothing() -> None:
    hung = driver((CONNECT, Reason.TIMED_OUT), status=Status.INCONCLUSIVE)
    report = judged((CONNECT, Reason.TIMED_OUT), hung)
    assert [d.code for d in report.diagnoses] == ["KX302"]


def test_both_fail_and_not_alike() -> None:
    report = judged((AUTH, Reason.DATABASE_MISSING), driver((CONNECT, Reason.REFUSED)))
    assert [(d.code, d.severity) for d in report.diagnoses] == [
        ("KX701", Severity.FAIL), ("KX523", Severity.NOTE),
    ]  # fmt: skip
    assert report.status is Status.FAIL


@pytest.mark.parametrize("reason", [Reason.REFUSED, Reason.WRONG_PROTOCOL, Reason.TLS_FAILED])
def test_only_the_wire_probe_fails_and_its_verdict_is_in_doubt(reason: Reason) -> None:
    report = judged((HANDSHAKE, reason), driver(None))
    said = report.diagnoses[-1]
    assert (said.code, said.severity, report.status) == ("KX920", Severity.NOTE, Status.FAIL)
    assert said.because == ("o2-client/verify", "o2/handshake")
    assert len(report.diagnoses) == 2


NOT_ASKED = [Reason.UNEXPECTED, Reason.READ_ONLY, Reason.OBJECT_MISSING, Reason.UNHEALTHY,
             Reason.UNSUPPORTED_VERSION, Reason.WRONG_ROLE]  # fmt: skip


@pytest.mark.parametrize("reason", NOT_ASKED)
def test_what_no_driver_asks_is_not_contradicted_by_one(reason: Reason) -> None:
    report = judged((VERIFY, reason), driver(None))
    assert [d.code for d in report.diagnoses] == [rows.ANSWERS[reason].code]


SKIPS: list[tuple[Reason, list[str]]] = [
    (Reason.DRIVER_MISSING, ["KX921"]),
    (Reason.LOGIN_REJECTED_BEFORE, []),
    (Reason.NO_CREDENTIALS, []),
]


@pytest.mark.parametrize(("reason", "codes"), SKIPS)
def test_a_driver_that_was_not_sent_changes_no_verdict(reason: Reason, codes: list[str]) -> None:
    client = driver((Stage.RESOLVE, reason), status=Status.SKIP, detail="why not")
    report = judged(None, client)
    assert ([d.code for d in report.diagnoses], report.status) == (codes, Status.PASS)


def test_it_is_compared_with_the_wire_probe_of_its_own_address() -> None:
    """A second address that is down is an outage of that address, no doubt about a driver."""
    other = at("198.51.100.22", CONNECT, Reason.REFUSED, "o3")
    what = bridge("redis-svc", ADDRESS, "198.51.100.22")
    report = judge([what], [at(), other, driver(None)], [], LOCAL).bridges[0]
    assert [d.code for d in report.diagnoses] == ["KX307"]


def test_by_name_too() -> None:
    name = seen("o1", Route.NAME, "redis-svc:26379")
    client = seen("o1-client", Route.NAME, "redis-svc:26379", HANDSHAKE, Reason.SERVER_ERROR)
    client = replace(client, client="redis 8.1.0")
    where = PlaceFacts(namespace="dev", vantage="pod")
    report = judge([bridge()], [name, at(), client], [], where).bridges[0]
    assert [d.code for d in report.diagnoses] == ["KX521"]


def test_an_ignored_code_is_not_said() -> None:
    client = driver((HANDSHAKE, Reason.UNSUPPORTED_VERSION))
    report = judged(None, client, ignore=(("KX520", "we use another driver"),))
    assert (report.diagnoses, report.status) == ((), Status.PASS)


# -- reports ---------------------------------------------------------------------------------------


def told(form: str, report: Report, **options: Any) -> str:
    from k8sext import registry

    text: str = registry.report(form).render(report, registry.report_options(**options))
    return text


@pytest.mark.parametrize(
    ("end", "status"), [(None, Status.PASS), ((HANDSHAKE, Reason.UNSUPPORTED_VERSION), Status.WARN)]
)
def test_every_format_names_the_driver(end: End, status: Status) -> None:
    report = sample(bridges=(judged(None, driver(end)),))
    assert report.bridges[0].status is status
    for form in ("table", "wide"):
        assert "by redis 8.1.0" in told(form, report, width=120)
    data: Mapping[str, Any] = json.loads(told("json", report))
    ids = [(o["id"], o.get("client", "")) for o in data["bridges"][0]["observations"]]
    assert ids == [("o2", ""), ("o2-client", "redis 8.1.0")]
    junit = told("junit", report)
    assert f'name="pod/node2 endpoint {ADDRESS}:26379 redis"' in junit
    assert f'name="pod/node2 endpoint {ADDRESS}:26379 redis by redis 8.1.0"' in junit
    assert "<failure" not in junit


def test_a_driver_that_fails_is_a_failure_of_its_own_testcase() -> None:
    report = sample(bridges=(judged(None, driver((HANDSHAKE, Reason.SERVER_ERROR))),))
    junit = told("junit", report)
    assert report.exit_code == 1
    assert junit.count('<failure type="KX521"') == 1
    assert junit.index("by redis 8.1.0") < junit.index("<failure")


def test_a_skipped_driver_says_why_in_the_table() -> None:
    client = driver((Stage.RESOLVE, Reason.LOGIN_REJECTED_BEFORE), status=Status.SKIP,
                    detail="it was rejected before")  # fmt: skip
    report = sample(bridges=(judged(None, client),))
    assert "it was rejected before" in told("table", report, width=120)
    assert '<skipped message="it was rejected before"/>' in told("junit", report)
