"""Whether the addresses behind one bridge are one system: pure.

`identity` in the evidence of a probe is what the servers of one system share (PostgreSQL's system
identifier, Redis' replication id, a cluster's uuid or name), or else the server's own; `system` is
what a cluster of servers with identities of their own shares (Galera, group replication);
`source_identity` is the server that a replica follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from k8sext.model.data import dataclass
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Route, Stage, Status

OWN_IDENTITY = ("mysql",)  # protocols whose replicas do not share an identity


@dataclass(frozen=True, slots=True)
class Systems:
    """Addresses by the system they belong to.

    `sureness`: `certain`; `likely` where something that was not seen may join two; `caches` for
    Redis masters without replicas, which may be meant to know nothing of each other.
    """

    by_identity: Mapping[str, tuple[Observation, ...]]
    sureness: str


def systems(seen: Sequence[Observation]) -> Systems | None:
    """The systems behind one bridge port, where there is more than one; None otherwise.

    `seen` are the probes of its addresses and by its name: a load balancer may lead each
    connection to one address elsewhere. Only servers that passed are compared, if with a warning.
    """
    known = [o for o in seen if _verified(o) and _identity(o)]
    groups: dict[str, list[Observation]] = {}
    for one in sorted(known, key=lambda o: (o.route is not Route.ENDPOINT, o.target)):
        groups.setdefault(_identity(one), []).append(one)
    for one in known:
        _join(groups, _identity(one), str(one.fact("source_identity") or ""))
    if len(groups) < 2:
        return None
    return Systems({k: tuple(v) for k, v in groups.items()}, _sureness(known))


def _sureness(known: Sequence[Observation]) -> str:
    if any(o.protocol in OWN_IDENTITY and o.fact("replicates") is None for o in known):
        return "likely"
    caches = all(o.protocol == "redis" and str(o.fact("connected_slaves")) == "0" for o in known)
    return "caches" if caches else "certain"


def _verified(seen: Observation) -> bool:
    """A replica that has lost its primary may have lost what joins the two as well."""
    stage = seen.stage(Stage.VERIFY)
    return (
        stage is not None
        and stage.status in (Status.PASS, Status.WARN)
        and stage.reason is not Reason.LAGGING
    )


def _identity(seen: Observation) -> str:
    return str(seen.fact("system") or seen.fact("identity") or "")


def _join(groups: dict[str, list[Observation]], replica: str, source: str) -> None:
    """A replica belongs to what it follows, and with others that follow the same. MariaDB's
    replicas know their source's number only, which is the part of an identity before its `@`.
    """
    if not source:
        return
    mine = next((k for k, seen in groups.items() if any(_identity(o) == replica for o in seen)), "")
    kin = (k for k, seen in groups.items() if k != mine and _akin(k, seen, source))
    other = next(kin, None)
    if mine and other is not None:
        groups[other] += groups.pop(mine)


def _akin(identity: str, seen: Sequence[Observation], source: str) -> bool:
    if source in (identity, identity.partition("@")[0]):
        return True
    return any(str(o.fact("source_identity") or "") == source for o in seen)
