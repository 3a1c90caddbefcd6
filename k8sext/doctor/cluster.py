"""The cluster, as far as the main job asks it: without a session it knows nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from k8sext.errors import K8sextError
from k8sext.kube import workload as workloads
from k8sext.kube.snapshot import Snapshot
from k8sext.model.bridge import Bridge
from k8sext.model.data import dataclass
from k8sext.model.lint import Linted
from k8sext.model.plan import Control

from . import rights

if TYPE_CHECKING:
    from k8sext.agent.login.credentials import LoginSource
    from k8sext.model.owner import Owner

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What is known beforehand, and what can be asked. This one has no API server to ask."""

    api: Any = None  # k8sext.kube.session.Session
    bridges: tuple[Bridge, ...] = ()  # all there are: checks may visit those that are not probed
    context: str = ""
    server_version: str = ""
    control: Control = field(default_factory=Control)
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()  # of the way to the API server: see Report.cautions

    def preflight(self, namespace: str) -> tuple[str, ...]:
        """Notes on one namespace. Raises K8sextError (exit code 3) where a right is missing."""
        return ()

    def platform_assigns_user(self, namespace: str) -> bool:
        """Whether pods of a namespace get their user number from the platform."""
        return False

    def policies(self, namespace: str) -> Sequence[Object] | None:
        """The NetworkPolicies of a namespace; None where they cannot be read."""
        return None

    def owners(self, addresses: tuple[str, ...]) -> tuple[Owner, ...]:
        """Whose the addresses are that systems outside call back."""
        return ()

    def labels_like(self, namespace: str, workload: str) -> Mapping[str, str]:
        """The labels of a workload's pods (`--like KIND/NAME`)."""
        return {}

    def logins(self, namespace: str, secrets: tuple[str, ...]) -> LoginSource | None:
        """The logins in Secrets, where they are to be read here (`--credentials cluster`)."""
        return None

    def rules(self) -> Linted:
        """What the lint rules find."""
        return Linted()

    async def forward(self, namespace: str, pod: str, port: int) -> Any:
        """A connection to a port of a pod."""
        raise K8sextError("there is no cluster to forward a port of", exit_code=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCluster(Cluster):
    """One with an API server."""

    snapshot: Snapshot = field(default_factory=Snapshot)
    job: str = "doctor"  # whose rights are asked for, by `k8sext rbac --for`
    asks_each: bool = True  # for rights, in each namespace; or it was done for the only one
    reads_secrets: bool = False
    user_assigned: Callable[[str], bool] = lambda _namespace: False
    linted: Callable[[], Linted] = Linted

    def preflight(self, namespace: str) -> tuple[str, ...]:
        """See Cluster."""
        return rights.preflight(self.api, self.job, namespace) if self.asks_each else ()

    def platform_assigns_user(self, namespace: str) -> bool:
        """See Cluster."""
        return self.user_assigned(namespace)

    def policies(self, namespace: str) -> Sequence[Object] | None:
        """See Cluster."""
        path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
        try:
            return list(self.api.get(path).get("items", []))
        except K8sextError:
            return None

    def owners(self, addresses: tuple[str, ...]) -> tuple[Owner, ...]:
        """By pods and Services of all namespaces as they are now."""
        from k8sext.bridges import owners

        pods, services = self._now("pods"), self._now("services")
        nodes = self.snapshot.nodes or None
        known = services or self.snapshot.services
        return owners.owners(addresses, owners.OwnerObjects(pods=pods, nodes=nodes, services=known))

    def _now(self, kind: str) -> Sequence[Object] | None:
        from k8sext.kube.lists import listed

        try:
            return listed(self.api, f"/api/v1/{kind}")
        except K8sextError:
            return None

    def labels_like(self, namespace: str, workload: str) -> Mapping[str, str]:
        """See Cluster."""
        return workloads.labels_like(self.api, namespace, workload)

    def logins(self, namespace: str, secrets: tuple[str, ...]) -> LoginSource | None:
        """See Cluster."""
        if not self.reads_secrets:
            return None
        from k8sext.kube import secrets as reader

        return reader.read(self.api, namespace, secrets)

    def rules(self) -> Linted:
        """Worked out once, when it is first asked for."""
        return self.linted()

    async def forward(self, namespace: str, pod: str, port: int) -> Any:
        """See Cluster."""
        from k8sext.kube import portforward

        return await portforward.forward(self.api, namespace, pod, port)
