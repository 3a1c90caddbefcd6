"""From what a user asks for to the objects that should be there: pure; refusals have reasons."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from k8sext import registry
from k8sext.bridges import infer
from k8sext.model.bridge import Bridge, CredentialRef, Endpoint, Kind, Port
from k8sext.model.plan import is_address
from k8sext.model.tls import TlsMode, TlsSpec

from . import ingress, refuse
from .spec import BridgeSpec, PortSpec

MANAGER = "k8sext"
Object = dict[str, Any]


def complete(spec: BridgeSpec, *, loopback: bool = False) -> BridgeSpec:
    """Protocol, ports and port names filled in, addresses in their shortest form.

    Raises K8sextError where nothing sound fits. `loopback` allows addresses of this machine, which
    is right only for what is probed from here and never written to a cluster.
    """
    spec = replace(spec, to=tuple(_canonical(t) for t in spec.to))
    words = infer.vocabulary(e.info for e in registry.wire_checks().values())
    if spec.protocol and spec.protocol not in words.names:
        raise refuse.error(
            spec,
            f"protocol {spec.protocol!r} is not known",
            f"known: {', '.join(sorted(words.names))}",
        )
    first = spec.ports[0] if spec.ports else None
    found = infer.protocol(
        words,
        annotation=spec.protocol,
        app_protocol="",
        port_name=first.name if first else "",
        port=first.target_port if first else 0,
        service=spec.name,
    )
    inferred = found.protocol
    guess = spec.guess or (None if spec.protocol else found)
    ports = spec.ports or _default_ports(spec, words.default_ports.get(inferred, 0))
    named = tuple(_named(p, n, inferred, len(ports)) for n, p in enumerate(ports))
    done = replace(spec, protocol=inferred, guess=guess, ports=named)
    refuse.bad_names(done)
    refuse.bad_expectations(done, words)
    refuse.bad_ports(done)
    refuse.bad_targets(done, loopback=loopback)
    return ingress.settled(done)


def led_to(spec: BridgeSpec, addresses: Sequence[str]) -> BridgeSpec:
    """A bridge that was to be resolved, with the addresses that its name has now."""
    origin = spec.to[0].rstrip(".")
    return complete(replace(spec, to=tuple(addresses), origin=origin, resolve=False))


def _canonical(text: str) -> str:
    return str(ipaddress.ip_address(text)) if is_address(text) else text


def _default_ports(spec: BridgeSpec, port: int) -> tuple[PortSpec, ...]:
    if not port:
        raise refuse.error(
            spec, "no port is given and the protocol has none of its own", "add ports"
        )
    return (PortSpec(port=port, target_port=port),)


def _named(port: PortSpec, number: int, protocol: str, count: int) -> PortSpec:
    """Service and slice are joined by the port's name, so every port gets one."""
    name = port.name or (protocol if count == 1 else f"{protocol}-{number + 1}")
    return replace(port, name=name)


# -- objects -------------------------------------------------------------------------------------


def objects(spec: BridgeSpec) -> tuple[Object, ...]:
    """Service first, then one slice per address family, then the Ingress."""
    front = (ingress.manifest(spec, _meta(spec, spec.name)),) if spec.ingress else ()
    service = _service(spec)
    if not is_address(spec.to[0]):
        return (service, *front)
    families = {4: "IPv4", 6: "IPv6"}
    by_family: dict[str, list[str]] = {}
    for address in spec.to:
        family = families[ipaddress.ip_address(address).version]
        by_family.setdefault(family, []).append(address)
    if list(by_family) != ["IPv4"]:
        service["spec"]["ipFamilies"] = sorted(by_family)
        two = len(by_family) == 2
        service["spec"]["ipFamilyPolicy"] = "RequireDualStack" if two else "SingleStack"
    return (service, *(_slice(spec, f, a) for f, a in by_family.items()), *front)


def _meta(spec: BridgeSpec, name: str) -> Object:
    labels = {"app.kubernetes.io/managed-by": MANAGER}
    return {"name": name, "namespace": spec.namespace, "labels": labels}


def _service(spec: BridgeSpec) -> Object:
    meta = {**_meta(spec, spec.name), "annotations": written_annotations(spec)}
    ports = [
        {"name": p.name, "port": p.port, "targetPort": p.target_port, "protocol": "TCP"}
        for p in spec.ports
    ]
    body: Object = {"type": "ClusterIP", "ports": ports}
    if not is_address(spec.to[0]):
        body = {"type": "ExternalName", "externalName": spec.to[0].rstrip("."), "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": body}


def written_annotations(spec: BridgeSpec) -> dict[str, str]:
    """What doctor reads back; never a secret, only its name."""
    tls = spec.tls_mode
    given = {
        "protocol": "" if _is_a_guess(spec) else spec.protocol,
        "credentials": spec.secret,
        "credentials-keys": ",".join(f"{a}={b}" for a, b in spec.secret_keys),
        "tls": tls,
        "tls-ca": spec.tls_ca,
        "tls-server-name": spec.tls_server_name,
        "expect": json.dumps(spec.expect, sort_keys=True) if spec.expect else "",
        "origin": spec.origin,
        "ingress": spec.ingress.leads if spec.ingress else "",
    }
    return {f"k8sext.io/{k}": v for k, v in given.items() if v}


def _is_a_guess(spec: BridgeSpec) -> bool:
    """Written down it would be certain; left out, the port's name makes the same guess again."""
    own_names = all(not p.name.startswith(spec.protocol) for p in spec.ports)
    return bool(spec.guess and spec.guess.fallback and own_names)


def _slice(spec: BridgeSpec, family: str, addresses: Sequence[str]) -> Object:
    meta = _meta(spec, f"{spec.name}-k8sext-{family.lower()}")
    meta["labels"] |= {
        "kubernetes.io/service-name": spec.name,
        "endpointslice.kubernetes.io/managed-by": MANAGER,
    }
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": meta,
        "addressType": family,
        "endpoints": [{"addresses": [a], "conditions": {"ready": True}} for a in addresses],
        "ports": [{"name": p.name, "port": p.target_port, "protocol": "TCP"} for p in spec.ports],
    }


# -- the same file for `doctor -f` ---------------------------------------------------------------


def to_bridges(specs: Iterable[BridgeSpec], *, loopback: bool = True) -> tuple[Bridge, ...]:
    """The bridges as doctor sees them; naming a Secret in a file of one's own vouches for it.

    Nothing is written, so loopback is allowed: `--from local -f` may look at this machine.
    """
    return tuple(_to_bridge(complete(s, loopback=loopback)) for s in specs)


def _to_bridge(spec: BridgeSpec) -> Bridge:
    outside = not is_address(spec.to[0])
    secret, _, key = spec.tls_ca.partition("#")
    wants_tls = spec.tls_mode or spec.tls_ca or spec.tls_server_name
    tls = TlsSpec(
        mode=TlsMode(spec.tls_mode) if spec.tls_mode else None,
        ca_secret=secret,
        ca_key=key or ("ca.crt" if secret else ""),
        server_name=spec.tls_server_name,
    )
    return Bridge(
        namespace=spec.namespace,
        service=spec.name,
        kind=Kind.EXTERNAL_NAME if outside else Kind.SELECTORLESS,
        ports=tuple(
            _guessed(
                Port(
                    name=p.name,
                    port=p.port,
                    protocol=spec.protocol,
                    protocol_source="file",
                    target_port=str(p.target_port),
                ),
                spec,
            )
            for p in spec.ports
        ),
        endpoints=()
        if outside
        else tuple(
            Endpoint(address=a, port=p.target_port, port_name=p.name, source="file")
            for a in spec.to
            for p in spec.ports
        ),
        external_name=spec.to[0] if outside else "",
        origin=spec.to[0].rstrip(".") if spec.resolve else spec.origin,
        credentials=CredentialRef(secret=spec.secret, keys=spec.secret_keys, vouched=True)
        if spec.secret
        else None,
        tls=tls if wants_tls else None,
        expect=spec.expect,
        front_wanted=spec.ingress.leads if spec.ingress else "",
        source=spec.source,
        given=spec.to,
    )


def _guessed(port: Port, spec: BridgeSpec) -> Port:
    """The port with what was inferred of it, where the file does not name its protocol. Who names a
    login or an expectation has a protocol in mind: then it is no guess.
    """
    guess = spec.guess
    if guess is None:
        return port
    return replace(
        port,
        protocol_source=guess.source,
        fallback="" if spec.expect or spec.secret else guess.fallback,
        tls=guess.tls,
        tls_first=guess.tls_first,
        product=guess.product,
    )
