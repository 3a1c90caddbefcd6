"""`k8sext graph`: which workload uses which bridge, as a picture in text. No pod, no probe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options as opt

if TYPE_CHECKING:
    from k8sext.model.report import Report
    from k8sext.model.words import Status
    from k8sext.workloads.graph import Drawing


def graph_command(
    kubeconfig: opt.Kubeconfig = None,
    context: opt.Context = None,
    namespace: opt.Namespace = None,
    all_namespaces: opt.AllNamespaces = False,
    output: Annotated[str, typer.Option("--output", "-o", help="mermaid or dot.")] = "mermaid",
    from_report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Colour the picture by this saved run; a run of doctor "
            "--workloads needs no cluster.",
        ),
    ] = None,
    as_user: opt.As = None,
    as_group: opt.AsGroup = None,
) -> int:
    """Draw which workload uses which bridge, as Mermaid or DOT."""
    from k8sext.doctor import saved
    from k8sext.workloads import graph

    from . import console, talk
    from .output import one_of

    one_of("--output", output, graph.FORMATS)
    report = _saved(from_report) if from_report else None
    if report and from_report and report.workloads:
        with saved.guarded(from_report):
            drawing = _of_report(report)
    else:
        reach = (kubeconfig, context, as_user, tuple(as_group or ()))
        drawing = _of_cluster(reach, namespace, all_namespaces, report)
    if not talk.quiet():
        console.data(graph.mermaid(drawing) if output == "mermaid" else graph.dot(drawing))
    return 0 if any(drawing.nodes.values()) else 5


def _saved(file: Path) -> Report:
    from k8sext.doctor import saved

    return saved.read(file)


def _of_report(report: Report) -> Drawing:
    from k8sext.workloads import graph

    view = report.workloads
    assert view is not None
    return graph.draw([b.bridge for b in report.bridges], view.workloads, _statuses(report))


def _statuses(report: Report) -> dict[str, Status]:
    """The verdicts of a run, of bridges and of workloads."""
    from k8sext.model.report import gated, verdicts

    found = {b.bridge.ref: gated(report, b) for b in report.bridges}
    return found | {v.workload.ref: v.status for v in verdicts(report)}


def _of_cluster(
    reach: tuple[Path | None, str | None, str | None, tuple[str, ...]],
    namespace: str | None,
    all_namespaces: bool,
    report: Report | None,
) -> Drawing:
    from k8sext.bridges import discover
    from k8sext.kube.session import Session
    from k8sext.kube.snapshot import fetch
    from k8sext.model.bridge import BridgeClass
    from k8sext.workloads import graph, view

    from . import console, talk

    session = Session.load(*reach, clear_text=talk.clear_text())
    where = None if all_namespaces else namespace or session.namespace
    extra = ("nodes", "pods", "workloads", "configmaps")
    snapshot = fetch(session, where, extra=extra)
    for skip in snapshot.skips:
        console.say(f"k8sext: {skip}")
    bridges = [b for b in discover.bridges(snapshot) if b.bridge_class is BridgeClass.BRIDGE]
    if not bridges:
        console.say(f"k8sext: no bridge in {f'namespace {where}' if where else 'the cluster'}")
    found = view.view(snapshot, bridges).workloads
    return graph.draw(bridges, found, _statuses(report) if report else None)
