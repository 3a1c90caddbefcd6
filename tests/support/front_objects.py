"""Ingresses and bridges with a page, written short."""

from __future__ import annotations

from typing import Any

from k8sext.model.bridge import Bridge, Endpoint, Kind, Port
from k8sext.model.front import Front
from k8sext.model.result import Json, Observation, StageResult
from k8sext.model.words import STAGES, Reason, Route, Stage, Status

HOST = "kibana.example.com"
CONTROLLER = "192.0.2.80"
HTTP = Port(name="http", port=5601, protocol="http", protocol_source="port name")
NOT_RUN = Reason.NOT_APPLICABLE


def kibana(*fronts: Front, **more: Any) -> Bridge:
    """A Service `kibana-svc` with a page behind it, and what leads to it."""
    endpoint = Endpoint(address="198.51.100.31", port=5601, port_name="http", source="x")
    base: dict[str, Any] = {
        "namespace": "dev",
        "service": "kibana-svc",
        "kind": Kind.SELECTORLESS,
        "ports": (HTTP,),
        "endpoints": (endpoint,),
        "fronts": fronts,
        "fronts_read": True,
    }
    return Bridge(**{**base, **more})


def front(**more: Any) -> Front:
    """A rule that is as it should be, in plain HTTP."""
    base: dict[str, Any] = {
        "ingress": "kibana",
        "host": HOST,
        "port": "http",
        "port_key": "http",
        "class_name": "nginx",
        "class_by": "field",
        "class_known": True,
        "addresses": (CONTROLLER,),
    }
    return Front(**{**base, **more})


def ingress(host: str = HOST, *, port: object = "http", **more: Any) -> dict[str, Any]:
    """An Ingress `kibana` as the API gives it; `spec`, `status`, `annotations`, `name` by name."""
    word = "name" if isinstance(port, str) else "number"
    backend = {"service": {"name": more.get("service", "kibana-svc"), "port": {word: port}}}
    path = {"path": more.get("path", "/"), "pathType": more.get("type", "Prefix")}
    rule = {"host": host, "http": {"paths": [{**path, "backend": backend}]}}
    meta = {"name": more.get("name", "kibana"), "namespace": more.get("namespace", "dev")}
    return {
        "metadata": {**meta, "annotations": more.get("annotations", {})},
        "spec": {"ingressClassName": "nginx", "rules": [rule], **more.get("spec", {})},
        "status": more.get("status", {"loadBalancer": {"ingress": [{"ip": CONTROLLER}]}}),
    }


def ingress_class(name: str = "nginx") -> dict[str, Any]:
    """An IngressClass."""
    return {"metadata": {"name": name}, "spec": {"controller": "k8s.io/ingress-nginx"}}


def own(ended: Stage | None = None, reason: Reason | None = None) -> Observation:
    """The bridge by its name."""
    return page_of(Route.NAME, "kibana-svc:5601", "", ended, reason, id="o1")


def page(
    status: int,
    direct: int | None = 200,
    rule: Front | None = None,
    tls: dict[str, Json] | None = None,
    **evidence: Json,
) -> Observation:
    """The page through the controller, and what the bridge itself answered."""
    beside: dict[str, Json] = {"direct": {"status": direct} if direct else {"reason": "refused"}}
    facts = {"status": status, **beside, **evidence}
    which = rule or front()
    target = f"{CONTROLLER}:{443 if which.tls else 80}"
    ended = Stage.VERIFY if status >= 500 else None
    reason = Reason.UNHEALTHY if ended else None
    return page_of(Route.INGRESS, target, which.via, ended, reason, facts=facts, tls=tls)


def page_of(
    route: Route,
    target: str,
    via: str,
    ended: Stage | None = None,
    reason: Reason | None = None,
    *,
    facts: dict[str, Json] | None = None,
    tls: dict[str, Json] | None = None,
    tls_warning: Reason | None = None,
    id: str = "o9",
) -> Observation:
    """A probe that passed every stage, or failed at `ended`."""
    stages: list[StageResult] = []
    over = False
    for stage in STAGES:
        if over:
            stages.append(StageResult(stage=stage, status=Status.SKIP, reason=Reason.NOT_REACHED))
        elif stage is ended:
            over = True
            stages.append(StageResult(stage=stage, status=Status.FAIL, reason=reason))
        elif stage is Stage.TLS and tls is None:
            stages.append(StageResult(stage=stage, status=Status.SKIP, reason=NOT_RUN))
        elif stage is Stage.TLS and tls_warning:
            warned = StageResult(
                stage=stage, status=Status.WARN, reason=tls_warning, evidence=tls or {}
            )
            stages.append(warned)
        else:
            known = {Stage.HANDSHAKE: facts, Stage.TLS: tls}.get(stage) or {}
            stages.append(StageResult(stage=stage, status=Status.PASS, evidence=known))
    return Observation(
        id=id,
        namespace="dev",
        service="kibana-svc",
        port="http",
        protocol="http",
        vantage="pod",
        route=route,
        target=target,
        stages=tuple(stages),
        via=via,
    )
