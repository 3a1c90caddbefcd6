"""The Ingress in front of a bridge: which port it leads to, and the object. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from k8sext.bridges import fronts

from . import refuse
from .spec import BridgeSpec, IngressSpec, PortSpec


def settled(spec: BridgeSpec) -> BridgeSpec:
    """With the name of the port that the Ingress leads to.

    Raises K8sextError where no port fits, or several do.
    """
    if spec.ingress is None:
        return spec
    port = _chosen(spec, spec.ingress)
    return replace(spec, ingress=replace(spec.ingress, port=port.name))


def _chosen(spec: BridgeSpec, asked: IngressSpec) -> PortSpec:
    known = ", ".join(f"{p.name} ({p.port})" for p in spec.ports)
    if asked.port:
        found = [p for p in spec.ports if asked.port in (p.name, str(p.port))]
        if not found:
            raise refuse.ingress_error(
                spec, f"the bridge has no port {asked.port}", f"it has {known}"
            )
        return found[0]
    if not fronts.speaks_http(spec.protocol):
        fix = "name a port that speaks HTTP (`port`), or leave the Ingress out"
        what = f"an Ingress carries HTTP only, and the bridge is {spec.protocol}"
        raise refuse.ingress_error(spec, what, fix)
    web = [p for p in spec.ports if fronts.is_web_name(p.name)]
    likely = web if len(web) == 1 else list(spec.ports)
    if len(likely) > 1:
        raise refuse.ingress_error(
            spec, f"which port shall it lead to? There are {known}", "say `port` below `ingress`"
        )
    return likely[0]


def manifest(spec: BridgeSpec, meta: dict[str, Any]) -> dict[str, Any]:
    """The Ingress, of the same name as the Service."""
    asked = spec.ingress
    assert asked is not None
    backend = {"service": {"name": spec.name, "port": {"name": asked.port}}}
    path = {"path": asked.path, "pathType": "Prefix", "backend": backend}
    body: dict[str, Any] = {"rules": [{"host": asked.host, "http": {"paths": [path]}}]}
    if asked.class_name:
        body["ingressClassName"] = asked.class_name
    if asked.tls_secret:
        body["tls"] = [{"hosts": [asked.host], "secretName": asked.tls_secret}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": meta,
        "spec": body,
    }


def description(item: dict[str, Any]) -> str:
    """One line about a new Ingress."""
    spec = item["spec"]
    rule = spec["rules"][0]
    path = rule["http"]["paths"][0]
    service = path["backend"]["service"]
    parts = [f"{rule['host']}{path['path']} → {service['name']}:{service['port']['name']}"]
    if "ingressClassName" in spec:
        parts.append(f"class {spec['ingressClassName']}")
    if "tls" in spec:
        parts.append(f"TLS by Secret {spec['tls'][0]['secretName']}")
    return ", ".join(parts)
