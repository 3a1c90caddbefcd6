"""What the caller asked for."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path

from k8sext import registry
from k8sext.model.bridge import Bridge, BridgeClass
from k8sext.model.data import dataclass
from k8sext.model.plan import Budget
from k8sext.model.report import Gate
from k8sext.vantage.job import PodOptions
from k8sext.vantage.vantage import Vantage

from . import plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the bridges and the cluster come from."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None
    all_namespaces: bool = False
    selector: str | None = None
    files: tuple[str, ...] = ()
    as_user: str | None = None
    as_groups: tuple[str, ...] = ()
    credentials: str | None = None
    clear_text: bool = False  # the API server may be spoken to without TLS, with credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the caller asked for; times are seconds."""

    vantage: str = "pod"
    also: tuple[str, ...] = ()  # further vantages, after the first
    names: tuple[str, ...] = ()
    include_internal: bool = False
    budget: Budget = field(default_factory=Budget)
    pod: PodOptions = field(default_factory=PodOptions)
    gate: Gate = field(default_factory=Gate)
    vouched: tuple[tuple[str, str], ...] = ()  # --credentials-from: Secret, Service
    trust_annotations: bool = False
    client: bool = False  # driver probes too, where the vantage does not try them anyway
    wait_s: float = 0.0  # look again for so long until it passes
    acting: plan.Acting | None = None  # leave to write (`--active`)
    workloads: bool = False  # which workload uses which bridge

    @property
    def vantages(self) -> tuple[str, ...]:
        """Where to look from, in order."""
        return (self.vantage, *self.also)

    @property
    def places(self) -> tuple[Vantage, ...]:
        """The same, as what they are."""
        return tuple(registry.vantages()[name] for name in self.vantages)


def wanted(bridge: Bridge, request: Request) -> bool:
    """Whether it is one of those that are looked at where no name chooses among them."""
    named = bridge.service in request.names
    return named or request.include_internal or bridge.bridge_class is BridgeClass.BRIDGE
