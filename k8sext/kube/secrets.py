"""Secrets read by name with the caller's own rights, for `--credentials cluster`."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from k8sext.agent.credentials import HeldSecrets
from k8sext.model.secret import Secret

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


def _values(found: dict[str, Any]) -> dict[str, Secret]:
    data = found.get("data") or {}
    return {str(key): Secret(_text(str(value))) for key, value in data.items()}


def _text(value: str) -> str:
    try:
        return base64.b64decode(value).decode("utf-8", "replace")
    except binascii.Error:
        return ""
