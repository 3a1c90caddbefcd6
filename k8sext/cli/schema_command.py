"""`k8sext schema`: JSON Schemas for editors."""

from __future__ import annotations

from typing import Annotated

import typer


def schema_command(
    which: Annotated[str, typer.Argument(help="bridges or report.")],
) -> int:
    """Print the JSON Schema of bridges.yaml or of the JSON report."""
    import json

    from k8sext.provision import schema

    from . import console
    from .doctor_run import one_of

    one_of("schema", which, ("bridges", "report"))
    chosen = schema.BRIDGES if which == "bridges" else schema.REPORT
    console.data(json.dumps(chosen, indent=1) + "\n")
    return 0
