"""Aliases (ExternalName) of Services of this cluster: which of them are ours to look at. Pure.

Most are nobody's way out: Knative makes one for each service. Those that lead nowhere, or to a
Service that leads out itself, are bridges like others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from k8sext.model.bridge import Bridge, BridgeClass, Kind
from k8sext.model.service_names import Key, whole

Object = Mapping[str, Any]


def inside(bridges: Iterable[Bridge]) -> bool:
    """Whether any of them is an alias of a Service of this cluster."""
    return any(_target(b) for b in bridges)


def looked_at(bridges: Sequence[Bridge], services: Iterable[Object]) -> tuple[Bridge, ...]:
    """The bridges by the Services of all namespaces: those aliases that matter are bridges."""
    known = {(str(s["metadata"]["namespace"]), str(s["metadata"]["name"])): s for s in services}
    return tuple(_weighed(b, known) for b in bridges)


def _weighed(bridge: Bridge, known: Mapping[Key, Object]) -> Bridge:
    key = _target(bridge)
    own = known.get((bridge.namespace, bridge.service))
    if key is None or own is None or own["metadata"].get("ownerReferences"):
        return bridge
    if key in known and not leads_out(key, known[key]):
        return bridge
    return replace(bridge, bridge_class=BridgeClass.BRIDGE, class_reason="")


def _target(bridge: Bridge) -> Key | None:
    """The Service that an alias of class *internal* leads to."""
    named = bridge.kind is Kind.EXTERNAL_NAME and bridge.bridge_class is BridgeClass.INTERNAL
    return whole(bridge.external_name) if named else None


def leads_out(key: Key, service: Object) -> bool:
    """Whether a Service that people made has no pods of its own behind it."""
    spec, meta = service.get("spec") or {}, service["metadata"]
    if key == ("default", "kubernetes") or meta.get("ownerReferences"):
        return False
    return spec.get("type") == "ExternalName" or not spec.get("selector")
