"""The main job, usable without the command line: what to look at, from where, and the verdicts.

`run(Source(namespace="dev"))` gives a Report; docs/python.md has a whole program. The names below
are the public door, and each says what it means, in which units, and what it raises. Errors are
K8sextError: `what`, `where`, `why`, `fix` and the exit code that the command would have.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from k8sext.errors import K8sextError
    from k8sext.model.bridge import Bridge
    from k8sext.model.diagnosis import Diagnosis
    from k8sext.model.plan import Budget
    from k8sext.model.report import BridgeReport, Gate, Report
    from k8sext.model.result import Observation
    from k8sext.model.words import Culprit, Severity, Stage, Status
    from k8sext.vantage.job import PodOptions

    from .request import Request, Source
    from .running import run

__all__ = [
    "Bridge",
    "BridgeReport",
    "Budget",
    "Culprit",
    "Diagnosis",
    "Gate",
    "K8sextError",
    "Observation",
    "PodOptions",
    "Report",
    "Request",
    "Severity",
    "Source",
    "Stage",
    "Status",
    "run",
]

_HOMES = {
    "k8sext.errors": ("K8sextError",),
    "k8sext.model.bridge": ("Bridge",),
    "k8sext.model.diagnosis": ("Diagnosis",),
    "k8sext.model.plan": ("Budget",),
    "k8sext.model.report": ("BridgeReport", "Gate", "Report"),
    "k8sext.model.result": ("Observation",),
    "k8sext.model.words": ("Culprit", "Severity", "Stage", "Status"),
    "k8sext.vantage.job": ("PodOptions",),
    "k8sext.doctor.request": ("Request", "Source"),
    "k8sext.doctor.running": ("run",),
}


def __getattr__(name: str) -> Any:
    """Loaded with its first use: commands that need one part do not wait for the others."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
