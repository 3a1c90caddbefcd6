"""What a cluster lets a probe be: rights that are missing, and who gives its pod a user number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8sext.errors import K8sextError
from k8sext.kube import access
from k8sext.kube.session import ApiError, Session
from k8sext.model.shell import word

from .request import Request


def missing(session: Session, namespace: str | None, request: Request) -> tuple[str, ...]:
    """Rights to run a probe that are missing: an error with the Role that would give them.

    Of all namespaces each is asked for when its turn comes: one that is forbidden does not stop
    the others.
    """
    if namespace is None or not any(place.makes_pod for place in request.places):
        return ()
    return preflight(session, job_of(request), namespace)


def job_of(request: Request) -> str:
    """What it is called where rights are asked for; of several places the one that needs most."""
    return max(
        (place.rights for place in request.places), key=lambda job: len(access.PURPOSES[job])
    )


def preflight(session: Session, job: str, namespace: str) -> tuple[str, ...]:
    """Notes on one namespace; K8sextError (exit code 3) where a right for `job` is missing."""
    groups = [group for group in access.PURPOSES[job] if group in access.PROBING]
    try:
        lacking = [r for group in groups for r in access.missing(session, namespace, group)]
    except ApiError as error:
        # Reviews are everybody's right by default; where they are not, the run itself will tell.
        return (f"rights were not checked beforehand: {error.reason or error.status}",)
    if lacking:
        raise K8sextError(
            "no right to run a probe: " + ", ".join(str(right) for right in lacking),
            where=f"namespace {namespace}",
            fix=f"apply this Role: k8sext rbac --for {job} -n {word(namespace)}",
            exit_code=3,
        )
    return ()


def api_groups(session: Session) -> Mapping[str, Any]:
    """The groups of the API (`/apis`); nothing where they may not be seen: then each namespace is
    asked for what only some platforms have.
    """
    try:
        return session.get("/apis")
    except K8sextError:
        return {}


def is_openshift(groups: Mapping[str, Any]) -> bool:
    """Whether every namespace has user numbers of its own, by the API groups (`/apis`)."""
    return any(g["name"] == "security.openshift.io" for g in groups.get("groups") or [])


def has_uid_range(session: Session, namespace: str) -> bool:
    """Whether the platform assigns user numbers in a namespace, as OpenShift does."""
    try:
        found = session.get(f"/api/v1/namespaces/{namespace}")
    except K8sextError:
        return False
    annotations = found.get("metadata", {}).get("annotations") or {}
    return "openshift.io/sa.scc.uid-range" in annotations
