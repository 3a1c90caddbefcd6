"""Options that several commands share; each is also `K8SEXT_…` in the environment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from k8sext.errors import K8sextError


def _namespace(value: str | None) -> str | None:
    """It becomes part of API paths, so it is held to what a namespace may be called."""
    if value and not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", value):
        raise K8sextError(f"{value!r} cannot be the name of a namespace", where="--namespace")
    return value


Kubeconfig = Annotated[
    Path | None,
    typer.Option(
        "--kubeconfig",
        is_eager=True,  # the file of defaults has a part for each context
        help="Path of the kubeconfig file; default $KUBECONFIG, then ~/.kube/config.",
    ),
]
Context = Annotated[
    str | None, typer.Option("--context", is_eager=True, help="Kubeconfig context to use.")
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", callback=_namespace, help="Namespace; default: that of the context."
    ),
]
AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Use all namespaces.")]
Selector = Annotated[
    str | None, typer.Option("--selector", "-l", help="Select Services by label, as kubectl does.")
]
Filename = Annotated[
    list[str] | None,
    typer.Option(
        "--filename",
        "-f",
        help="Read bridges from this file, folder or - (standard input); repeatable.",
    ),
]
As = Annotated[str | None, typer.Option("--as", help="User to impersonate.")]
AsGroup = Annotated[
    list[str] | None, typer.Option("--as-group", help="Group to impersonate; repeatable.")
]
Output = Annotated[str, typer.Option("--output", "-o", help="Output format.")]
