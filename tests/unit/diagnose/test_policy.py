"""Whether NetworkPolicies let the probe out to a target."""

from dataclasses import replace
from typing import Any

import pytest

from k8sext.diagnose import policy
from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.judge import judge
from k8sext.model.egress import isolating
from k8sext.model.words import Reason, Stage
from tests.support.seen import ADDRESS, at, bridge, by_name

PROBE = {"app.kubernetes.io/managed-by": "k8sext"}
HERE = PlaceFacts(namespace="dev", vantage="pod", policies=())


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
    found = isolating([one], PROBE, ADDRESS, 26379)
    assert found == (("p",) if isolates else ())


def test_policies_add_up() -> None:
    deny, allow = made({}), made({}, block("198.51.100.0/24"), name="allow")
    assert isolating([deny, allow], PROBE, ADDRESS, 26379) == ()


def test_ingress_alone_isolates_no_egress() -> None:
    ingress = {
        "metadata": {"name": "in"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
    }
    assert isolating([ingress], PROBE, ADDRESS, 26379) == ()


def timed_out(context: PlaceFacts) -> Any:
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


# -- every way to fail, and whether anything enforces policies -------------------------------------

OTHER = "198.51.100.22"
DENY = made({}, name="no-way-out")


def report_of(*seen: Any, what: Any = None, **more: Any) -> Any:
    context = replace(HERE, policies=[DENY], **more)
    return judge([what or bridge(), bridge("db-svc", OTHER)], seen, [], context).bridges[0]


@pytest.mark.parametrize("reason", policy.DENIED)
def test_however_a_denied_connection_ends_the_policy_is_named(reason: Reason) -> None:
    ended = (Stage.CONNECT, reason)
    said = report_of(by_name(*ended), at(ADDRESS, *ended)).diagnoses[0]
    assert (said.code, said.culprit) == ("KX309", "cluster-network")
    assert "no-way-out" in said.summary


def accepting(target: str = OTHER, service: str = "db-svc") -> Any:
    return replace(at(target, id="o9"), service=service)


@pytest.mark.parametrize("reason", policy.DENIED)
def test_a_policy_that_another_success_disproves_is_no_cause(reason: Reason) -> None:
    ended = (Stage.CONNECT, reason)
    said = report_of(by_name(*ended), at(ADDRESS, *ended), accepting()).diagnoses[0]
    assert said.code != "KX309" or reason is Reason.NOT_PERMITTED
    assert f"{OTHER}:26379 is not allowed either and accepts" in said.why
    assert policy.NONE_FORBIDS not in said.why


def test_a_success_that_a_policy_allows_disproves_nothing() -> None:
    allow = made({}, block(f"{OTHER}/32"), name="allow-db")
    ended = (Stage.CONNECT, Reason.TIMED_OUT)
    seen = (by_name(*ended), at(ADDRESS, *ended), accepting())
    said = (
        judge([bridge()], seen, [], replace(HERE, policies=[DENY, allow])).bridges[0].diagnoses[0]
    )
    assert said.code == "KX309"


@pytest.mark.parametrize(
    "more",
    [{"host": OTHER}, {"what": replace(bridge(), virtual=(OTHER,))}],
    ids=["the probe's own node", "a cluster IP"],
)
def test_what_policies_do_not_speak_of_disproves_nothing(more: dict[str, Any]) -> None:
    ended = (Stage.CONNECT, Reason.TIMED_OUT)
    said = report_of(by_name(*ended), at(ADDRESS, *ended), accepting(), **more).diagnoses[0]
    assert said.code == "KX309"


def test_each_address_has_its_own_policy() -> None:
    """One address is allowed and dead, the other is not allowed."""
    allow = made({}, block(f"{ADDRESS}/32"), name="allow-one")
    ended = (Stage.CONNECT, Reason.TIMED_OUT)
    seen = [by_name(*ended), at(ADDRESS, Stage.CONNECT, Reason.REFUSED), at(OTHER, *ended, "o3")]
    context = replace(HERE, policies=[DENY, allow])
    said = judge([bridge("redis-svc", ADDRESS, OTHER)], seen, [], context).bridges[0].diagnoses[0]
    assert f"1 × refused: {ADDRESS}:26379" in said.why
    assert f"1 × not allowed by NetworkPolicy no-way-out: {OTHER}:26379" in said.why


def test_nothing_is_claimed_of_a_cluster_ip() -> None:
    """Policies see the endpoint behind it."""
    said = judge([bridge()], [by_name(Stage.CONNECT, Reason.TIMED_OUT), at()], [], HERE).bridges[0]
    assert (said.diagnoses[0].code, policy.NONE_FORBIDS in said.diagnoses[0].why) == (
        "KX306", False,
    )  # fmt: skip


def test_that_no_policy_forbids_is_said_where_it_was_looked_up() -> None:
    assert policy.NONE_FORBIDS in timed_out(HERE).diagnoses[0].why
    assert policy.NONE_FORBIDS not in timed_out(replace(HERE, vantage="local")).diagnoses[0].why
