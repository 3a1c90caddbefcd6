"""What a host means: a bridge by a name that DNS knows, or an address or name behind it."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import field

from k8sext.model.bridge import Bridge
from k8sext.model.data import dataclass
from k8sext.model.workload import How

from .hosts import plain

NO_SERVICE = frozenset({"localhost", "true", "false", "yes", "no", "null", "none", "auto"})
Key = tuple[str, str]  # (namespace, Service)


@dataclass(frozen=True, slots=True)
class Meaning:
    """A bridge, how it is meant, and whether another service of that host could be meant."""

    bridge: Bridge
    how: How
    likely: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """Bridges by what they are called. `services` are all Services that were seen.

    `complete` says that these are all there are in `namespaces`, so that a name which is not among
    them does not exist.
    """

    bridges: dict[Key, Bridge]
    services: Collection[Key]
    namespaces: Collection[str]
    complete: bool = True
    labels: frozenset[str] = frozenset()  # the names of bridges, without namespace
    behind: dict[str, list[tuple[Bridge, int]]] = field(
        default_factory=lambda: defaultdict[str, list[tuple[Bridge, int]]](list)
    )
    outside: dict[str, list[Bridge]] = field(
        default_factory=lambda: defaultdict[str, list[Bridge]](list)
    )
    virtual: dict[str, Bridge] = field(default_factory=dict[str, Bridge])
    logins: dict[Key, list[Bridge]] = field(  # by namespace and Secret
        default_factory=lambda: defaultdict[Key, list[Bridge]](list)
    )

    def can_mean(self, host: str) -> bool:
        """Whether a host can mean a bridge to anybody; quick, for the many words that cannot."""
        first, _, rest = host.partition(".")
        known = first in self.labels or rest.partition(".")[0] in self.labels
        return known or host in self.behind or host in self.outside or host in self.virtual

    def meaning(self, namespace: str, host: str, port: int | None) -> list[Meaning]:
        """The bridges that a host means to a pod of a namespace; mostly none or one."""
        for key in keys(namespace, host):
            if key in self.bridges:
                return [Meaning(self.bridges[key], How.NAME)]
            if key in self.services:
                return []
        if host in self.virtual:
            return [Meaning(self.virtual[host], How.CLUSTER_IP)]
        if host in self.behind:
            return self._at_address(host, port)
        return self._outside(host, port)

    def _at_address(self, host: str, port: int | None) -> list[Meaning]:
        """With a port: the bridges that lead to it; another port is another service's."""
        found = [b for b, number in self.behind[host] if port in (None, number)]
        each = list({b.ref: b for b in found}.values())
        if port is None and len(each) > 1:
            return []
        return [Meaning(b, How.ENDPOINT, likely=port is None) for b in each]

    def _outside(self, host: str, port: int | None) -> list[Meaning]:
        found = self.outside.get(host, [])
        fits = [
            b for b in found if port is None or port in {p.port for p in b.ports} or not b.ports
        ]
        if port is None and len(fits) > 1:
            return []
        return [Meaning(b, How.TARGET, likely=port is None) for b in fits]

    def missing(self, namespace: str, host: str) -> Key | None:
        """The Service that a host reads as, where it is certain that there is none."""
        if not self.complete or host in NO_SERVICE or not any(c.isalpha() for c in host):
            return None
        read = keys(namespace, host)
        if not read or any(key in self.services for key in read):
            return None
        return read[0] if read[0][0] in self.namespaces else None


def keys(namespace: str, host: str) -> list[Key]:
    """What a pod's search list makes of a host: `svc`, `svc.ns`, `svc.ns.svc`, `svc.ns.svc.DOMAIN`.

    Of the last two, `POD.svc.ns.svc` is a pod behind a headless Service.
    """
    labels = host.split(".")
    if len(labels) == 1:
        return [(namespace, host)]
    if len(labels) == 2:
        return [(labels[1], labels[0])]
    if labels[2] == "svc":
        return [(labels[1], labels[0])]
    if len(labels) > 3 and labels[3] == "svc":
        return [(labels[2], labels[1])]
    return []


def names(
    bridges: Iterable[Bridge],
    services: Collection[Key],
    namespaces: Collection[str],
    *,
    complete: bool = True,
) -> Names:
    """The index of some bridges."""
    known = {(b.namespace, b.service): b for b in bridges}
    labels = frozenset(service for _, service in known)
    made = Names(known, services, namespaces, complete, labels)
    for bridge in known.values():
        for endpoint in bridge.endpoints:
            if _useful(endpoint.address):
                made.behind[plain(endpoint.address)].append((bridge, endpoint.port))
        for address in bridge.cluster_ips:
            made.virtual[plain(address)] = bridge
        refs = (bridge.credentials, *(ref for _, ref in bridge.credentials_by_port))
        for secret in {ref.secret for ref in refs if ref}:
            made.logins[bridge.namespace, secret].append(bridge)
        for target in {bridge.external_name, bridge.origin} - {""}:
            made.outside[plain(target)].append(bridge)
    return made


def _useful(address: str) -> bool:
    """Loopback addresses mean every machine."""
    try:
        return not ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
