"""What the caller asked for, and what is known of the cluster before anything is probed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k8sext import registry
from k8sext.model.bridge import Bridge
from k8sext.model.diagnosis import Finding
from k8sext.model.plan import Budget, Control
from k8sext.model.report import Gate
from k8sext.model.workload import WorkloadView
from k8sext.vantage.job import PodOptions
from k8sext.vantage.vantage import Vantage

from . import plan

if TYPE_CHECKING:
    from k8sext.agent.login.credentials import LoginSource
    from k8sext.diagnose.case import Owner


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Linted:
    """What the lint rules found of the objects. `skips` names what could not be read for them."""

    findings: tuple[Finding, ...] = ()
    workloads: WorkloadView | None = None  # None: nobody asked for them
    skips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What is known of the cluster before anything is probed."""

    api: Any = None  # k8sext.kube.session.Session; None without a cluster
    bridges: tuple[Bridge, ...] = ()  # all there are: checks may visit those that are not probed
    context: str = ""
    server_version: str = ""
    control: Control = field(default_factory=Control)
    platform_assigns_user: Callable[[str], bool] = lambda _namespace: False
    policies: Callable[[str], Sequence[Mapping[str, Any]] | None] = lambda _namespace: None
    # Whose the addresses are that systems outside call back; read when there are any.
    owners: Callable[[tuple[str, ...]], tuple[Owner, ...]] = lambda _addresses: ()
    labels_like: Callable[[str, str], Mapping[str, str]] = lambda _namespace, _workload: {}
    # Notes; raises where a right is missing.
    preflight: Callable[[str], tuple[str, ...]] = lambda _namespace: ()
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()  # of the way to the API server: see Report.cautions
    # `--credentials cluster`: namespace and names of Secrets to logins.
    secrets: Callable[[str, tuple[str, ...]], LoginSource] | None = None
    # What the lint rules find; worked out once, when it is first asked for.
    rules: Callable[[], Linted] = lambda: Linted()
    # A connection to (namespace, pod, port); None where there is no way to forward.
    forward: Callable[[str, str, int], Awaitable[Any]] | None = None
