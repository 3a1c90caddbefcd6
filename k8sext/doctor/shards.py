"""Which pod of several looks at which bridge: pure.

Bridges that share a server stay together: its logins are made one at a time, and its connections
are counted, within one pod.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from k8sext.model.bridge import Bridge
from k8sext.model.plan import Plan, join_address


def sharded(plan: Plan, bridges: Sequence[Bridge], count: int) -> Plan:
    """The plan spread over at most `count` pods, heavy groups first, none of them empty."""
    weight = {b.service: sum(t.service == b.service for t in plan.targets) for b in bridges}
    groups = [g for g in _groups(bridges) if sum(weight[s] for s in g)]
    groups.sort(key=lambda group: -sum(weight[s] for s in group))
    load = [0] * max(1, min(count, len(groups)))
    shard: dict[str, int] = {}
    for group in groups:
        lightest = load.index(min(load))
        load[lightest] += sum(weight[s] for s in group)
        shard.update(dict.fromkeys(group, lightest))
    return replace(plan, targets=tuple(replace(t, shard=shard[t.service]) for t in plan.targets))


def _groups(bridges: Sequence[Bridge]) -> list[list[str]]:
    """Services joined by the servers they lead to, in the order of the bridges."""
    groups: list[tuple[list[str], set[str]]] = []
    for bridge in bridges:
        services, servers = [bridge.service], set(_servers(bridge))
        apart: list[tuple[list[str], set[str]]] = []
        for other in groups:
            if other[1] & servers:
                services, servers = [*other[0], *services], other[1] | servers
            else:
                apart.append(other)
        groups = [*apart, (services, servers)]
    return [services for services, _ in groups]


def _servers(bridge: Bridge) -> Iterator[str]:
    for endpoint in bridge.endpoints:
        yield join_address(endpoint.address, endpoint.port)
    for port in bridge.ports if bridge.external_name else ():
        yield join_address(bridge.external_name.lower().rstrip("."), port.port)
