"""Where reports go, and the gate they are judged by: what `doctor` and `report` have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from k8sext import registry
from k8sext.errors import K8sextError, place_of
from k8sext.model.report import Gate, Report, VantageReport
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


def write(report: Report, where: Mapping[str, str], *, whole: bool = False) -> int:
    """Render to each file and to standard output (unless quiet); returns the exit code.

    Each is tried whatever becomes of the others. Raises K8sextError for the first that failed.
    A defect in rendering is told in the report's place (KX910); `whole`: it is raised.
    """
    failed: K8sextError | None = None
    code = report.exit_code
    for name, path in sorted(where.items(), key=lambda item: item[1] == "-"):
        if path == "-" and talk.quiet():
            continue
        options = console.options(no_color=talk.no_color()) if path == "-" else console.plain()
        text, complete = _rendered(name, report, options, whole)
        code = code if complete or code == 1 else 3
        try:
            _put(path, text)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            place = "standard output" if path == "-" else path
            lost = K8sextError("the report cannot be written", where=place, why=why)
            failed = failed or lost
    if failed:
        raise failed
    return code


def _rendered(name: str, report: Report, options: Any, whole: bool) -> tuple[str, bool]:
    """The text, and whether it is of the whole report: of one that cannot be rendered, a defect of
    ours, it says so.
    """
    module = registry.report(name)
    try:
        return module.render(report, options), True
    except Exception as error:
        if whole:
            raise
        from k8sext.diagnose import start

        said = start.broke("", f"{place_of(error)}, while the report was written")
        vantage = VantageReport(namespace="", vantage="", diagnoses=(said,))
        bare = replace(
            report, vantages=(vantage,), bridges=(), findings=(), places=(), workloads=None
        )
        return module.render(bare, options), False


def _put(path: str, text: str) -> None:
    """Raises OSError or ValueError. Half a report is no report: none is left behind."""
    if path == "-":
        console.data(text)
        return
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError:
        if target.is_file():
            with contextlib.suppress(OSError):
                target.unlink()
        raise
