"""`k8sext report`: a saved run, shown and judged again offline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer


def report_command(
    file: Annotated[Path, typer.Argument(help="What `doctor --output-file json=FILE` wrote.")],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Output format: table, wide, json or junit.")
    ] = "table",
    output_file: Annotated[
        list[str] | None,
        typer.Option(
            "--output-file",
            metavar="FORMAT=PATH",
            help="Also write this format to a file; repeatable.",
        ),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Same as --output-file junit=PATH.")] = None,
    as_saved: Annotated[
        bool, typer.Option("--as-saved", help="Show the saved verdicts without judging again.")
    ] = False,
    fail_on: Annotated[
        str | None, typer.Option(help="Exit 1 on warn, on fail, or never; default: as in that run.")
    ] = None,
    require: Annotated[
        str | None,
        typer.Option(help="Minimum depth each bridge must be tested to; default: as in that run."),
    ] = None,
) -> int:
    """Show a saved run and judge its facts again, offline."""
    from k8sext.doctor import saved

    from . import output as to

    sinks = to.sinks(output, output_file or [], junit)
    report = saved.read(file)
    with saved.guarded(file):
        if not as_saved:
            report = saved.judged_again(report)
    asked = to.gate(fail_on or report.gate.fail_on, require, report.gate.allow_empty)
    gate = asked if require else replace(asked, require=report.gate.require)
    report = replace(report, gate=gate)
    report = to.with_cautions(report)
    with saved.guarded(file):
        return to.write(report, sinks, whole=True)
