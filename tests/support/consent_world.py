"""A bridge whose owner, or an attacker, changes its objects; and servers that note what they got.

All servers listen on one port of many loopback addresses. The cluster IP is one of them, too: what
comes in there counts as sent to whatever is behind it.
"""

from __future__ import annotations

import copy
import socket
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from k8sext.bridges import discover, external_ips
from k8sext.kube.snapshot import Snapshot
from k8sext.model.bridge import Bridge
from tests.support import nameserver
from tests.support.nameserver import Asked
from tests.support.standins import serving

Object = dict[str, Any]
NAMESPACE, SERVICE, SECRET = "dev", "cache-svc", "cache-auth"
GOOD, EVIL, VIRTUAL = "127.0.10.2", "127.0.10.66", "127.0.10.9"
EVIL_NAME, GOOD_NAME = "evil.example", "cache.corp.example"
LOGIN, ADMIN, OTHER = "login-canary-1", "admin-canary-2", "other-canary-3"
BY_PODS = "endpointslice-controller.k8s.io"
MIRRORED = "endpointslicemirroring-controller.k8s.io"
INFO = b"redis_version:7.0.15\r\nrun_id:abc\r\nrole:master\r\nredis_mode:standalone\r\n"


@dataclass
class Servers:
    """What each address has received, as bytes in the order they came."""

    port: int = 0
    got: dict[str, bytearray] = field(default_factory=lambda: defaultdict(bytearray))

    def has(self, address: str, canary: str) -> bool:
        """Whether a value ever arrived there."""
        return canary.encode() in self.got[address]

    def answer(self, connection: socket.socket) -> None:
        """As a Redis that takes any password."""
        here = str(connection.getsockname()[0])
        while data := connection.recv(4096):
            self.got[here] += data
            if b"INFO" in data:
                connection.sendall(b"$%d\r\n%s\r\n" % (len(INFO), INFO))
            elif b"PING" in data and LOGIN.encode() not in self.got[here]:
                connection.sendall(b"-NOAUTH Authentication required.\r\n")
            else:
                connection.sendall(b"+PONG\r\n" if b"PING" in data else b"+OK\r\n")


@contextmanager
def servers() -> Generator[Servers]:
    """On every address of 127.0.0.0/8."""
    here = Servers()
    with serving(here.answer, host="0.0.0.0") as here.port:
        yield here


@dataclass
class World:
    """The objects as the CLI reads them, and what DNS says by the time of the probe."""

    port: int
    service: Object
    slices: list[Object]
    endpoints: list[Object] = field(default_factory=list[Object])
    others: list[Object] = field(default_factory=list[Object])  # Services beside it
    alias: str = ""  # where the Service's name leads in DNS; "": to its cluster IP

    def bridges(self) -> tuple[Bridge, ...]:
        """As doctor finds them."""
        found = Snapshot(
            services=(self.service,),
            endpoints=tuple(self.endpoints),
            endpointslices=tuple(self.slices),
            server_version="v1.35.0",
        )
        return external_ips.noted(discover.bridges(found), (self.service, *self.others))

    @property
    def behind(self) -> set[str]:
        """What the cluster IP leads to."""
        return {a for s in self.slices for e in s["endpoints"] for a in e["addresses"]}

    def dns(self, asked: Asked) -> list[bytes]:
        """The cluster's DNS."""
        outside = {EVIL_NAME: EVIL, GOOD_NAME: GOOD}
        if asked.name.startswith(SERVICE) and self.alias:
            end = nameserver.a(self.alias, outside[self.alias])
            return [asked.reply(nameserver.cname(asked.name, self.alias), end)]
        address = VIRTUAL if asked.name.startswith(SERVICE) else outside.get(asked.name)
        if not address:
            return [asked.reply(rcode=3)]
        return [asked.reply(nameserver.a(asked.name, address))]

    def copied(self) -> World:
        """For one more change."""
        return copy.deepcopy(self)


def healthy(port: int) -> World:
    """Service and slice as people write them."""
    service: Object = {
        "metadata": {
            "name": SERVICE,
            "namespace": NAMESPACE,
            "annotations": {"k8sext.io/protocol": "redis", "k8sext.io/credentials": SECRET},
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": VIRTUAL,
            "clusterIPs": [VIRTUAL],
            "ports": [{"name": "redis", "port": port, "protocol": "TCP"}],
        },
    }
    return World(port, service, [piece(port, GOOD)])


def piece(port: int, address: str, keeper: str = "", name: str = "1", **more: Any) -> Object:
    """One EndpointSlice of the Service."""
    labels = {"kubernetes.io/service-name": SERVICE}
    if keeper:
        labels["endpointslice.kubernetes.io/managed-by"] = keeper
    return {
        "metadata": {"name": f"{SERVICE}-{name}", "namespace": NAMESPACE, "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], **more}],
        "ports": [{"name": "redis", "port": port, "protocol": "TCP"}],
    }


def legacy(port: int, address: str, **more: Any) -> Object:
    """The Endpoints object of the Service."""
    subset = {
        "addresses": [{"ip": address, **more}],
        "ports": [{"name": "redis", "port": port}],
    }
    meta = {"name": SERVICE, "namespace": NAMESPACE}
    return {"metadata": meta, "subsets": [subset]}


# -- who edits what -------------------------------------------------------------------------------

POD = {"targetRef": {"kind": "Pod", "name": "theirs", "namespace": NAMESPACE}}


def nothing(world: World) -> None:
    """It is as its owner left it."""


def into_an_alias(world: World) -> None:
    """A Service editor: type ExternalName."""
    world.service["spec"] |= {"type": "ExternalName", "externalName": EVIL_NAME}
    world.service["spec"].pop("clusterIP")
    world.service["spec"].pop("clusterIPs")
    world.alias = EVIL_NAME


def into_an_alias_afterwards(world: World) -> None:
    """The same, when the objects have been read."""
    world.alias = EVIL_NAME


def a_selector(world: World) -> None:
    """A Service editor: pods of theirs become endpoints, the hand-made slice stays."""
    world.service["spec"]["selector"] = {"app": "theirs"}
    world.slices.append(piece(world.port, EVIL, BY_PODS, "2", **POD))


def a_selector_for_a_while(world: World) -> None:
    """A Service editor: the selector is gone again, and what it left behind is not."""
    world.slices.append(piece(world.port, EVIL, BY_PODS, "2", **POD))


def a_selector_for_a_while_mirrored(world: World) -> None:
    """The same, where the Endpoints of that time are mirrored once the selector is gone."""
    world.slices.append(piece(world.port, EVIL, MIRRORED, "2", **POD))
    world.endpoints.append(legacy(world.port, EVIL, **POD))


def an_external_ip(world: World) -> None:
    """A Service editor: another Service, whose pods stand before the server on every node."""
    ports = [{"port": world.port, "protocol": "TCP"}]
    spec = {"selector": {"app": "theirs"}, "externalIPs": [GOOD], "ports": ports}
    world.others.append({"metadata": {"name": "theirs", "namespace": NAMESPACE}, "spec": spec})


def clear_text(world: World) -> None:
    """A Service editor: no TLS."""
    world.service["metadata"]["annotations"]["k8sext.io/tls"] = "disable"


def another_key(world: World) -> None:
    """A Service editor: another value of the Secret as the password."""
    notes = world.service["metadata"]["annotations"]
    notes["k8sext.io/credentials-keys"] = "password=admin-word"


def another_key_as_a_name(world: World) -> None:
    """A Service editor: another value as the user's name, which is shown and sent in clear."""
    notes = world.service["metadata"]["annotations"]
    notes["k8sext.io/credentials-keys"] = "username=admin-word"


def another_secret(world: World) -> None:
    """A Service editor: somebody else's Secret."""
    world.service["metadata"]["annotations"]["k8sext.io/credentials"] = "other-auth"


def a_slice(world: World) -> None:
    """A slice editor: one more endpoint."""
    world.slices.append(piece(world.port, EVIL, name="2"))


def the_slice(world: World) -> None:
    """A slice editor: another endpoint in place of the good one."""
    world.slices = [piece(world.port, EVIL)]


def the_endpoints(world: World) -> None:
    """An Endpoints editor: the same by the old object, which is mirrored."""
    world.slices = [piece(world.port, EVIL, MIRRORED)]
    world.endpoints = [legacy(world.port, EVIL)]


EDITS = (
    nothing, into_an_alias, into_an_alias_afterwards, a_selector, a_selector_for_a_while,
    a_selector_for_a_while_mirrored, an_external_ip, clear_text, another_key, another_key_as_a_name,
    another_secret, a_slice, the_slice, the_endpoints,
)  # fmt: skip
BY_SLICES = (a_slice, the_slice, the_endpoints)
