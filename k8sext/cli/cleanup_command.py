"""`k8sext cleanup`: removes what interrupted runs left."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from . import options as opt

SELECTOR = "app.kubernetes.io/managed-by=k8sext,k8sext.io/run"
PATIENCE_S = 15.0


def cleanup_command(
    kubeconfig: opt.Kubeconfig = None,
    context: opt.Context = None,
    namespace: opt.Namespace = None,
    all_namespaces: opt.AllNamespaces = False,
    all_runs: Annotated[
        bool, typer.Option("--all", help="Also delete Jobs of runs that may still be in progress.")
    ] = False,
    as_user: opt.As = None,
    as_group: opt.AsGroup = None,
) -> int:
    """Delete probe Jobs that have ended or are older than their deadline."""
    from k8sext.kube.session import Session
    from k8sext.vantage import created

    from . import console, talk

    session = Session.load(
        kubeconfig, context, as_user, tuple(as_group or ()), clear_text=talk.clear_text()
    )
    where = "" if all_namespaces else f"/namespaces/{namespace or session.namespace}"
    found = session.get(f"/apis/batch/v1{where}/jobs", labelSelector=SELECTOR).get("items") or []
    stay = 0
    for job in (j for j in found if all_runs or _is_over(j)):
        meta = job["metadata"]
        path = f"/apis/batch/v1/namespaces/{meta['namespace']}/jobs/{meta['name']}"
        error = created.deleted(session, path, {"propagationPolicy": "Foreground"})
        if error:
            stay += 1
            command = created.delete_command(meta["namespace"], meta["name"])
            console.say(f"k8sext: Job {meta['name']} could not be deleted: {error}; try: {command}")
            continue
        done = "deleted" if _gone(session, path) else "is being deleted:"
        if not talk.quiet():
            console.data(f"{done} Job/{meta['namespace']}/{meta['name']}\n")
    return 3 if stay else 0


def _is_over(job: dict[str, Any]) -> bool:
    if any(c.get("status") == "True" for c in job.get("status", {}).get("conditions") or []):
        return True
    created = datetime.fromisoformat(job["metadata"]["creationTimestamp"])
    deadline = job["spec"].get("activeDeadlineSeconds")
    return deadline is not None and (datetime.now(UTC) - created).total_seconds() > deadline


def _gone(session: Any, path: str) -> bool:
    """Wait until the Job and its pods are gone, for a bounded time; whether they are.

    An error that passes costs nothing: it is deleted, and only looked at.
    """
    from k8sext.errors import K8sextError

    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            session.get(path)
        except K8sextError as error:
            status = getattr(error, "status", 0)
            if status in (401, 403, 404):
                return bool(status == 404)
        time.sleep(0.2)
    return False
