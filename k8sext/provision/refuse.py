"""What no bridge can be, said with its reason before anything is written: pure.

Each raises K8sextError.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable

from k8sext.agent import expect
from k8sext.bridges import infer
from k8sext.errors import K8sextError
from k8sext.model.plan import is_address

from .spec import LABEL, SUBDOMAIN, BridgeSpec

MAX_ADDRESSES = 1000  # endpoints of one EndpointSlice (its API reference)
_HOST = re.compile(rf"(?=.{{1,253}}$){SUBDOMAIN}\.?")


def bad_expectations(spec: BridgeSpec, known: infer.Vocabulary) -> None:
    """A typing error in `expect` would pass for ever."""
    _, wrong = expect.read(known.expects.get(spec.protocol, {}), spec.expect)
    if wrong:
        raise error(spec, wrong[0], f"`k8sext checks` shows what {spec.protocol} can expect")


def bad_names(spec: BridgeSpec) -> None:
    """Names go into API paths, so flags are held to what the schema asks of a file."""
    if not re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", spec.name):
        raise error(
            spec,
            f"{spec.name!r} cannot be the name of a Service",
            "a to z, 0 to 9 and -, from a letter, at most 63",
        )
    if not re.fullmatch(LABEL, spec.namespace):
        raise error(spec, f"{spec.namespace!r} cannot be the name of a namespace", "")
    if spec.secret and not _HOST.fullmatch(spec.secret):
        raise error(
            spec,
            "credentials: that cannot be the name of a Secret",
            "name the Secret that holds the login, not the login",
        )
    if spec.origin and (is_address(spec.origin) or not _HOST.fullmatch(spec.origin)):
        raise error(
            spec,
            f"origin {spec.origin!r} is no host name",
            "name what the addresses were taken from, or leave it out",
        )


def bad_ports(spec: BridgeSpec) -> None:
    """Numbers out of range, and names or numbers that are given twice."""
    for port in spec.ports:
        if not (0 < port.port < 65536 and 0 < port.target_port < 65536):
            raise error(spec, f"port {port.port} → {port.target_port}", "a port is 1 to 65535")
    for what, values in (
        ("named", [p.name for p in spec.ports]),
        ("numbered", [str(p.port) for p in spec.ports]),
    ):
        repeated = next((v for v in values if values.count(v) > 1), None)
        if repeated is not None:
            raise error(spec, f"two ports are {what} {repeated}", "give each its own")


def bad_targets(spec: BridgeSpec, *, loopback: bool) -> None:
    """Targets that no Service can lead to, or not together."""
    addresses = [t for t in spec.to if is_address(t)]
    names = [t for t in spec.to if not is_address(t)]
    if spec.resolve and (addresses or spec.origin):
        what = "origin" if spec.origin else f"the address {addresses[0]}"
        raise error(
            spec,
            f"resolve, and {what} as well",
            "with resolve, name the one host to look up and nothing else",
        )
    if addresses and names:
        raise error(
            spec,
            f"{names[0]!r} is a host name among addresses",
            "write addresses only, or one host name only",
        )
    if len(names) > 1:
        raise error(spec, "two host names", "an ExternalName Service leads to one host name")
    if len(addresses) > MAX_ADDRESSES:
        raise error(spec, f"{len(addresses)} addresses", f"at most {MAX_ADDRESSES}")
    for name in names:
        if not _HOST.fullmatch(name) or re.fullmatch(r"[\d.]+", name):
            raise error(spec, f"{name!r} is neither an address nor a host name", "")
        if not spec.resolve:
            _refuse_other_port(spec, name)
    for address in addresses:
        _refuse_address(spec, address, loopback=loopback)
    if len(set(spec.to)) < len(spec.to):
        raise error(spec, "an address is written twice", "")


def _refuse_other_port(spec: BridgeSpec, name: str) -> None:
    """An ExternalName is an alias in DNS: clients dial the port they were told, nothing maps it."""
    for port in spec.ports:
        if port.port != port.target_port:
            raise error(
                spec,
                f"port {port.port} cannot lead to {port.target_port} of {name}",
                "a host name keeps its port; use the address instead",
            )


def _refuse_address(spec: BridgeSpec, text: str, *, loopback: bool) -> None:
    """What the API server refuses for endpoints (ValidateNonSpecialIP), said beforehand."""
    ip = ipaddress.ip_address(text)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id:
            raise error(spec, f"{text} has a zone, which only one machine knows", "leave it out")
        if ip.ipv4_mapped:
            raise error(spec, f"{text} is an IPv4 address in disguise", f"{ip.ipv4_mapped}")
    if ip.is_loopback and loopback:
        return
    for wrong, why in (
        (ip.is_unspecified, "unspecified"),
        (ip.is_loopback, "loopback: it would lead every pod to itself"),
        (ip.is_link_local, "link-local: it is not routed"),
        (ip.is_multicast, "multicast"),
    ):
        if wrong:
            raise error(spec, f"{text} is {why}", "name an address that nodes can reach")


def cluster_ips(specs: Iterable[BridgeSpec], taken: Collection[str]) -> None:
    """An endpoint may not be a cluster IP: kube-proxy does not forward to one from another."""
    for spec in specs:
        for address in spec.to:
            if address in taken:
                raise error(
                    spec,
                    f"{address} is the cluster IP of a Service here",
                    "name the address of the real host",
                )


def error(spec: BridgeSpec, what: str, fix: str) -> K8sextError:
    """The error of a bridge that cannot be."""
    return K8sextError(f"bridge {spec.name}: {what}", where=spec.source, fix=fix)


def one_ingress_twice(specs: Iterable[BridgeSpec]) -> None:
    """Two Ingresses for one host and path: which one is used, nobody says."""
    seen: dict[str, str] = {}
    for spec in specs:
        if spec.ingress is None:
            continue
        other = seen.setdefault(spec.ingress.leads, spec.name)
        if other != spec.name:
            what = f"{spec.ingress.leads} is asked for by bridge {other} as well"
            raise ingress_error(spec, what, "give each its own host or path")


def ingress_error(spec: BridgeSpec, what: str, fix: str) -> K8sextError:
    """The error of a bridge whose Ingress cannot be."""
    where = spec.ingress.source if spec.ingress else spec.source
    return K8sextError(f"bridge {spec.name}: ingress: {what}", where=where, fix=fix)
