"""The five base bridges of the article: their Secrets, and the file that `provision` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.lab.lab import Lab

BRIDGES = Path(__file__).parent / "bridges.yaml"
SERVERS = ("postgresql", "mysql", "rabbitmq", "redis")


def secret(service: str, namespace: str, password: str) -> dict[str, Any]:
    """The login of one demo server; `k8sext.service` is the Secret's own consent."""
    values = {"username": "shop", "password": password, "k8sext.service": f"{service}-svc"}
    if service in ("postgresql", "mysql"):
        values["database"] = "shop"
    if service == "redis":
        del values["username"]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"{service}-auth", "namespace": namespace},
        "stringData": values,
    }


def prepare(lab: Lab, namespace: str = "dev") -> None:
    """The namespace and the Secrets of the five base bridges."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    lab.apply([space, *(secret(s, namespace, lab.passwords[s]) for s in SERVERS)])
