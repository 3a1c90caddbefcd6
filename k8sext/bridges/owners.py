"""Whose an address is that something outside calls: pure, from the cluster's objects."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from k8sext.model.data import dataclass
from k8sext.model.owner import Owner

Object = Mapping[str, Any]
NODE_NETWORK = {4: 24, 6: 64}  # what is "beside the nodes", in bits: a guess, and told as one


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerObjects:
    """The objects that own addresses; None: could not be read."""

    pods: Sequence[Object] | None = None
    nodes: Sequence[Object] | None = None
    services: Sequence[Object] | None = None


def owners(addresses: Iterable[str], objects: OwnerObjects) -> tuple[Owner, ...]:
    """The owner of each `host:port`; names have none."""
    index = _OwnerIndex(objects)
    found = ((a, *_split(a)) for a in addresses)
    return tuple(index.owner(a, host, port) for a, host, port in found if host)


def _split(address: str) -> tuple[str, int]:
    """Host and port; ("", 0) for what is no IP address and port."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        return str(ipaddress.ip_address(host)), int(port)
    except ValueError:
        return "", 0


class _OwnerIndex:
    """The objects by what they are looked up by."""

    def __init__(self, objects: OwnerObjects) -> None:
        self.known = None not in (objects.pods, objects.nodes)
        self.pods = [p for p in objects.pods or () if _alive(p)]
        self.services = list(objects.services or ())
        self.nodes = {ip: n["metadata"]["name"] for n in objects.nodes or () for ip in _ips(n)}
        self.ranges = [r for n in objects.nodes or () for r in _ranges(n)]
        own = [p for p in self.pods if not p["spec"].get("hostNetwork")]
        self.by_pod_ip = {ip: p for p in own for ip in _pod_ips(p)}

    def owner(self, address: str, host: str, port: int) -> Owner:
        """Whose one address is."""
        pod = self.by_pod_ip.get(host)
        if pod:
            return Owner(address=address, kind="pod", name=_name(pod))
        if host in self.nodes:
            return self._on_node(address, host, port)
        service = next((s for s in self.services if host in _cluster_ips(s)), None)
        if service:
            count = self._replicas(service)
            return Owner(address=address, kind="service", name=_name(service), replicas=count)
        if not self.known:
            return Owner(address=address, kind="unknown")
        ip = ipaddress.ip_address(host)
        if any(ip in r for r in self.ranges):
            return Owner(address=address, kind="gone")
        return Owner(address=address, kind="stranger" if self._beside_nodes(host) else "outside")

    def _on_node(self, address: str, host: str, port: int) -> Owner:
        for service in self.services:
            if any(p.get("nodePort") == port for p in service["spec"].get("ports") or ()):
                count = self._replicas(service)
                return Owner(address=address, kind="node-port", name=_name(service), replicas=count)
        node = self.nodes[host]
        for pod in self.pods:
            if pod["spec"].get("nodeName") == node and port in _host_ports(pod):
                return Owner(address=address, kind="host-port", name=_name(pod))
        return Owner(address=address, kind="node" if self.known else "unknown", name=node)

    def _replicas(self, service: Object) -> int:
        """Ready pods that the Service selects; 1 where it has no selector."""
        selector = (service["spec"].get("selector") or {}).items()
        if not selector:
            return 1
        here = (p for p in self.pods if p["metadata"]["namespace"] == _namespace(service))
        mine = (p for p in here if selector <= (p["metadata"].get("labels") or {}).items())
        return max(1, sum(map(_ready, mine)))

    def _beside_nodes(self, host: str) -> bool:
        ip = ipaddress.ip_address(host)
        return any(
            ip in ipaddress.ip_network(f"{n}/{NODE_NETWORK[ip.version]}", strict=False)
            for n in self.nodes
            if ipaddress.ip_address(n).version == ip.version
        )


def _alive(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Running", "Pending")


def _ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def _ips(node: Object) -> Iterator[str]:
    for item in (node.get("status") or {}).get("addresses") or ():
        if item.get("type") in ("InternalIP", "ExternalIP"):
            yield item["address"]


def _ranges(node: Object) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for text in (node.get("spec") or {}).get("podCIDRs") or ():
        yield ipaddress.ip_network(text, strict=False)


def _pod_ips(pod: Object) -> Iterator[str]:
    for item in (pod.get("status") or {}).get("podIPs") or ():
        yield item["ip"]


def _host_ports(pod: Object) -> set[int]:
    """Ports of the node that lead to the pod; with hostNetwork all that it declares."""
    spec = pod["spec"]
    ports = [p for c in spec.get("containers") or () for p in c.get("ports") or ()]
    word = "containerPort" if spec.get("hostNetwork") else "hostPort"
    return {p[word] for p in ports if p.get(word)}


def _cluster_ips(service: Object) -> Sequence[str]:
    return service["spec"].get("clusterIPs") or ()


def _namespace(item: Object) -> str:
    return str(item["metadata"]["namespace"])


def _name(item: Object) -> str:
    return f"{_namespace(item)}/{item['metadata']['name']}"
