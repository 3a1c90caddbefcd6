"""The addresses of a bridge against those that its outside name has now."""

from dataclasses import replace

import pytest

from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.judge import judge
from k8sext.model.bridge import Bridge, Endpoint, Port
from k8sext.model.report import BridgeReport
from k8sext.model.result import Json, Observation
from k8sext.model.words import Reason, Severity, Stage, Status
from tests.support.seen import ADDRESS, at, bridge, by_name

HERE = PlaceFacts(namespace="dev", vantage="pod", policies=())
NAME, NEW = "redis.corp.example", "198.51.100.77"
DEAD = at(ADDRESS, Stage.CONNECT, Reason.TIMED_OUT)


def asked(seen: Observation, **told: Json) -> Observation:
    """The probe by name, with what became of the origin."""
    first, *rest = seen.stages
    evidence = {**first.evidence, "origin": {"name": NAME, **told}}
    return replace(seen, stages=(replace(first, evidence=evidence), *rest))


def judged(what: Bridge, *observations: Observation) -> BridgeReport:
    return judge([what], observations, [], HERE).bridges[0]


def codes(report: BridgeReport) -> list[tuple[str, Severity]]:
    return [(d.code, d.severity) for d in report.diagnoses]


def test_an_address_that_the_name_still_has_is_not_spoken_of() -> None:
    name = asked(by_name(), addresses=[NEW, ADDRESS])
    assert judged(bridge(), name, at()).diagnoses == ()


@pytest.mark.parametrize("written", ["2001:db8::21", "2001:DB8:0:0::21"])
def test_an_address_may_be_written_in_more_than_one_way(written: str) -> None:
    name = asked(by_name(), addresses=["2001:db8::21"])
    assert judged(bridge("redis-svc", written), name).diagnoses == ()


def test_a_server_that_has_moved_and_still_answers_is_a_warning() -> None:
    report = judged(bridge(), asked(by_name(), addresses=[NEW]), at())
    assert codes(report) == [("KX207", Severity.WARN)]
    (said,) = report.diagnoses
    assert said.summary == (
        f"{NAME} now leads to {NEW}, but Service redis-svc still leads to {ADDRESS}"
    )
    assert said.fix.startswith("kubectl edit -n dev endpointslice/redis-svc-1: write ")
    assert said.see == f"k8sext explain KX207 · kubectl exec -n dev YOUR-POD -- getent hosts {NAME}"


@pytest.mark.parametrize("reason", [Reason.TIMED_OUT, Reason.REFUSED, Reason.NO_ROUTE])
def test_a_server_that_has_moved_explains_that_nobody_is_at_the_old_address(
    reason: Reason,
) -> None:
    name = asked(by_name(Stage.CONNECT, reason), addresses=[NEW])
    report = judged(bridge(), name, at(ADDRESS, Stage.CONNECT, reason))
    assert codes(report) == [("KX207", Severity.FAIL)]
    assert report.status is Status.FAIL
    assert ADDRESS in report.diagnoses[0].consequences[0]


def test_of_two_addresses_the_one_that_is_gone_is_the_dead_one() -> None:
    dead = at(NEW, Stage.CONNECT, Reason.TIMED_OUT, "o3")
    report = judged(
        bridge("redis-svc", ADDRESS, NEW), asked(by_name(), addresses=[ADDRESS]), at(), dead
    )
    assert codes(report) == [("KX207", Severity.FAIL)]


def test_it_does_not_explain_a_dead_address_that_the_name_still_has() -> None:
    dead = at(NEW, Stage.CONNECT, Reason.TIMED_OUT, "o3")
    report = judged(
        bridge("redis-svc", ADDRESS, NEW), asked(by_name(), addresses=[NEW]), at(), dead
    )
    assert codes(report) == [("KX307", Severity.FAIL), ("KX207", Severity.WARN)]


def test_it_does_not_explain_what_the_server_itself_says() -> None:
    name = asked(by_name(Stage.AUTH, Reason.AUTH_REJECTED), addresses=[NEW])
    report = judged(bridge(), name, at(ADDRESS, Stage.AUTH, Reason.AUTH_REJECTED))
    assert codes(report) == [("KX601", Severity.FAIL), ("KX207", Severity.WARN)]


def test_who_ignores_the_code_still_hears_of_a_dead_server() -> None:
    name = asked(by_name(Stage.CONNECT, Reason.TIMED_OUT), addresses=[NEW])
    ignoring = bridge(ignore=(("KX207", "our DNS gives a part of them"),))
    report = judged(ignoring, name, DEAD)
    assert codes(report) == [("KX302", Severity.FAIL)]


@pytest.mark.parametrize(
    "told",
    [
        {"reason": "name_not_found", "detail": "NXDOMAIN"},
        {"reason": "dns_timed_out", "detail": "no answer"},
        {"addresses": []},
    ],
)
def test_a_name_without_an_address_is_a_note_and_explains_nothing(told: dict[str, Json]) -> None:
    assert codes(judged(bridge(), asked(by_name(), **told), at())) == [("KX208", Severity.NOTE)]
    name = asked(by_name(Stage.CONNECT, Reason.TIMED_OUT), **told)
    assert codes(judged(bridge(), name, DEAD)) == [
        ("KX302", Severity.FAIL),
        ("KX208", Severity.NOTE),
    ]


def test_what_two_ports_say_alike_is_said_once_at_its_heaviest() -> None:
    other = Port(name="stats", port=9121, protocol="redis", protocol_source="port name")
    ends = tuple(
        Endpoint(address=ADDRESS, port=p, port_name=n, source="EndpointSlice/redis-svc-1")
        for p, n in ((26379, "redis"), (9121, "stats"))
    )
    two = replace(bridge(), ports=(*bridge().ports, other), endpoints=ends)
    fine = (asked(by_name(), addresses=[NEW]), at())
    dead = (asked(by_name(Stage.CONNECT, Reason.TIMED_OUT), addresses=[NEW]), DEAD)
    for works, fails in (("redis", "stats"), ("stats", "redis")):
        seen = (
            *(replace(o, port=works, id=f"{o.id}w") for o in fine),
            *(replace(o, port=fails, id=f"{o.id}f") for o in dead),
        )
        assert codes(judged(two, *seen)) == [("KX207", Severity.FAIL)]
