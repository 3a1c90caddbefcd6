"""k8sext.report/v1: additions are allowed, anything else needs a v2."""

from __future__ import annotations

from typing import Any

from k8sext.model.bridge import Bridge
from k8sext.model.clean import escaped
from k8sext.model.codec import to_json
from k8sext.model.depth import limits
from k8sext.model.front import Front
from k8sext.model.report import (
    BridgeReport,
    Report,
    VantageReport,
    WorkloadVerdict,
    gated,
    verdicts,
)
from k8sext.model.result import Observation
from k8sext.model.words import Status
from k8sext.model.workload import Workload, login_of

from ._json_schema import SCHEMA
from ._options import Options

__all__ = ["MEDIA_TYPE", "NAME", "SCHEMA", "render"]

NAME = "json"
MEDIA_TYPE = "application/json"


def render(report: Report, options: Options) -> str:
    """The whole report as one JSON document."""
    return escaped(document(report), indent=1) + "\n"


def document(report: Report) -> dict[str, Any]:
    """The report as plain data."""
    return {
        "schema": "k8sext.report/v1",
        "tool": {"name": "k8sext", "version": report.tool_version},
        "run": {
            "id": report.run_id,
            "started": report.started,
            "duration_s": report.duration_s,
            "vantages": sorted({v.vantage for v in report.vantages}),
            "exit_code": report.exit_code,
            **({"cautions": list(report.cautions)} if report.cautions else {}),
        },
        "cluster": {"context": report.context, "server_version": report.server_version},
        "summary": summary(report),
        "vantages": [_vantage(v) for v in report.vantages],
        "bridges": [_bridge(b) for b in report.bridges],
        "findings": [to_json(f) for f in report.findings],
        **_workloads(report),
        "basis": {
            "gate": to_json(report.gate),
            "bridges": [to_json(b.bridge) for b in report.bridges],
            "places": [to_json(p) for p in report.places],
            **({"workloads": to_json(report.workloads)} if report.workloads else {}),
        },
    }


def summary(report: Report) -> dict[str, int]:
    """How many bridges ended how, the gate applied."""
    statuses = [gated(report, b) for b in report.bridges]
    return {"bridges": len(statuses), **{s.value: statuses.count(s) for s in Status}}


def _workloads(report: Report) -> dict[str, Any]:
    """Nothing, where nobody asked for workloads."""
    view = report.workloads
    if view is None:
        return {}
    items = [_workload(v) for v in verdicts(report)]
    return {"workloads": {"without": view.without, "notes": list(view.notes), "items": items}}


def _workload(verdict: WorkloadVerdict) -> dict[str, Any]:
    workload = verdict.workload
    bridges = (_used(workload, ref, status) for ref, status in verdict.bridges)
    return {
        "namespace": workload.namespace,
        "kind": workload.kind,
        "name": workload.name,
        "status": verdict.status.value,
        "nodes": list(workload.nodes),
        "secrets": list(workload.secrets),
        "bridges": list(bridges),
        "findings": [f.code for f in verdict.findings],
    }


def _used(workload: Workload, ref: str, status: Status) -> dict[str, Any]:
    uses = workload.uses_of(ref)
    namespace, _, service = ref.partition("/")
    return {
        "namespace": namespace,
        "service": service,
        "status": status.value,
        "likely": all(u.likely for u in uses),
        "login": login_of(uses),
        "uses": [
            {
                "container": u.container,
                "where": u.where,
                "text": u.text,
                "how": u.how.value,
                "port": u.port,
                "likely": u.likely,
            }
            for u in uses
        ],
    }


def _vantage(vantage: VantageReport) -> dict[str, Any]:
    out: dict[str, Any] = to_json(vantage)
    return {**out, "diagnoses": [to_json(d) for d in vantage.diagnoses]}


def _bridge(report: BridgeReport) -> dict[str, Any]:
    bridge: Bridge = report.bridge
    return {
        "namespace": bridge.namespace,
        "service": bridge.service,
        "kind": bridge.kind.value,
        "class": bridge.bridge_class.value,
        "status": report.status.value,
        "depth": report.depth.value if report.depth else None,
        "skipped": report.skipped,
        "limits": list(limits(report)),
        "ports": [
            {
                "name": p.name,
                "port": p.port,
                "protocol": p.protocol,
                "protocol_source": p.protocol_source,
                "transport": p.transport,
                "guessed": p.guessed,
                "fallback": p.fallback,
                "product": p.product,
            }
            for p in bridge.ports
        ],
        "endpoints": [
            {"address": e.address, "port": e.port, "ready": e.ready, "source": e.source}
            for e in bridge.endpoints
        ],
        "external_name": bridge.external_name,
        **({"fronts": [_front(f) for f in bridge.fronts]} if bridge.fronts else {}),
        "problems": list(bridge.problems),
        "observations": [_observation(o) for o in report.observations],
        "diagnoses": [to_json(d) for d in report.diagnoses],
    }


def _front(front: Front) -> dict[str, Any]:
    return {
        "ingress": front.ingress,
        "host": front.host,
        "path": front.path,
        "port": front.port,
        "class": front.class_name,
        "addresses": list(front.addresses),
    }


def _observation(seen: Observation) -> dict[str, Any]:
    stages = [{"stage": s.stage.value, "status": s.status.value, **to_json(s)} for s in seen.stages]
    return {**to_json(seen), "status": seen.status.value, "stages": stages}
