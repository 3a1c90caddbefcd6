"""Logins that need code to run (exec plug-ins, auth providers): the official client's loader."""

from __future__ import annotations

import os
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
    try:
        load: Any = config.load_kube_config
        load(
            config_file=os.pathsep.join(access.files),
            context=access.context,
            client_configuration=configuration,
            persist_config=False,
        )
    except Exception as error:
        # Plug-ins may print what they hold: only the kind of the error is told.
        raise K8sextError(
            "the login plug-in of the kubeconfig failed",
            where=f"context {access.context}",
            why=type(error).__name__,
            fix="kubectl get --raw /version with the same context shows the plug-in's own words",
            exit_code=3,
        ) from None
    return replace(
        access,
        token=Secret(_token(configuration)),
        token_file="",
        cert_pem=_text(configuration.cert_file) or access.cert_pem,
        key_pem=Secret(_text(configuration.key_file)) or access.key_pem,
    )


def _token(configuration: Any) -> str:
    """The bearer token; the loader keeps it with its prefix."""
    keys: dict[str, str] = configuration.api_key
    value = keys.get("authorization") or keys.get("BearerToken") or ""
    return value.removeprefix("Bearer ").removeprefix("bearer ").strip()


def _text(path: str | None) -> str:
    return Path(path).read_text(encoding="utf-8") if path else ""
