"""The Ingress in front of a bridge: which port it leads to, and the object. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from k8sext.bridges import fronts
from k8sext.errors import K8sextError

if TYPE_CHECKING:
    from .desired import BridgeSpec, PortSpec

LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
# What networking.k8s.io/v1 takes (ValidateIngressSpec): a `*` stands for the first label only, an
# address is no host, a path is absolute.
HOST = rf"^(?!(\d+\.)*\d+$)(\*\.)?{SUBDOMAIN}$"
PATH = r"^/[^\s#?%]*$"
NAME = rf"^{SUBDOMAIN}$"
PORT = r"^([a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?)$"


@dataclass(frozen=True, slots=True, kw_only=True)
class IngressSpec:
    """What a user asks for. `port` is a port's name or number; "" is the one that speaks HTTP."""

    host: str
    class_name: str = ""
    tls_secret: str = ""
    path: str = "/"
    port: str = ""
    source: str = "command line"

    @property
    def leads(self) -> str:
        """Host and path, as the annotation `k8sext.io/ingress` has them."""
        return self.host if self.path == "/" else f"{self.host}{self.path}"


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
            raise _refused(spec, f"the bridge has no port {asked.port}", f"it has {known}")
        return found[0]
    if not fronts.speaks_http(spec.protocol):
        fix = "name a port that speaks HTTP (`port`), or leave the Ingress out"
        what = f"an Ingress carries HTTP only, and the bridge is {spec.protocol}"
        raise _refused(spec, what, fix)
    web = [p for p in spec.ports if fronts.is_web_name(p.name)]
    likely = web if len(web) == 1 else list(spec.ports)
    if len(likely) > 1:
        raise _refused(spec, f"which port shall it lead to? There are {known}",
                       "say `port` below `ingress`")  # fmt: skip
    return likely[0]


def refuse_twice(specs: Iterable[BridgeSpec]) -> None:
    """Two Ingresses for one host and path: which one is used, nobody says."""
    seen: dict[str, str] = {}
    for spec in specs:
        if spec.ingress is None:
            continue
        other = seen.setdefault(spec.ingress.leads, spec.name)
        if other != spec.name:
            raise _refused(spec, f"{spec.ingress.leads} is asked for by bridge {other} as well",
                           "give each its own host or path")  # fmt: skip


def _refused(spec: BridgeSpec, what: str, fix: str) -> K8sextError:
    where = spec.ingress.source if spec.ingress else spec.source
    return K8sextError(f"bridge {spec.name}: ingress: {what}", where=where, fix=fix)


def made(spec: BridgeSpec, meta: dict[str, Any]) -> dict[str, Any]:
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


def told(item: dict[str, Any]) -> str:
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
