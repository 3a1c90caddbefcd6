"""The vantage `local`: the same runner on this machine, with logins that the invoker gives."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from k8sext import registry
from k8sext.agent import drivers
from k8sext.agent.credentials import GivenValues, LoginSource, NoLogins
from k8sext.agent.main import load_checks
from k8sext.agent.runner import Runner
from k8sext.errors import K8sextError
from k8sext.model.codec import to_json
from k8sext.model.plan import Plan
from k8sext.model.result import Observation
from k8sext.model.secret import Secret

from . import given

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
        scene = drivers.Scene(
            plan=plan,
            wire={o.id: o for o in seen},
            clients=registry.clients_by_protocol(),
            checks=checks,
            logins=logins,
            until=until,
        )
        seen += drivers.observe(scene)
    return [{"type": "observation", "observation": to_json(o)} for o in seen]


def logins(source: str | None) -> LoginSource:
    """`env`, `file:PATH` or nothing."""
    if source is None:
        return NoLogins()
    if source == "env":
        return FromEnvironment(os.environ)
    if source.startswith("file:"):
        return GivenValues(_read(Path(source.removeprefix("file:"))))
    raise K8sextError(f"{source!r} is neither env, file:PATH nor cluster", where="--credentials")


class FromEnvironment(GivenValues):
    """`K8SEXT_CREDENTIALS_<SERVICE>_<KEY>`: upper case, `-` and `.` written as `_`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        found: dict[str, dict[str, Secret]] = {}
        for name, value in environment.items():
            if not name.startswith(PREFIX):
                continue
            rest = name.removeprefix(PREFIX)
            word = next((w for w in WORDS if rest.endswith("_" + w)), "")
            if word:
                service = rest[: -len(word) - 1]
                found.setdefault(service, {})[word.lower()] = Secret(value)
        super().__init__(_ByMangledName(found))


class _ByMangledName(dict[str, dict[str, Secret]]):
    """Finds `redis-svc` under REDIS_SVC."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key.upper().replace("-", "_").replace(".", "_"), default)


def _read(path: Path) -> dict[str, dict[str, Secret]]:
    """A folder PATH/<service>/<key> or a YAML file {service: {key: value}}."""
    return {
        service: {key: value for key, value in keys.items() if isinstance(value, Secret)}
        for service, keys in given.tree(path).items()
        if isinstance(keys, dict)
    }
