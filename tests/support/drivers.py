"""One run with client probes over one address, as `doctor --from local --client` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from k8sext import registry
from k8sext.agent.check import Login
from k8sext.agent.drive.client import Dial
from k8sext.agent.drive.drivers import watched
from k8sext.agent.login.credentials import GivenValues
from k8sext.model.codec import from_json
from k8sext.model.plan import Budget, Plan, Target
from k8sext.model.result import Observation, StageResult
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsSpec
from k8sext.model.words import Reason, Route, Stage, Status
from k8sext.vantage import local
from tests.support.converse import end_of

PATIENT = Budget(stage_s=5, resolve_s=5, probe_s=15, run_s=60)


@dataclass(frozen=True)
class Pair:
    """What the wire probe saw and what the driver saw."""

    wire: Observation
    client: Observation

    @property
    def reasons(self) -> tuple[Reason | None, Reason | None]:
        """How each ended; None where it passed."""
        return _reason(self.wire), _reason(self.client)

    @property
    def statuses(self) -> tuple[Status, Status]:
        """How each came out."""
        return self.wire.status, self.client.status


def _reason(seen: Observation) -> Reason | None:
    end = end_of(seen)
    return end.reason if end else None


def target(protocol: str, port: int, **more: Any) -> Target:
    """An endpoint on loopback, known as `svc`."""
    base: dict[str, Any] = {
        "id": "o1",
        "service": "svc",
        "port_key": "p",
        "protocol": protocol,
        "route": Route.ENDPOINT,
        "host": "127.0.0.1",
        "port": port,
        "server": f"127.0.0.1:{port}",
        "tls": TlsSpec(),
        "tls_names": ("svc",),
    }
    return Target(**{**base, **more})


def plan_of(*targets: Target, budget: Budget = PATIENT) -> Plan:
    """A plan of some targets, seen from here."""
    modules = {registry.wire_checks()[t.protocol].in_plan for t in targets}
    return Plan(
        run_id="t",
        namespace="dev",
        targets=targets,
        modules=tuple(sorted(modules)),
        budget=budget,
        vantage="local",
    )


def logins(login: Mapping[str, str] | None, **files: str) -> GivenValues:
    """A login for `svc`, and files (a CA) beside it."""
    values = {k: Secret(v) for k, v in {**(login or {}), **files}.items()}
    return GivenValues({"svc": values} if values else {})


def both(
    protocol: str,
    port: int,
    login: Mapping[str, str] | None = None,
    budget: Budget = PATIENT,
    ca: str = "",
    **more: Any,
) -> Pair:
    """The wire probe and then the driver, in one run."""
    given = logins(login, **({"ca.crt": ca} if ca else {}))
    records = local.observe(
        plan_of(target(protocol, port, **more), budget=budget), given, client=True
    )
    seen = [from_json(Observation, r["observation"]) for r in records]
    wire, client = seen
    assert (wire.client, wire.id, client.id) == ("", "o1", "o1-client")
    return Pair(wire, client)


def alone(
    protocol: str, port: int, login: Mapping[str, str] | None = None, **more: Any
) -> tuple[StageResult, ...]:
    """The driver in a run of its own: nothing was tried before it. `more` is that of its Dial."""
    dial = Dial(
        host="127.0.0.1",
        port=port,
        server_name="svc",
        protocol=protocol,
        login=Login({k: Secret(v) for k, v in login.items()}) if login else None,
        seconds=5,
        **more,
    )
    return watched(registry.clients_by_protocol()[protocol](), dial, 20)


def ended(stages: tuple[StageResult, ...]) -> tuple[Stage | None, Reason | None]:
    """The stage that did not pass, and why; (None, None) where all did."""
    last = next((s for s in stages if s.status in (Status.FAIL, Status.INCONCLUSIVE)), None)
    return (last.stage, last.reason) if last else (None, None)
