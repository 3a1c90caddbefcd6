"""Reports of runs that did not come to their end: what was asked for is there all the same."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from k8sext.errors import K8sextError, place_of
from k8sext.model.diagnosis import Diagnosis
from k8sext.model.report import Report, VantageReport

from . import talk

if TYPE_CHECKING:
    from k8sext.doctor.request import Request, Source


def could_not_start(source: Source, request: Request, error: K8sextError) -> Report:
    """The API, a right or the pod is missing: one error."""
    from k8sext.diagnose import start

    return _report(source, request, start.from_error(_namespace(source), error))


def broke(source: Source, request: Request, error: Exception) -> Report:
    """A defect of ours (KX910): its kind and its place; its words might quote values."""
    from k8sext.diagnose import start

    if talk.debug():
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    return _report(source, request, start.broke(_namespace(source), place_of(error)))


def interrupted(source: Source, request: Request) -> Report:
    """Somebody ended it (KX916), exit code 130."""
    from dataclasses import replace

    from k8sext.diagnose import start

    made = _report(source, request, start.interrupted(_namespace(source)))
    return replace(made, interrupted=True)


def _namespace(source: Source) -> str:
    return source.namespace or ("all namespaces" if source.all_namespaces else "")


def _report(source: Source, request: Request, said: Diagnosis) -> Report:
    from datetime import UTC, datetime

    from k8sext import __version__

    vantage = VantageReport(
        namespace=_namespace(source), vantage=request.vantage, diagnoses=(said,)
    )
    return Report(
        run_id="",
        started=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        duration_s=0.0,
        tool_version=__version__,
        vantages=(vantage,),
        bridges=(),
        context=source.context or "",
        gate=request.gate,
    )
