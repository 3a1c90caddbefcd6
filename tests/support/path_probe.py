"""Probes a path through several bridges of one namespace, on loopback, as a run does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from k8sext.agent.expect import keys_of_kind
from k8sext.agent.login.credentials import GivenValues
from k8sext.agent.main import load_checks
from k8sext.agent.run.runner import Runner
from k8sext.doctor import plan
from k8sext.model.bridge import Bridge, Endpoint, Kind, Port
from k8sext.model.plan import Budget
from k8sext.model.result import Observation
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsMode, TlsSpec

HOST = "127.0.0.1"
MODULES = {
    "elasticsearch": "elastic",
    "elk": "elk",
    "rabbitmq": "rabbitmq",
    "rabbitmq-management": "rabbitmq_management",
    "zipkin": "zipkin",
    "http": "http",
}


@dataclass(frozen=True)
class There:
    """A bridge beside the one that is probed."""

    protocol: str
    port: int
    login: Mapping[str, str] = field(default_factory=dict[str, str])
    expect: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def bridge(self, name: str) -> Bridge:
        """As discovery would give it."""
        port = Port(name="p", port=self.port, protocol=self.protocol, protocol_source="annotation")
        return Bridge(
            namespace="dev",
            service=name,
            kind=Kind.SELECTORLESS,
            ports=(port,),
            endpoints=(Endpoint(address=HOST, port=self.port, port_name="p"),),
            expect=dict(self.expect),
            tls=TlsSpec(mode=TlsMode.DISABLE),
        )


def probe(
    first: There, *, active: bool = False, budget: Budget | None = None, **beside: There
) -> Observation:
    """The one probe of `first` (`first-svc`), which may visit the others (`NAME_svc`: NAME-svc)."""
    checks = load_checks(tuple(MODULES.values()))
    bridges = {name.replace("_", "-"): there for name, there in beside.items()}
    keys = {name: keys_of_kind(cls.info.expects, "bridge") for name, cls in checks.items()}
    made = plan.make(
        [first.bridge("first-svc")],
        run_id="r",
        namespace="dev",
        modules=MODULES,
        vantage="local",
        budget=budget or Budget(stage_s=8, probe_s=25, run_s=60, active_s=12),
        visits=plan.Companions(bridges=[t.bridge(n) for n, t in bridges.items()], keys=keys),
        acting=plan.Acting() if active else None,
    )
    logins = {
        name: {k: Secret(v) for k, v in there.login.items()}
        for name, there in {"first-svc": first, **bridges}.items()
        if there.login
    }
    seen: list[Observation] = []
    asyncio.run(Runner(made, checks, GivenValues(logins), seen.append).run())
    return seen[0]
