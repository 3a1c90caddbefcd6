"""The main job, left to right: read the bridges, look at them, write down facts, judge, report."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from k8sext import __version__, registry
from k8sext.errors import K8sextError
from k8sext.kube.workers import Workers
from k8sext.model.bridge import Bridge
from k8sext.model.diagnosis import Finding
from k8sext.model.report import BridgeReport, Report
from k8sext.vantage import interrupt

from . import merge
from .cluster import Cluster
from .look import NamespaceResult, look
from .request import Request, Source, wanted
from .vouching import settled, trusted

if TYPE_CHECKING:
    from k8sext.agent.login.credentials import LoginSource


NAMESPACES_AT_ONCE = 8
Say = Callable[[str, str], None]


def _nothing(_namespace: str, _text: str) -> None:
    """Nobody is told what is being waited for."""


def selected(bridges: Iterable[Bridge], request: Request) -> tuple[Bridge, ...]:
    """The bridges to probe: those named, else all of class *bridge* (or all, if asked).

    Raises K8sextError when a named Service is not a bridge here.
    """
    found = tuple(bridges)
    missing = set(request.names) - {b.service for b in found}
    if missing:
        raise K8sextError(
            f"no bridge named {', '.join(sorted(missing))} here",
            fix="k8sext list shows what is a bridge and what is not",
            exit_code=5,
        )
    if request.names:
        return tuple(b for b in found if b.service in request.names)
    return tuple(b for b in found if wanted(b, request))


def run(source: Source, request: Request | None = None, say: Say = _nothing) -> Report:
    """Find the bridges of a namespace, probe them and judge what was seen.

    `say(namespace, text)` tells what is being waited for; times in the report are seconds.
    Raises K8sextError: exit code 2 for what cannot be asked so, 3 where the API server or a right
    is missing, 5 for a Service that is no bridge.
    """
    from .gather import gather

    request = request or Request()
    cluster, bridges = gather(source, request)
    return examine(source, request, cluster, bridges, say)


def examine(
    source: Source, request: Request, cluster: Cluster, bridges: Sequence[Bridge], say: Say
) -> Report:
    """Probe and judge those of the bridges that are asked for. Raises as `run` does."""
    logins = None
    chosen = selected(bridges, request)
    if any(place.checks_here for place in request.places):
        from k8sext.vantage import handed

        in_cluster = source.credentials == "cluster"
        if in_cluster and cluster.api is None:
            raise K8sextError("there is no cluster to take them from", where="--credentials")
        alone = not source.all_namespaces and len({b.namespace for b in bridges}) < 2
        logins = handed.logins(None if in_cluster else source.credentials, alone=alone)
    request = replace(request, vouched=settled(request.vouched, bridges))
    return probe(chosen, cluster, request, logins, say)


def probe(
    bridges: Sequence[Bridge],
    cluster: Cluster,
    request: Request,
    logins: Callable[[str], LoginSource] | None,
    say: Say,
) -> Report:
    """Probe and judge `bridges`; `logins` gives those that the invoker has for a namespace,
    `say(namespace, text)` tells what is being waited for.
    """
    began, started = time.monotonic(), datetime.now(UTC)
    run_id = os.urandom(4).hex()
    vouched = tuple(trusted(b, request) for b in bridges)
    by_namespace: dict[str, list[Bridge]] = {}
    for bridge in vouched:
        by_namespace.setdefault(bridge.namespace, []).append(bridge)

    stop = threading.Event()
    under_way: set[tuple[str, str]] = set()  # run and namespace, while there may be a Job

    def one(item: tuple[str, str, list[Bridge]]) -> list[NamespaceResult]:
        vantage, namespace, here = item
        asked = replace(request, vantage=vantage, also=())
        tell = functools.partial(say, namespace)
        # Each vantage has a run of its own: two Jobs of one name cannot be.
        run_of = run_id if vantage == request.vantage else os.urandom(4).hex()
        given = logins(namespace) if logins else None
        if not registry.vantages()[vantage].makes_pod:
            return look(namespace, here, cluster, asked, given, run_of, tell, stop)
        under_way.add((run_of, namespace))
        try:
            return look(namespace, here, cluster, asked, given, run_of, tell, stop)
        finally:
            under_way.remove((run_of, namespace))

    def everywhere(item: tuple[str, list[Bridge]]) -> list[NamespaceResult]:
        """One vantage after another: a server sees one login at a time, and a rejected one once."""
        found = [one((request.vantage, *item))]
        for vantage in request.also:
            rejected = _rejected(x for looked in found for x in looked)
            rest = [b for b in item[1] if b.ref not in rejected]
            if rest and not stop.is_set():
                found.append(one((vantage, item[0], rest)))
        return [x for looked in found for x in looked]

    with Workers(NAMESPACES_AT_ONCE) as pool:
        try:
            looked = [x for found in pool.map(everywhere, by_namespace.items()) for x in found]
        except KeyboardInterrupt:
            stop.set()  # each run deletes its Job
            interrupt.wait(pool.futures, cluster.api, under_way)
            raise
    linted, merged = cluster.rules(), _in_order(bridges, looked)
    return Report(
        run_id=run_id,
        started=started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        duration_s=round(time.monotonic() - began, 3),
        tool_version=__version__,
        vantages=tuple(x.vantage for x in looked),
        bridges=merged,
        context=cluster.context,
        server_version=cluster.server_version,
        gate=request.gate,
        cautions=cluster.cautions,
        places=tuple(x.place for x in looked if x.place),
        findings=_told_of(linted.findings, merged),
        workloads=linted.workloads,
    )


def _told_of(findings: Iterable[Finding], bridges: Iterable[BridgeReport]) -> tuple[Finding, ...]:
    """The findings without those that would be the cause of a failure that is not there."""
    causes = {(b.bridge.ref, mark) for b in bridges for d in b.diagnoses for mark in d.because}
    return tuple(f for f in findings if not f.only_as_cause or (f.bridge, f.object) in causes)


def _in_order(
    bridges: Sequence[Bridge], looked: Iterable[NamespaceResult]
) -> tuple[BridgeReport, ...]:
    """By namespace, and as they were found, whichever pod looked at them."""
    place = {b.ref: number for number, b in enumerate(bridges)}
    found = list(merge.merged([b for x in looked for b in x.bridges]))
    namespaces = list(dict.fromkeys(b.namespace for b in bridges))
    found.sort(key=lambda r: (namespaces.index(r.bridge.namespace), place[r.bridge.ref]))
    return tuple(found)


def _rejected(looked: Iterable[NamespaceResult]) -> set[str]:
    """Bridges with a login that was rejected: no other vantage tries it again."""
    return {
        b.bridge.ref
        for x in looked
        for b in x.bridges
        if any(o.login_ended for o in b.observations)
    }
