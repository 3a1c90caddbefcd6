"""Logins in a Secret of type `kubernetes.io/dockerconfigjson`, as `docker login` writes them.

One entry for each registry: the key is its host, with a port or without, sometimes as a URL; the
value has `username` and `password`, or both in `auth` as base64 of `USER:PASSWORD` (docker/cli:
cli/config/configfile; Kubernetes: "Pull an Image from a Private Registry").
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any

from k8sext.model.plan import Target, split_address
from k8sext.model.secret import Secret

KEY = ".dockerconfigjson"


def unpacked(values: Mapping[str, Secret], target: Target) -> dict[str, Secret]:
    """A Secret's values with the entry for the target's registry under the usual keys.

    The entry's key names the host that it is for, and so it consents to that host (`host`). Where
    none is for the target and there is only one, its login is given without: somebody else must
    consent, the Secret's own `k8sext.service` or the invoker.
    """
    if KEY not in values:
        return dict(values)
    rest = {k: v for k, v in values.items() if k != KEY}
    known = dict(_entries(values[KEY].reveal()))
    mine = [host for host in known if _is_for(host, target)]
    chosen = mine[:1] or (list(known) if len(known) == 1 else [])
    if not chosen:
        return rest
    username, password = known[chosen[0]]
    found = {"username": Secret(username), "password": Secret(password), **rest}
    if mine and "host" not in rest:
        found["host"] = Secret(_split(mine[0])[0])
    return found


def hosts(values: Mapping[str, Secret]) -> tuple[str, ...]:
    """The registries that the Secret has logins for: `host` or `host:port` each."""
    return tuple(host for host, _ in _entries(values[KEY].reveal())) if KEY in values else ()


def host_of(key: str) -> str:
    """The host of an entry's key, with its port if it has one: no scheme, no path, lower case."""
    bare = key.strip().lower().partition("://")[2] or key.strip().lower()
    return bare.partition("/")[0]


def _entries(text: str) -> Iterator[tuple[str, tuple[str, str]]]:
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError):
        return
    auths: Any = data.get("auths") if isinstance(data, dict) else None
    for key, entry in auths.items() if isinstance(auths, dict) else ():
        login = _login(entry) if isinstance(entry, dict) else None
        if login and host_of(key):
            yield host_of(key), login


def _login(entry: Mapping[str, Any]) -> tuple[str, str] | None:
    """User and password of one entry; None where it has none (credential helpers keep them)."""
    user, word = entry.get("username"), entry.get("password")
    if isinstance(user, str) and isinstance(word, str) and user:
        return user, word
    try:
        text = base64.b64decode(str(entry.get("auth") or ""), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    user, colon, word = text.partition(":")
    return (user, word) if user and colon else None


def _is_for(host: str, target: Target) -> bool:
    """Whether the key names the target: its host, and its port where the key has one.

    The port may be the one that is dialled here, or the one that the bridge leads to.
    """
    name, port = _split(host)
    if name.rstrip(".") not in {h.lower() for h in target.consent_hosts}:
        return False
    return not port or port in (target.port, _port(target.server))


def _split(host: str) -> tuple[str, int]:
    try:
        return split_address(host)
    except ValueError:
        return host.strip("[]"), 0


def _port(server: str) -> int:
    try:
        return split_address(server)[1]
    except ValueError:
        return 0
