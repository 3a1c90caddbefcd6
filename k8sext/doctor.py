"""The main job, left to right: read the bridges, look at them, write down facts, judge, report."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from k8sext import __version__, plan, registry
from k8sext.agent import pack
from k8sext.agent.credentials import LoginSource
from k8sext.diagnose import judge, start
from k8sext.errors import K8sextError
from k8sext.model.bridge import Bridge, BridgeClass
from k8sext.model.codec import from_json
from k8sext.model.plan import Budget, Control, Plan
from k8sext.model.report import BridgeReport, Gate, Report, VantageReport
from k8sext.model.result import Observation
from k8sext.model.words import Status
from k8sext.vantage import job, pod
from k8sext.vantage.job import PodOptions

NAMESPACES_AT_ONCE = 8

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the caller asked for; times are seconds."""

    vantage: str = "pod"
    names: tuple[str, ...] = ()
    include_internal: bool = False
    budget: Budget = field(default_factory=Budget)
    pod: PodOptions = field(default_factory=PodOptions)
    gate: Gate = field(default_factory=Gate)
    vouched: tuple[str, ...] = ()  # --credentials-from
    trust_annotations: bool = False
    client: bool = False  # driver probes too


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What is known of the cluster before anything is probed."""

    api: Any = None  # k8sext.kube.session.Session; None without a cluster
    context: str = ""
    server_version: str = ""
    control: Control = field(default_factory=Control)
    platform_assigns_user: Callable[[str], bool] = lambda _namespace: False
    policies: Callable[[str], Sequence[Mapping[str, Any]] | None] = lambda _namespace: None
    labels_like: Callable[[str, str], Mapping[str, str]] = lambda _namespace, _workload: {}
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What one namespace gave."""

    vantage: VantageReport
    bridges: tuple[BridgeReport, ...]


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
    if request.include_internal:
        return found
    return tuple(b for b in found if b.bridge_class is BridgeClass.BRIDGE)


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

    def one(item: tuple[str, list[Bridge]]) -> Looked:
        namespace, here = item
        tell = functools.partial(say, namespace)
        return _look(namespace, here, cluster, request, logins, run_id, tell, stop)

    with ThreadPoolExecutor(NAMESPACES_AT_ONCE) as pool:
        try:
            looked = list(pool.map(one, by_namespace.items()))
        except KeyboardInterrupt:
            stop.set()  # each run deletes its Job; leaving the block waits for that
            raise
    return Report(
        run_id=run_id,
        started=started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        duration_s=round(time.monotonic() - began, 3),
        tool_version=__version__,
        vantages=tuple(x.vantage for x in looked),
        bridges=tuple(b for x in looked for b in x.bridges),
        context=cluster.context,
        server_version=cluster.server_version,
        gate=request.gate,
    )


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
    return plan.make(
        bridges,
        run_id=run_id,
        namespace=namespace,
        modules={name: entry.module.rpartition(".")[2] for name, entry in entries.items()},
        vantage=request.vantage,
        budget=request.budget,
        control=cluster.control,
    )


def make_job(planned: Plan, cluster: Cluster, request: Request) -> job.Manifest:
    """The Job that would carry out a plan (`--dry-run` prints it)."""
    options = request.pod
    if cluster.platform_assigns_user(planned.namespace):
        options = replace(options, run_as_user=None)
    if options.like:
        labels = cluster.labels_like(planned.namespace, options.like)
        options = replace(options, like_labels=labels)
    return job.manifest(planned, pack.COMMAND, pack.environment(planned), options)


def _look(
    namespace: str,
    bridges: Sequence[Bridge],
    cluster: Cluster,
    request: Request,
    logins: LoginSource | None,
    run_id: str,
    say: Say,
    stop: threading.Event,
) -> Looked:
    planned = make_plan(namespace, bridges, cluster, request, run_id)
    say(f"{len(bridges)} bridges found, {len(planned.targets)} targets")
    if request.vantage == "local":
        return _look_from_here(planned, bridges, request, logins)
    return _look_from_pod(planned, bridges, cluster, request, say, stop)


def _look_from_here(
    planned: Plan, bridges: Sequence[Bridge], request: Request, logins: LoginSource | None
) -> Looked:
    from k8sext.vantage import local

    assert logins is not None
    records = local.observe(planned, logins, client=request.client)
    context = judge.Context(namespace=planned.namespace, vantage="local")
    return _judged(
        records, bridges, context, VantageReport(namespace=planned.namespace, vantage="local")
    )


def _look_from_pod(
    planned: Plan,
    bridges: Sequence[Bridge],
    cluster: Cluster,
    request: Request,
    say: Say,
    stop: threading.Event,
) -> Looked:
    vantage = VantageReport(namespace=planned.namespace, vantage="pod", notes=cluster.notes)
    try:
        manifest = make_job(planned, cluster, request)
        ran = pod.run(cluster.api, planned, manifest, request.pod.start_timeout_s, say, stop)
    except K8sextError as error:
        said = start.from_error(planned.namespace, error)
        return Looked(vantage=replace(vantage, diagnoses=(said,)), bridges=_untested(bridges))
    vantage = _described(vantage, ran)
    if not ran.records:
        assert ran.trouble is not None
        said = start.start_failure(
            ran.trouble.code, planned.namespace, ran.trouble.what, ran.trouble.why
        )
        return Looked(vantage=replace(vantage, diagnoses=(said,)), bridges=_untested(bridges))
    records = ran.records
    policies = cluster.policies(planned.namespace) if _some_failed(records) else None
    context = judge.Context(
        namespace=planned.namespace,
        vantage="pod",
        node=vantage.node,
        address=vantage.address,
        policies=policies,
        mesh=mesh_of(ran.pod),
    )
    return _judged(records, bridges, context, vantage)


def _described(vantage: VantageReport, ran: pod.PodRun) -> VantageReport:
    spec, status = ran.pod.get("spec", {}), ran.pod.get("status", {})
    mesh = mesh_of(ran.pod)
    notes = (*vantage.notes, *((f"the pod carries a {mesh} sidecar",) if mesh else ()))
    return replace(
        vantage,
        node=str(spec.get("nodeName", "")),
        address=str(status.get("podIP", "")),
        pod=str(ran.pod.get("metadata", {}).get("name", "")),
        pod_start_s=round(ran.started_s, 3),
        notes=notes,
    )


def mesh_of(created: Mapping[str, Any]) -> str:
    """The mesh whose sidecar was injected into the created pod, read off its containers."""
    spec = created.get("spec", {})
    names = {c.get("name") for c in [*spec.get("containers", []), *spec.get("initContainers", [])]}
    for container, mesh in (("istio-proxy", "Istio"), ("linkerd-proxy", "Linkerd")):
        if container in names:
            return mesh
    ambient = created.get("metadata", {}).get("annotations", {}).get("ambient.istio.io/redirection")
    return "Istio ambient" if ambient == "enabled" else ""


def _untested(bridges: Sequence[Bridge]) -> tuple[BridgeReport, ...]:
    return tuple(
        BridgeReport(
            bridge=b, status=Status.INCONCLUSIVE, depth=None, skipped="could not be tested"
        )
        for b in bridges
    )


def _observations(records: Iterable[Mapping[str, Any]]) -> list[Observation]:
    return [from_json(Observation, r["observation"]) for r in records if "observation" in r]


def _some_failed(records: Iterable[Mapping[str, Any]]) -> bool:
    return any(o.status in (Status.FAIL, Status.INCONCLUSIVE) for o in _observations(records))


def _judged(
    records: Iterable[Mapping[str, Any]],
    bridges: Sequence[Bridge],
    context: judge.Context,
    vantage: VantageReport,
) -> Looked:
    kept = list(records)
    controls = [r for r in kept if r.get("type") == "control"]
    judgement = judge.judge(bridges, _observations(kept), controls, context)
    return Looked(
        vantage=replace(vantage, diagnoses=(*vantage.diagnoses, *judgement.overall)),
        bridges=judgement.bridges,
    )
