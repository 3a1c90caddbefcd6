"""From what a user asks for to the objects that should be there: pure; refusals have reasons."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from k8sext import registry
from k8sext.agent import expect
from k8sext.bridges import infer
from k8sext.errors import K8sextError
from k8sext.model.bridge import Bridge, CredentialRef, Endpoint, Kind, Port
from k8sext.model.plan import is_address
from k8sext.model.result import Facts, Json
from k8sext.model.tls import TlsMode, TlsSpec

from . import ingress
from .ingress import IngressSpec

MANAGER = "k8sext"
_HOST = re.compile(rf"(?=.{{1,253}}$){ingress.SUBDOMAIN}\.?")
MAX_ADDRESSES = 1000  # endpoints of one EndpointSlice (its API reference)
Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PortSpec:
    """A port of the Service and the port out there."""

    port: int
    target_port: int
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeSpec:
    """One bridge as asked for, by flags or by a file."""

    name: str
    namespace: str
    to: tuple[str, ...]
    ports: tuple[PortSpec, ...] = ()
    protocol: str = ""
    secret: str = ""
    secret_keys: tuple[tuple[str, str], ...] = ()
    tls_mode: str = ""
    tls_ca: str = ""
    tls_server_name: str = ""
    expect: Facts = field(default_factory=dict[str, Json])
    origin: str = ""
    resolve: bool = False  # `to` is one name, whose addresses the bridge shall hold
    ingress: IngressSpec | None = None
    source: str = "command line"
    guess: infer.Inferred | None = None  # how the protocol was inferred, where nobody said it


def complete(spec: BridgeSpec, *, loopback: bool = False) -> BridgeSpec:
    """Protocol, ports and port names filled in, addresses in their shortest form.

    Raises K8sextError where nothing sound fits. `loopback` allows addresses of this machine, which
    is right only for what is probed from here and never written to a cluster.
    """
    spec = replace(spec, to=tuple(_canonical(t) for t in spec.to))
    words = infer.vocabulary(e.info for e in registry.wire_checks().values())
    if spec.protocol and spec.protocol not in words.names:
        raise _refused(spec, f"protocol {spec.protocol!r} is not known",
                       f"known: {', '.join(sorted(words.names))}")  # fmt: skip
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
    _refuse_words(done)
    _refuse_expectations(done, words)
    _refuse_ports(done)
    _refuse_targets(done, loopback=loopback)
    return ingress.settled(done)


def led_to(spec: BridgeSpec, addresses: Sequence[str]) -> BridgeSpec:
    """A bridge that was to be resolved, with the addresses that its name has now."""
    origin = spec.to[0].rstrip(".")
    return complete(replace(spec, to=tuple(addresses), origin=origin, resolve=False))


def _canonical(text: str) -> str:
    return str(ipaddress.ip_address(text)) if is_address(text) else text


def _default_ports(spec: BridgeSpec, port: int) -> tuple[PortSpec, ...]:
    if not port:
        raise _refused(spec, "no port is given and the protocol has none of its own", "add ports")
    return (PortSpec(port=port, target_port=port),)


def _named(port: PortSpec, number: int, protocol: str, count: int) -> PortSpec:
    """Service and slice are joined by the port's name, so every port gets one."""
    name = port.name or (protocol if count == 1 else f"{protocol}-{number + 1}")
    return replace(port, name=name)


def _refuse_expectations(spec: BridgeSpec, words: infer.Vocabulary) -> None:
    """A typing error in `expect` would pass for ever."""
    _, wrong = expect.read(words.expects.get(spec.protocol, {}), spec.expect)
    if wrong:
        raise _refused(spec, wrong[0], f"`k8sext checks` shows what {spec.protocol} can expect")


def _refuse_words(spec: BridgeSpec) -> None:
    """Names go into API paths, so flags are held to what the schema asks of a file."""
    if not re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", spec.name):
        raise _refused(spec, f"{spec.name!r} cannot be the name of a Service",
                       "a to z, 0 to 9 and -, from a letter, at most 63")  # fmt: skip
    if not re.fullmatch(ingress.LABEL, spec.namespace):
        raise _refused(spec, f"{spec.namespace!r} cannot be the name of a namespace", "")
    if spec.secret and not _HOST.fullmatch(spec.secret):
        raise _refused(spec, "credentials: that cannot be the name of a Secret",
                       "name the Secret that holds the login, not the login")  # fmt: skip
    if spec.origin and (is_address(spec.origin) or not _HOST.fullmatch(spec.origin)):
        raise _refused(spec, f"origin {spec.origin!r} is no host name",
                       "name what the addresses were taken from, or leave it out")  # fmt: skip


def _refuse_ports(spec: BridgeSpec) -> None:
    for port in spec.ports:
        if not (0 < port.port < 65536 and 0 < port.target_port < 65536):
            raise _refused(spec, f"port {port.port} → {port.target_port}", "a port is 1 to 65535")
    for what, values in (
        ("named", [p.name for p in spec.ports]),
        ("numbered", [str(p.port) for p in spec.ports]),
    ):
        repeated = next((v for v in values if values.count(v) > 1), None)
        if repeated is not None:
            raise _refused(spec, f"two ports are {what} {repeated}", "give each its own")


def _refuse_targets(spec: BridgeSpec, *, loopback: bool) -> None:
    addresses = [t for t in spec.to if is_address(t)]
    names = [t for t in spec.to if not is_address(t)]
    if spec.resolve and (addresses or spec.origin):
        what = "origin" if spec.origin else f"the address {addresses[0]}"
        raise _refused(spec, f"resolve, and {what} as well",
                       "with resolve, name the one host to look up and nothing else")  # fmt: skip
    if addresses and names:
        raise _refused(spec, f"{names[0]!r} is a host name among addresses",
                       "write addresses only, or one host name only")  # fmt: skip
    if len(names) > 1:
        raise _refused(spec, "two host names", "an ExternalName Service leads to one host name")
    if len(addresses) > MAX_ADDRESSES:
        raise _refused(spec, f"{len(addresses)} addresses", f"at most {MAX_ADDRESSES}")
    for name in names:
        if not _HOST.fullmatch(name) or re.fullmatch(r"[\d.]+", name):
            raise _refused(spec, f"{name!r} is neither an address nor a host name", "")
        if not spec.resolve:
            _refuse_other_port(spec, name)
    for address in addresses:
        _refuse_address(spec, address, loopback=loopback)
    if len(set(spec.to)) < len(spec.to):
        raise _refused(spec, "an address is written twice", "")


def _refuse_other_port(spec: BridgeSpec, name: str) -> None:
    """An ExternalName is an alias in DNS: clients dial the port they were told, nothing maps it."""
    for port in spec.ports:
        if port.port != port.target_port:
            raise _refused(spec, f"port {port.port} cannot lead to {port.target_port} of {name}",
                           "a host name keeps its port; use the address instead")  # fmt: skip


def _refuse_address(spec: BridgeSpec, text: str, *, loopback: bool) -> None:
    """What the API server refuses for endpoints (ValidateNonSpecialIP), said beforehand."""
    ip = ipaddress.ip_address(text)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id:
            raise _refused(spec, f"{text} has a zone, which only one machine knows", "leave it out")
        if ip.ipv4_mapped:
            raise _refused(spec, f"{text} is an IPv4 address in disguise", f"{ip.ipv4_mapped}")
    if ip.is_loopback and loopback:
        return
    for wrong, why in (
        (ip.is_unspecified, "unspecified"),
        (ip.is_loopback, "loopback: it would lead every pod to itself"),
        (ip.is_link_local, "link-local: it is not routed"),
        (ip.is_multicast, "multicast"),
    ):
        if wrong:
            raise _refused(spec, f"{text} is {why}", "name an address that nodes can reach")


def refuse_cluster_ips(specs: Iterable[BridgeSpec], cluster_ips: Collection[str]) -> None:
    """An endpoint may not be a cluster IP: kube-proxy does not forward to one from another."""
    for spec in specs:
        for address in spec.to:
            if address in cluster_ips:
                raise _refused(spec, f"{address} is the cluster IP of a Service here",
                               "name the address of the real host")  # fmt: skip


def _refused(spec: BridgeSpec, what: str, fix: str) -> K8sextError:
    return K8sextError(f"bridge {spec.name}: {what}", where=spec.source, fix=fix)


# -- objects -------------------------------------------------------------------------------------


def objects(spec: BridgeSpec) -> tuple[Object, ...]:
    """Service first, then one slice per address family, then the Ingress."""
    front = (ingress.made(spec, _meta(spec, spec.name)),) if spec.ingress else ()
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
            _guessed(Port(name=p.name, port=p.port, protocol=spec.protocol, protocol_source="file",
                          target_port=str(p.target_port)), spec)
            for p in spec.ports
        ),
        endpoints=() if outside else tuple(
            Endpoint(address=a, port=p.target_port, port_name=p.name, source="file")
            for a in spec.to for p in spec.ports
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
    )  # fmt: skip


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
