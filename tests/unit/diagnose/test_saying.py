"""How to see it by hand: from where the probe stood."""

import pytest

from k8sext.diagnose.case import Context
from k8sext.diagnose.judge import judge
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Route, Stage
from tests.support.seen import ADDRESS, at, bridge, by_name, seen

IN_A_POD = "kubectl exec -n dev YOUR-POD -- "
DIAL = f"timeout 3 bash -c '</dev/tcp/{ADDRESS}/26379'"


def see(vantage: str, *observations: Observation) -> str:
    context = Context(namespace="dev", vantage=vantage, policies=())
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
