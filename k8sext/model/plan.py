"""What will be probed: made by the CLI, carried out by the agent (here or in the pod)."""

from __future__ import annotations

import ipaddress
from dataclasses import field, replace

from .bridge import CredentialRef, Kind
from .data import dataclass
from .fingerprint import Fingerprint
from .result import Facts, Json
from .tls import TlsMode, TlsSpec
from .words import Route

OUR_CONNECTIONS = 4  # to one server at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Deadlines in seconds, and how hard one server may be asked."""

    stage_s: float = 3.0
    resolve_s: float = 5.0
    probe_s: float = 10.0
    run_s: float = 60.0
    active_s: float = 20.0  # what a check that writes may take in addition (`--active`)
    per_server: int = OUR_CONNECTIONS  # connections at a time
    per_second: int = 64  # new connections to one address


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Where the same question is asked without the ingress controller: http or https."""

    host: str
    port: int
    protocol: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Instead:
    """As what a port is looked at once more, where no server of the first protocol answered."""

    protocol: str
    tls: TlsMode | None = None
    after_silence: bool = True  # also where nothing at all was answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """What the objects say of where a connection ends, as far as consent asks for it.

    All are hosts or addresses without a port. `people`: no endpoints controller wrote the endpoint
    (of a name or a cluster IP: any of those in use, which are `behind`). `peer` and `chain`, the
    aliases that the name led through, are filled in by the runner when it knows them.
    """

    namespace: str
    kind: Kind
    selector: bool = False
    people: bool = False
    virtual: tuple[str, ...] = ()  # the Service's cluster IPs
    behind: tuple[str, ...] = ()
    outside: str = ""  # of an ExternalName Service, the name
    given: tuple[str, ...] = ()  # where the invoker's own file leads
    claimed: tuple[str, ...] = ()  # at this port, by other Services (k8sext.bridges.external_ips)
    peer: str = ""
    chain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One wire probe to be made.

    `host` is a name (route name) or an address. With `expand`, every address that the resolver
    gives for the name becomes an `endpoint` probe of its own (at most 16). `fallback` marks the
    cluster-ip route: it is used only when the bridge's name does not resolve. `active` allows the
    check to write; one target of a bridge port at most has it. `companions` are other bridges that
    `expect` names: its key, and the `id` of a target in `Plan.companions`. `origin` is the outside
    name whose addresses the bridge holds: it is asked for, so that the two can be compared.
    `instead` is tried in order, each over a connection of its own, where `protocol` is a guess.
    With `ask_only` the name is resolved and nothing is connected to; with `greet_only` nothing is
    asked beyond the protocol's greeting, and no login is sent. `nowhere`: the objects say already
    that the name leads to nothing, so that a refusal is final.
    """

    id: str
    service: str
    port_key: str
    protocol: str
    route: Route
    host: str
    port: int
    server: str = ""  # logins of targets with the same value are made one at a time
    tls: TlsSpec = field(default_factory=TlsSpec)
    tls_names: tuple[str, ...] = ()  # names a certificate may carry: the bridge's, the origin's
    outside_names: tuple[str, ...] = ()  # those of them that are the outside's own
    credentials: CredentialRef | None = None
    consent_hosts: tuple[str, ...] = ()  # names and addresses under which its server may be known
    trail: Trail | None = None  # None: no login goes there
    expect: Facts = field(default_factory=dict[str, Json])
    expand: bool = False
    fallback: bool = False
    via: str = ""  # what leads there: `Ingress/NAME HOST/PATH`, `Node/NAME`
    beside: Beside | None = None
    origin: str = ""
    ask_only: bool = False
    greet_only: bool = False
    nowhere: bool = False
    instead: tuple[Instead, ...] = ()
    shard: int = 0  # which of several pods makes it
    active: bool = False
    reverse_app: str = ""  # the sacrificial application under which the check may register itself
    companions: tuple[tuple[str, str], ...] = ()

    @property
    def protocols(self) -> tuple[str, ...]:
        """All that may be spoken to it."""
        return (self.protocol, *(one.protocol for one in self.instead))

    @property
    def address(self) -> str:
        """`host:port`, IPv6 in brackets; the host alone where nothing is connected to."""
        return self.host if self.ask_only else join_address(self.host, self.port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What proves the vantage when a target failed: the API server accepts, cluster DNS answers."""

    name: str = ""  # a name that must resolve, e.g. kubernetes.default.svc.cluster.local
    address: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything the agent needs to know, in one namespace."""

    run_id: str
    namespace: str
    targets: tuple[Target, ...]
    modules: tuple[str, ...]  # names of modules under k8sext.checks.protocols
    budget: Budget = field(default_factory=Budget)
    control: Control = field(default_factory=Control)
    vantage: str = "pod"
    companions: tuple[Target, ...] = ()  # what checks may visit beside their own target
    cluster_domain: str = ""
    clients: tuple[str, ...] = ()  # names of modules under k8sext.checks.clients: drivers to try
    fingerprints: tuple[Fingerprint, ...] = ()  # of every check's product, carried along or not
    nonce: str = ""  # stands in each record of the log; whoever reads Jobs or logs knows it

    @property
    def everything(self) -> tuple[Target, ...]:
        """All that is connected to, companions included."""
        return (*self.targets, *self.companions)

    @property
    def shards(self) -> int:
        """How many pods carry it out."""
        return max((t.shard for t in self.targets), default=0) + 1

    def part(self, shard: int) -> Plan:
        """What one of the pods has to do."""
        return replace(self, targets=tuple(t for t in self.targets if t.shard == shard))


def names_of(service: str, namespace: str, domain: str = "cluster.local") -> tuple[str, ...]:
    """The names an application in the cluster may use for a Service, short first."""
    full = f"{service}.{namespace}.svc"
    return (service, f"{service}.{namespace}", full, f"{full}.{domain}")


def join_address(host: str, port: int) -> str:
    """`host:port`; an IPv6 address gets its brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_address(text: str) -> bool:
    """Whether `text` is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def split_address(text: str) -> tuple[str, int]:
    """What `join_address` made. Raises ValueError for what is no host and port."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise ValueError(f"{text!r} is no host:port")
    return host, int(port)
