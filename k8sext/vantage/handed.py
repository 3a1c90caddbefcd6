"""Logins that the invoker gives (`--credentials env|file:PATH`), by namespace and Service."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from k8sext.agent.login.credentials import HandedValues, LoginSource, NoLogins
from k8sext.errors import K8sextError
from k8sext.model.secret import Secret

from . import given

PREFIX = "K8SEXT_CREDENTIALS_"
WORDS = (
    "USERNAME", "PASSWORD", "DATABASE", "VHOST", "API_KEY", "TOKEN", "URI", "HOST", "TLS",
)  # fmt: skip
KEYS = {"tls": "k8sext.tls"}  # of the words above, those that are keys of another name
FORM = "{namespace: {service: {key: value}}}, in a folder <namespace>/<service>/<key>"
Values = Mapping[str, Secret]
ByNamespace = Callable[[str], LoginSource]


def logins(source: str | None, *, alone: bool) -> ByNamespace:
    """`env`, `file:PATH` or nothing, as what gives the logins of a namespace.

    Logins under a Service's name only are taken where one namespace is looked at (`alone`): in
    another one that name is somebody else's. Raises K8sextError.
    """
    if source is None:
        return lambda _namespace: NoLogins()
    if source == "env":
        found = from_environment(os.environ)
        if found and not alone:
            raise _which(f"variables {PREFIX}… name", "--credentials env", f"a file with {FORM}")
        one = HandedValues(ByMangledName(found))
        return lambda _namespace: one
    if source.startswith("file:"):
        return _from_file(Path(source.removeprefix("file:")), alone=alone)
    raise K8sextError(f"{source!r} is neither env, file:PATH nor cluster", where="--credentials")


def _which(what: str, where: str, fix: str) -> K8sextError:
    return K8sextError(
        f"{what} Services without their namespace, and more than one namespace is looked at",
        where=where,
        fix=f"choose one with -n, or give {fix}",
    )


def _from_file(path: Path, *, alone: bool) -> ByNamespace:
    """{service: {key: value}}, {namespace: {service: {key: value}}}, or both in one."""
    bare: dict[str, Values] = {}
    by_namespace: dict[str, dict[str, Values]] = {}
    for name, below in given.tree(path).items():
        services: dict[str, Values] = {k: _values(v) for k, v in _trees(below).items()}
        if services:
            by_namespace[name] = services
        if values := _values(below):
            bare[name] = values
    if bare and not alone:
        names = ", ".join(sorted(bare)[:4])
        raise _which(f"the credentials name ({names})", str(path), FORM)
    return lambda namespace: HandedValues({**bare, **by_namespace.get(namespace, {})})


def _trees(tree: Secret | given.Tree) -> given.Tree:
    return {k: v for k, v in tree.items() if isinstance(v, dict)} if isinstance(tree, dict) else {}


def _values(tree: Secret | given.Tree) -> dict[str, Secret]:
    if not isinstance(tree, dict):
        return {}
    return {k: v for k, v in tree.items() if isinstance(v, Secret)}


def from_environment(environment: Mapping[str, str]) -> dict[str, dict[str, Secret]]:
    """`K8SEXT_CREDENTIALS_<SERVICE>_<KEY>`: upper case, `-` and `.` written as `_`."""
    found: dict[str, dict[str, Secret]] = {}
    for name, value in environment.items():
        if not name.startswith(PREFIX):
            continue
        rest = name.removeprefix(PREFIX)
        word = next((w for w in WORDS if rest.endswith("_" + w)), "")
        if word:
            key = word.lower()
            service = rest[: -len(word) - 1]
            found.setdefault(service, {})[KEYS.get(key, key)] = Secret(value)
    return found


class ByMangledName(dict[str, dict[str, Secret]]):
    """Finds `redis-svc` under REDIS_SVC."""

    def get(self, key: str, default: Any = None) -> Any:
        """As a dict's, whatever the Service is called."""
        return super().get(key.upper().replace("-", "_").replace(".", "_"), default)
