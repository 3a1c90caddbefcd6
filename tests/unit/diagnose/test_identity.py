"""Two addresses of one bridge that should be one system."""

from dataclasses import replace
from typing import Any

import pytest

from k8sext.diagnose.case import Context
from k8sext.diagnose.identity import systems
from k8sext.diagnose.judge import judge
from k8sext.model.result import Observation
from k8sext.model.words import Stage, Status
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
    lagging = at(TWO, Stage.VERIFY, None, "o9", status=Status.WARN, identity="b")
    assert split(server(ONE, identity="a"), lagging) is None


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
    here = Context(namespace="dev", vantage="pod", policies=())
    (report,) = judge([what], [by_name(), *ends], (), here).bridges
    (said,) = report.diagnoses
    assert (said.code, said.culprit.value, report.status) == (code, "wrong-target", status)
    assert all(f"{a}:26379 is of {a}" in said.summary for a in (ONE, TWO))
    assert set(said.because) >= {"o21/verify", "o22/verify"}
