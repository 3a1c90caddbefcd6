"""The vantage `local`: the same runner on this machine, with logins that the invoker gives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from k8sext import registry
from k8sext.agent.drive import drivers
from k8sext.agent.drive.scene import Scene
from k8sext.agent.login.credentials import LoginSource
from k8sext.agent.main import load_checks
from k8sext.agent.run.runner import Runner
from k8sext.model.codec import to_json
from k8sext.model.plan import Plan
from k8sext.model.result import Observation

PREFIX = "K8SEXT_CREDENTIALS_"
WORDS = ("USERNAME", "PASSWORD", "DATABASE", "VHOST", "API_KEY", "TOKEN", "URI")


def observe(plan: Plan, logins: LoginSource, *, client: bool = False) -> list[Mapping[str, Any]]:
    """Carry out the plan here; the same records as the pod's agent writes.

    With `client` the drivers go in after the wire probes, within the same time for the run.
    """
    until = time.monotonic() + plan.budget.run_s
    checks = load_checks(plan.modules)
    seen: list[Observation] = []
    asyncio.run(Runner(plan, checks, logins, seen.append).run())
    if client:
        scene = Scene(
            plan=plan,
            wire={o.id: o for o in seen},
            clients=registry.clients_by_protocol(),
            checks=checks,
            logins=logins,
            until=until,
        )
        seen += drivers.observe(scene)
    return [{"type": "observation", "observation": to_json(o)} for o in seen]
