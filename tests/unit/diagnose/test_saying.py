"""How to see it by hand, from where the probe stood; and what the reason repeats and shows."""

import pytest

from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.judge import judge
from k8sext.model.bridge import Kind
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Route, Stage
from tests.support.seen import ADDRESS, at, bridge, by_name, seen

IN_A_POD = "kubectl exec -n dev YOUR-POD -- "
DIAL = f"timeout 3 bash -c '</dev/tcp/{ADDRESS}/26379'"


def see(vantage: str, *observations: Observation) -> str:
    context = PlaceFacts(namespace="dev", vantage=vantage, policies=())
    (report,) = judge([bridge()], observations, [], context).bridges
    return report.diagnoses[0].see.partition(" · ")[2]


@pytest.mark.parametrize("vantage", ["pod", "relay"])
def test_an_address_is_dialled_from_a_pod_where_the_probe_was_in_one(vantage: str) -> None:
    dead = (by_name(Stage.CONNECT, Reason.REFUSED), at(ADDRESS, Stage.CONNECT, Reason.REFUSED))
    assert see(vantage, *dead) == IN_A_POD + DIAL


def test_an_address_is_dialled_from_here_where_the_probe_was_here() -> None:
    assert see("local", at(ADDRESS, Stage.CONNECT, Reason.REFUSED)) == DIAL


def test_a_name_is_the_services_in_a_pod_and_the_outside_s_here() -> None:
    lost = (Stage.RESOLVE, Reason.NAME_NOT_FOUND)
    assert see("pod", by_name(*lost)) == f"{IN_A_POD}getent hosts redis-svc"
    outside = seen("o1", Route.ORIGIN, "redis.corp.example:26379", *lost)
    assert see("local", outside) == "getent hosts redis.corp.example"


REJECTED = "Access denied for user 'shop'"


@pytest.mark.parametrize(("detail", "times"), [(REJECTED, 0), ("error 1045", 1)])
def test_the_servers_words_are_not_said_twice(detail: str, times: int) -> None:
    how = {"detail": detail, "words": REJECTED}
    both = [
        by_name(Stage.AUTH, Reason.AUTH_REJECTED, **how),
        at(ADDRESS, Stage.AUTH, Reason.AUTH_REJECTED, **how),
    ]
    context = PlaceFacts(namespace="dev", vantage="pod", policies=())
    (report,) = judge([bridge()], both, [], context).bridges
    said = report.diagnoses[0]
    assert said.why.count(f"the server said: {REJECTED}") == times


def test_an_address_as_external_name_is_shown() -> None:
    alias = bridge(kind=Kind.EXTERNAL_NAME, external_name="198.51.100.9", endpoints=())
    lost = by_name(Stage.RESOLVE, Reason.NAME_NOT_FOUND)
    context = PlaceFacts(namespace="dev", vantage="pod", policies=())
    (report,) = judge([alias], [lost], [], context).bridges
    assert "spec.externalName of Service redis-svc is 198.51.100.9" in report.diagnoses[0].summary
