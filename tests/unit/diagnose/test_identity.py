"""Two addresses of one bridge that should be one system."""

from dataclasses import replace
from typing import Any

import pytest

from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.identity import systems
from k8sext.diagnose.judge import judge
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Stage, Status
from tests.support.seen import at, bridge, by_name

ONE, TWO, THREE = "198.51.100.21", "198.51.100.22", "198.51.100.23"


def server(address: str, protocol: str = "redis", **facts: Any) -> Observation:
    seen = at(address, Stage.VERIFY, None, f"o{address[-2:]}", status=Status.PASS, **facts)
    return replace(seen, protocol=protocol)


def split(*seen: Observation) -> tuple[list[list[str]], str] | None:
    found = systems(seen)
    if found is None:
        return None
    return [[o.target.partition(":")[0] for o in g] for g in found.by_identity.values()], (
        found.sureness
    )


def test_one_system() -> None:
    assert split(server(ONE, identity="a"), server(TWO, identity="a")) is None
    assert split(server(ONE, identity="a")) is None


def test_what_is_not_known_is_not_compared() -> None:
    assert split(server(ONE, identity="a"), server(TWO)) is None
    warned: dict[str, Any] = {"status": Status.WARN, "identity": "b"}
    lagging = at(TWO, Stage.VERIFY, Reason.LAGGING, "o9", **warned)
    assert split(server(ONE, identity="a"), lagging) is None


def test_a_warning_does_not_hide_a_second_system() -> None:
    full = at(TWO, Stage.VERIFY, Reason.NEARLY_FULL, "o9", status=Status.WARN, identity="b")
    assert split(server(ONE, identity="a"), full) == ([[ONE], [TWO]], "certain")


def test_one_address_that_leads_to_two_systems_is_two_systems() -> None:
    direct = server(ONE, "postgresql", identity="a")
    named = by_name(Stage.VERIFY, None, status=Status.PASS, identity="b")
    here = PlaceFacts(namespace="dev", vantage="pod", policies=())
    (report,) = judge([bridge("redis-svc", ONE)], [named, direct], (), here).bridges
    (said,) = report.diagnoses
    assert (said.code, report.status) == ("KX507", Status.FAIL)
    assert f"{ONE}:26379 is a; redis-svc:26379 (by name) is b" in said.summary
    assert f"look at what stands at {ONE}:26379" in said.fix


@pytest.mark.parametrize("chosen", [ONE, TWO])
def test_which_address_the_name_led_to_changes_no_word(chosen: str) -> None:
    ends = [server(a, "postgresql", identity=f"of {a}") for a in (ONE, TWO)]
    named = by_name(Stage.VERIFY, None, status=Status.PASS, identity=f"of {chosen}")
    here = PlaceFacts(namespace="dev", vantage="pod", policies=())
    (report,) = judge([bridge("redis-svc", ONE, TWO)], [named, *ends], (), here).bridges
    assert f": {ONE}:26379 is of {ONE}; {TWO}:26379 is of {TWO}" in report.diagnoses[0].summary


def test_replicas_of_one_primary_that_is_not_behind_the_bridge_are_one_system() -> None:
    facts = {"source_identity": "uuid-0", "replicates": True}
    ends = [server(a, "mysql", identity=f"uuid-{a}", **facts) for a in (ONE, TWO, THREE)]
    assert split(*ends) is None
    assert split(*ends, server("198.51.100.24", "mysql", identity="uuid-0")) is None


ROLES = [
    ({}, ["master", "replica"], ["KX324"]),
    ({}, ["primary", "standby", "standby"], ["KX324"]),
    ({"role": "primary"}, ["primary", "primary"], []),
    ({}, ["replica", "replica"], []),
    ({}, ["unknown", "replica"], []),
]


@pytest.mark.parametrize(("expect", "roles", "codes"), ROLES)
def test_a_primary_and_its_replicas_pass_with_a_note(
    expect: Any, roles: list[str], codes: list[str]
) -> None:
    hosts = (ONE, TWO, THREE)[: len(roles)]
    ends = [server(a, role=r, identity="a") for a, r in zip(hosts, roles, strict=True)]
    here = PlaceFacts(namespace="dev", vantage="pod", policies=())
    what = bridge("redis-svc", *hosts, expect=expect)
    (report,) = judge([what], [by_name(), *ends], (), here).bridges
    assert ([d.code for d in report.diagnoses], report.status) == (codes, Status.PASS)


def test_nodes_of_a_redis_cluster_are_no_roles_to_tell_of() -> None:
    facts = {"mode": "cluster", "identity": "a"}
    ends = [server(ONE, role="master", **facts), server(TWO, role="replica", **facts)]
    here = PlaceFacts(namespace="dev", vantage="pod", policies=())
    (report,) = judge([bridge("redis-svc", ONE, TWO)], [by_name(), *ends], (), here).bridges
    assert report.diagnoses == ()


def test_two_systems_that_share_an_identity_each() -> None:
    found = split(server(ONE, identity="a"), server(TWO, identity="b"), server(THREE, identity="a"))
    assert found == ([[ONE, THREE], [TWO]], "certain")


@pytest.mark.parametrize("source", ["uuid-1", "1"])
def test_a_replica_belongs_to_what_it_follows(source: str) -> None:
    identity = "uuid-1" if source == "uuid-1" else "1@db1:3306"
    primary = server(ONE, "mysql", identity=identity)
    replica = server(TWO, "mysql", identity="2@db2:3306", source_identity=source, replicates=True)
    assert split(primary, replica) is None


def test_servers_that_follow_nobody_are_two_systems_for_certain_only_if_they_were_asked() -> None:
    asked = [server(a, "mysql", identity=a, replicates=False) for a in (ONE, TWO)]
    assert split(*asked) == ([[ONE], [TWO]], "certain")
    assert split(asked[0], server(TWO, "mysql", identity="x")) == ([[ONE], [TWO]], "likely")


def test_a_cluster_of_servers_with_identities_of_their_own_is_one_system() -> None:
    galera = [server(a, "mysql", identity=a, system="galera:shop") for a in (ONE, TWO)]
    assert split(*galera) is None


@pytest.mark.parametrize(
    ("protocol", "facts", "code", "status"),
    [
        ("postgresql", {}, "KX507", Status.FAIL),
        ("redis", {"connected_slaves": "1"}, "KX507", Status.FAIL),
        ("mysql", {}, "KX508", Status.WARN),
        ("redis", {"connected_slaves": "0"}, "KX509", Status.PASS),
    ],
)
def test_the_verdict(protocol: str, facts: Any, code: str, status: Status) -> None:
    what = bridge("redis-svc", ONE, TWO)
    ends = [server(a, protocol, identity=f"of {a}", **facts) for a in (ONE, TWO)]
    here = PlaceFacts(namespace="dev", vantage="pod", policies=())
    (report,) = judge([what], [by_name(), *ends], (), here).bridges
    (said,) = report.diagnoses
    assert (said.code, said.culprit.value, report.status) == (code, "wrong-target", status)
    assert all(f"{a}:26379 is of {a}" in said.summary for a in (ONE, TWO))
    assert set(said.because) >= {"o21/verify", "o22/verify"}
