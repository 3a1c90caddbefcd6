"""`k8sext checks`: what can be checked."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def checks_command(
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
) -> int:
    """Show the protocols: ports, credential keys, what a pass proves, what --active adds."""
    import json

    from k8sext import registry
    from k8sext.agent import expect

    from . import console
    from .output import one_of

    one_of("--output", output, ("table", "json"))
    infos = [entry.info for _, entry in sorted(registry.wire_checks().items())]
    if output == "json":
        console.data(json.dumps([_row(i) for i in infos], indent=1) + "\n")
        return 0
    for info in infos:
        ports = ", ".join(str(p) for p in info.ports) or "-"
        keys = ", ".join(info.credential_keys) or "-"
        console.data(f"{info.name}\n  ports   {ports}\n  login   {keys}\n  proves  {info.proves}\n")
        for key, text in info.expects.items():
            console.data(f"  expect  {key}: {expect.text_of(text)}\n")
    return 0


def _row(info: Any) -> dict[str, Any]:
    from k8sext.agent import expect

    return {
        "protocol": info.name,
        "ports": list(info.ports),
        "credential_keys": list(info.credential_keys),
        "stages": [s.value for s in info.stages],
        "proves": info.proves,
        "expects": {k: expect.text_of(v) for k, v in info.expects.items()},
        "active": info.active,
    }
