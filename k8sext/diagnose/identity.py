"""Whether the addresses behind one bridge are one system: pure.

`identity` in the evidence of a probe is what the servers of one system share (PostgreSQL's system
identifier, Redis' replication id, a cluster's uuid or name), or else the server's own; `system` is
what a cluster of servers with identities of their own shares (Galera, group replication);
`source_identity` is the server that a replica follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from k8sext.model.result import Observation
from k8sext.model.words import Stage, Status

OWN_IDENTITY = ("mysql",)  # protocols whose replicas do not share an identity


@dataclass(frozen=True, slots=True)
class Systems:
    """Addresses by the system they belong to.

    `sureness`: `certain`; `likely` where something that was not seen may join two; `caches` for
    Redis masters without replicas, which may be meant to know nothing of each other.
    """

    by_identity: Mapping[str, tuple[Observation, ...]]
    sureness: str


def systems(endpoints: Sequence[Observation]) -> Systems | None:
    """The systems behind one bridge port, where there is more than one; None otherwise.

    Only servers that passed are compared: a replica whose replication is down is said to be so.
    """
    known = [o for o in endpoints if _verified(o) and _identity(o)]
    groups: dict[str, list[Observation]] = {}
    for seen in known:
        groups.setdefault(_identity(seen), []).append(seen)
    for seen in known:
        _join(groups, _identity(seen), str(seen.fact("source_identity") or ""))
    if len(groups) < 2:
        return None
    return Systems({k: tuple(v) for k, v in groups.items()}, _sureness(known))


def _sureness(known: Sequence[Observation]) -> str:
    if any(o.protocol in OWN_IDENTITY and o.fact("replicates") is None for o in known):
        return "likely"
    caches = all(o.protocol == "redis" and str(o.fact("connected_slaves")) == "0" for o in known)
    return "caches" if caches else "certain"


def _verified(seen: Observation) -> bool:
    stage = seen.stage(Stage.VERIFY)
    return stage is not None and stage.status is Status.PASS


def _identity(seen: Observation) -> str:
    return str(seen.fact("system") or seen.fact("identity") or "")


def _join(groups: dict[str, list[Observation]], replica: str, source: str) -> None:
    """A replica belongs to what it follows. MariaDB's replicas know their source's number only,
    which is the part of an identity before its `@`.
    """
    followed = next((k for k in groups if source and source in (k, k.partition("@")[0])), None)
    mine = next((k for k, seen in groups.items() if any(_identity(o) == replica for o in seen)), "")
    if followed is not None and mine and followed != mine:
        groups[followed] += groups.pop(mine)
