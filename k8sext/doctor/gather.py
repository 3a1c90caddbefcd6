"""The bridges and their cluster, read before anything is probed."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from k8sext import registry
from k8sext.bridges import aliases, discover, external_ips, filed, fronts
from k8sext.errors import K8sextError
from k8sext.kube import snapshot as snapshots
from k8sext.kube.session import Session
from k8sext.kube.snapshot import Snapshot, fetch
from k8sext.kube.workers import Workers
from k8sext.lint import live
from k8sext.model.bridge import Bridge
from k8sext.model.plan import Control

from . import rights
from .cluster import Cluster, LiveCluster
from .request import Request, Source, wanted


def gather(source: Source, request: Request) -> tuple[Cluster, tuple[Bridge, ...]]:
    """The cluster and its bridges; with files their bridges over the cluster's.

    Raises K8sextError where the API server, or a right, is missing (exit code 3).
    """
    from_files = _of_files(source)
    in_pod = any(place.makes_pod for place in request.places)
    if source.files and not in_pod:
        if request.workloads:
            raise K8sextError("there is no cluster to look for them in", where="--workloads")
        return Cluster(bridges=from_files), from_files
    session = Session.load(
        source.kubeconfig,
        source.context,
        source.as_user,
        source.as_groups,
        clear_text=source.clear_text,
    )
    namespace = None if source.all_namespaces else source.namespace or session.namespace
    with Workers(2) as pool:
        groups = pool.submit(rights.api_groups, session)
        pool.submit(registry.wire_checks)  # loaded while the API server answers
        uid_range = functools.cache(functools.partial(rights.has_uid_range, session))
        if namespace and in_pod:
            pool.submit(uid_range, namespace)
        missing = pool.submit(rights.missing, session, namespace, request)
        more = ("workloads", "configmaps", "networkpolicies") if request.workloads else ()
        extra = ("nodes", "pods", "namespaces", *more)
        elsewhere = snapshots.later(session, live.kinds(namespace, source.selector))
        snapshot = fetch(session, namespace, source.selector, extra=extra)
        found = _with_aliases(discover.bridges(snapshot), snapshot, elsewhere)
        found, skips = _with_fronts(session, snapshot, found, from_files)
        notes = (*snapshot.skips, *missing.result(), *skips)
        openshift = rights.is_openshift(groups.result())
    bridges = filed.over(found, from_files) if source.files else found
    bridges = with_claims(bridges, snapshot, elsewhere, given=bool(source.credentials))
    # What could not be read of workloads is told under them, and not once more of each place.
    of_workloads = live.workload_skips(snapshot.skips) if request.workloads else ()
    scope = live.Scope(
        bridges=tuple(b for b in bridges if wanted(b, request)),
        names=request.names,
        complete=source.selector is None,
        workloads=request.workloads,
        workload_skips=of_workloads,
    )
    asked = functools.partial(_secret_metadata, session)
    cluster = LiveCluster(
        api=session,
        bridges=bridges,
        context=session.context,
        server_version=snapshot.server_version,
        # The API server as pods see it: the name must resolve, the address must accept.
        control=Control(name="kubernetes.default.svc.cluster.local", port=443),
        notes=tuple(n for n in notes if n not in of_workloads),
        cautions=session.cautions,
        snapshot=snapshot,
        job=rights.job_of(request),
        asks_each=snapshot.namespace is None,
        reads_secrets=source.credentials == "cluster",
        user_assigned=(lambda _namespace: True) if openshift else uid_range,
        linted=live.once(functools.partial(live.find, snapshot, scope, elsewhere, asked)),
    )
    return cluster, bridges


def _of_files(source: Source) -> tuple[Bridge, ...]:
    if not source.files:
        return ()
    from k8sext.provision import desired, document

    return desired.to_bridges(document.load(source.files, namespace=source.namespace))


def _with_aliases(
    found: tuple[Bridge, ...], snapshot: Snapshot, elsewhere: live.Lists
) -> tuple[Bridge, ...]:
    """Aliases of Services of this cluster, weighed by those; waited for where there are any."""
    if not aliases.inside(found):
        return found
    everywhere = elsewhere()[0].get("services", snapshot.services)
    return found if everywhere is None else aliases.looked_at(found, everywhere)


def with_claims(
    bridges: tuple[Bridge, ...], snapshot: Snapshot, elsewhere: live.Lists, *, given: bool
) -> tuple[Bridge, ...]:
    """The bridges with what Services of all namespaces claim; waited for where a login may go."""
    if not (given or any(b.credentials or b.credentials_by_port for b in bridges)):
        return bridges
    everywhere = elsewhere()[0].get("services", snapshot.services)
    return external_ips.noted(bridges, (*snapshot.services, *(everywhere or ())))


def _with_fronts(
    session: Session, snapshot: Snapshot, found: Sequence[Bridge], files: Sequence[Bridge]
) -> tuple[tuple[Bridge, ...], tuple[str, ...]]:
    """The bridges with what leads to them from outside, read only where that can be."""
    led = fronts.with_nodes(found, snapshot.nodes)
    if not fronts.wanted((*found, *files)):
        return led, ()
    ingresses, classes, skips = snapshots.fronts(session, snapshot.namespace)
    return led if ingresses is None else fronts.with_fronts(led, ingresses, classes), skips


def _secret_metadata(
    session: Session, secrets: Sequence[tuple[str, str]]
) -> tuple[tuple[Mapping[str, Any], ...], tuple[str, ...]]:
    from k8sext.kube import secrets as reader

    return reader.metadata(session, secrets)
