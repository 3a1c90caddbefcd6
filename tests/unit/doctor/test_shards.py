"""Bridges spread over pods: servers stay together, every bridge is looked at once."""

from dataclasses import replace

from k8sext.doctor import shards
from k8sext.model.bridge import Bridge, Kind
from k8sext.model.plan import Plan, Target
from k8sext.model.words import Route
from tests.support.seen import bridge


def plan_of(*bridges: Bridge) -> Plan:
    targets = [
        Target(
            id=f"o{number}",
            service=b.service,
            port_key="redis",
            protocol="redis",
            route=Route.NAME,
            host=b.service,
            port=6379,
        )
        for number, b in enumerate(bridges, 1)
    ]
    return Plan(run_id="r", namespace="dev", modules=(), targets=tuple(targets))


def spread(count: int, *bridges: Bridge) -> list[set[str]]:
    made = shards.sharded(plan_of(*bridges), bridges, count)
    return [{t.service for t in made.part(n).targets} for n in range(made.shards)]


A = bridge("a", "198.51.100.1")
B = bridge("b", "198.51.100.2")
C = bridge("c", "198.51.100.3")


def test_one_shard_is_the_whole_plan() -> None:
    assert spread(1, A, B, C) == [{"a", "b", "c"}]


def test_every_bridge_is_in_one_shard_and_none_is_empty() -> None:
    assert spread(2, A, B, C) == [{"a", "c"}, {"b"}]
    assert spread(8, A, B, C) == [{"a"}, {"b"}, {"c"}]


def test_bridges_that_share_a_server_stay_together_also_by_a_third() -> None:
    both = bridge("both", "198.51.100.1", "198.51.100.3")
    found = spread(4, A, B, C, both)
    assert {"a", "c", "both"} in found
    assert {"b"} in found


def test_outside_names_are_servers_too() -> None:
    def external(service: str, name: str) -> Bridge:
        made = bridge(service, endpoints=())
        return replace(made, kind=Kind.EXTERNAL_NAME, external_name=name)

    one, two = external("one", "db.corp.example"), external("two", "DB.corp.example.")
    assert spread(3, one, two, B) == [{"one", "two"}, {"b"}]


def test_nothing_to_look_at_is_one_shard() -> None:
    assert shards.sharded(plan_of(), [], 3).shards == 1
