"""`k8sext explain`: what a code means."""

from __future__ import annotations

from typing import Annotated

import typer


def explain_command(
    code: Annotated[str | None, typer.Argument(help="A code such as KX302.")] = None,
) -> int:
    """Say what a code means and what puts it right; without a code list them all."""
    from k8sext.diagnose import rows, start
    from k8sext.errors import K8sextError

    from . import console

    known = {r.code: (str(r.culprit), r.summary, r.fix) for r in rows.all_rows()}
    for name, fix in start.FIXES.items():
        known.setdefault(name, ("tool-environment", "the probe could not do its work", fix))
    if code is None:
        for name, (culprit, summary, _) in sorted(known.items()):
            console.data(f"{name}  {culprit:17} {summary}\n")
        return 0
    if code.upper() not in known:
        raise K8sextError(f"there is no code {code}", fix="k8sext explain lists them")
    culprit, summary, fix = known[code.upper()]
    console.data(f"{code.upper()}  {culprit}\n\nWhat it means\n  {summary}\n\nRepair\n  {fix}\n")
    return 0
