"""Names: the cluster's CoreDNS on node1, and the outside world's on a host of its own.

The cluster's knows `cluster.local` and asks the other for the rest, as a real one asks its
site's resolvers. The outside one answers from a hosts file that tests may change at run time;
what is not in it does not exist.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Literal

from tests.lab import wire
from tests.lab.building.golang import binary
from tests.lab.cluster import kubeapi
from tests.lab.component import Component, folder_for, spawn
from tests.lab.hosts import BROKER, CLOSED, CLUSTER_DNS, DATABASE, DNS, NODE1, REDIS, SILENT, WEB
from tests.lab.pki import kubeconfig_file
from tests.lab.place import LabError, Place

A, AAAA = 1, 28
"""Types of records (RFC 1035, RFC 3596)."""
NAMES = {
    "db.corp.example": DATABASE.address,
    "postgresql.corp.example": DATABASE.address,
    "mysql.corp.example": DATABASE.address,
    "redis.corp.example": REDIS.address,
    "rabbitmq.corp.example": BROKER.address,
    "elasticsearch.corp.example": BROKER.address,
    "web.corp.example": WEB.address,
    "www.example.com": WEB.address,
    "closed.corp.example": CLOSED.address,
    "silent.corp.example": SILENT,
}
"""Names of the outside world when the lab comes up."""

_CLUSTER = """.:53 {{
  bind {address}
  errors
  ready 127.0.0.1:8181
  kubernetes cluster.local in-addr.arpa ip6.arpa {{
    kubeconfig {kubeconfig} lab
    pods insecure
    fallthrough in-addr.arpa ip6.arpa
    ttl 1
  }}
  forward . {upstream}
}}
"""
_OUTSIDE = """.:53 {{
  bind {address}
  errors
  ready 127.0.0.1:8181
  hosts {names} {{
    ttl 1
    reload 200ms
    fallthrough
  }}
  file {nothing} .
}}
"""
Broken = Literal["servfail", "refused", "silent", "empty"]
_PLUGINS: dict[Broken, str] = {
    "servfail": "template ANY ANY {\n    rcode SERVFAIL\n  }",
    "refused": "template ANY ANY {\n    rcode REFUSED\n  }",
    "silent": "erratic {\n    drop 1\n  }",
    "empty": "template ANY ANY {\n    rcode NOERROR\n  }",
}
"""`silent`: no answer at all; `empty`: the name exists and has no address."""

_NOTHING = """. 1 IN SOA dns.corp.example. nobody.corp.example. 1 60 60 60 1
. 1 IN NS dns.corp.example.
"""
"""A root zone without names: without it the hosts plug-in says SERVFAIL where NXDOMAIN is meant."""


def names_file(place: Place) -> Path:
    """The hosts file of the outside world."""
    return place.state / "dns" / "names"


def set_name(place: Place, name: str, addresses: tuple[str, ...]) -> None:
    """Give an outside name these addresses (none: it does not exist) and wait for it."""
    lines = names_file(place).read_text().splitlines()
    kept = [line for line in lines if line.split()[1:] != [name]]
    new = [f"{address} {name}" for address in addresses]
    _replace(place, "\n".join([*kept, *new]) + "\n")
    give_up = time.monotonic() + 10
    while {*lookup(place, name), *lookup(place, name, record=AAAA)} != set(addresses):
        if time.monotonic() > give_up:
            raise LabError(f"the lab's DNS does not take over {name}")
        time.sleep(0.05)


@contextlib.contextmanager
def name_set_to(place: Place, name: str, *addresses: str) -> Generator[None]:
    """An outside name has other addresses for a while."""
    before = lookup(place, name)
    set_name(place, name, addresses)
    try:
        yield
    finally:
        set_name(place, name, before)


@contextlib.contextmanager
def name_broken(place: Place, name: str, how: Broken) -> Generator[None]:
    """The outside server answers a name (and what is below it) badly for a while."""
    file = folder_for(place, "dns") / f"{name}.broken"
    file.write_text(f"{name}:53 {{\n  bind {DNS.address}\n  {_PLUGINS[how]}\n}}\n")
    start_again(place)
    try:
        yield
    finally:
        file.unlink()
        start_again(place)


def restored(place: Place) -> None:
    """Names are those of a new lab again, and none is answered badly."""
    own = sorted(f"{address} {name}" for name, address in NAMES.items())
    folder = folder_for(place, "dns")
    changed = [*folder.glob("*.broken"), *folder.glob("*.records")]
    for file in changed:
        file.unlink()
    file = names_file(place)
    if file.exists() and sorted(file.read_text().splitlines()) != own:
        _replace(place, "\n".join(own) + "\n")
    if changed:
        start_again(place)


def _lines(folder: Path, kind: str) -> Iterator[str]:
    """What cases have written: zones that are broken, records of the root zone."""
    return (file.read_text() for file in sorted(folder.glob(f"*.{kind}")))


def start_again(place: Place) -> None:
    """The outside server, with what its files say now."""
    outside = COMPONENTS[0]
    outside.stop(place)
    outside.start(place)
    outside.await_ready(place)


def lookup(
    place: Place, name: str, host: str = DNS.name, server: str = "", record: int = A
) -> tuple[str, ...]:
    """Addresses of a name, of one family; none when it does not exist."""
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    with wire.network_of(place, host):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with client:
        client.settimeout(2)
        client.connect((server or DNS.address, 53))
        client.send(
            struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + question + struct.pack(">BHH", 0, record, 1)
        )
        answer = client.recv(4096)
    flags, _, count = struct.unpack(">3H", answer[2:8])
    if flags & 15 not in (0, 3):
        raise LabError(f"DNS answers {name} with code {flags & 15}")
    return tuple(_addresses(answer, 12 + len(question) + 5, count, record))


def _addresses(answer: bytes, at: int, count: int, record: int) -> Iterator[str]:
    """The addresses in an answer whose question ends at `at`."""
    for _ in range(count):
        while answer[at] & 0xC0 != 0xC0 and answer[at]:
            at += 1 + answer[at]
        at += 2 if answer[at] else 1
        kind, _, _, size = struct.unpack(">HHIH", answer[at : at + 10])
        if kind == record:
            yield str(ipaddress.ip_address(answer[at + 10 : at + 10 + size]))
        at += 10 + size


def _replace(place: Place, text: str) -> None:
    """Rename into place: CoreDNS must never read half a file."""
    file = names_file(place)
    new = file.with_suffix(".new")
    new.write_text(text)
    new.rename(file)


def _start_outside(place: Place) -> None:
    folder = folder_for(place, "dns")
    if not names_file(place).exists():
        lines = [f"{address} {name}" for name, address in NAMES.items()]
        _replace(place, "\n".join(lines) + "\n")
    corefile = folder / "Corefile"
    nothing = folder / "nothing"
    nothing.write_text(_NOTHING + "".join(_lines(folder, "records")))
    text = _OUTSIDE.format(address=DNS.address, names=names_file(place), nothing=nothing)
    corefile.write_text(text + "".join(_lines(folder, "broken")))
    spawn(place, "dns", DNS.name, [binary("coredns"), "-conf", str(corefile)])


def _outside_ready(place: Place) -> bool:
    return wire.http_request(place, DNS.name, "127.0.0.1", 8181, "/ready").status == 200


def _start_cluster(place: Place) -> None:
    corefile = folder_for(place, "coredns") / "Corefile"
    kubeconfig = kubeconfig_file(place, "coredns")
    text = _CLUSTER.format(address=NODE1.address, kubeconfig=kubeconfig, upstream=DNS.address)
    corefile.write_text(text)
    for path, manifest in _objects():
        kubeapi.apply(place, path, manifest)
    spawn(place, "coredns", NODE1.name, [binary("coredns"), "-conf", str(corefile)])


def _cluster_ready(place: Place) -> bool:
    if wire.http_request(place, NODE1.name, "127.0.0.1", 8181, "/ready").status != 200:
        return False
    return bool(lookup(place, "kubernetes.default.svc.cluster.local", NODE1.name, NODE1.address))


def _objects() -> list[tuple[str, dict[str, object]]]:
    """A Service without a selector leads to node1: kube-dns needs no pod."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    reading = {"verbs": ["list", "watch"]}
    role: dict[str, object] = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "system:coredns"},
        "rules": [
            {"apiGroups": [""], "resources": ["services", "namespaces", "pods"], **reading},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], **reading},
        ],
    }
    group = "rbac.authorization.k8s.io"
    binding: dict[str, object] = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "system:coredns"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "system:coredns"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "system:coredns"}],
    }
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}]
    ports.append({"name": "dns-tcp", "port": 53, "protocol": "TCP"})
    service: dict[str, object] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kube-dns",
            "namespace": "kube-system",
            "labels": {"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"},
        },
        "spec": {"clusterIP": CLUSTER_DNS, "ports": ports},
    }
    endpoints: dict[str, object] = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kube-dns-1",
            "namespace": "kube-system",
            "labels": {"kubernetes.io/service-name": "kube-dns"},
        },
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": [{"addresses": [NODE1.address], "conditions": {"ready": True}}],
    }
    slices = "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices"
    return [
        (f"{rbac}/clusterroles/system:coredns", role),
        (f"{rbac}/clusterrolebindings/system:coredns", binding),
        ("/api/v1/namespaces/kube-system/services/kube-dns", service),
        (f"{slices}/kube-dns-1", endpoints),
    ]


COMPONENTS = (
    Component("dns", DNS.name, _start_outside, _outside_ready, part="kubernetes"),
    Component(
        "coredns",
        NODE1.name,
        _start_cluster,
        _cluster_ready,
        needs=("apiserver", "dns"),
        part="kubernetes",
    ),
)
