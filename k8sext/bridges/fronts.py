"""Which Ingresses and nodes lead to a bridge from outside: facts from objects. Pure."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from k8sext.model.bridge import Bridge, BridgeClass, Port
from k8sext.model.front import Front

from .infer import HTTP_PRODUCTS

Object = Mapping[str, Any]
Rule = tuple[str, str, Front]  # namespace, Service, what leads there
_WEB = re.compile(r"(^|-)(http|https|web|ui|dashboard)(-|$)")
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
GONE = ("extensions/v1beta1", "networking.k8s.io/v1beta1")  # removed in Kubernetes 1.22
_EXPRESSION = re.compile(r"[()\[\]*+?$^|\\{}]")
# More are not followed: a run must stay short, and what is wrong shows at the first.
MAX_FRONTS = 8
MAX_NODES = 4


def speaks_http(protocol: str) -> bool:
    """Whether an Ingress can carry it."""
    return protocol in HTTP_PRODUCTS or protocol in ("http", "https")


def is_web_name(name: str) -> bool:
    """Whether a port's name says that pages come from it."""
    return bool(_WEB.search(name))


def wanted(bridges: Iterable[Bridge]) -> bool:
    """Whether Ingresses are worth reading."""
    return any(
        speaks_http(port.protocol) or bridge.front_wanted
        for bridge in bridges
        if bridge.bridge_class is BridgeClass.BRIDGE
        for port in bridge.ports
    )


def with_fronts(
    bridges: Sequence[Bridge], ingresses: Sequence[Object], classes: Sequence[Object] | None
) -> tuple[Bridge, ...]:
    """The bridges, each with the rules that lead to it. `classes` None: could not be read."""
    rules = [_front(item, host, path, classes) for item, host, path in _rules(ingresses)]
    claims: dict[tuple[str, str, str], list[Rule]] = defaultdict(list)
    for rule in rules:
        claims[_claim(rule[2])].append(rule)
    by_service: dict[tuple[str, str], list[Front]] = defaultdict(list)
    for rule in rules:
        namespace, service, front = rule
        rivals = _rivals(rule, claims[_claim(front)])
        by_service[namespace, service].append(replace(front, rivals=rivals))
    return tuple(_led(b, by_service.get((b.namespace, b.service), [])) for b in bridges)


def with_nodes(bridges: Sequence[Bridge], nodes: Sequence[Object]) -> tuple[Bridge, ...]:
    """The bridges; those with a node port know the nodes' addresses."""
    known = tuple(_node_addresses(nodes))[:MAX_NODES]
    return tuple(
        replace(b, nodes=known) if any(p.node_port for p in b.ports) else b for b in bridges
    )


def _node_addresses(nodes: Sequence[Object]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        listed = (node.get("status") or {}).get("addresses") or []
        inside = (a["address"] for a in listed if a.get("type") == "InternalIP")
        address = next(inside, "")
        if address:
            yield node["metadata"]["name"], address


def _led(bridge: Bridge, rules: Sequence[Front]) -> Bridge:
    """An ExternalName may say no ports at all: then a backend's number is no mistake."""
    found = tuple(replace(f, port_key=_port_key(bridge, f.port)) for f in rules)
    if bridge.external_name and not any(p.name for p in bridge.ports):
        found = tuple(f for f in found if f.port_key)
    return replace(bridge, fronts=found, fronts_read=True)


def _port_key(bridge: Bridge, port: str) -> str:
    """Kubernetes compares a name with names and a number with numbers."""
    number = port.isdecimal()
    return next((p.key for p in bridge.ports if _is_port(p, port, number=number)), "")


def _is_port(port: Port, wanted: str, *, number: bool) -> bool:
    return str(port.port) == wanted if number else port.name == wanted


# -- one Ingress ---------------------------------------------------------------------------------


def _rules(ingresses: Sequence[Object]) -> Iterator[tuple[Object, str, Object]]:
    """Each path of each rule with its host; the default backend is a rule for everything."""
    for item in ingresses:
        spec = item.get("spec") or {}
        if spec.get("defaultBackend"):
            yield item, "", {"path": "/", "backend": spec["defaultBackend"]}
        for rule in spec.get("rules") or []:
            for path in (rule.get("http") or {}).get("paths") or []:
                yield item, rule.get("host") or "", path


def _front(item: Object, host: str, path: Object, classes: Sequence[Object] | None) -> Rule:
    """What one path says; a backend that is no Service has the name ""."""
    meta, spec = item["metadata"], item.get("spec") or {}
    notes: Mapping[str, str] = meta.get("annotations") or {}
    service = (path.get("backend") or {}).get("service") or {}
    port = service.get("port") or {}
    named, by = _class(item)
    found = None if classes is None else _class_object(classes, named)
    covering = _covering(spec.get("tls") or [], host)
    front = Front(
        ingress=meta["name"],
        host=host,
        path=_literal(path),
        port=str(port.get("name") or port.get("number") or ""),
        class_name=named,
        class_by=by,
        class_known=None if classes is None else found is not None,
        controller=str(((found or {}).get("spec") or {}).get("controller") or ""),
        addresses=_addresses(item),
        tls=covering is not None,
        tls_secret=(covering or {}).get("secretName") or "",
        tls_hosts=tuple(h for t in spec.get("tls") or [] for h in t.get("hosts") or []),
        rewrites=any("rewrite" in key for key in notes),
        canary=any(k.endswith("/canary") and v == "true" for k, v in notes.items()),
        applied_as=_applied_as(notes),
    )
    return meta["namespace"], service.get("name") or "", front


def _class(item: Object) -> tuple[str, str]:
    field = (item.get("spec") or {}).get("ingressClassName")
    if field:
        return field, "field"
    noted = (item["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
    return (noted, "annotation") if noted else ("", "")


def _class_object(classes: Sequence[Object], name: str) -> Object | None:
    return next((c for c in classes if c["metadata"]["name"] == name), None)


def _literal(path: Object) -> str:
    """What can be asked for: an expression up to where it begins."""
    text = str(path.get("path") or "/")
    if path.get("pathType") == "ImplementationSpecific":
        text = _EXPRESSION.split(text, maxsplit=1)[0]
    return text if text.startswith("/") else "/"


def _addresses(item: Object) -> tuple[str, ...]:
    listed = ((item.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    found = (entry.get("ip") or entry.get("hostname") or "" for entry in listed)
    return tuple(dict.fromkeys(a for a in found if a))


def _covering(entries: Sequence[Object], host: str) -> Object | None:
    """The entry of spec.tls for a host. One without hosts is for all that this Ingress has."""
    for entry in entries:
        hosts = entry.get("hosts") or []
        if not hosts or any(_covers(h, host) for h in hosts):
            return entry
    return None


def _covers(pattern: str, host: str) -> bool:
    if pattern.startswith("*."):
        return host.partition(".")[2] == pattern[2:]
    return pattern == host


def _applied_as(annotations: Mapping[str, str]) -> str:
    """The apiVersion of the manifest that kubectl applied last, where it is gone."""
    try:
        applied: Any = json.loads(annotations.get(LAST_APPLIED) or "{}")
    except (ValueError, RecursionError):
        return ""
    version = applied.get("apiVersion") if isinstance(applied, dict) else ""
    return version if version in GONE else ""


def _claim(front: Front) -> tuple[str, str, str]:
    """What only one Ingress can have; those of different classes do not meet."""
    return front.class_name, front.host, front.path


def _rivals(rule: Rule, claims: Sequence[Rule]) -> tuple[str, ...]:
    """Ingresses that lead elsewhere with the same claim. A canary is meant to."""
    namespace, service, front = rule
    if front.canary:
        return ()
    others = (r for r in claims if r[:2] != (namespace, service) and not r[2].canary)
    names = (f"{there}/{f.ingress}".removeprefix(f"{namespace}/") for there, _, f in others)
    return tuple(sorted(set(names)))
