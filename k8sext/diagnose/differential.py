"""The differential of one case: route against route, stage against stage; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from k8sext.model.bridge import Bridge, Kind, Port
from k8sext.model.diagnosis import Diagnosis
from k8sext.model.plan import is_address
from k8sext.model.result import Observation, StageResult
from k8sext.model.words import Reason, Severity, Stage, Status

from . import callbacks, drivers, identity, manifest, origin, policy, rows, rows_reach
from . import spared as spared_logins
from .case import INSIDE, Case, answered, connected, failed, none_ready, spared, split
from .rows import Row
from .saying import say, say_by_reason, say_without

# How a Service without a backend answers: iptables and nftables refuse, Cilium has its own errno.
NO_BACKEND_REASONS = (Reason.REFUSED, Reason.NO_ROUTE, Reason.NOT_PERMITTED)


def judge_case(case: Case) -> list[Diagnosis]:
    """One root cause, what only warns beside it, and where a driver differs."""
    if _lost(case):
        return [_said_lost(case)]
    if must_not_be_reached(case.bridge, case.port):
        return _kept_away(case)
    cause = _root_cause(case) or spared_logins.by_another(case)
    root, moved = origin.weigh(case, manifest.instead(case, cause))
    roots = [root] if root else _systems(case)
    return [
        *roots,
        *moved,
        *_warnings(case, root),
        *callbacks.judge(case),
        *_logins(case),
        *_ports(case),
        *_clients(case),
    ]


def must_not_be_reached(bridge: Bridge, port: Port) -> bool:
    """Whether the bridge asks that nothing gets through (`expect: {unreachable: true}`)."""
    return bool(dict(bridge.expect_by_port).get(port.key, bridge.expect).get("unreachable"))


def _kept_away(case: Case) -> list[Diagnosis]:
    """Any answer of the server fails the bridge; what we could not finish proves nothing."""
    probes = [o for o in (case.by_name, *case.endpoints) if o is not None]
    reached = next((o for o in probes if answered(o)), None)
    if reached:
        stage = reached.stage(reached.depth or Stage.CONNECT)
        assert stage is not None
        return [say(case, rows_reach.REACHED, stage, reached, depth=str(stage.stage))]
    ours = next((o for o in probes if o.ended_by and o.ended_by.reason in rows.OURS), None)
    seen = ours or next((o for o in probes if o.ended_by), None)
    if seen is None or seen.ended_by is None:
        return []
    if ours:
        said = say_by_reason(case, rows.OURS, seen.ended_by, seen)
        return [said] if said else []
    return [say(case, rows_reach.NOT_REACHED, seen.ended_by, seen, stage=str(seen.ended_by.stage))]


def _lost(case: Case) -> bool:
    """A probe of it was planned and its result is missing: the others do not decide alone.

    The pod tries the name of every TCP port.
    """
    if (case.bridge.service, case.port.key) in case.context.lost:
        return True
    return case.context.vantage in INSIDE and case.port.transport == "TCP" and case.by_name is None


def _said_lost(case: Case) -> Diagnosis:
    name = f"{case.bridge.service}:{case.port.port}"
    why = "the plan has probes of it whose results did not arrive from the pod"
    return say_without(rows.LOST, f"Service/{case.bridge.ref}", {"name": name}, why)


def _root_cause(case: Case) -> Diagnosis | None:
    """The differential of route against route; first row that fits."""
    name, ends = case.by_name, case.endpoints
    if name is None:
        return _ends_alone(case)
    ended = name.ended_by
    if ended is None:
        return _rejected(case, name) or _name_works(case)
    if ended.stage is Stage.RESOLVE:
        return _name_failed(case, name, ended)
    bad = failed(ends)
    if bad and len(bad) < len(ends):
        return _partial(case, bad)
    if ended.stage is Stage.CONNECT:
        return _connect_failed(case, name, ended)
    return say_by_reason(case, {**rows.ANSWERS, **rows.OURS}, ended, name)


def _name_failed(case: Case, name: Observation, ended: StageResult) -> Diagnosis | None:
    """The name leads nowhere; whose fault that is depends on the kind of the Service."""
    missing = ended.reason in (Reason.NAME_NOT_FOUND, Reason.NAME_NO_ADDRESS)
    if missing and case.bridge.kind is not Kind.EXTERNAL_NAME:
        return say(case, _no_such_service(case), ended, name)
    if missing and is_address(case.bridge.external_name):  # CoreDNS: NXDOMAIN, not an alias
        return say(case, rows_reach.NAMES[Reason.NAME_NOT_A_NAME], ended, name)
    return say_by_reason(case, rows_reach.NAMES, ended, name)


def _no_such_service(case: Case) -> Row:
    """A headless Service has a name only while it has ready endpoints."""
    if case.bridge.kind is Kind.HEADLESS:
        if not case.bridge.endpoints:
            return rows_reach.NO_ENDPOINTS
        if none_ready(case):
            return rows_reach.NOT_READY_NAME
    return rows_reach.SERVICE_UNKNOWN


def _rejected(case: Case, name: Observation) -> Diagnosis | None:
    """The login was rejected at an endpoint, and for that reason not tried by name."""
    if not spared(name):
        return None
    first = next((o for o in case.endpoints if o.ended_by), None)
    return (
        say_by_reason(case, rows.ANSWERS, first.ended_by, first)
        if first and first.ended_by
        else None
    )


def _ends_alone(case: Case) -> Diagnosis | None:
    """No name was tried (vantage local): the addresses speak for themselves."""
    bad = failed(case.endpoints) or [o for o in case.endpoints if o.ended_by]
    if not bad:
        return None
    ended = bad[0].ended_by
    assert ended is not None
    if any(spared(o) for o in case.endpoints):
        return say_by_reason(case, rows.ANSWERS, ended, bad[0])
    if len(bad) < len(case.endpoints):
        return _partial_or_untested(case, bad)
    table = rows_reach.PATHS if ended.stage is Stage.CONNECT else rows.ANSWERS
    return say_by_reason(case, {**rows.OURS, **table}, ended, bad[0])


def _name_works(case: Case) -> Diagnosis | None:
    bad = failed(case.endpoints) or [o for o in case.endpoints if o.ended_by]
    if not bad:
        return None
    if len(bad) < len(case.endpoints):
        return _partial_or_untested(case, bad)
    ended = bad[0].ended_by
    assert ended is not None
    if ended.stage is Stage.CONNECT:
        return say(case, rows_reach.ONLY_BY_NAME, ended, bad[0])
    return say_by_reason(case, {**rows.ANSWERS, **rows.OURS}, ended, bad[0])


def _connect_failed(case: Case, name: Observation, ended: StageResult) -> Diagnosis | None:
    """The name resolves and cannot be connected to."""
    bridge, ends = case.bridge, case.endpoints
    if not bridge.endpoints and not bridge.external_name:
        return say(case, rows_reach.NO_ENDPOINTS, ended, name)
    if not bridge.endpoints_of(case.port) and bridge.endpoints:
        return say(case, rows_reach.PORT_NAME, ended, name)
    reached = [o for o in ends if connected(o)]
    inside = _inside_the_cluster(case, ended) if reached else None
    if inside:
        return say(case, inside, ended, name, about=reached[0])
    first = next((o for o in ends if o.ended_by), name)
    cause = first.ended_by or ended
    if cause.reason in (Reason.TIMED_OUT, Reason.NOT_PERMITTED, Reason.REFUSED):
        isolating = _isolating(case, first)
        if isolating:
            return say(case, rows_reach.POLICY, cause, first, policies=", ".join(isolating),
                         policy=isolating[0])  # fmt: skip
    return say_by_reason(case, {**rows_reach.PATHS, **rows.OURS}, cause, first)


def _inside_the_cluster(case: Case, ended: StageResult) -> Row | None:
    """The name fails where an address accepts: what of the objects explains it, else the network.

    A Service that keeps its traffic on the node refuses or drops it, depending on the data plane.
    """
    bridge = case.bridge
    refused = ended.reason in NO_BACKEND_REASONS
    if refused and none_ready(case):
        return rows_reach.NOT_READY
    if bridge.virtual:
        return rows_reach.VIRTUAL
    if (refused or ended.reason is Reason.TIMED_OUT) and bridge.internal_traffic == "Local":
        return rows_reach.LOCAL_TRAFFIC
    if refused and all(e.source.startswith("Endpoints/") for e in bridge.endpoints):
        return rows_reach.NOT_MIRRORED
    if refused:
        return rows_reach.NO_BACKEND
    return rows_reach.NAME_TIMES_OUT if ended.reason is Reason.TIMED_OUT else None


def _isolating(case: Case, seen: Observation) -> tuple[str, ...]:
    """Policies that select the probe and do not allow the address that failed."""
    if not case.context.policies:
        return ()
    host, port = split(seen.target)
    return policy.isolating(case.context.policies, case.context.labels, host, port)


def _partial_or_untested(case: Case, bad: Sequence[Observation]) -> Diagnosis | None:
    """A probe that we could not finish says nothing against its address."""
    if failed(bad):
        return _partial(case, bad)
    ended = bad[0].ended_by
    return say_by_reason(case, rows.OURS, ended, bad[0]) if ended else None


def _partial(case: Case, bad: Sequence[Observation]) -> Diagnosis:
    """Some addresses of the bridge work and others do not."""
    ended = bad[0].ended_by
    assert ended is not None
    total = len(case.endpoints)
    facts = {
        "dead": str(len(bad)),
        "all": str(total),
        "share": str(round(100 * len(bad) / total)),
        "target": ", ".join(o.target for o in bad),
    }
    partial = say(case, rows_reach.PARTIAL, ended, bad[0], None, **facts)
    table = rows_reach.PATHS if ended.stage is Stage.CONNECT else rows.ANSWERS
    cause = say_by_reason(case, {**rows.OURS, **table}, ended, bad[0])
    if cause is None:
        return partial
    why = partial.why if ended.stage is Stage.CONNECT else cause.summary
    return replace(partial, culprit=cause.culprit, why=why)


def _systems(case: Case) -> list[Diagnosis]:
    """Addresses that each work and are not one system."""
    found = identity.systems(case.endpoints)
    if found is None:
        return []
    groups = list(found.by_identity.items())
    told = "; ".join(f"{', '.join(o.target for o in seen)} is {name}" for name, seen in groups)
    first = groups[1][1][0]
    stage = first.stage(Stage.VERIFY)
    assert stage is not None
    return [say(case, rows.TWO_SYSTEMS[found.sureness], stage, first, systems=told)]


def _warnings(case: Case, root: Diagnosis | None) -> list[Diagnosis]:
    """Stages that passed with a warning; what the root cause says already is left out."""
    found: dict[str, Diagnosis] = {}
    for seen in (*([case.by_name] if case.by_name else []), *case.endpoints):
        for stage in seen.stages:
            if stage.status is Status.WARN and stage.reason:
                said = say_by_reason(case, rows.ANSWERS, stage, seen)
                if said and (root is None or said.code != root.code):
                    weaker = Severity.WARN if said.severity is Severity.FAIL else said.severity
                    found.setdefault(said.code, replace(said, severity=weaker))
    return list(found.values())


def _logins(case: Case) -> list[Diagnosis]:
    """Why a login was not tried."""
    for seen in (*([case.through] if case.through else []), *case.endpoints):
        auth = seen.stage(Stage.AUTH)
        if auth and auth.reason and auth.reason in rows.LOGINS:
            return [say(case, rows.LOGINS[auth.reason], auth, seen)]
    return []


def _ports(case: Case) -> list[Diagnosis]:
    """A headless Service whose port is not its endpoints': the probe dialled theirs."""
    name, port = case.by_name, case.port
    ends = case.bridge.endpoints_of(port)
    if case.bridge.kind is not Kind.HEADLESS or name is None or not ends:
        return []
    if any(e.port == port.port for e in ends):
        return []
    stage = name.stage(Stage.CONNECT)
    assert stage is not None
    service_port = str(port.port)
    return [say(case, rows_reach.HEADLESS_PORT, stage, name, service_port=service_port)]


def _clients(case: Case) -> list[Diagnosis]:
    """Where a driver and the wire probe of the same target differ."""
    wire = [*([case.by_name] if case.by_name else []), *case.endpoints]
    out: list[Diagnosis] = []
    for client in case.clients:
        told = drivers.compare(client, wire)
        if told:
            facts = {"client": client.client, "detail": told.detail}
            said = say(case, told.row, told.ended, client, None, **facts)
            out.append(replace(said, why=told.why, because=told.because))
    return out
