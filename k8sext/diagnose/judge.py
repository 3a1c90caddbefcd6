"""From observations to diagnoses: pure, and the same for a saved report as for a live run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from k8sext.model.bridge import Bridge, Kind, Port
from k8sext.model.diagnosis import Diagnosis
from k8sext.model.plan import is_address
from k8sext.model.report import BridgeReport
from k8sext.model.result import Observation, StageResult
from k8sext.model.words import Reason, Route, Severity, Stage, Status

from . import drivers, identity, policy, rows
from .rows import Row

ENDPOINTS = (Route.ENDPOINT,)
THROUGH = (Route.NAME, Route.CLUSTER_IP, Route.ORIGIN)
NETWORK = (Stage.RESOLVE, Stage.CONNECT)
# How a Service without a backend answers: iptables and nftables refuse, Cilium has its own errno.
NO_BACKEND_REASONS = (Reason.REFUSED, Reason.NO_ROUTE, Reason.NOT_PERMITTED)
NOT_A_FAULT = (Reason.LOGIN_REJECTED_BEFORE,)
# What a proxy that accepts before it dials makes of every refusal and time-out.
PROXY_REASONS = (Reason.RESET, Reason.CLOSED_EARLY, Reason.SILENT)
PROBE_LABELS = {"app.kubernetes.io/managed-by": "k8sext"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Each bridge with its diagnoses, and what lies above all of them."""

    bridges: tuple[BridgeReport, ...]
    overall: tuple[Diagnosis, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One bridge port and what was seen of it."""

    bridge: Bridge
    port: Port
    through: Observation | None  # by name; by cluster IP where the name does not resolve
    by_name: Observation | None
    endpoints: tuple[Observation, ...]
    context: Context
    clients: tuple[Observation, ...] = ()


def judge(
    bridges: Sequence[Bridge],
    observations: Sequence[Observation],
    controls: Sequence[Mapping[str, Any]],
    context: Context,
) -> Judgement:
    """Judge every bridge; one root cause each, and one for the vantage where it is not proven."""
    reports = tuple(_judge_bridge(b, observations, context) for b in bridges)
    proof = controls[-1] if controls else {}
    unproven = _unproven(observations, proof, cut=context.cut)
    if unproven:
        return Judgement(
            bridges=tuple(_inconclusive(r) for r in reports), overall=(_said_unproven(unproven),)
        )
    return _one_dead_dns(reports, proof, context)


def _unproven(
    observations: Sequence[Observation], proof: Mapping[str, Any], *, cut: bool = False
) -> str:
    """Why this place cannot blame anybody; "" when it is proven.

    Any connection that was accepted proves it: a default-deny namespace that allows the database
    alone is healthy.
    """
    if any(_connected(o) for o in observations):
        return ""
    if cut and not proof and _failed(observations):
        return "the run was cut before the control probes, and nothing had been connected to"
    if not proof:
        return ""
    if proof.get("dns") is False and not proof.get("connected"):
        return f"cluster DNS does not answer either ({proof.get('words', '')})"
    if proof.get("api") is False:
        return f"not even the API server can be reached ({proof.get('words', '')})"
    return ""


def _said_unproven(words: str) -> Diagnosis:
    row = rows.UNPROVEN
    return Diagnosis(
        code=row.code,
        severity=row.severity,
        culprit=row.culprit,
        summary=row.summary.format(words=words),
        because=("control",),
        fix=row.fix,
        see=f"k8sext explain {row.code}",
    )


def _inconclusive(report: BridgeReport) -> BridgeReport:
    """What failed on the network is not the bridge's fault as long as the vantage is unproven."""
    kept_away = any(d.code == rows.NOT_REACHED.code for d in report.diagnoses)
    if report.status is not Status.FAIL and not kept_away:
        return report
    return replace(report, status=Status.INCONCLUSIVE, diagnoses=())


def _one_dead_dns(
    reports: tuple[BridgeReport, ...], proof: Mapping[str, Any], context: Context
) -> Judgement:
    """A dead cluster DNS is one diagnosis, not forty."""
    dead = [r for r in reports if any(d.code == "KX203" for d in r.diagnoses)]
    if proof.get("dns") is not False or len(dead) < 2:
        return Judgement(bridges=reports)
    first = next(d for d in dead[0].diagnoses if d.code == "KX203")
    names = tuple(f"{r.bridge.service}: its name does not resolve" for r in dead)
    bridges = tuple(_without(r, "KX203") if r in dead else r for r in reports)
    return Judgement(bridges=bridges, overall=(replace(first, consequences=names),))


def _without(report: BridgeReport, code: str) -> BridgeReport:
    """Said above all bridges, so not again; the status stays."""
    return replace(report, diagnoses=tuple(d for d in report.diagnoses if d.code != code))


# -- one bridge ----------------------------------------------------------------------------------


def _judge_bridge(
    bridge: Bridge, observations: Sequence[Observation], context: Context
) -> BridgeReport:
    mine = tuple(
        o for o in observations if (o.namespace, o.service) == (bridge.namespace, bridge.service)
    )
    cases = [_case(bridge, port, mine, context) for port in bridge.ports]
    said = [d for case in cases for d in _judge_case(case)]
    diagnoses = _ordered(_unique(d for d in said if _ignored(bridge, d) is None))
    return BridgeReport(
        bridge=bridge,
        status=_status(mine, diagnoses, bridge),
        depth=_depth(mine),
        observations=mine,
        diagnoses=diagnoses,
    )


def _case(bridge: Bridge, port: Port, mine: Sequence[Observation], context: Context) -> Case:
    here = [o for o in mine if o.port == port.key and not o.client]
    through = {o.route: o for o in here if o.route in THROUGH}
    by_name = through.get(Route.NAME) or through.get(Route.ORIGIN)
    endpoints = tuple(o for o in here if o.route in ENDPOINTS)
    first = through.get(Route.CLUSTER_IP) or by_name
    clients = tuple(o for o in mine if o.port == port.key and o.client)
    return Case(bridge, port, first, by_name, endpoints, context, clients)


def _judge_case(case: Case) -> list[Diagnosis]:
    if _lost(case):
        return [_said_lost(case)]
    if must_not_be_reached(case.bridge, case.port):
        return _kept_away(case)
    root = _root_cause(case)
    roots = [root] if root else _systems(case)
    return [*roots, *_warnings(case, root), *_logins(case), *_ports(case), *_clients(case)]


def must_not_be_reached(bridge: Bridge, port: Port) -> bool:
    """Whether the bridge asks that nothing gets through (`expect: {unreachable: true}`)."""
    return bool(dict(bridge.expect_by_port).get(port.key, bridge.expect).get("unreachable"))


def _kept_away(case: Case) -> list[Diagnosis]:
    """Any answer of the server fails the bridge; what we could not finish proves nothing."""
    probes = [o for o in (case.by_name, *case.endpoints) if o is not None]
    answered = next((o for o in probes if _answered(o)), None)
    if answered:
        stage = answered.stage(answered.depth or Stage.CONNECT)
        assert stage is not None
        return [_said(case, rows.REACHED, stage, answered, depth=str(stage.stage))]
    ours = next((o for o in probes if o.ended_by and o.ended_by.reason in rows.OURS), None)
    seen = ours or next((o for o in probes if o.ended_by), None)
    if seen is None or seen.ended_by is None:
        return []
    if ours:
        said = _says(case, rows.OURS, seen.ended_by, seen)
        return [said] if said else []
    return [_said(case, rows.NOT_REACHED, seen.ended_by, seen, stage=str(seen.ended_by.stage))]


def _answered(seen: Observation) -> bool:
    """Whether the server itself said something; of plain TCP an accepted connection is all."""
    first = Stage.CONNECT if seen.protocol == "tcp" else Stage.HANDSHAKE
    stage = seen.stage(first)
    return stage is not None and stage.status in (Status.PASS, Status.WARN)


def _lost(case: Case) -> bool:
    """A probe of it was planned and its result is missing: the others do not decide alone.

    The pod tries the name of every TCP port.
    """
    if (case.bridge.service, case.port.key) in case.context.lost:
        return True
    return case.context.vantage == "pod" and case.port.transport == "TCP" and case.by_name is None


def _said_lost(case: Case) -> Diagnosis:
    row = rows.LOST
    name = f"{case.bridge.service}:{case.port.port}"
    return Diagnosis(
        code=row.code,
        severity=row.severity,
        culprit=row.culprit,
        summary=row.summary.format(name=name),
        why="the plan has probes of it whose results did not arrive from the pod",
        because=(f"Service/{case.bridge.ref}",),
        fix=row.fix,
        see=f"k8sext explain {row.code}",
    )


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
    bad = _failed(ends)
    if bad and len(bad) < len(ends):
        return _partial(case, bad)
    if ended.stage is Stage.CONNECT:
        return _connect_failed(case, name, ended)
    return _says(case, {**rows.ANSWERS, **rows.OURS}, ended, name)


def _name_failed(case: Case, name: Observation, ended: StageResult) -> Diagnosis | None:
    """The name leads nowhere; whose fault that is depends on the kind of the Service."""
    missing = ended.reason in (Reason.NAME_NOT_FOUND, Reason.NAME_NO_ADDRESS)
    if missing and case.bridge.kind is not Kind.EXTERNAL_NAME:
        return _said(case, _no_such_service(case), ended, name)
    if missing and is_address(case.bridge.external_name):  # CoreDNS: NXDOMAIN, not an alias
        return _said(case, rows.NAMES[Reason.NAME_NOT_A_NAME], ended, name)
    return _says(case, rows.NAMES, ended, name)


def _no_such_service(case: Case) -> Row:
    """A headless Service has a name only while it has ready endpoints."""
    if case.bridge.kind is Kind.HEADLESS:
        if not case.bridge.endpoints:
            return rows.NO_ENDPOINTS
        if _none_ready(case):
            return rows.NOT_READY_NAME
    return rows.SERVICE_UNKNOWN


def _rejected(case: Case, name: Observation) -> Diagnosis | None:
    """The login was rejected at an endpoint, and for that reason not tried by name."""
    if not _spared(name):
        return None
    first = next((o for o in case.endpoints if o.ended_by), None)
    return _says(case, rows.ANSWERS, first.ended_by, first) if first and first.ended_by else None


def _ends_alone(case: Case) -> Diagnosis | None:
    """No name was tried (vantage local): the addresses speak for themselves."""
    bad = _failed(case.endpoints) or [o for o in case.endpoints if o.ended_by]
    if not bad:
        return None
    ended = bad[0].ended_by
    assert ended is not None
    if any(_spared(o) for o in case.endpoints):
        return _says(case, rows.ANSWERS, ended, bad[0])
    if len(bad) < len(case.endpoints):
        return _partial_or_untested(case, bad)
    table = rows.PATHS if ended.stage is Stage.CONNECT else rows.ANSWERS
    return _says(case, {**rows.OURS, **table}, ended, bad[0])


def _name_works(case: Case) -> Diagnosis | None:
    bad = _failed(case.endpoints) or [o for o in case.endpoints if o.ended_by]
    if not bad:
        return None
    if len(bad) < len(case.endpoints):
        return _partial_or_untested(case, bad)
    ended = bad[0].ended_by
    assert ended is not None
    if ended.stage is Stage.CONNECT:
        return _said(case, rows.ONLY_BY_NAME, ended, bad[0])
    return _says(case, {**rows.ANSWERS, **rows.OURS}, ended, bad[0])


def _connect_failed(case: Case, name: Observation, ended: StageResult) -> Diagnosis | None:
    """The name resolves and cannot be connected to."""
    bridge, ends = case.bridge, case.endpoints
    if not bridge.endpoints and not bridge.external_name:
        return _said(case, rows.NO_ENDPOINTS, ended, name)
    if not bridge.endpoints_of(case.port) and bridge.endpoints:
        return _said(case, rows.PORT_NAME, ended, name)
    reached = [o for o in ends if _connected(o)]
    inside = _inside_the_cluster(case, ended) if reached else None
    if inside:
        return _said(case, inside, ended, name, about=reached[0])
    first = next((o for o in ends if o.ended_by), name)
    cause = first.ended_by or ended
    if cause.reason in (Reason.TIMED_OUT, Reason.NOT_PERMITTED, Reason.REFUSED):
        isolating = _isolating(case, first)
        if isolating:
            return _said(case, rows.POLICY, cause, first, policies=", ".join(isolating),
                         policy=isolating[0])  # fmt: skip
    return _says(case, {**rows.PATHS, **rows.OURS}, cause, first)


def _inside_the_cluster(case: Case, ended: StageResult) -> Row | None:
    """The name fails where an address accepts: what of the objects explains it, else the network.

    A Service that keeps its traffic on the node refuses or drops it, depending on the data plane.
    """
    bridge = case.bridge
    refused = ended.reason in NO_BACKEND_REASONS
    if refused and _none_ready(case):
        return rows.NOT_READY
    if bridge.virtual:
        return rows.VIRTUAL
    if (refused or ended.reason is Reason.TIMED_OUT) and bridge.internal_traffic == "Local":
        return rows.LOCAL_TRAFFIC
    if refused and all(e.source.startswith("Endpoints/") for e in bridge.endpoints):
        return rows.NOT_MIRRORED
    if refused:
        return rows.NO_BACKEND
    return rows.NAME_TIMES_OUT if ended.reason is Reason.TIMED_OUT else None


def _isolating(case: Case, seen: Observation) -> tuple[str, ...]:
    """Policies that select the probe and do not allow the address that failed."""
    if not case.context.policies:
        return ()
    host, port = _split(seen.target)
    return policy.isolating(case.context.policies, case.context.labels, host, port)


def _partial_or_untested(case: Case, bad: Sequence[Observation]) -> Diagnosis | None:
    """A probe that we could not finish says nothing against its address."""
    if _failed(bad):
        return _partial(case, bad)
    ended = bad[0].ended_by
    return _says(case, rows.OURS, ended, bad[0]) if ended else None


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
    partial = _said(case, rows.PARTIAL, ended, bad[0], None, **facts)
    table = rows.PATHS if ended.stage is Stage.CONNECT else rows.ANSWERS
    cause = _says(case, {**rows.OURS, **table}, ended, bad[0])
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
    return [_said(case, rows.TWO_SYSTEMS[found.sureness], stage, first, systems=told)]


def _warnings(case: Case, root: Diagnosis | None) -> list[Diagnosis]:
    """Stages that passed with a warning; what the root cause says already is left out."""
    found: dict[str, Diagnosis] = {}
    for seen in (*([case.by_name] if case.by_name else []), *case.endpoints):
        for stage in seen.stages:
            if stage.status is Status.WARN and stage.reason:
                said = _says(case, rows.ANSWERS, stage, seen)
                if said and (root is None or said.code != root.code):
                    weaker = Severity.WARN if said.severity is Severity.FAIL else said.severity
                    found.setdefault(said.code, replace(said, severity=weaker))
    return list(found.values())


def _logins(case: Case) -> list[Diagnosis]:
    """Why a login was not tried."""
    for seen in (*([case.through] if case.through else []), *case.endpoints):
        auth = seen.stage(Stage.AUTH)
        if auth and auth.reason and auth.reason in rows.LOGINS:
            return [_said(case, rows.LOGINS[auth.reason], auth, seen)]
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
    return [_said(case, rows.HEADLESS_PORT, stage, name, service_port=service_port)]


def _clients(case: Case) -> list[Diagnosis]:
    """Where a driver and the wire probe of the same target differ."""
    wire = [*([case.by_name] if case.by_name else []), *case.endpoints]
    out: list[Diagnosis] = []
    for client in case.clients:
        told = drivers.compare(client, wire)
        if told:
            facts = {"client": client.client, "detail": told.detail}
            said = _said(case, told.row, told.ended, client, None, **facts)
            out.append(replace(said, why=told.why, because=told.because))
    return out


# -- saying it -----------------------------------------------------------------------------------


def _says(
    case: Case, table: Mapping[Reason, Row], ended: StageResult, seen: Observation
) -> Diagnosis | None:
    if ended.reason in NOT_A_FAULT:
        return None
    if ended.reason is None:  # a check that does not say why is broken: no pass, nobody's fault
        return _said(case, rows.OURS[Reason.INTERNAL_ERROR], ended, seen)
    if case.context.mesh and ended.stage is not Stage.CONNECT and ended.reason in PROXY_REASONS:
        return _said(case, rows.MESH, ended, seen, mesh=case.context.mesh)
    row = table.get(ended.reason) or rows.ANSWERS.get(ended.reason)
    row = row or rows.PATHS.get(ended.reason) or rows.OURS[Reason.INTERNAL_ERROR]
    return _said(case, row, ended, seen)


def _said(
    case: Case,
    row: Row,
    ended: StageResult,
    seen: Observation,
    about: Observation | None = None,
    **more: str,
) -> Diagnosis:
    facts = {**facts_of(case, ended, about or seen), **more}
    return Diagnosis(
        code=row.code,
        severity=row.severity,
        culprit=row.culprit,
        summary=_filled(row.summary, facts),
        why=_why(case, ended, seen),
        because=_because(case, ended, seen),
        fix=_filled(row.fix, facts),
        see=f"k8sext explain {row.code}{_by_hand(case, ended, facts)}",
    )


def facts_of(case: Case, ended: StageResult, seen: Observation) -> dict[str, str]:
    """What the texts may speak of."""
    host, port = _split(seen.target)
    bridge, context = case.bridge, case.context
    source = str(ended.evidence.get("source_seen") or "")
    credentials = dict(bridge.credentials_by_port).get(case.port.key, bridge.credentials)
    return {
        "service": bridge.service,
        "namespace": bridge.namespace,
        "name": f"{bridge.service}:{case.port.port}",
        "target": seen.target,
        "host": host,
        "port": str(port),
        "protocol": case.port.protocol,
        "detail": ended.detail or str(ended.reason or "no reason given").replace("_", " "),
        "secret": credentials.secret if credentials else "SECRET",
        "alias": bridge.external_name or host,
        "virtual": ", ".join(bridge.virtual),
        "node": context.node or "the probe's node",
        "sources": source
        or f"the nodes (pods leave with {context.node or 'their node'}'s address)",
        "seen_as": f" {source}" if source else "",
        "service_ports": _names(p.name for p in bridge.ports),
        "endpoint_ports": _names(e.port_name for e in bridge.endpoints),
        "hinted": "".join(f"; {hint}" for hint in _hints(ended)),
        "endpoint_port": next((e.port_name for e in bridge.endpoints), ""),
    }


def _names(names: Any) -> str:
    return ", ".join(repr(n) if n else "no name" for n in dict.fromkeys(names)) or "none"


def _filled(template: str, facts: Mapping[str, str]) -> str:
    return template.format_map(facts).strip()


def _why(case: Case, ended: StageResult, seen: Observation) -> str:
    """The evidence in one sentence: each route's end, and what worked beside it."""
    parts = [_end_of(o) for o in (case.by_name, *case.endpoints) if o is not None]
    words = str(ended.evidence.get("words") or "")
    said = f"the server said: {words}" if words else ""
    mesh = case.context.mesh
    proxy = f"a {mesh} proxy stands in the probe's way, so accepting proves little" if mesh else ""
    unread = ""
    if ended.stage is Stage.CONNECT and ended.reason is Reason.TIMED_OUT:
        unread = _policy_words(case)
    return "; ".join(dict.fromkeys(p for p in (*parts, said, *_hints(ended), unread, proxy) if p))


def _hints(ended: StageResult) -> tuple[str, ...]:
    """What may be wrong with the values of a rejected login; they never contain them."""
    found = ended.evidence.get("credential_hints")
    return tuple(str(hint) for hint in found) if isinstance(found, list) else ()


def _policy_words(case: Case) -> str:
    if case.context.vantage != "pod":
        return ""
    if case.context.policies is None:
        return "NetworkPolicies could not be read, so a policy may be the cause instead"
    return "no NetworkPolicy that selects the probe forbids it"


def _end_of(seen: Observation) -> str:
    ended = seen.ended_by
    if ended is None:
        return f"{seen.target} ({seen.route}) works to {seen.depth}"
    time = f" after {ended.duration_s:.1f} s" if ended.duration_s >= 0.1 else ""
    reason = str(ended.reason or "failed").replace("_", " ")
    return f"{seen.target} ({seen.route}) {ended.stage}: {reason}{time}"


def _because(case: Case, ended: StageResult, seen: Observation) -> tuple[str, ...]:
    others = (o for o in (case.by_name, *case.endpoints) if o is not None and o.id != seen.id)
    marks = (f"{o.id}/{o.ended_by.stage if o.ended_by else o.depth}" for o in others)
    return (f"{seen.id}/{ended.stage}", *marks)


def _by_hand(case: Case, ended: StageResult, facts: Mapping[str, str]) -> str:
    if ended.stage is Stage.RESOLVE:
        return (
            f" · kubectl exec -n {facts['namespace']} YOUR-POD -- getent hosts {facts['service']}"
        )
    if ended.stage is Stage.CONNECT:
        return (
            f" · kubectl exec -n {facts['namespace']} YOUR-POD -- "
            f"timeout 3 bash -c '</dev/tcp/{facts['host']}/{facts['port']}'"
        )
    return ""


# -- small things --------------------------------------------------------------------------------


def _connected(seen: Observation) -> bool:
    stage = seen.stage(Stage.CONNECT)
    return stage is not None and stage.status is Status.PASS


def _failed(seen: Sequence[Observation]) -> list[Observation]:
    """Probes that failed; those that ran out of time or broke of themselves prove nothing."""
    return [o for o in seen if o.ended_by and o.ended_by.status is Status.FAIL]


def _spared(seen: Observation) -> bool:
    """Its login was not tried because the same one was rejected on another route."""
    auth = seen.stage(Stage.AUTH)
    return auth is not None and auth.reason is Reason.LOGIN_REJECTED_BEFORE


def _none_ready(case: Case) -> bool:
    return not any(e.ready for e in case.bridge.endpoints_of(case.port))


def _split(target: str) -> tuple[str, int]:
    host, _, port = target.rpartition(":")
    return host.strip("[]"), int(port)


def _ignored(bridge: Bridge, said: Diagnosis) -> str | None:
    return dict(bridge.ignore).get(said.code)


def _unique(said: Any) -> list[Diagnosis]:
    return list({(d.code, d.summary): d for d in said}.values())


_WEIGHT = (Severity.FAIL, Severity.INCONCLUSIVE, Severity.WARN, Severity.NOTE)


def _ordered(said: Sequence[Diagnosis]) -> tuple[Diagnosis, ...]:
    return tuple(sorted(said, key=lambda d: _WEIGHT.index(d.severity)))


def _status(mine: Sequence[Observation], diagnoses: Sequence[Diagnosis], bridge: Bridge) -> Status:
    """The worst of the diagnoses. Without any, a probe that failed is a pass only where the user
    ignores its code.
    """
    severities = {d.severity for d in diagnoses}
    for severity, status in (
        (Severity.FAIL, Status.FAIL),
        (Severity.INCONCLUSIVE, Status.INCONCLUSIVE),
        (Severity.WARN, Status.WARN),
    ):
        if severity in severities:
            return status
    if not mine:
        return Status.SKIP
    unexplained = not diagnoses and not bridge.ignore and any(o.ended_by for o in mine)
    return Status.INCONCLUSIVE if unexplained else Status.PASS


def _depth(mine: Sequence[Observation]) -> Stage | None:
    """How deep the way an application uses was proved; endpoints where no name was tried."""
    wire = [o for o in mine if not o.client]
    names = [o for o in wire if o.route in (Route.NAME, Route.ORIGIN)] or wire
    depths = [o.depth for o in names]
    if not depths or any(d is None for d in depths):
        return None
    return min((d for d in depths if d), key=list(Stage).index)
