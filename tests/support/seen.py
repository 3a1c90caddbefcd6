"""Short ways to write bridges and observations in tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from k8sext.model.bridge import Bridge, Endpoint, Kind, Port
from k8sext.model.result import Json, Observation, StageResult
from k8sext.model.words import STAGES, Reason, Route, Stage, Status

ADDRESS = "198.51.100.21"
PORT = Port(name="redis", port=26379, protocol="redis", protocol_source="port name")
NOT_RUN = Reason.NOT_APPLICABLE


def bridge(service: str = "redis-svc", *addresses: str, **more: Any) -> Bridge:
    """A selectorless Service with a Redis behind it; `addresses` default to one."""
    endpoints = tuple(
        Endpoint(address=a, port=26379, port_name="redis", source=f"EndpointSlice/{service}-1")
        for a in addresses or (ADDRESS,)
    )
    base: dict[str, Any] = {
        "namespace": "dev",
        "service": service,
        "kind": Kind.SELECTORLESS,
        "ports": (PORT,),
        "endpoints": endpoints,
        "cluster_ips": ("198.19.3.7",),
    }
    return Bridge(**{**base, **more})


def seen(
    id: str,
    route: Route,
    target: str,
    ended: Stage | None = None,
    reason: Reason | None = None,
    *,
    status: Status = Status.FAIL,
    detail: str = "",
    seconds: float = 0.004,
    service: str = "redis-svc",
    **evidence: Json,
) -> Observation:
    """A probe that passed every stage, or up to `ended`, which came out as `status`."""
    stages = tuple(_stage(s, ended, reason, status, detail, seconds, evidence) for s in STAGES)
    return Observation(
        id=id,
        namespace="dev",
        service=service,
        port="redis",
        protocol="redis",
        vantage="pod",
        node="node2",
        route=route,
        target=target,
        stages=stages,
    )


def _stage(
    stage: Stage,
    ended: Stage | None,
    reason: Reason | None,
    status: Status,
    detail: str,
    seconds: float,
    evidence: dict[str, Json],
) -> StageResult:
    if ended is not None and STAGES.index(stage) > STAGES.index(ended):
        goes_on = status in (Status.WARN, Status.PASS)
        if not goes_on:
            return StageResult(stage=stage, status=Status.SKIP, reason=Reason.NOT_REACHED)
    if stage is ended:
        return StageResult(
            stage=stage,
            status=status,
            reason=reason,
            detail=detail,
            duration_s=seconds,
            evidence=evidence,
        )
    if stage is Stage.TLS:
        return StageResult(stage=stage, status=Status.SKIP, reason=NOT_RUN)
    return StageResult(stage=stage, status=Status.PASS, duration_s=0.001)


def by_name(ended: Stage | None = None, reason: Reason | None = None, **more: Any) -> Observation:
    """The probe by the bridge's name."""
    return seen("o1", Route.NAME, "redis-svc:26379", ended, reason, **more)


def at(
    address: str = ADDRESS,
    ended: Stage | None = None,
    reason: Reason | None = None,
    id: str = "o2",
    **more: Any,
) -> Observation:
    """The probe of one address."""
    return seen(id, Route.ENDPOINT, f"{address}:26379", ended, reason, **more)


def name_alone(service: str = "redis-svc", reason: Reason | None = None) -> Observation:
    """The question after a name, where nothing can be connected to."""
    made = seen("o9", Route.NAME, service, Stage.RESOLVE, reason, service=service,
                status=Status.FAIL if reason else Status.PASS)  # fmt: skip
    rest = (StageResult(stage=s, status=Status.SKIP, reason=Reason.NOT_REACHED) for s in STAGES[1:])
    return replace(made, port="", protocol="tcp", stages=(made.stages[0], *rest))
