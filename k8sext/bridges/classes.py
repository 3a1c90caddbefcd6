"""Whose a Service is that leads out: a bridge, a controller's, or the cluster's own. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from k8sext.model.bridge import BridgeClass, Endpoint

from . import annotations as notes

Object = Mapping[str, Any]
LEADER = "control-plane.alpha.kubernetes.io/leader"
MANAGERS = (
    "kube-controller-manager",
    "kube-apiserver",
    "PrometheusOperator",
    "Patroni",
    "operator",
)


def classified(
    service: Object,
    external_name: str,
    endpoints: Sequence[Endpoint],
    legacy: Object | None,
    holders: Mapping[str, str],
) -> tuple[BridgeClass, str]:
    """The class and the fact that decided it; what people made, or annotated, is a bridge.

    `legacy` is the Endpoints object of the Service; `holders` maps addresses of the cluster to
    `node NAME` or `pod NAMESPACE/NAME`.
    """
    bridge_class, reason = _own_class(service, external_name, endpoints, legacy, holders)
    if reason and notes.asks(service["metadata"].get("annotations") or {}):
        return BridgeClass.BRIDGE, f"annotated, although {reason}"
    return bridge_class, reason


def _own_class(
    service: Object,
    external_name: str,
    endpoints: Sequence[Endpoint],
    legacy: Object | None,
    holders: Mapping[str, str],
) -> tuple[BridgeClass, str]:
    """The same without a look at annotations of ours."""
    meta = service["metadata"]
    if (meta["namespace"], meta["name"]) == ("default", "kubernetes"):
        return BridgeClass.INTERNAL, "the API server's own Service"
    inside = _inside_name(external_name) if external_name else ""
    if inside:
        return BridgeClass.INTERNAL, inside
    owned = _owned(service) or _kept_by_controller(legacy)
    if owned:
        return BridgeClass.CONTROLLER_OWNED, owned
    held = [holders.get(e.address) for e in endpoints]
    holder = next((h for h in held if h), None)
    if holder and all(held):
        address = endpoints[0].address
        return BridgeClass.INTERNAL, f"its addresses are the cluster's own ({address}: {holder})"
    return BridgeClass.BRIDGE, ""


def _inside_name(name: str) -> str:
    """Why it is none of ours; `….svc` is no whole name and leads nowhere (see `aliases`)."""
    inside = name.rstrip(".").lower().endswith(".svc.cluster.local")
    return f"its externalName {name} is a Service of this cluster" if inside else ""


def _owned(service: Object) -> str:
    meta = service["metadata"]
    for owner in meta.get("ownerReferences") or []:
        return f"owned by {owner.get('kind')}/{owner.get('name')}"
    for field in meta.get("managedFields") or []:
        manager = str(field.get("manager", ""))
        if not _wrote_spec(field):
            continue
        if manager in MANAGERS or manager.endswith(("-operator", "-controller-manager")):
            return f"written by {manager}"
    return ""


def _wrote_spec(field: Object) -> bool:
    """Controllers write status and annotations into what people made; that makes it not theirs."""
    return not field.get("subresource") and "f:spec" in field.get("fieldsV1", ("f:spec",))


def _kept_by_controller(legacy: Object | None) -> str:
    """A controller's Endpoints: leader elections, and Patroni's keys (patroni/dcs/kubernetes)."""
    if legacy is None:
        return ""
    meta = legacy["metadata"]
    annotations = meta.get("annotations") or {}
    if LEADER in annotations:
        return "its Endpoints hold a leader election"
    if (
        {"leader", "optime"} & set(annotations) and "ttl" in annotations
    ) or "initialize" in annotations:
        return "its Endpoints hold Patroni's keys"
    managers = (str(f.get("manager", "")) for f in meta.get("managedFields") or [])
    return next((f"its Endpoints are written by {m}" for m in managers if m == "Patroni"), "")
