"""A bridge: a Service that leads out of the cluster, with what stands behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from enum import StrEnum

from .data import dataclass
from .front import Front
from .result import Facts, Json
from .tls import TlsMode, TlsSpec


class Kind(StrEnum):
    """How the Service leads out."""

    SELECTORLESS = "selectorless"
    HEADLESS = "headless"
    EXTERNAL_NAME = "external-name"


class BridgeClass(StrEnum):
    """Whose Service it is; only `bridge` is probed unless `--include internal`."""

    BRIDGE = "bridge"
    CONTROLLER_OWNED = "controller-owned"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One port of the Service, with the protocol that k8sext will speak on it and why."""

    name: str  # "" where the Service names none
    port: int
    protocol: str  # a protocol of `k8sext checks`
    protocol_source: str  # annotation, appProtocol, port name, well-known port, service name, file
    transport: str = "TCP"
    target_port: str = ""
    node_port: int | None = None
    app_protocol: str = ""
    guessed: bool = False  # the Service has no port; this is the one that its protocol usually has
    fallback: str = (
        ""  # where `protocol` is a guess: what it is judged by if no such server answers
    )
    tls: TlsMode | None = None  # what its words ask for, where the bridge does not say
    tls_first: bool = False  # its number is that of the protocol over TLS: tried, not required
    product: str = ""  # what it is likely to be, where no check speaks it: "Kafka"

    @property
    def key(self) -> str:
        """What reports and annotations call it: its name, else its number."""
        return self.name or (str(self.port) if self.port else "")


# In place of a port, where the name of the Service is all that can be looked at.
NO_PORT = Port(name="", port=0, protocol="tcp", protocol_source="none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One address and port that a slice, an Endpoints object or a file names.

    `ready`, `serving` and `terminating` are its conditions; what a slice leaves out is ready,
    serving and not terminating (pkg/proxy/endpointslicecache.go).
    """

    address: str
    port: int
    port_name: str = ""
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    source: str = ""  # "EndpointSlice/redis-svc-1", "Endpoints/redis-svc", "file"
    index: int = 0  # its place among the endpoints of that slice
    node: str = ""
    controlled: bool = False  # an endpoints controller wrote it, as pods fitted a selector


def in_use(endpoints: Sequence[Endpoint], *, headless: bool = False) -> tuple[Endpoint, ...]:
    """Those of one port's endpoints that connections are sent to.

    kube-proxy takes the ready ones and, where none is ready, those that still serve while they
    terminate (pkg/proxy/topology.go, CategorizeEndpoints). The name of a headless Service has the
    ready ones only (CoreDNS, plugin/kubernetes/object/endpoint.go).
    """
    ready = tuple(e for e in endpoints if e.ready)
    if ready or headless:
        return ready
    return tuple(e for e in endpoints if e.serving and e.terminating)


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRef:
    """Where a login's values are; never the values.

    `vouched` says that the person who runs k8sext named the Secret and its keys (a file, or
    `--trust-annotations`), `named` for which Services or hosts that person vouches
    (`--credentials-from`); otherwise the Secret itself must consent (k8sext.agent.login.consent).
    """

    secret: str
    keys: tuple[tuple[str, str], ...] = ()  # (our word, the Secret's key)
    vouched: bool = False
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """What discovery or a file says of one bridge. `facts` are object fields for lint and texts."""

    namespace: str
    service: str
    kind: Kind
    ports: tuple[Port, ...]
    endpoints: tuple[Endpoint, ...] = ()
    bridge_class: BridgeClass = BridgeClass.BRIDGE
    class_reason: str = ""
    service_type: str = "ClusterIP"
    cluster_ips: tuple[str, ...] = ()
    external_name: str = ""
    selector: tuple[tuple[str, str], ...] = ()  # left in beside addresses that people wrote
    virtual: tuple[str, ...] = ()  # endpoints that are the cluster IP of another Service
    internal_traffic: str = ""  # spec.internalTrafficPolicy where it is not the usual Cluster
    external_traffic: str = ""  # spec.externalTrafficPolicy, likewise
    nodes: tuple[tuple[str, str], ...] = ()  # name and address, where a port is a node port
    fronts: tuple[Front, ...] = ()  # what Ingresses lead here
    fronts_read: bool = False  # whether the Ingresses were read at all
    front_wanted: str = ""  # host[/path] that an Ingress must lead here: annotation, file
    origin: str = ""
    credentials: CredentialRef | None = None
    credentials_by_port: tuple[tuple[str, CredentialRef], ...] = ()
    tls: TlsSpec | None = None
    tls_by_port: tuple[tuple[str, TlsSpec], ...] = ()
    expect: Facts = field(default_factory=dict[str, Json])
    expect_by_port: tuple[tuple[str, Facts], ...] = ()
    ignore: tuple[tuple[str, str], ...] = ()  # (code, the reason given)
    source: str = "cluster"  # or FILE:LINE
    given: tuple[str, ...] = ()  # hosts and addresses that the invoker's own file says
    claimed: tuple[str, ...] = ()  # HOST:PORT that other Services take for themselves
    elsewhere: tuple[str, ...] = ()  # where the live Service leads, and that file does not say
    problems: tuple[str, ...] = ()  # all that is wrong with its objects, each one sentence
    unread: tuple[str, ...] = ()  # those of them that are annotations which cannot be read or used
    unknown: tuple[str, ...] = ()  # those that are annotations which do not exist

    @property
    def ref(self) -> str:
        """`NAMESPACE/SERVICE`."""
        return f"{self.namespace}/{self.service}"

    @property
    def tcp_ports(self) -> tuple[Port, ...]:
        """Those that can be connected to."""
        return tuple(p for p in self.ports if p.transport == "TCP")

    def tls_of(self, port_key: str) -> TlsSpec | None:
        """What is asked of TLS at a port: its own annotation, else the bridge's."""
        return dict(self.tls_by_port).get(port_key, self.tls)

    def endpoints_of(self, port: Port) -> tuple[Endpoint, ...]:
        """The endpoints that serve `port`: Kubernetes matches by port name."""
        return tuple(e for e in self.endpoints if e.port_name == port.name)

    def used(self, port: Port) -> tuple[Endpoint, ...]:
        """The endpoints of `port` that connections are sent to. Whoever dials the name of a
        headless Service does not ask what its ports are called.
        """
        headless = self.kind is Kind.HEADLESS
        found = self.endpoints_of(port) or (self.unmatched if headless else ())
        return in_use(found, headless=headless)

    @property
    def unmatched(self) -> tuple[Endpoint, ...]:
        """The endpoints whose port name is none of the Service's."""
        names = {p.name for p in self.ports}
        return tuple(e for e in self.endpoints if e.port_name not in names)

    def sends_to(self, port_key: str, address: str, number: int) -> bool:
        """Whether connections by the port of that key may reach an address; of an outside name
        all that DNS gives.
        """
        port = next((p for p in self.ports if p.key == port_key), None)
        if port is None or not self.endpoints:
            return True
        return (address, number) in {(e.address, e.port) for e in self.used(port)}
