"""Bridges written short become Kubernetes objects, as people write them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.gym.case import is_address
from tests.gym.verdict import listed
from tests.lab.guise import Guise

Object = dict[str, Any]
Bridge = Mapping[str, Any]
_MARK = re.compile(r"\$\{([^}]+)\}")
CA_SECRET = "lab-ca"


def filler(facts: Mapping[str, str]) -> Callable[[Any], Any]:
    """What writes out `${…}` in every text of a value. Raises LookupError for what is unknown."""

    def one(match: re.Match[str]) -> str:
        if match[1] not in facts:
            raise LookupError(f"${{{match[1]}}} is not known; known: {', '.join(sorted(facts))}")
        return facts[match[1]]

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            return _MARK.sub(one, value)
        if isinstance(value, Mapping):
            return {fill(k): fill(v) for k, v in value.items()}
        if isinstance(value, list):
            return [fill(v) for v in value]
        return value

    return fill


def objects_of(
    bridges: Sequence[Bridge],
    servers: Mapping[str, Guise],
    login: Callable[[Guise], Mapping[str, str]],
    authority: str,
) -> list[Object]:
    """Service, EndpointSlice (or Endpoints) and Secret of each bridge."""
    made = [o for b in bridges for o in _bridge(b, servers, login)]
    if any(_trusts(b, servers) for b in bridges):
        made.append(_secret(CA_SECRET, {"ca.crt": authority}))
    return made


def _bridge(
    bridge: Bridge,
    servers: Mapping[str, Guise],
    login: Callable[[Guise], Mapping[str, str]],
) -> list[Object]:
    server = _server(bridge, servers)
    values = _login(bridge, server, login)
    service = _service(bridge, servers, bool(values))
    kind = bridge.get("kind", "selectorless")
    made = [service]
    if kind == "endpoints":
        made.append(_endpoints(bridge, servers))
    elif kind != "external-name" and "to" in bridge:
        made.append(_slice(bridge, servers))
    if values:
        made.append(_secret(f"{bridge['name']}-auth", values))
    return made


def _server(bridge: Bridge, servers: Mapping[str, Guise]) -> Guise | None:
    """The first server behind it, which gives what is not written."""
    return next((servers[n] for n in listed(bridge.get("to", [])) if n in servers), None)


def _login(
    bridge: Bridge, server: Guise | None, login: Callable[[Guise], Mapping[str, str]]
) -> dict[str, str]:
    """The Secret's values: the server's own login, what the case says over it, and consent."""
    wanted = bridge.get("login", True)
    own = dict(login(server)) if server and wanted is not False else {}
    given = {str(k): str(v) for k, v in wanted.items()} if isinstance(wanted, Mapping) else {}
    values = {**own, **given}
    return {**_consent(bridge), **values} if values else {}


def _consent(bridge: Bridge) -> dict[str, str]:
    """What lets the login go to the bridge: of an ExternalName the host that it leads to."""
    if bridge.get("kind") == "external-name":
        return {"host": bridge["external_name"]}
    return {"k8sext.service": bridge["name"]}


def _protocol(bridge: Bridge, server: Guise | None) -> str:
    return str(bridge.get("protocol") or (server.role.protocol if server else "tcp"))


def _port(bridge: Bridge, server: Guise | None) -> int:
    return int(bridge.get("port") or (server.port if server else 0))


def _port_name(bridge: Bridge, server: Guise | None) -> str:
    return str(bridge.get("port_name", _protocol(bridge, server)))


def _trusts(bridge: Bridge, servers: Mapping[str, Guise]) -> bool:
    """Whether it names the lab's authority: where its server has TLS, unless told otherwise."""
    server = _server(bridge, servers)
    default = bool(server and server.encrypted and _tls(bridge, server) != "disable")
    return bool(bridge.get("ca", default))


def _tls(bridge: Bridge, server: Guise | None) -> str:
    default = "verify-full" if server and server.encrypted else "disable"
    return str(bridge.get("tls", default))


def _service(bridge: Bridge, servers: Mapping[str, Guise], login: bool) -> Object:
    server = _server(bridge, servers)
    notes = {"protocol": _protocol(bridge, server), "tls": _tls(bridge, server)}
    if login:
        notes["credentials"] = f"{bridge['name']}-auth"
    if _trusts(bridge, servers):
        notes["tls-ca"] = f"{CA_SECRET}#ca.crt"
    if "server_name" in bridge:
        notes["tls-server-name"] = bridge["server_name"]
    if "expect" in bridge:
        notes["expect"] = json.dumps(bridge["expect"])
    annotations: dict[str, Any] = {f"k8sext.io/{k}": v for k, v in notes.items()}
    for key, value in bridge.get("annotations", {}).items():
        annotations[key] = value if value is None else str(value)
    kept = {k: v for k, v in annotations.items() if v is not None}
    port = _port(bridge, server)
    spec: Object = {
        "ports": [
            {
                "name": _port_name(bridge, server),
                "port": int(bridge.get("service_port", port)),
                "targetPort": port,
            }
        ]
    }
    kind = bridge.get("kind", "selectorless")
    if kind == "headless":
        spec["clusterIP"] = "None"
    if kind == "external-name":
        spec |= {"type": "ExternalName", "externalName": bridge["external_name"]}
    meta = {"name": bridge["name"], "annotations": kept}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def _addresses(bridge: Bridge, servers: Mapping[str, Guise]) -> list[str]:
    return [n if is_address(n) else servers[n].address for n in listed(bridge["to"])]


def _slice(bridge: Bridge, servers: Mapping[str, Guise]) -> Object:
    server, name = _server(bridge, servers), bridge["name"]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [a]} for a in _addresses(bridge, servers)],
        "ports": [{"name": _port_name(bridge, server), "port": _port(bridge, server)}],
    }


def _endpoints(bridge: Bridge, servers: Mapping[str, Guise]) -> Object:
    server = _server(bridge, servers)
    subset = {
        "addresses": [{"ip": a} for a in _addresses(bridge, servers)],
        "ports": [{"name": _port_name(bridge, server), "port": _port(bridge, server)}],
    }
    meta = {"name": bridge["name"]}
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": [subset]}


def _secret(name: str, values: Mapping[str, str]) -> Object:
    meta = {"name": name}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": dict(values)}
