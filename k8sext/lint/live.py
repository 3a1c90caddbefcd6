"""What the lint rules find of a live cluster: worked out once, when it is first asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from k8sext.model.bridge import Bridge
from k8sext.model.data import dataclass
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Linted

if TYPE_CHECKING:
    from k8sext.kube.snapshot import Snapshot
    from k8sext.model.lint import Objects
    from k8sext.model.workload import WorkloadView

# Waits for lists that were asked for earlier: each by its kind (None: not read), and the skips.
Lists: TypeAlias = Callable[
    [], tuple[Mapping[str, tuple[Mapping[str, Any], ...] | None], tuple[str, ...]]
]
# Asks for the metadata of Secrets (namespace, name): what could be read, and the skips.
Metadata: TypeAlias = Callable[
    [Sequence[tuple[str, str]]], tuple[tuple[Mapping[str, Any], ...], tuple[str, ...]]
]
# Lists that are read for workloads alone; a skip begins with its list's name.
WORKLOAD_KINDS = ("deployments", "statefulsets", "daemonsets", "cronjobs", "jobs", "configmaps")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the rules are to speak of."""

    bridges: tuple[Bridge, ...]
    names: tuple[str, ...] = ()  # of Services; none: all
    complete: bool = True  # whether the Services were not chosen by label
    workloads: bool = False
    workload_skips: tuple[str, ...] = ()


def kinds(namespace: str | None, selector: str | None) -> tuple[str, ...]:
    """The lists of all namespaces that the snapshot of one does not hold."""
    return ("services",) if namespace or selector else ()


def workload_skips(skips: Sequence[str]) -> tuple[str, ...]:
    """Those among the skips of a snapshot that concern workloads only."""
    return tuple(s for s in skips if s.partition(" ")[0] in WORKLOAD_KINDS)


def once(find: Callable[[], Linted]) -> Callable[[], Linted]:
    """`find`, called by whoever asks first; the others, of other namespaces, wait for it."""
    lock, found = threading.Lock(), list[Linted]()

    def ask() -> Linted:
        with lock:
            if not found:
                found.append(find())
        return found[0]

    return ask


def find(snapshot: Snapshot, scope: Scope, elsewhere: Lists, metadata: Metadata) -> Linted:
    """Run every rule over the objects of a snapshot, and what was read `elsewhere`."""
    from k8sext.model.lint import Subject

    from . import run as lint

    lists, skips = elsewhere()
    view = _workloads(snapshot, scope)
    known = objects(snapshot, lists.get("services"), complete=scope.complete)
    secrets, unread = metadata(_held_secrets(scope.bridges, view))
    subject = Subject(
        bridges=scope.bridges,
        workloads=view.workloads if view else (),
        objects=replace(known, secrets=secrets),
    )
    said = tuple(_wanted(lint.findings(subject), scope, view))
    return Linted(findings=said, workloads=_listed(view, said), skips=(*skips, *unread))


def _held_secrets(
    bridges: Sequence[Bridge], view: WorkloadView | None
) -> Sequence[tuple[str, str]]:
    """Namespace and name of the Secrets that bridges name and running pods have read."""
    held = {(w.namespace, h.secret) for w in view.workloads for h in w.held} if view else set()
    named = {
        (b.namespace, ref.secret)
        for b in bridges
        for ref in (b.credentials, *(r for _, r in b.credentials_by_port))
        if ref
    }
    return sorted(held & named)


def objects(
    snapshot: Snapshot, all_services: tuple[Mapping[str, Any], ...] | None, *, complete: bool
) -> Objects:
    """The objects of a snapshot as rules take them: None where something could not be read."""
    from k8sext.model.lint import Objects

    def read(kind: str) -> Any:
        skipped = any(s.partition(" ")[0] == kind for s in snapshot.skips)
        return None if skipped else getattr(snapshot, kind)

    whole = snapshot.namespace is None and complete
    return Objects(
        services=snapshot.services,
        endpoints=snapshot.endpoints,
        endpointslices=snapshot.endpointslices,
        complete=complete,
        all_services=snapshot.services if whole else all_services,
        nodes=read("nodes"),
        pods=read("pods"),
        namespaces=read("namespaces"),
        networkpolicies=read("networkpolicies"),
    )


def _workloads(snapshot: Snapshot, scope: Scope) -> WorkloadView | None:
    if not scope.workloads:
        return None
    from k8sext.workloads import view

    skipped = scope.workload_skips
    return view.view(snapshot, scope.bridges, complete=scope.complete, skipped=skipped)


def _listed(seen: WorkloadView | None, findings: Sequence[Finding]) -> WorkloadView | None:
    if seen is None:
        return None
    from k8sext.workloads import view

    return view.listed(seen, findings)


def _wanted(
    findings: Sequence[Finding], scope: Scope, view: WorkloadView | None
) -> Sequence[Finding]:
    """Where Services were named, what is found of others is left out; workloads are told of all."""
    if not scope.names:
        return findings
    workloads = {w.ref for w in view.workloads} if view else set[str]()
    named = {b.ref for b in scope.bridges if b.service in scope.names}
    return [f for f in findings if f.bridge in named or f.object in workloads]
