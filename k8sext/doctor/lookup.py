"""Where outside names lead in a namespace: asked of its DNS by a pod that connects to nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import cast

from k8sext import registry
from k8sext.diagnose import start
from k8sext.errors import K8sextError
from k8sext.model.result import Observation
from k8sext.model.words import Stage
from k8sext.vantage import pod, seen_pod
from k8sext.vantage.job import PodOptions

from . import plan
from .cluster import Cluster
from .look import make_job, observed
from .request import Request


def addresses(
    names: Iterable[str],
    namespace: str,
    cluster: Cluster,
    options: PodOptions,
    say: Callable[[str], None],
) -> dict[str, tuple[str, ...]]:
    """The addresses of each name, IPv4 first, as applications in the namespace get them.

    Raises K8sextError (exit code 3) where the pod cannot be had, or a name has no address.
    """
    module = registry.wire_checks()["tcp"].in_plan
    planned = plan.of_names(names, run_id=os.urandom(4).hex(), namespace=namespace, module=module)
    planned = replace(planned, nonce=os.urandom(8).hex())
    cluster.preflight(namespace)
    manifest = make_job(planned, cluster, Request(pod=options))
    (ran,) = pod.run(cluster.api, planned, manifest, options.start_timeout_s, say)
    if ran.left:
        say(ran.left)
    trouble = seen_pod.trouble_to_report(ran, planned)
    if trouble:
        said = start.start_failure(trouble.code, namespace, trouble.what, trouble.why)
        raise _failed(said.summary, namespace, said.why, said.fix)
    told = {o.service: o for o in observed(ran.records)}
    return {t.host: _addresses(t.host, told.get(t.host), namespace) for t in planned.targets}


def _addresses(name: str, seen: Observation | None, namespace: str) -> tuple[str, ...]:
    stage = seen.stage(Stage.RESOLVE) if seen else None
    found = stage.evidence.get("addresses") if stage else None
    if not found:
        why = stage.detail if stage else "the pod said nothing of it"
        fix = "correct the name, or let cluster DNS forward its zone"
        raise _failed(f"{name} has no address in the cluster", namespace, why, fix)
    return tuple(cast("list[str]", found))


def _failed(what: str, namespace: str, why: str, fix: str) -> K8sextError:
    return K8sextError(what, where=f"namespace {namespace}", why=why, fix=fix, exit_code=3)
