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
        bool, typer.Option("--all", help="Also runs that may still be under way.")
    ] = False,
    as_user: opt.As = None,
    as_group: opt.AsGroup = None,
) -> int:
    """Delete probe Jobs that have ended or are older than their deadline."""
    from k8sext.kube.session import Session

    from . import console, talk

    session = Session.load(
        kubeconfig, context, as_user, tuple(as_group or ()), clear_text=talk.clear_text()
    )
    where = "" if all_namespaces else f"/namespaces/{namespace or session.namespace}"
    found = session.get(f"/apis/batch/v1{where}/jobs", labelSelector=SELECTOR).get("items") or []
    for job in (j for j in found if all_runs or _is_over(j)):
        meta = job["metadata"]
        path = f"/apis/batch/v1/namespaces/{meta['namespace']}/jobs/{meta['name']}"
        if not _deleted(session, path):
            continue
        done = "deleted" if _gone(session, path) else "is being deleted:"
        if not talk.quiet():
            console.data(f"{done} Job/{meta['namespace']}/{meta['name']}\n")
    return 0


def _is_over(job: dict[str, Any]) -> bool:
    if any(c.get("status") == "True" for c in job.get("status", {}).get("conditions") or []):
        return True
    created = datetime.fromisoformat(job["metadata"]["creationTimestamp"])
    deadline = job["spec"].get("activeDeadlineSeconds")
    return deadline is not None and (datetime.now(UTC) - created).total_seconds() > deadline


def _deleted(session: Any, path: str) -> bool:
    """Ask for it; False where the run has ended and removed it meanwhile."""
    from k8sext.kube.session import ApiError

    try:
        session.delete(path, {"propagationPolicy": "Foreground"})
    except ApiError as error:
        if error.status != 404:
            raise
        return False
    return True


def _gone(session: Any, path: str) -> bool:
    """Wait until the Job and its pods are gone, for a bounded time; whether they are."""
    from k8sext.kube.session import ApiError

    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            session.get(path)
        except ApiError as error:
            if error.status == 404:
                return True
            raise
        time.sleep(0.2)
    return False
