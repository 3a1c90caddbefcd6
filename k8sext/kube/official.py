"""Logins that need code to run (exec plug-ins, auth providers): the official client's loader."""

from __future__ import annotations

import logging
import os
import re
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from k8sext.errors import K8sextError
from k8sext.model.secret import Secret

from .kubeconfig import Access


def login(access: Access) -> Access:
    """`access` with the token or certificate that the plug-in gives now.

    Raises K8sextError (exit code 3) when the plug-in fails. Importing costs 0.3 to 0.5 s, so this
    is called only for such users.
    """
    from kubernetes import client, config

    configuration: Any = client.Configuration()
    load: Any = config.load_kube_config
    # A folder of our own: the loader would leave keys in files until the process ends.
    with tempfile.TemporaryDirectory(prefix="k8sext-") as folder, _complaints() as said:
        try:
            load(
                config_file=os.pathsep.join(access.files),
                context=access.context,
                client_configuration=configuration,
                # An OIDC refresh token is good once: not to write down its successor, as kubectl
                # does, would log the user out.
                persist_config=True,
                temp_file_path=folder,
            )
        except Exception as error:
            said.append(type(error).__name__)
        if said:
            raise _failed(access, said[0])
        return _with_login(access, configuration)


def _with_login(access: Access, configuration: Any) -> Access:
    keys: dict[str, str] = configuration.api_key
    kind, _, token = (keys.get("authorization") or keys.get("BearerToken") or "").partition(" ")
    return replace(
        access,
        # A login with a password comes as `Basic …`; that one is made from `access` as it is.
        token=Secret(token.strip() if kind.lower() == "bearer" else ""),
        token_file="",
        cert_pem=_text(configuration.cert_file) or access.cert_pem,
        key_pem=Secret(_text(configuration.key_file)) or access.key_pem,
    )


def _failed(access: Access, why: str) -> K8sextError:
    return K8sextError(
        "the login plug-in of the kubeconfig failed",
        where=f"context {access.context}",
        why=why,
        fix="kubectl get --raw /version with the same context shows the plug-in's own words",
        exit_code=3,
    )


class _Ear(logging.Handler):
    """Hears the loader's complaints and repeats none: they quote what a plug-in printed."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep which kind of complaint it was."""
        self.said.append(_kind(record.getMessage()))


def _kind(text: str) -> str:
    code = re.match(r"exec: process returned (-?\d+)", text)
    if code:
        return f"it ended with exit code {code[1]}"
    for begin, kind in (
        ("[Errno 2]", "its command is not there"),
        ("[Errno 13]", "its command may not be run"),
        ("exec: failed to decode", "it did not print JSON"),
        ("exec: missing", "it gave neither a token nor a certificate with its key"),
        ("exec: plugin api version", "it speaks another version of the API than asked"),
    ):
        if text.startswith(begin):
            return kind
    return "it did not give what was asked of it"


@contextmanager
def _complaints() -> Generator[list[str]]:
    """What the loader logs instead of raising: after a failed plug-in it goes on without login."""
    root, ear = logging.getLogger(), _Ear()
    before = root.handlers[:]
    root.handlers = [ear]
    try:
        yield ear.said
    finally:
        root.handlers = before


def _text(path: str | None) -> str:
    return Path(path).read_text(encoding="utf-8") if path else ""
