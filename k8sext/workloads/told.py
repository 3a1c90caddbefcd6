"""A report with the workloads in it: the view, the findings of the lint rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from k8sext import lint
from k8sext.model.bridge import Bridge
from k8sext.model.lint import Subject
from k8sext.model.report import Report

from . import view

# Lists that are read for workloads alone; a skip begins with its list's name.
KINDS = ("deployments", "statefulsets", "daemonsets", "cronjobs", "jobs", "configmaps")


def added(
    objects: view.Objects,
    bridges: Sequence[Bridge],
    report: Report,
    *,
    complete: bool = True,
    skipped: Sequence[str] = (),
) -> Report:
    """`report` with the workloads of its cluster; see `view.view` for the arguments."""
    found = view.view(objects, bridges, complete=complete, skipped=skipped)
    said = lint.findings(Subject(bridges=tuple(bridges), workloads=found.workloads))
    return replace(report, findings=(*report.findings, *said), workloads=view.listed(found, said))
