"""Bridges as a user asks for them, by flags or by a file."""

from __future__ import annotations

from dataclasses import field

from k8sext.bridges import infer
from k8sext.model.data import dataclass
from k8sext.model.result import Facts, Json

LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
# What networking.k8s.io/v1 takes (ValidateIngressSpec): a `*` stands for the first label only, an
# address is no host, a path is absolute.
HOST = rf"^(?!(\d+\.)*\d+$)(\*\.)?{SUBDOMAIN}$"
PATH = r"^/[^\s#?%]*$"
NAME = rf"^{SUBDOMAIN}$"
PORT = r"^([a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?)$"


@dataclass(frozen=True, slots=True, kw_only=True)
class IngressSpec:
    """What a user asks for. `port` is a port's name or number; "" is the one that speaks HTTP."""

    host: str
    class_name: str = ""
    tls_secret: str = ""
    path: str = "/"
    port: str = ""
    source: str = "command line"

    @property
    def leads(self) -> str:
        """Host and path, as the annotation `k8sext.io/ingress` has them."""
        return self.host if self.path == "/" else f"{self.host}{self.path}"


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
