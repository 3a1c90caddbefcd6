"""One namespace from one vantage: the plan, the pod or this machine, and what it saw, judged."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from k8sext import registry
from k8sext.agent import expect
from k8sext.diagnose import start
from k8sext.errors import K8sextError
from k8sext.model.bridge import Bridge
from k8sext.model.codec import from_json, to_json
from k8sext.model.data import dataclass
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Linted
from k8sext.model.plan import Plan
from k8sext.model.report import BridgeReport, Place, VantageReport, untested
from k8sext.model.result import Observation
from k8sext.model.words import Status
from k8sext.vantage import job, pack, seen_pod
from k8sext.vantage.follow import PodRun
from k8sext.vantage.vantage import Errand, Vantage

from . import plan, shards
from .cluster import Cluster
from .request import Request
from .vouching import trusted

if TYPE_CHECKING:
    from k8sext.agent.login.credentials import LoginSource
    from k8sext.diagnose.case import PlaceFacts
    from k8sext.model.owner import Owner

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceResult:
    """What one namespace gave."""

    vantage: VantageReport
    bridges: tuple[BridgeReport, ...]
    place: Place | None = None  # what it was judged by


def make_plan(
    namespace: str, bridges: Sequence[Bridge], cluster: Cluster, request: Request, run_id: str
) -> Plan:
    """The plan of one namespace."""
    entries = registry.wire_checks()
    made = plan.make(
        bridges,
        run_id=run_id,
        namespace=namespace,
        modules={name: entry.in_plan for name, entry in entries.items()},
        vantage=request.vantage,
        budget=request.budget,
        control=cluster.control,
        visits=_visits(namespace, bridges, cluster, request),
        acting=request.acting,
    )
    place = registry.vantages()[request.vantage]
    if request.client and not place.checks_here:
        made = replace(made, clients=_driver_modules(made))
    made = replace(made, nonce=os.urandom(8).hex())
    return shards.sharded(made, bridges, request.pod.shards if place.shards else 1)


def _visits(
    namespace: str, bridges: Sequence[Bridge], cluster: Cluster, request: Request
) -> plan.Companions:
    """The bridges that checks may visit: those that are probed, then the others there are."""
    chosen = {b.service for b in bridges}
    others = (b for b in cluster.bridges if b.namespace == namespace and b.service not in chosen)
    keys = {
        name: found
        for name, entry in registry.wire_checks().items()
        if (found := expect.keys_of_kind(entry.info.expects, "bridge"))
    }
    return plan.Companions(bridges=(*bridges, *(trusted(b, request) for b in others)), keys=keys)


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
    place = registry.vantages()[planned.vantage]
    planned = place.pod_part(planned)
    return job.manifest(planned, pack.command(place.entry), pack.environment(planned), options)


def look(
    namespace: str,
    bridges: Sequence[Bridge],
    cluster: Cluster,
    request: Request,
    logins: LoginSource | None,
    run_id: str,
    say: Say,
    stop: threading.Event,
) -> list[NamespaceResult]:
    """What the vantage of a request saw: one for each pod. `say` tells what is waited for."""
    planned = make_plan(namespace, bridges, cluster, request, run_id)
    place = registry.vantages()[request.vantage]
    say(f"{len(bridges)} bridges found, {len(planned.targets)} targets")
    if place.checks_here:
        logins = cluster.logins(namespace, job.secrets_of(planned)) or logins
    errand = Errand(
        plan=planned,
        job=None,
        logins=logins,
        api=cluster.api,
        start_timeout_s=request.pod.start_timeout_s,
        client=request.client,
        forward=cluster.forward,
        say=say,
        stop=stop,
    )
    if not place.makes_pod:
        return [_look_from_here(place, errand, bridges, cluster)]
    return _look_from_pod(place, errand, bridges, cluster, request)


def _look_from_here(
    place: Vantage, errand: Errand, bridges: Sequence[Bridge], cluster: Cluster
) -> NamespaceResult:
    """One Looked, of a place without a pod."""
    (ran,) = place.carry_out(errand)
    from k8sext.diagnose.case import PlaceFacts

    seen = observed(ran.records)
    linted, namespace = cluster.rules(), errand.plan.namespace
    context = PlaceFacts(
        namespace=namespace,
        vantage=place.name,
        owners=_owners(cluster, seen),
        findings=_findings(linted, namespace),
    )
    vantage = VantageReport(namespace=namespace, vantage=place.name, notes=linted.skips)
    return _judged(seen, ran.records, bridges, context, vantage)


def _look_from_pod(
    place: Vantage, errand: Errand, bridges: Sequence[Bridge], cluster: Cluster, request: Request
) -> list[NamespaceResult]:
    """One Looked for each shard: a missing one leaves its own bridges untested, no others."""
    planned = errand.plan
    vantage = VantageReport(namespace=planned.namespace, vantage=place.name, notes=cluster.notes)
    try:
        notes = cluster.preflight(planned.namespace)
        vantage = replace(vantage, notes=(*vantage.notes, *notes))
        manifest = make_job(planned, cluster, request)
        runs = place.carry_out(replace(errand, job=manifest))
    except K8sextError as error:
        if error.exit_code == 2:
            raise  # the caller's words, not the cluster's
        said = start.from_error(planned.namespace, error)
        return [
            NamespaceResult(vantage=replace(vantage, diagnoses=(said,)), bridges=_untested(bridges))
        ]
    labels = manifest["spec"]["template"]["metadata"]["labels"]
    seen = [observed(ran.records) for ran in runs]
    policies = _policies(cluster, planned.namespace, seen)
    linted = cluster.rules()
    first = replace(vantage, notes=())  # notes of the cluster once, not for each shard
    vantage = replace(vantage, notes=(*vantage.notes, *linted.skips))
    return [
        _look_from_one(
            ran,
            observations,
            planned,
            bridges,
            vantage if ran.shard == 0 else first,
            labels,
            policies,
            _owners(cluster, observations),
            _findings(linted, planned.namespace),
        )
        for ran, observations in zip(runs, seen, strict=True)
    ]


def _policies(
    cluster: Cluster, namespace: str, seen: Iterable[Sequence[Observation]]
) -> Sequence[Mapping[str, Any]] | None:
    """The NetworkPolicies, where some probe failed."""
    ends = (Status.FAIL, Status.INCONCLUSIVE)
    failed = any(o.status in ends for observations in seen for o in observations)
    return cluster.policies(namespace) if failed else None


def _look_from_one(
    ran: PodRun,
    seen: Sequence[Observation],
    planned: Plan,
    bridges: Sequence[Bridge],
    vantage: VantageReport,
    labels: Mapping[str, str],
    policies: Sequence[Mapping[str, Any]] | None,
    owners: tuple[Owner, ...],
    findings: tuple[Finding, ...],
) -> NamespaceResult:
    """What one pod saw of its bridges."""
    mine = seen_pod.bridges_of(planned, bridges, ran.shard)
    said = seen_pod.trouble_to_report(ran, planned)
    vantage = seen_pod.described(vantage, ran, planned)
    if said:
        told = start.start_failure(said.code, planned.namespace, said.what, said.why)
        vantage = replace(vantage, diagnoses=(told,))
    more = seen_pod.beside(ran, planned.namespace)
    vantage = replace(vantage, diagnoses=(*vantage.diagnoses, *more))
    if not ran.records:
        return NamespaceResult(vantage=vantage, bridges=_untested(mine))
    from k8sext.diagnose.case import PlaceFacts

    context = PlaceFacts(
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
        findings=findings,
        host=str(ran.pod.get("status", {}).get("hostIP") or ""),
    )
    return _told_once(_judged(seen, ran.records, mine, context, vantage), said.code if said else "")


def _findings(linted: Linted, namespace: str) -> tuple[Finding, ...]:
    """What the lint rules found of the bridges of one namespace."""
    return tuple(f for f in linted.findings if f.bridge.startswith(f"{namespace}/"))


def _owners(cluster: Cluster, seen: Sequence[Observation]) -> tuple[Owner, ...]:
    """Whose the addresses are that systems outside call back, where they were asked for any."""
    from k8sext.diagnose import callbacks

    found = callbacks.addresses(seen)
    return cluster.owners(found) if found else ()


def _told_once(looked: NamespaceResult, code: str) -> NamespaceResult:
    """What is said of the vantage is not said again of each bridge; their statuses stay."""

    def without(report: BridgeReport) -> BridgeReport:
        return replace(report, diagnoses=tuple(d for d in report.diagnoses if d.code != code))

    return replace(looked, bridges=tuple(without(b) for b in looked.bridges))


def _untested(bridges: Sequence[Bridge]) -> tuple[BridgeReport, ...]:
    return tuple(untested(b) for b in bridges)


def observed(records: Iterable[Mapping[str, Any]]) -> list[Observation]:
    """Those among the records of a run."""
    return [from_json(Observation, r["observation"]) for r in records if "observation" in r]


def _judged(
    seen: Sequence[Observation],
    records: Iterable[Mapping[str, Any]],
    bridges: Sequence[Bridge],
    context: PlaceFacts,
    vantage: VantageReport,
) -> NamespaceResult:
    from k8sext.diagnose import judge  # while the pod starts there is time enough

    controls = [r for r in records if r.get("type") == "control"]
    judgement = judge.judge(bridges, seen, controls, context)
    return NamespaceResult(
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
