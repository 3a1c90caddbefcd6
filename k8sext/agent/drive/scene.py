"""What the client probes of one run have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from k8sext.agent.check import Checks
from k8sext.agent.login.credentials import LoginSource
from k8sext.model.data import dataclass
from k8sext.model.plan import Budget, Plan, Target
from k8sext.model.result import Observation

from .client import ClientProbe

Clients = Mapping[str, type[ClientProbe]]  # by protocol


@dataclass(frozen=True, slots=True)
class DialPoint:
    """What is dialled for a target: itself, or what stands for it (the near end of a relay)."""

    host: str
    port: int


def itself(target: Target) -> DialPoint:
    """The target's own host and port."""
    return DialPoint(target.host, target.port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What all client probes of a run share; `until` is on the monotonic clock."""

    plan: Plan
    wire: Mapping[str, Observation]  # by target
    clients: Clients
    checks: Checks
    logins: LoginSource
    until: float
    door: Callable[[Target], DialPoint] = itself
    through_doors: bool = False  # a door accepts whatever becomes of the connection behind it

    @property
    def budget(self) -> Budget:
        """The plan's."""
        return self.plan.budget
