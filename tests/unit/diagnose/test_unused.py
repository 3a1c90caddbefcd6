"""Addresses that no connection is sent to: what they answer is a note and nothing more."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.judge import judge
from k8sext.model.bridge import Bridge, Endpoint, Kind, in_use
from k8sext.model.report import BridgeReport
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Severity, Stage, Status
from tests.support.seen import at, bridge, by_name

HERE = PlaceFacts(namespace="dev", vantage="pod", policies=())
A, B, C = (f"198.51.100.{n}" for n in (21, 22, 23))
SIX = "[2001:db8::21]"
REFUSED: tuple[Stage, Reason] = (Stage.CONNECT, Reason.REFUSED)
NO_FAMILY: tuple[Stage, Reason] = (Stage.CONNECT, Reason.NO_FAMILY)
LEAVING: dict[str, Any] = {"ready": False, "serving": True, "terminating": True}


def end(address: str, **conditions: Any) -> Endpoint:
    source = "EndpointSlice/redis-svc-1"
    return Endpoint(address=address, port=26379, port_name="redis", source=source, **conditions)


def judged(what: Bridge, seen: Sequence[Observation], vantage: str = "pod") -> BridgeReport:
    return judge([what], seen, [], replace(HERE, vantage=vantage)).bridges[0]


def codes(report: BridgeReport) -> list[tuple[str, Severity]]:
    return [(d.code, d.severity) for d in report.diagnoses]


@pytest.mark.parametrize(
    ("conditions", "headless", "used"),
    [
        ([{}, {}], False, [0, 1]),
        ([{}, {"ready": False}], False, [0]),
        ([{}, LEAVING], False, [0]),
        ([LEAVING, {"ready": False}], False, [0]),
        ([LEAVING, {"ready": False}], True, []),
        ([{"ready": False, "serving": False, "terminating": True}], False, []),
        ([{"ready": False}], False, []),
    ],
)
def test_what_kube_proxy_takes(
    conditions: list[dict[str, bool]], headless: bool, used: list[int]
) -> None:
    ends = [end(a, **c) for a, c in zip((A, B), conditions, strict=False)]
    assert in_use(ends, headless=headless) == tuple(ends[n] for n in used)


WAITING = bridge(endpoints=(end(A), end(B), end(C, ready=False)))
HOW: list[tuple[Any, ...]] = [REFUSED, (Stage.TLS, Reason.CERTIFICATE_EXPIRED), (None, None)]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("vantage", ["pod", "local"])
def test_what_is_not_ready_is_a_note(how: Any, vantage: str) -> None:
    names = [by_name()] if vantage == "pod" else []
    seen = [*names, at(A), at(B, id="o3"), at(C, how[0], how[1], "o4")]
    report = judged(WAITING, seen, vantage)
    assert (codes(report), report.status) == ([("KX323", Severity.NOTE)], Status.PASS)
    said = report.diagnoses[0]
    assert f"not ready, not used: {C}:26379" in said.summary
    assert "kubectl edit -n dev endpointslice/redis-svc-1" in said.fix


def test_what_is_not_ready_counts_in_no_share_and_leads_nothing() -> None:
    seen = [by_name(*REFUSED), at(A), at(B, *REFUSED, "o3"), at(C, *REFUSED, id="o4")]
    for order in itertools.permutations(seen):
        report = judged(WAITING, order)
        assert [code for code, _ in codes(report)] == ["KX307", "KX323"]
        assert "1 of 2 addresses does not work" in report.diagnoses[0].summary
        assert "50 %" in report.diagnoses[0].summary


def test_what_is_not_ready_is_no_second_system() -> None:
    verify: dict[str, Any] = {"status": Status.PASS}
    what = bridge(endpoints=(end(A), end(C, ready=False)))
    mine = at(A, Stage.VERIFY, None, identity="a", **verify)
    other = at(C, Stage.VERIFY, None, "o4", identity="b", **verify)
    mine, other = (replace(o, protocol="postgresql") for o in (mine, other))
    assert judged(what, [by_name(), mine, other]).status is Status.PASS


@pytest.mark.parametrize(("answers", "word"), [(True, "accepts"), (False, "does not answer")])
@pytest.mark.parametrize("name", [(Stage.CONNECT, Reason.REFUSED), None])
def test_where_nothing_is_ready_that_is_the_cause(answers: bool, word: str, name: Any) -> None:
    """Also where no name was tried, and whether or not the server runs."""
    what = bridge(endpoints=(end(A, ready=False),))
    direct = at(A) if answers else at(A, *REFUSED)
    seen = [by_name(*name), direct] if name else [direct]
    report = judged(what, seen, "pod" if name else "local")
    assert codes(report) == [("KX315", Severity.FAIL)]
    assert f"{A}:26379 {word}" in report.diagnoses[0].summary


def test_a_name_that_works_all_the_same_passes() -> None:
    """A data plane of its own kind."""
    what = bridge(endpoints=(end(A, ready=False),))
    assert judged(what, [by_name(), at(A)]).status is Status.PASS


def test_what_leaves_is_used_as_long_as_nothing_is_ready() -> None:
    what = bridge(endpoints=(end(A, **LEAVING), end(B, ready=False)))
    report = judged(what, [by_name(), at(A), at(B, *REFUSED, "o3")])
    assert (codes(report), report.status) == ([("KX323", Severity.NOTE)], Status.PASS)
    dead = judged(what, [by_name(*REFUSED), at(A, *REFUSED), at(B, id="o3")])
    assert codes(dead)[0] == ("KX301", Severity.FAIL)


# -- address families ----------------------------------------------------------------------------


def outside() -> Bridge:
    more: dict[str, Any] = {"endpoints": (), "cluster_ips": ()}
    return bridge(kind=Kind.EXTERNAL_NAME, external_name="pg.corp.example", **more)


def test_a_family_that_the_pod_has_not_is_never_used() -> None:
    report = judged(outside(), [by_name(), at(A), at(SIX, *NO_FAMILY, "o3")])
    assert (codes(report), report.status) == ([("KX210", Severity.NOTE)], Status.PASS)
    assert "no IPv6 address" in report.diagnoses[0].summary


def test_a_family_that_the_pod_has_not_counts_in_no_share() -> None:
    seen = [by_name(), at(A), at(B, *REFUSED, "o3"), at(SIX, *NO_FAMILY, "o4")]
    report = judged(outside(), seen)
    assert [code for code, _ in codes(report)] == ["KX307", "KX210"]
    assert "1 of 2 addresses" in report.diagnoses[0].summary


@pytest.mark.parametrize("vantage", ["pod", "local"])
def test_a_name_with_the_other_family_only(vantage: str) -> None:
    names = [by_name(*NO_FAMILY)] if vantage == "pod" else []
    report = judged(outside(), [*names, at(SIX, *NO_FAMILY, "o3")], vantage)
    (said,) = report.diagnoses
    assert (said.code, said.severity) == ("KX209", Severity.FAIL)
    assert f"{SIX}:26379" in said.summary
    assert "have an IPv4 address added where pg.corp.example is served" in said.fix
    assert "a route on the nodes would not help" in said.fix


def test_a_route_that_is_missing_in_a_family_that_the_pod_has_is_a_route() -> None:
    gone = (Stage.CONNECT, Reason.NO_ROUTE)
    report = judged(outside(), [by_name(*gone), at(SIX, *gone, id="o3")])
    assert codes(report) == [("KX308", Severity.FAIL)]


def test_a_server_of_another_family_is_not_kept_away_by_anything_on_the_path() -> None:
    what = replace(outside(), expect={"unreachable": True})
    report = judged(what, [by_name(*NO_FAMILY), at(SIX, *NO_FAMILY, "o3")])
    assert codes(report)[0] == ("KX209", Severity.FAIL)
