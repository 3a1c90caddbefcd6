"""A finding of the lint rules is the cause of the failure that it explains, and else a warning."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.judge import judge
from k8sext.model.bridge import Bridge, Endpoint
from k8sext.model.diagnosis import Finding
from k8sext.model.report import BridgeReport
from k8sext.model.result import Observation
from k8sext.model.words import Culprit, Reason, Severity, Stage, Status
from tests.support.seen import ADDRESS, at, bridge, by_name

OTHER = "198.51.100.22"
REFUSED = (Stage.CONNECT, Reason.REFUSED)
FOUND = Finding(
    code="KX101",
    severity=Severity.FAIL,
    object="EndpointSlice/dev/redis-svc-1",
    summary="the slice is of the wrong kind",
    fix="kubectl delete endpointslice -n dev redis-svc-1",
    bridge="dev/redis-svc",
    explains=("KX301", "KX303", "KX307"),
)
DEAD = [by_name(*REFUSED), at(ADDRESS, *REFUSED)]


def judged(
    observations: Sequence[Observation], *findings: Finding, what: Bridge | None = None
) -> BridgeReport:
    here = PlaceFacts(namespace="dev", vantage="pod", policies=(), findings=findings)
    return judge([what or bridge()], observations, (), here).bridges[0]


def said(report: BridgeReport) -> list[tuple[str, Severity]]:
    return [(d.code, d.severity) for d in report.diagnoses]


def test_it_takes_the_place_of_what_it_explains_with_the_same_evidence() -> None:
    plain = judged(DEAD).diagnoses[0]
    report = judged(DEAD, FOUND)
    (cause,) = report.diagnoses
    assert plain.code == "KX301"
    assert (cause.code, cause.severity, cause.culprit) == (
        "KX101", Severity.FAIL, Culprit.MANIFEST,
    )  # fmt: skip
    assert (cause.summary, cause.fix) == (FOUND.summary, FOUND.fix)
    assert cause.why == plain.why
    assert cause.because == (*plain.because, FOUND.object)
    assert cause.see == (
        "k8sext explain KX101 · kubectl get endpointslice -n dev redis-svc-1 -o yaml"
    )
    assert report.status is Status.FAIL


NOT_THE_CAUSE: list[dict[str, Any]] = [
    {"explains": ("KX302",)},
    {"bridge": "dev/other"},
    {"ports": ("amqp",)},
    {"addresses": (f"{OTHER}:26379",)},
]


@pytest.mark.parametrize("more", NOT_THE_CAUSE)
def test_it_does_not_explain_what_it_is_not_about(more: dict[str, Any]) -> None:
    assert judged(DEAD, replace(FOUND, **more)).diagnoses[0].code == "KX301"


def test_what_it_does_not_explain_it_stands_beside_as_a_warning() -> None:
    report = judged(DEAD, replace(FOUND, explains=()))
    assert said(report) == [("KX301", Severity.FAIL), ("KX101", Severity.WARN)]


@pytest.mark.parametrize(
    ("severity", "harmful", "expected", "status"),
    [
        (Severity.FAIL, False, Severity.WARN, Status.WARN),
        (Severity.WARN, False, Severity.WARN, Status.WARN),
        (Severity.NOTE, False, Severity.NOTE, Status.PASS),
        (Severity.FAIL, True, Severity.FAIL, Status.FAIL),
    ],
)
def test_a_bridge_that_works_is_failed_by_proven_harm_alone(
    severity: Severity, harmful: bool, expected: Severity, status: Status
) -> None:
    report = judged([by_name(), at()], replace(FOUND, severity=severity, harmful=harmful))
    assert said(report) == [("KX101", expected)]
    assert report.status is status


def test_one_of_two_addresses_that_it_names_is_explained() -> None:
    two = bridge("redis-svc", ADDRESS, OTHER)
    seen = [by_name(), at(), at(OTHER, *REFUSED, "o3")]
    assert judged(seen, what=two).diagnoses[0].code == "KX307"
    about = replace(FOUND, addresses=(f"{OTHER}:26379",))
    assert said(judged(seen, about, what=two)) == [("KX101", Severity.FAIL)]
    elsewhere = replace(FOUND, addresses=(f"{ADDRESS}:26379",))
    assert judged(seen, elsewhere, what=two).diagnoses[0].code == "KX307"


def test_what_is_said_only_as_a_cause_needs_an_address_that_fails() -> None:
    latent = replace(FOUND, only_as_cause=True, addresses=(f"{ADDRESS}:26379",))
    assert judged([by_name(), at()], latent).diagnoses == ()
    assert judged(DEAD, latent).diagnoses[0].code == "KX101"
    assert judged([by_name(*REFUSED), at()], latent).diagnoses[0].code == "KX303"
    elsewhere = replace(latent, addresses=(f"{OTHER}:26379",))
    assert said(judged(DEAD, elsewhere)) == [("KX301", Severity.FAIL)]


TWO = Endpoint(address=OTHER, port=26379, port_name="other", source="EndpointSlice/redis-svc-2")


def with_second(**more: Any) -> Bridge:
    first = bridge()
    return replace(first, endpoints=(*first.endpoints, replace(TWO, **more)))


def test_a_second_slice_that_no_port_can_use_is_a_warning() -> None:
    report = judged([by_name(), at()], what=with_second())
    (told,) = report.diagnoses
    assert (told.code, told.severity, report.status) == ("KX304", Severity.WARN, Status.WARN)
    assert f"{OTHER}:26379 never gets a connection" in told.summary
    assert told.because == ("EndpointSlice/dev/redis-svc-2",)


@pytest.mark.parametrize(
    "what",
    [
        with_second(source="EndpointSlice/redis-svc-1", address=ADDRESS, port=9121),
        with_second(port_name="redis"),
        bridge(endpoints=(TWO,)),
    ],
    ids=["a further port of the slice", "the right name", "a file names the ports otherwise"],
)
def test_and_these_are_none(what: Bridge) -> None:
    assert judged([by_name(), at()], what=what).diagnoses == ()


def test_what_refines_a_verdict_adds_cause_and_fix_and_keeps_the_code() -> None:
    more = replace(FOUND, code="KX113", explains=(), refines=("KX305",), command="true")
    empty = bridge(endpoints=())
    report = judged([by_name(*REFUSED)], more, replace(more, code="KX107", fix="z"), what=empty)
    (told,) = report.diagnoses
    assert (told.code, told.severity) == ("KX305", Severity.FAIL)
    assert told.why.startswith(
        "the slice is of the wrong kind (KX113); the slice is of the wrong kind (KX107); redis-svc"
    )
    assert (told.fix, told.command) == (FOUND.fix, "true")
    assert told.see.endswith("k8sext explain KX113 · k8sext explain KX107")


def test_what_is_ignored_is_neither_a_cause_nor_a_warning() -> None:
    deaf = bridge(ignore=(("KX101", "known"),))
    assert judged([by_name(), at()], FOUND, what=deaf).diagnoses == ()


def test_what_is_found_of_a_workload_is_not_told_of_its_bridge() -> None:
    of_workload = replace(FOUND, object="Deployment/dev/shop", explains=())
    assert judged([by_name(), at()], of_workload).diagnoses == ()


def test_another_culprit_is_kept() -> None:
    found = replace(FOUND, culprit=Culprit.CLUSTER_NETWORK)
    assert judged(DEAD, found).diagnoses[0].culprit is Culprit.CLUSTER_NETWORK
