"""`k8sext schema`: JSON Schemas for editors."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def schema_command(
    which: Annotated[str, typer.Argument(help="bridges or report.")],
) -> int:
    """Print the JSON Schema of bridges.yaml or of the JSON report."""
    import json

    from . import console
    from .output import one_of

    one_of("schema", which, ("bridges", "report"))
    console.data(json.dumps(_schema(which), indent=1) + "\n")
    return 0


def _schema(which: str) -> Any:
    from k8sext import registry
    from k8sext.provision import schema

    return schema.BRIDGES if which == "bridges" else registry.report("json").SCHEMA
