"""One bridge port and what was seen of it: what the judgement asks about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from k8sext import registry
from k8sext.model.bridge import Bridge, Port
from k8sext.model.data import dataclass
from k8sext.model.diagnosis import Finding
from k8sext.model.owner import Owner
from k8sext.model.result import Observation, StageResult
from k8sext.model.words import Reason, Route, Stage, Status

ENDPOINTS = (Route.ENDPOINT,)
THROUGH = (Route.NAME, Route.CLUSTER_IP, Route.ORIGIN)
FRONTS = (Route.INGRESS, Route.NODE_PORT)  # for those outside: judged beside the bridge itself
PROBE_LABELS = {"app.kubernetes.io/managed-by": "k8sext"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceFacts:
    """What else is known of the place that was looked from."""

    namespace: str
    vantage: str
    node: str = ""
    address: str = ""
    policies: Sequence[Mapping[str, Any]] | None = None  # None: could not be read
    mesh: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: dict(PROBE_LABELS))  # the pod's
    cut: bool = False  # the run ended before the probe was done
    lost: frozenset[tuple[str, str]] = frozenset()  # (service, port) with a probe that is missing
    owners: tuple[Owner, ...] = ()  # of the addresses that systems outside call back
    source_seen: str = ""  # the address under which some server saw the probe
    findings: tuple[Finding, ...] = ()  # what lint rules found of the bridges here
    host: str = ""  # the address of the probe's node
    unenforced: str = ""  # a target that accepted although no NetworkPolicy allows it

    @property
    def inside(self) -> bool:
        """Whether it stands in the pod network: names of Services resolve, NetworkPolicies hold."""
        known = registry.vantages().get(self.vantage)
        return known is not None and known.in_pod_network


@dataclass(frozen=True, slots=True)
class Case:
    """One bridge port and what was seen of it."""

    bridge: Bridge
    port: Port
    through: Observation | None  # by name; by cluster IP where the name does not resolve
    by_name: Observation | None
    endpoints: tuple[Observation, ...]  # those in use
    context: PlaceFacts
    clients: tuple[Observation, ...] = ()
    unused: tuple[Observation, ...] = ()  # addresses that no connection is sent to

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What lint rules found of this bridge and port."""
        mine = findings_of(self.bridge, self.context)
        return tuple(f for f in mine if not f.ports or self.port.key in f.ports)


def findings_of(bridge: Bridge, context: PlaceFacts) -> tuple[Finding, ...]:
    """What lint rules found of one bridge, the heaviest first."""
    return tuple(f for f in context.findings if f.bridge == bridge.ref)


def case_of(bridge: Bridge, port: Port, mine: Sequence[Observation], context: PlaceFacts) -> Case:
    """What was seen of one port, by way: the name, the endpoints, the drivers."""
    here = settled(port, [o for o in mine if o.port == port.key and not o.client])
    through = {o.route: o for o in here if o.route in THROUGH}
    by_name = through.get(Route.NAME) or through.get(Route.ORIGIN)
    ends = tuple(o for o in here if o.route in ENDPOINTS)
    unused = tuple(o for o in ends if not _in_use(o, bridge, port))
    endpoints = tuple(o for o in ends if o not in unused)
    first = through.get(Route.CLUSTER_IP) or by_name
    clients = tuple(o for o in mine if o.port == port.key and o.client)
    return Case(bridge, port, first, by_name, endpoints, context, clients, unused)


def _in_use(seen: Observation, bridge: Bridge, port: Port) -> bool:
    """Whether connections are sent to an address: by its conditions, and by its family."""
    used = {(e.address, e.port) for e in bridge.used(port)}
    listed = {(e.address, e.port) for e in (*bridge.endpoints_of(port), *bridge.unmatched)}
    return not of_no_family(seen) and split(seen.target) not in listed - used


def of_no_family(seen: Observation) -> bool:
    """Whether its address is of a family that the probe's place has not."""
    stage = seen.stage(Stage.CONNECT)
    return stage is not None and stage.reason is Reason.NO_FAMILY


def settled(port: Port, seen: Sequence[Observation]) -> list[Observation]:
    """Where one address shows that a guessed protocol is the right one, the others that were looked
    at as something else instead are failures: they are another server.
    """
    right = any(o.protocol == port.protocol and answered(o) for o in seen)
    return [_as_guessed(port, o) if right and o.protocol != port.protocol else o for o in seen]


def _as_guessed(port: Port, seen: Observation) -> Observation:
    """The probe as it ended before its port was looked at as something else."""
    reason, detail = seen.fact("guess_reason"), str(seen.fact("guess_detail") or "")
    if not port.fallback or reason is None or seen.route in FRONTS:
        return seen
    failed = StageResult(
        stage=Stage.HANDSHAKE, status=Status.FAIL, reason=Reason(str(reason)), detail=detail
    )
    stages = tuple(_before(s, failed) for s in seen.stages)
    return replace(seen, protocol=port.protocol, stages=stages)


def _before(stage: StageResult, failed: StageResult) -> StageResult:
    order = list(Stage)
    if stage.stage is failed.stage:
        return failed
    if order.index(stage.stage) < order.index(failed.stage):
        return stage
    return StageResult(stage=stage.stage, status=Status.SKIP, reason=Reason.NOT_REACHED)


def connected(seen: Observation) -> bool:
    """Whether its connection was accepted."""
    stage = seen.stage(Stage.CONNECT)
    return stage is not None and stage.status is Status.PASS


def answered(seen: Observation) -> bool:
    """Whether the server itself said something; of plain TCP an accepted connection is all."""
    first = Stage.CONNECT if seen.protocol == "tcp" else Stage.HANDSHAKE
    stage = seen.stage(first)
    return stage is not None and stage.status in (Status.PASS, Status.WARN)


def failed(seen: Sequence[Observation]) -> list[Observation]:
    """Probes that failed; those that ran out of time or broke of themselves prove nothing."""
    return [o for o in seen if o.ended_by and o.ended_by.status is Status.FAIL]


def spared(seen: Observation) -> bool:
    """Its login was not tried because the same one was rejected on another route."""
    auth = seen.stage(Stage.AUTH)
    return auth is not None and auth.reason is Reason.LOGIN_REJECTED_BEFORE


def none_used(case: Case) -> bool:
    """Whether there are endpoints of the port, and no connection is sent to any of them."""
    return bool(case.bridge.endpoints_of(case.port)) and not case.bridge.used(case.port)


def split(target: str) -> tuple[str, int]:
    """Host and port of `host:port`; IPv6 without its brackets. Of a name alone the port is 0."""
    host, mark, port = target.rpartition(":")
    return (host.strip("[]"), int(port)) if mark else (target, 0)
