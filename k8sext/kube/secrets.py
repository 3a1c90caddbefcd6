"""Secrets read by name with the caller's own rights, for `--credentials cluster`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any

from k8sext.agent.login.credentials import HeldSecrets
from k8sext.model.secret import Secret

from . import access
from .session import ApiError, Session


def read(session: Session, namespace: str, names: tuple[str, ...]) -> HeldSecrets:
    """The named Secrets. One that does not exist or may not be read is told of when it is used.

    Raises K8sextError where the API server cannot be reached.
    """
    held: dict[str, dict[str, Secret]] = {}
    refused: dict[str, str] = {}
    for name in names:
        try:
            found = session.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        except ApiError as error:
            if error.status != 404:
                refused[name] = f"Secret {name} may not be read: {error.message}"
            continue
        held[name] = _values(found)
    return HeldSecrets(held, refused)


def metadata(
    session: Session, secrets: Iterable[tuple[str, str]]
) -> tuple[tuple[dict[str, Any], ...], tuple[str, ...]]:
    """The metadata of the named Secrets (namespace, name), which says when they were changed; their
    values are not asked for. Those that do not exist or may not be read are left out; the second
    part says so where they may not be read.
    """
    found: list[dict[str, Any]] = []
    refused: list[str] = []
    may_read: dict[str, bool] = {}  # asked first: a try that is denied alarms those who read audits
    for namespace, name in secrets:
        if namespace not in may_read:
            may_read[namespace] = _may_read(session, namespace)
        if not may_read[namespace]:
            refused.append(name)
            continue
        try:
            got = session.get_metadata(f"/api/v1/namespaces/{namespace}/secrets/{name}")
            found.append({"metadata": got["metadata"]})
        except ApiError as error:
            if error.status != 404:
                refused.append(name)
    text = "whether pods hold an old login was not compared: Secrets may not be read"
    return tuple(found), (f"{text} ({', '.join(refused)})",) if refused else ()


def _may_read(session: Session, namespace: str) -> bool:
    try:
        return access.allowed(session, namespace, access.Right("get", "secrets"))
    except ApiError:  # reviews are everybody's right by default; where not, the read itself tells
        return True


def _values(found: dict[str, Any]) -> dict[str, Secret]:
    data = found.get("data") or {}
    return {str(key): Secret(_text(str(value))) for key, value in data.items()}


def _text(value: str) -> str:
    try:
        return base64.b64decode(value).decode("utf-8", "replace")
    except binascii.Error:
        return ""
