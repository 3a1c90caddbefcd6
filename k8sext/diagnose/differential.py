"""The differential of one case: route against route, stage against stage; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from k8sext.diagnose.codes.row import Row
from k8sext.model import shell
from k8sext.model.bridge import Bridge, Kind, Port
from k8sext.model.diagnosis import Diagnosis
from k8sext.model.plan import is_address
from k8sext.model.result import Observation, StageResult
from k8sext.model.words import STAGES, Reason, Route, Severity, Stage, Status

from . import callbacks, causes, drivers, identity, manifest, origin, unused
from . import spared as spared_logins
from .case import Case, answered, connected, none_used, spared
from .causes import Cause
from .codes import rows, rows_reach
from .saying import say, say_by_reason, say_without

# How a Service without a backend answers: iptables and nftables refuse, Cilium has its own errno.
NO_BACKEND_REASONS = (Reason.REFUSED, Reason.NO_ROUTE, Reason.NOT_PERMITTED)
# What servers call themselves in evidence `role`.
LEADERS = {"primary", "master"}
FOLLOWERS = {"replica", "standby", "slave"}


def judge_case(case: Case) -> list[Diagnosis]:
    """One root cause, what only warns beside it, and where a driver differs."""
    if _lost(case):
        return [_said_lost(case)]
    if must_not_be_reached(case.bridge, case.port):
        return [*_kept_away(case), *unused.notes(case)]
    cause = _root_cause(case) or spared_logins.by_another(case)
    root, moved = origin.weigh(case, manifest.instead(case, cause))
    roots = [root] if root else _systems(case)
    return [
        *roots,
        *moved,
        *_warnings(case, root),
        *unused.notes(case),
        *callbacks.judge(case),
        *_logins(case),
        *_misread(case),
        *([] if root else _not_asked(case)),
        *_ports(case),
        *_clients(case),
    ]


def judge_name(case: Case) -> list[Diagnosis]:
    """Of a Service whose name is all that was looked at: whether it leads anywhere."""
    if _lost(case):
        return [_said_lost(case)]
    root = manifest.instead(case, _root_cause(case))
    return [root] if root else []


def must_not_be_reached(bridge: Bridge, port: Port) -> bool:
    """Whether the bridge asks that nothing gets through (`expect: {unreachable: true}`)."""
    return bool(dict(bridge.expect_by_port).get(port.key, bridge.expect).get("unreachable"))


def _kept_away(case: Case) -> list[Diagnosis]:
    """Any connection that is accepted fails the bridge. What has no path to be denied, and what we
    could not finish, proves nothing.
    """
    probes = [o for o in (case.by_name, *case.endpoints) if o is not None]
    accepting = [o for o in probes if connected(o)]
    reached = min(accepting, key=lambda o: (not answered(o), o is case.by_name), default=None)
    if reached:
        return [_reached(case, reached)]
    amiss = _nothing_behind(case) or _no_name(case) or unused.only_other_family(case)
    if amiss:
        return [manifest.instead(case, amiss) or amiss]
    ours = next((o for o in probes if o.ended_by and o.ended_by.reason in rows.OURS), None)
    seen = ours or next((o for o in probes if o.ended_by), None)
    if seen is None or seen.ended_by is None:
        return []
    if ours:
        said = say_by_reason(case, rows.OURS, seen.ended_by, seen)
        return [said] if said else []
    return [say(case, rows_reach.NOT_REACHED, seen.ended_by, seen, stage=str(seen.ended_by.stage))]


def _reached(case: Case, seen: Observation) -> Diagnosis:
    """It accepts; a mesh's proxy accepts for everybody."""
    ended = seen.ended_by
    if case.context.mesh and ended and not answered(seen):
        return say(case, rows.MESH, ended, seen)
    stage = seen.stage(seen.depth or Stage.CONNECT)
    assert stage is not None
    how = f"answers to {stage.stage}" if answered(seen) else "accepts connections"
    return say(case, rows_reach.REACHED, stage, seen, how=how)


def _no_name(case: Case) -> Diagnosis | None:
    """The name does not resolve."""
    name = case.by_name
    ended = name.ended_by if name else None
    if name is None or ended is None or ended.stage is not Stage.RESOLVE:
        return None
    return None if ended.reason in rows.OURS else _name_failed(case, name, ended)


def _lost(case: Case) -> bool:
    """A probe of it was planned and its result is missing: the others do not decide alone.

    The pod tries the name of every TCP port.
    """
    if (case.bridge.service, case.port.key) in case.context.lost:
        return True
    return case.context.inside and case.port.transport == "TCP" and case.by_name is None


def _said_lost(case: Case) -> Diagnosis:
    name = f"{case.bridge.service}:{case.port.port}".removesuffix(":0")
    why = "the plan has probes of it whose results did not arrive from the pod"
    return say_without(rows.LOST, f"Service/{case.bridge.ref}", {"name": name}, why)


def _root_cause(case: Case) -> Diagnosis | None:
    """The differential of route against route; first row that fits."""
    name = case.by_name
    foreign = unused.only_other_family(case)
    if foreign or name is None:
        return foreign or _nothing_behind(case) or _ends_alone(case)
    ended = name.ended_by
    if ended is None:
        return _rejected(case, name) or _name_works(case)
    if ended.stage is Stage.RESOLVE:
        return _name_failed(case, name, ended)
    if ended.stage is Stage.CONNECT:
        return _nothing_behind(case) or _connect_failed(case, name, ended)
    found = causes.causes(case, case.endpoints)
    if found and _explained(found, ended):
        return _of_ends(case, found)
    return say_by_reason(case, {**rows.ANSWERS, **rows.OURS}, ended, name)


def _explained(found: Sequence[Cause], ended: StageResult) -> bool:
    """Whether the name fails by what its endpoints fail by. A name that got further than all of
    them, or that fails in a way of its own (another Host, another certificate), does not.
    """
    if ended.status is not Status.FAIL or ended.reason in {c.ended.reason for c in found}:
        return True
    return STAGES.index(ended.stage) < max(STAGES.index(c.ended.stage) for c in found)


def _of_ends(case: Case, found: Sequence[Cause]) -> Diagnosis:
    """What the endpoints fail by. A rejected login is not tried again at the others, so that
    nothing is known of those.
    """
    asked_once = case.by_name is None or any(map(spared, (case.by_name, *case.endpoints)))
    rejected = asked_once and found[0].of_login and len(found) == 1
    dead = sum(len(c.seen) for c in found)
    if dead < len(case.endpoints) and not rejected:
        return causes.partial(case, found)
    return causes.whole(case, found)


def _nothing_behind(case: Case) -> Diagnosis | None:
    """What of the objects says that no connection can be sent anywhere."""
    bridge = case.bridge
    if bridge.kind is Kind.EXTERNAL_NAME or bridge.external_name:
        return None
    if not bridge.endpoints:
        return _by_objects(case, rows_reach.NO_ENDPOINTS)
    if not bridge.endpoints_of(case.port) and not bridge.used(case.port):
        return _by_objects(case, rows_reach.PORT_NAME)
    if not none_used(case):
        return None
    accepting = next((o for o in case.unused if connected(o)), None)
    shown = accepting or next(iter(case.unused), None)
    state = (f"{shown.target} {'accepts' if accepting else 'does not answer'}") if shown else ""
    row = rows_reach.NOT_READY_NAME if bridge.kind is Kind.HEADLESS else rows_reach.NOT_READY
    return _by_objects(case, row, state=f" ({state})" if state else "")


def _by_objects(case: Case, row: Row, **facts: str) -> Diagnosis | None:
    """A row that the objects alone prove; where a probe was made, with what it saw."""
    seen = case.by_name or next(iter((*case.endpoints, *case.unused)), None)
    if seen is None:
        return None
    stage = seen.ended_by or seen.stage(seen.depth or Stage.CONNECT)
    assert stage is not None
    return say(case, row, stage, seen, None, **facts)


def _name_failed(case: Case, name: Observation, ended: StageResult) -> Diagnosis | None:
    """The name leads nowhere; whose fault that is depends on the kind of the Service."""
    missing = ended.reason in (Reason.NAME_NOT_FOUND, Reason.NAME_NO_ADDRESS)
    if missing and case.bridge.kind is Kind.HEADLESS and none_used(case):
        return _nothing_behind(case)
    if missing and case.bridge.kind is not Kind.EXTERNAL_NAME:
        return say(case, _no_such_service(case), ended, name)
    if missing and is_address(case.bridge.external_name):  # CoreDNS: NXDOMAIN, not an alias
        return say(case, rows_reach.NAMES[Reason.NAME_NOT_A_NAME], ended, name)
    return say_by_reason(case, rows_reach.NAMES, ended, name)


def _no_such_service(case: Case) -> Row:
    """A headless Service has a name only while it has ready endpoints."""
    if case.bridge.kind is Kind.HEADLESS and not case.bridge.endpoints:
        return rows_reach.NO_ENDPOINTS
    return rows_reach.SERVICE_UNKNOWN


def _rejected(case: Case, name: Observation) -> Diagnosis | None:
    """The login was rejected at an endpoint, and for that reason not tried by name."""
    if not spared(name):
        return None
    found = causes.causes(case, case.endpoints)
    return _of_ends(case, found) if found else None


def _ends_alone(case: Case) -> Diagnosis | None:
    """No name was tried (vantage local): the addresses speak for themselves."""
    found = causes.causes(case, case.endpoints)
    return _of_ends(case, found) if found else _untested(case)


def _name_works(case: Case) -> Diagnosis | None:
    found = causes.causes(case, case.endpoints)
    if not found:
        return _untested(case)
    failing = [o for c in found for o in c.seen]
    kept_out = all(not connected(o) for o in failing)
    if kept_out and len(failing) == len(case.endpoints):
        return say(case, rows_reach.ONLY_BY_NAME, found[0].ended, failing[0])
    return _of_ends(case, found)


def _untested(case: Case) -> Diagnosis | None:
    """A probe that we could not finish says nothing against its address."""
    seen = next((o for o in case.endpoints if o.ended_by), None)
    if seen is None or seen.ended_by is None:
        return None
    return say_by_reason(case, rows.OURS, seen.ended_by, seen)


def _connect_failed(case: Case, name: Observation, ended: StageResult) -> Diagnosis | None:
    """The name resolves and cannot be connected to: its endpoints explain that, unless every one
    of them accepts.
    """
    ends = case.endpoints
    if ends and all(connected(o) for o in ends) and case.bridge.cluster_ips:
        inside = _inside_the_cluster(case, ended)
        if inside:
            return say(case, inside, ended, name, about=ends[0])
    found = causes.causes(case, ends)
    if found:
        return _of_ends(case, found)
    untested = _untested(case)
    if untested:
        return untested
    lone = causes.cause_of(case, name)
    return causes.whole(case, (lone,)) if lone else None


def _inside_the_cluster(case: Case, ended: StageResult) -> Row | None:
    """The name fails where an address accepts: what of the objects explains it, else the network.

    A Service that keeps its traffic on the node refuses or drops it, depending on the data plane.
    """
    bridge = case.bridge
    refused = ended.reason in NO_BACKEND_REASONS
    if bridge.virtual:
        return rows_reach.VIRTUAL
    if (refused or ended.reason is Reason.TIMED_OUT) and bridge.internal_traffic == "Local":
        return rows_reach.LOCAL_TRAFFIC
    if refused and all(e.source.startswith("Endpoints/") for e in bridge.endpoints):
        return rows_reach.NOT_MIRRORED
    if refused:
        return rows_reach.NO_BACKEND
    return rows_reach.NAME_TIMES_OUT if ended.reason is Reason.TIMED_OUT else None


def _systems(case: Case) -> list[Diagnosis]:
    """Addresses that each work and are not one system, or one that leads to several."""
    routes = {o.id: o for o in (*case.endpoints, case.by_name, case.through) if o is not None}
    found = identity.systems(list(routes.values()))
    if found is None:
        return _roles(case)
    systems = "; ".join(f"{_places(seen)} is {name}" for name, seen in found.by_identity.items())
    first = next(iter(found.by_identity.values()))[0]
    stage = first.stage(Stage.VERIFY)
    assert stage is not None
    said = say(case, rows.TWO_SYSTEMS[found.sureness], stage, first, None, systems=systems)
    if len({o.target for o in case.endpoints}) > 1:
        return [said]
    return [replace(said, fix=shell.filled(rows.BEHIND_ONE, {"target": first.target}))]


def _places(seen: Sequence[Observation]) -> str:
    """The addresses; the name only where it led to a system that no address did."""
    ends = [o.target for o in seen if o.route is Route.ENDPOINT]
    return ", ".join(ends or [f"{o.target} (by name)" for o in seen[:1]])


def _roles(case: Case) -> list[Diagnosis]:
    """A primary and what follows it, where nobody said which is expected."""
    expect = dict(case.bridge.expect_by_port).get(case.port.key, case.bridge.expect)
    roles: dict[str, list[str]] = {}
    for seen in sorted(case.endpoints, key=lambda o: o.target):
        role, mode = str(seen.fact("role") or ""), str(seen.fact("mode") or "standalone")
        if role in FOLLOWERS or (role in LEADERS and mode == "standalone"):
            roles.setdefault(role, []).append(seen.target)
    if expect.get("role") or not (set(roles) & LEADERS and set(roles) & FOLLOWERS):
        return []
    first = case.endpoints[0]
    stage = first.stage(Stage.VERIFY)
    assert stage is not None
    said = ", ".join(f"{role} {', '.join(ends)}" for role, ends in roles.items())
    return [say(case, rows_reach.ROLES, stage, first, None, roles=said)]


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


def _misread(case: Case) -> list[Diagnosis]:
    """A login whose address other clients read otherwise than we do."""
    for seen in (*([case.through] if case.through else []), *case.endpoints):
        auth = seen.stage(Stage.AUTH)
        words = auth.evidence.get("address_misread") if auth else None
        if auth and isinstance(words, list):
            misread = "; ".join(map(str, words))
            return [say(case, rows.MISREAD, auth, seen, None, misread=misread)]
    return []


def _not_asked(case: Case) -> list[Diagnosis]:
    """A password that the server did not want, where no certificate logged in in its place."""
    for seen in (*([case.through] if case.through else []), *case.endpoints):
        auth = seen.stage(Stage.AUTH)
        certified = seen.fact("client_certificate") == "presented"
        if auth and auth.evidence.get("password_not_asked") and not certified:
            return [say(case, rows.NOT_ASKED, auth, seen)]
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
