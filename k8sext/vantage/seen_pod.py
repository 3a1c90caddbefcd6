"""What a probe pod's run is worth: where it was, what is missing of it, what stood in its way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from k8sext.diagnose import start
from k8sext.model.bridge import Bridge
from k8sext.model.diagnosis import Diagnosis
from k8sext.model.plan import Plan
from k8sext.model.report import VantageReport
from k8sext.model.words import Severity

from .follow import PodRun
from .start import Trouble


def bridges_of(planned: Plan, bridges: Sequence[Bridge], shard: int) -> list[Bridge]:
    """The bridges that one pod looked at; those without any probe go with the first."""
    shard_of = {t.service: t.shard for t in planned.targets}
    return [b for b in bridges if shard_of.get(b.service, 0) == shard]


def described(vantage: VantageReport, ran: PodRun, planned: Plan) -> VantageReport:
    """Where the pod was, and what must be known of it before its word counts."""
    spec, status = ran.pod.get("spec", {}), ran.pod.get("status", {})
    mesh = mesh_of(ran.pod)
    notes = [*vantage.notes]
    if mesh:
        notes.append(f"the pod carries a {mesh} sidecar")
    if ran.changes:
        notes.append(f"admission changed the pod, as a dry run shows: {'; '.join(ran.changes[:5])}")
    if ran.from_summary and not trouble_to_report(ran, planned):
        notes.append("the log could not be read: verdicts without evidence, by termination message")
    return replace(
        vantage,
        node=str(spec.get("nodeName", "")),
        address=str(status.get("podIP", "")),
        pod=str(ran.pod.get("metadata", {}).get("name", "")),
        pod_start_s=round(ran.started_s, 3),
        notes=tuple(notes),
    )


def trouble_to_report(ran: PodRun, planned: Plan) -> Trouble | None:
    """The trouble that the report must tell.

    A log that could not be read is none where the termination message has every verdict.
    """
    trouble = ran.trouble
    if trouble and trouble.code == "KX907" and ran.from_summary and not lost(ran, planned):
        return None
    return trouble


def beside(ran: PodRun, namespace: str) -> tuple[Diagnosis, ...]:
    """What a run has to say besides its verdicts: who else claimed to be its pod, what stays."""
    found = [
        start.start_failure(
            "KX926",
            namespace,
            f"the pod {i.name} carries this run's label and is not the probe",
            i.why,
            Severity.WARN,
        )
        for i in ran.intruders
        if not (ran.trouble and ran.trouble.code == "KX927" and i.owned)
    ]
    if ran.left:
        what = "the Job of this run could not be deleted"
        found.append(start.start_failure("KX929", namespace, what, ran.left, Severity.WARN))
    return tuple(found)


def lost(ran: PodRun, planned: Plan) -> frozenset[tuple[str, str]]:
    """(service, port) of planned probes without a result.

    A probe of last resort may have had no need to be made. Of a name whose addresses are probed
    one by one, nobody but the end record or the whole summary knows how many there were.
    """
    seen = {r["observation"]["id"] for r in ran.records if "observation" in r}
    whole = ran.ended and not _interrupted(ran)
    complete = whole or any(_is_whole(r, len(seen)) for r in ran.records)
    return frozenset(
        (t.service, t.port_key)
        for t in planned.part(ran.shard).targets
        if not t.fallback and (t.id not in seen or (t.expand and not complete))
    )


def _is_whole(record: Mapping[str, Any], seen: int) -> bool:
    """A summary of a run that was not interrupted, of which nothing was left out."""
    if record.get("type") != "summary" or record.get("interrupted"):
        return False
    return int(record.get("total", 0)) <= seen


def _interrupted(ran: PodRun) -> bool:
    return any(r.get("type") == "end" and r.get("interrupted") for r in ran.records)


def mesh_of(created: Mapping[str, Any]) -> str:
    """The mesh whose sidecar was injected into the created pod, read off its containers."""
    spec = created.get("spec", {})
    names = {c.get("name") for c in [*spec.get("containers", []), *spec.get("initContainers", [])]}
    for container, mesh in (("istio-proxy", "Istio"), ("linkerd-proxy", "Linkerd")):
        if container in names:
            return mesh
    annotations = created.get("metadata", {}).get("annotations") or {}
    return "Istio ambient" if annotations.get("ambient.istio.io/redirection") == "enabled" else ""
