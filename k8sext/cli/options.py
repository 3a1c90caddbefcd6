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
        help="Kubeconfig file; default $KUBECONFIG, ~/.kube/config.",
    ),
]
Context = Annotated[
    str | None, typer.Option("--context", is_eager=True, help="Context of the kubeconfig.")
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", callback=_namespace, help="Namespace; default the context's."
    ),
]
AllNamespaces = Annotated[
    bool, typer.Option("--all-namespaces", "-A", help="Every namespace that has bridges.")
]
Selector = Annotated[str | None, typer.Option("--selector", "-l", help="Label selector.")]
Filename = Annotated[
    list[str] | None,
    typer.Option("--filename", "-f", help="File, folder or - (standard input); repeatable."),
]
As = Annotated[str | None, typer.Option("--as", help="User to impersonate.")]
AsGroup = Annotated[
    list[str] | None, typer.Option("--as-group", help="Group to impersonate; repeatable.")
]
Output = Annotated[str, typer.Option("--output", "-o", help="Output format.")]
