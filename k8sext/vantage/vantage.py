"""What a vantage is: a place to stand, and how a plan is carried out from it.

A file under `places/` defines one subclass. Whoever needs to know something of a vantage asks its
class (`registry.vantage`); nobody compares names.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from k8sext.model.data import dataclass
from k8sext.model.plan import Plan

if TYPE_CHECKING:
    from k8sext.agent.login.credentials import LoginSource

    from .follow import PodRun
    from .job import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What a vantage is sent to do, and with what.

    `job` is the Job of its pod, None where it makes none. `logins` are those that the invoker
    gives, None for a vantage that takes them from Secrets in its pod. `forward` opens a connection
    to (namespace, pod, port).
    """

    plan: Plan
    job: Manifest | None
    logins: LoginSource | None
    api: Any = None
    start_timeout_s: float = 0.0
    client: bool = False
    forward: Callable[[str, str, int], Awaitable[Any]] | None = None
    say: Callable[[str], None] = lambda _text: None
    stop: threading.Event


class Vantage:
    """One place to stand."""

    name: ClassVar[str]  # as `--from` has it
    in_pod_network: ClassVar[bool] = True  # Services' names resolve, NetworkPolicies hold
    makes_pod: ClassVar[bool] = True
    checks_here: ClassVar[bool] = False  # on this machine, with logins that the invoker gives
    stands_alone: ClassVar[bool] = False  # no other vantage beside it in one run
    shards: ClassVar[bool] = False  # its plan may be spread over several pods
    rights: ClassVar[str] = "doctor"  # the job of `k8sext rbac` that it needs
    entry: ClassVar[str] = "main"  # the agent's entry point that its pod runs
    letter: ClassVar[str] = "o"  # its targets are numbered with; one report may hold two vantages

    def pod_part(self, plan: Plan) -> Plan:
        """What its pod needs of a plan."""
        return plan

    def carry_out(self, errand: Errand) -> Sequence[PodRun]:
        """What was seen: one PodRun for each pod, one where there is none.

        Raises K8sextError (exit code 3) where it cannot begin.
        """
        raise NotImplementedError
