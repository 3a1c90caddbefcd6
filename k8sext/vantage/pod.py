"""The vantage `pod`: one short-lived Job per namespace, its log read as it is written."""

from __future__ import annotations

import contextlib
import threading

from k8sext.errors import K8sextError
from k8sext.model.plan import Plan

from .follow import Follower, Heard, PodRun, Say
from .job import Manifest, name_of
from .listen import Api


def run(
    api: Api,
    plan: Plan,
    job: Manifest,
    start_timeout_s: float,
    say: Say,
    stop: threading.Event | None = None,
    heard: Heard = lambda _run, _record: None,
) -> list[PodRun]:
    """Create the Job, follow its pods to their ends, delete it; one PodRun for each shard.

    Never leaves the Job behind, whatever happens. `stop`, set by another thread, ends the run
    within a quarter of a second. Raises K8sextError (exit code 3) when the Job cannot be created.
    """
    path = f"/apis/batch/v1/namespaces/{plan.namespace}/jobs"
    follower = Follower(api, plan, start_timeout_s, say, stop or threading.Event(), heard)
    made = True  # also where the answer was lost on its way
    try:
        _create(api, path, name_of(plan), job)
        return follower.follow()
    except K8sextError as error:
        made = not hasattr(error, "status")
        raise
    finally:
        follower.listener.closed.set()
        if made:
            with contextlib.suppress(K8sextError):
                api.delete(f"{path}/{name_of(plan)}", {"propagationPolicy": "Background"})


def _create(api: Api, path: str, name: str, job: Manifest) -> None:
    """Create the Job once. A lost answer leaves open whether it was made: ask, never send twice."""
    try:
        api.post(path, job)
    except K8sextError as error:
        if hasattr(error, "status"):  # the API server itself refused
            raise
        try:
            api.get(f"{path}/{name}")
        except K8sextError:
            raise error from None
