"""Where reports go, and the gate they are judged by: what `doctor` and `report` have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from k8sext import registry
from k8sext.errors import K8sextError
from k8sext.model.report import Gate, Report
from k8sext.model.words import Stage

from . import console, defaults, talk


def one_of(option: str, value: str, allowed: Sequence[str]) -> str:
    """`value`, or a usage error that names what is allowed."""
    if value not in allowed:
        raise K8sextError(f"{value!r} is not one of {', '.join(allowed)}", where=option)
    return value


def gate(fail_on: str, require: str | None, allow_empty: bool) -> Gate:
    """The gate the caller asked for."""
    one_of("--fail-on", fail_on, ("warn", "fail", "never"))
    if require:
        one_of("--require", require, ("connect", "handshake", "auth", "verify"))
    return Gate(
        fail_on=fail_on, require=Stage(require) if require else None, allow_empty=allow_empty
    )


def sinks(output: str, output_files: Sequence[str], junit: Path | None) -> dict[str, str]:
    """Format to path; the one for standard output has the path "-"."""
    known = registry.report_names()
    chosen = {one_of("--output", output, known): "-"}
    wanted = [*output_files, *([f"junit={junit}"] if junit else [])]
    for item in wanted:
        name, mark, path = item.partition("=")
        if not mark or not path:
            raise K8sextError(f"{item!r} is not FORMAT=PATH", where="--output-file")
        chosen[one_of("--output-file", name, known)] = path
    return chosen


def with_cautions(report: Report) -> Report:
    """The report with what the folder's k8sext.yaml had to do with its verdict."""
    return replace(report, cautions=(*report.cautions, *defaults.applied()))


def write(report: Report, where: Mapping[str, str]) -> None:
    """Render to standard output (unless quiet) and to each file."""
    for name, path in where.items():
        module = registry.report(name)
        if path == "-":
            if not talk.quiet():
                console.data(module.render(report, console.options(no_color=talk.no_color())))
            continue
        target = Path(path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(module.render(report, console.plain()), encoding="utf-8")
        except OSError as error:
            raise K8sextError(
                "the report cannot be written", where=path, why=str(error.strerror)
            ) from error
