"""The main job, left to right: read the bridges, look at them, write down facts, judge, report."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from k8sext import __version__, merge, plan, registry, seen_pod, shards
from k8sext.agent import expect, pack
from k8sext.diagnose import start
from k8sext.errors import K8sextError
from k8sext.model.bridge import Bridge, BridgeClass
from k8sext.model.codec import from_json, to_json
from k8sext.model.plan import Budget, Control, Plan
from k8sext.model.report import BridgeReport, Gate, Place, Report, VantageReport, untested
from k8sext.model.result import Observation
from k8sext.model.words import Status
from k8sext.vantage import job, pod
from k8sext.vantage.follow import PodRun
from k8sext.vantage.job import PodOptions

if TYPE_CHECKING:
    from k8sext.agent.credentials import LoginSource
    from k8sext.diagnose.case import Context, Owner

NAMESPACES_AT_ONCE = 8

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the caller asked for; times are seconds."""

    vantage: str = "pod"
    also: tuple[str, ...] = ()  # further vantages, after the first
    names: tuple[str, ...] = ()
    include_internal: bool = False
    budget: Budget = field(default_factory=Budget)
    pod: PodOptions = field(default_factory=PodOptions)
    gate: Gate = field(default_factory=Gate)
    vouched: tuple[str, ...] = ()  # --credentials-from
    trust_annotations: bool = False
    client: bool = False  # driver probes too, where the vantage does not try them anyway
    wait_s: float = 0.0  # look again for so long until it passes
    acting: plan.Acting | None = None  # leave to write (`--active`)
    workloads: bool = False  # which workload uses which bridge

    @property
    def vantages(self) -> tuple[str, ...]:
        """Where to look from, in order."""
        return (self.vantage, *self.also)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What is known of the cluster before anything is probed."""

    api: Any = None  # k8sext.kube.session.Session; None without a cluster
    bridges: tuple[Bridge, ...] = ()  # all there are: checks may visit those that are not probed
    context: str = ""
    server_version: str = ""
    control: Control = field(default_factory=Control)
    platform_assigns_user: Callable[[str], bool] = lambda _namespace: False
    policies: Callable[[str], Sequence[Mapping[str, Any]] | None] = lambda _namespace: None
    # Whose the addresses are that systems outside call back; read when there are any.
    owners: Callable[[tuple[str, ...]], tuple[Owner, ...]] = lambda _addresses: ()
    labels_like: Callable[[str, str], Mapping[str, str]] = lambda _namespace, _workload: {}
    # Notes; raises where a right is missing.
    preflight: Callable[[str], tuple[str, ...]] = lambda _namespace: ()
    notes: tuple[str, ...] = ()
    # `--credentials cluster`: namespace and names of Secrets to logins.
    secrets: Callable[[str, tuple[str, ...]], LoginSource] | None = None
    # The report with the workloads in it; as it is where nobody asked for them.
    with_workloads: Callable[[Report], Report] = lambda report: report
    # A connection to (namespace, pod, port); None where there is no way to forward.
    forward: Callable[[str, str, int], Awaitable[Any]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What one namespace gave."""

    vantage: VantageReport
    bridges: tuple[BridgeReport, ...]
    place: Place | None = None  # what it was judged by


def selected(bridges: Iterable[Bridge], request: Request) -> tuple[Bridge, ...]:
    """The bridges to probe: those named, else all of class *bridge* (or all, if asked).

    Raises K8sextError when a named Service is not a bridge here.
    """
    found = tuple(bridges)
    missing = set(request.names) - {b.service for b in found}
    if missing:
        raise K8sextError(
            f"no bridge named {', '.join(sorted(missing))} here",
            fix="k8sext list shows what is a bridge and what is not",
            exit_code=5,
        )
    if request.names:
        return tuple(b for b in found if b.service in request.names)
    return tuple(b for b in found if wanted(b, request))


def wanted(bridge: Bridge, request: Request) -> bool:
    """Whether it is one of those that are looked at where no name chooses among them."""
    named = bridge.service in request.names
    return named or request.include_internal or bridge.bridge_class is BridgeClass.BRIDGE


def run(
    bridges: Sequence[Bridge],
    cluster: Cluster,
    request: Request,
    logins: LoginSource | None,
    say: Callable[[str, str], None],
) -> Report:
    """Probe and judge `bridges`; `say(namespace, text)` tells what is being waited for."""
    began, started = time.monotonic(), datetime.now(UTC)
    run_id = os.urandom(4).hex()
    trusted = tuple(_trusted(b, request) for b in bridges)
    by_namespace: dict[str, list[Bridge]] = {}
    for bridge in trusted:
        by_namespace.setdefault(bridge.namespace, []).append(bridge)

    stop = threading.Event()

    def one(item: tuple[str, str, list[Bridge]]) -> list[Looked]:
        vantage, namespace, here = item
        asked = replace(request, vantage=vantage, also=())
        tell = functools.partial(say, namespace)
        # Each vantage has a run of its own: two Jobs of one name cannot be.
        run_of = run_id if vantage == request.vantage else os.urandom(4).hex()
        return _look(namespace, here, cluster, asked, logins, run_of, tell, stop)

    def everywhere(item: tuple[str, list[Bridge]]) -> list[Looked]:
        """One vantage after another: a server sees one login at a time, and a rejected one once."""
        found = [one((request.vantage, *item))]
        for vantage in request.also:
            rejected = _rejected(x for looked in found for x in looked)
            rest = [b for b in item[1] if b.ref not in rejected]
            if rest and not stop.is_set():
                found.append(one((vantage, item[0], rest)))
        return [x for looked in found for x in looked]

    with ThreadPoolExecutor(NAMESPACES_AT_ONCE) as pool:
        try:
            looked = [x for found in pool.map(everywhere, by_namespace.items()) for x in found]
        except KeyboardInterrupt:
            stop.set()  # each run deletes its Job; leaving the block waits for that
            raise
    report = Report(
        run_id=run_id,
        started=started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        duration_s=round(time.monotonic() - began, 3),
        tool_version=__version__,
        vantages=tuple(x.vantage for x in looked),
        bridges=_in_order(bridges, looked),
        context=cluster.context,
        server_version=cluster.server_version,
        gate=request.gate,
        places=tuple(x.place for x in looked if x.place),
    )
    return cluster.with_workloads(report)


def _in_order(bridges: Sequence[Bridge], looked: Iterable[Looked]) -> tuple[BridgeReport, ...]:
    """By namespace, and as they were found, whichever pod looked at them."""
    place = {b.ref: number for number, b in enumerate(bridges)}
    found = list(merge.merged([b for x in looked for b in x.bridges]))
    namespaces = list(dict.fromkeys(b.namespace for b in bridges))
    found.sort(key=lambda r: (namespaces.index(r.bridge.namespace), place[r.bridge.ref]))
    return tuple(found)


def _trusted(bridge: Bridge, request: Request) -> Bridge:
    """Mark the credentials that the invoker vouches for (`--credentials-from`, …)."""

    def vouch(ref: Any) -> Any:
        if ref and (request.trust_annotations or ref.secret in request.vouched):
            return replace(ref, vouched=True)
        return ref

    by_port = tuple((k, vouch(ref)) for k, ref in bridge.credentials_by_port)
    return replace(bridge, credentials=vouch(bridge.credentials), credentials_by_port=by_port)


def make_plan(
    namespace: str, bridges: Sequence[Bridge], cluster: Cluster, request: Request, run_id: str
) -> Plan:
    """The plan of one namespace."""
    entries = registry.wire_checks()
    made = plan.make(
        bridges,
        run_id=run_id,
        namespace=namespace,
        modules={name: entry.module.rpartition(".")[2] for name, entry in entries.items()},
        vantage=request.vantage,
        budget=request.budget,
        control=cluster.control,
        visits=_visits(namespace, bridges, cluster, request),
        acting=request.acting,
    )
    if request.client and made.vantage == "pod":
        made = replace(made, clients=_driver_modules(made))
    return shards.sharded(made, bridges, request.pod.shards if made.vantage == "pod" else 1)


def _visits(
    namespace: str, bridges: Sequence[Bridge], cluster: Cluster, request: Request
) -> plan.Visits:
    """The bridges that checks may visit: those that are probed, then the others there are."""
    chosen = {b.service for b in bridges}
    others = (b for b in cluster.bridges if b.namespace == namespace and b.service not in chosen)
    keys = {
        name: found
        for name, entry in registry.wire_checks().items()
        if (found := expect.keys_of_kind(entry.info.expects, "bridge"))
    }
    return plan.Visits(bridges=(*bridges, *(_trusted(b, request) for b in others)), keys=keys)


def _driver_modules(planned: Plan) -> tuple[str, ...]:
    """What the pod has to carry to try the drivers of its image."""
    known = registry.clients_by_protocol()
    used = {known[t.protocol].__module__ for t in planned.targets if t.protocol in known}
    return tuple(sorted(module.rpartition(".")[2] for module in used))


def make_job(planned: Plan, cluster: Cluster, request: Request) -> job.Manifest:
    """The Job that would carry out a plan (`--dry-run` prints it)."""
    options = request.pod
    if cluster.platform_assigns_user(planned.namespace):
        options = replace(options, run_as_user=None)
    if options.like:
        labels = cluster.labels_like(planned.namespace, options.like)
        options = replace(options, like_labels=labels)
    entry = pack.entry_of(planned)
    if entry == pack.RELAY:
        from k8sext.vantage.relay import pod_part

        planned = pod_part(planned)
    return job.manifest(planned, pack.command(entry), pack.environment(planned), options)


def _look(
    namespace: str,
    bridges: Sequence[Bridge],
    cluster: Cluster,
    request: Request,
    logins: LoginSource | None,
    run_id: str,
    say: Say,
    stop: threading.Event,
) -> list[Looked]:
    planned = make_plan(namespace, bridges, cluster, request, run_id)
    say(f"{len(bridges)} bridges found, {len(planned.targets)} targets")
    if cluster.secrets and request.vantage in ("local", "relay"):
        logins = cluster.secrets(namespace, job.secrets_of(planned))
    if request.vantage == "local":
        return [_look_from_here(planned, bridges, cluster, request, logins)]
    return _look_from_pod(planned, bridges, cluster, request, logins, say, stop)


def _look_from_here(
    planned: Plan,
    bridges: Sequence[Bridge],
    cluster: Cluster,
    request: Request,
    logins: LoginSource | None,
) -> Looked:
    from k8sext.vantage import local

    assert logins is not None
    records = local.observe(planned, logins, client=request.client)
    from k8sext.diagnose.case import Context

    context = Context(
        namespace=planned.namespace, vantage="local", owners=_owners(cluster, records)
    )
    return _judged(
        records, bridges, context, VantageReport(namespace=planned.namespace, vantage="local")
    )


def _look_from_pod(
    planned: Plan,
    bridges: Sequence[Bridge],
    cluster: Cluster,
    request: Request,
    logins: LoginSource | None,
    say: Say,
    stop: threading.Event,
) -> list[Looked]:
    """One Looked for each shard: a missing one leaves its own bridges untested, no others."""
    vantage = VantageReport(
        namespace=planned.namespace, vantage=planned.vantage, notes=cluster.notes
    )
    try:
        notes = cluster.preflight(planned.namespace)
        vantage = replace(vantage, notes=(*vantage.notes, *notes))
        manifest = make_job(planned, cluster, request)
        runs = _runs(planned, manifest, cluster, request, logins, say, stop)
    except K8sextError as error:
        if error.exit_code == 2:
            raise  # the caller's words, not the cluster's
        said = start.from_error(planned.namespace, error)
        return [Looked(vantage=replace(vantage, diagnoses=(said,)), bridges=_untested(bridges))]
    labels = manifest["spec"]["template"]["metadata"]["labels"]
    policies = _policies(cluster, planned.namespace, runs)
    first = replace(vantage, notes=())  # notes of the cluster once, not for each shard
    return [
        _look_from_one(
            ran,
            planned,
            bridges,
            vantage if ran.shard == 0 else first,
            labels,
            policies,
            _owners(cluster, ran.records),
        )
        for ran in runs
    ]


def _runs(
    planned: Plan,
    manifest: job.Manifest,
    cluster: Cluster,
    request: Request,
    logins: LoginSource | None,
    say: Say,
    stop: threading.Event,
) -> Sequence[PodRun]:
    """What the pods saw; of a relay what was seen through it."""
    patience = request.pod.start_timeout_s
    if planned.vantage != "relay":
        return pod.run(cluster.api, planned, manifest, patience, say, stop)
    from k8sext.vantage import relay

    assert logins is not None and cluster.forward is not None
    look = relay.Look(
        plan=planned,
        logins=logins,
        dial=functools.partial(cluster.forward, planned.namespace),
    )
    return [relay.run(cluster.api, look, manifest, patience, say, stop)]


def _rejected(looked: Iterable[Looked]) -> set[str]:
    """Bridges with a login that was rejected: no other vantage tries it again."""
    return {
        b.bridge.ref
        for x in looked
        for b in x.bridges
        if any(o.login_ended for o in b.observations)
    }


def _policies(
    cluster: Cluster, namespace: str, runs: Sequence[PodRun]
) -> Sequence[Mapping[str, Any]] | None:
    """The NetworkPolicies, where some probe failed."""
    failed = any(_some_failed(ran.records) for ran in runs)
    return cluster.policies(namespace) if failed else None


def _look_from_one(
    ran: PodRun,
    planned: Plan,
    bridges: Sequence[Bridge],
    vantage: VantageReport,
    labels: Mapping[str, str],
    policies: Sequence[Mapping[str, Any]] | None,
    owners: tuple[Owner, ...],
) -> Looked:
    """What one pod saw of its bridges."""
    mine = seen_pod.bridges_of(planned, bridges, ran.shard)
    said = seen_pod.told(ran, planned)
    vantage = seen_pod.described(vantage, ran, planned)
    if said:
        told = start.start_failure(said.code, planned.namespace, said.what, said.why)
        vantage = replace(vantage, diagnoses=(told,))
    if not ran.records:
        return Looked(vantage=vantage, bridges=_untested(mine))
    from k8sext.diagnose.case import Context

    context = Context(
        namespace=planned.namespace,
        vantage=planned.vantage,
        node=vantage.node,
        address=vantage.address,
        policies=policies,
        mesh=seen_pod.mesh_of(ran.pod),
        labels=ran.pod.get("metadata", {}).get("labels") or labels,
        cut=not ran.ended,
        lost=seen_pod.lost(ran, planned),
        owners=owners,
    )
    return _told_once(_judged(ran.records, mine, context, vantage), said.code if said else "")


def _owners(cluster: Cluster, records: Iterable[Mapping[str, Any]]) -> tuple[Owner, ...]:
    """Whose the addresses are that systems outside call back, where they were asked for any."""
    from k8sext.diagnose import callbacks

    found = callbacks.addresses(_observations(records))
    return cluster.owners(found) if found else ()


def _told_once(looked: Looked, code: str) -> Looked:
    """What is said of the vantage is not said again of each bridge; their statuses stay."""

    def without(report: BridgeReport) -> BridgeReport:
        return replace(report, diagnoses=tuple(d for d in report.diagnoses if d.code != code))

    return replace(looked, bridges=tuple(without(b) for b in looked.bridges))


def _untested(bridges: Sequence[Bridge]) -> tuple[BridgeReport, ...]:
    return tuple(untested(b) for b in bridges)


def _observations(records: Iterable[Mapping[str, Any]]) -> list[Observation]:
    return [from_json(Observation, r["observation"]) for r in records if "observation" in r]


def _some_failed(records: Iterable[Mapping[str, Any]]) -> bool:
    return any(o.status in (Status.FAIL, Status.INCONCLUSIVE) for o in _observations(records))


def _judged(
    records: Iterable[Mapping[str, Any]],
    bridges: Sequence[Bridge],
    context: Context,
    vantage: VantageReport,
) -> Looked:
    from k8sext.diagnose import judge  # while the pod starts there is time enough

    kept = list(records)
    controls = [r for r in kept if r.get("type") == "control"]
    judgement = judge.judge(bridges, _observations(kept), controls, context)
    return Looked(
        vantage=replace(vantage, diagnoses=(*vantage.diagnoses, *judgement.overall)),
        bridges=judgement.bridges,
        place=Place(
            namespace=context.namespace,
            vantage=context.vantage,
            services=tuple(b.service for b in bridges),
            context=to_json(context),
            controls=tuple(controls),
        ),
    )
