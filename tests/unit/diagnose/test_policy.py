"""Whether NetworkPolicies let the probe out to a target."""

from dataclasses import replace
from typing import Any

import pytest

from k8sext.diagnose import policy
from k8sext.diagnose.case import Context
from k8sext.diagnose.judge import judge
from k8sext.model.words import Reason, Stage
from tests.support.seen import ADDRESS, at, bridge, by_name

PROBE = {"app.kubernetes.io/managed-by": "k8sext"}
HERE = Context(namespace="dev", vantage="pod", policies=())


def made(selector: dict[str, Any], *egress: dict[str, Any], name: str = "p") -> dict[str, Any]:
    spec = {"podSelector": selector, "policyTypes": ["Egress"], "egress": list(egress)}
    return {"metadata": {"name": name}, "spec": spec}


def block(cidr: str, *without: str, **ports: Any) -> dict[str, Any]:
    rule: dict[str, Any] = {"to": [{"ipBlock": {"cidr": cidr, "except": list(without)}}]}
    return {**rule, "ports": [{"protocol": "TCP", **ports}]} if ports else rule


CASES = [
    ("no rule at all", made({}), True),
    ("a rule without peers allows everything", made({}, {}), False),
    ("block holds it", made({}, block("198.51.100.0/24")), False),
    ("block holds it with host bits set", made({}, block("198.51.100.9/24")), False),
    ("another block", made({}, block("192.0.2.0/24")), True),
    ("an exception", made({}, block("198.51.100.0/24", "198.51.100.16/28")), True),
    ("the port", made({}, block("198.51.100.0/24", port=26379)), False),
    ("another port", made({}, block("198.51.100.0/24", port=5432)), True),
    ("a range of ports", made({}, block("198.51.100.0/24", port=26000, endPort=27000)), False),
    ("a named port is a pod's", made({}, block("198.51.100.0/24", port="redis")), True),
    ("pods are not outside", made({}, {"to": [{"podSelector": {}}]}), True),
    ("IPv6 only", made({}, block("2001:db8::/32")), True),
    ("the probe's label", made({"matchLabels": PROBE}), True),
    ("another application's label", made({"matchLabels": {"app": "shop"}}), False),
    (
        "by expression",
        made({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}),
        True,
    ),
]


@pytest.mark.parametrize(("one", "isolates"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_one_policy(one: dict[str, Any], isolates: bool) -> None:
    found = policy.isolating([one], PROBE, ADDRESS, 26379)
    assert found == (("p",) if isolates else ())


def test_policies_add_up() -> None:
    deny, allow = made({}), made({}, block("198.51.100.0/24"), name="allow")
    assert policy.isolating([deny, allow], PROBE, ADDRESS, 26379) == ()


def test_ingress_alone_isolates_no_egress() -> None:
    ingress = {
        "metadata": {"name": "in"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
    }
    assert policy.isolating([ingress], PROBE, ADDRESS, 26379) == ()


def timed_out(context: Context) -> Any:
    ended = (Stage.CONNECT, Reason.TIMED_OUT)
    return judge([bridge()], [by_name(*ended), at(ADDRESS, *ended)], [], context).bridges[0]


def test_a_policy_on_the_probes_labels_is_named() -> None:
    only = made({"matchLabels": PROBE}, name="lock-down")
    said = timed_out(replace(HERE, policies=[only])).diagnoses[0]
    assert (said.code, said.culprit) == ("KX309", "cluster-network")
    assert "lock-down" in said.summary
    assert "lock-down" in said.fix


def test_policies_that_could_not_be_read_are_admitted() -> None:
    assert "could not be read" in timed_out(replace(HERE, policies=None)).diagnoses[0].why
    assert "could not be read" not in timed_out(HERE).diagnoses[0].why
