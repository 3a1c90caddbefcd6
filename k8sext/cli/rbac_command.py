"""`k8sext rbac`: the smallest Role for a job."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from k8sext.errors import K8sextError

from . import options as opt


def rbac_command(
    purpose: Annotated[
        str, typer.Option("--for", help="doctor, relay, workloads, graph or provision.")
    ] = "doctor",
    check: Annotated[bool, typer.Option(help="Ask the cluster what you lack.")] = False,
    kubeconfig: opt.Kubeconfig = None,
    context: opt.Context = None,
    namespace: opt.Namespace = None,
    all_namespaces: opt.AllNamespaces = False,
    as_user: opt.As = None,
    as_group: opt.AsGroup = None,
) -> int:
    """Print the Role (with -A a ClusterRole) that a job needs; --check says what you lack."""
    from k8sext.kube import access

    if purpose not in access.PURPOSES:
        known = ", ".join(access.PURPOSES)
        raise K8sextError(f"{purpose!r} is not one of {known}", where="--for")
    if not check:
        where = None if all_namespaces else namespace or "default"
        sys.stdout.write(access.role_yaml(purpose, where))
        return 0
    from k8sext.kube.session import Session

    from . import talk

    session = Session.load(
        kubeconfig, context, as_user, as_group or (), clear_text=talk.clear_text()
    )
    where = None if all_namespaces else namespace or session.namespace
    return _check(session, where, purpose)


def _check(session: Any, where: str | None, purpose: str) -> int:
    """One line per right that is missing; 1 when the job cannot be done without it."""
    from k8sext.kube import access

    from . import talk

    lines: dict[Any, str] = {}  # a right of two groups is told once
    refused = False
    for group in access.PURPOSES[purpose]:
        optional = group in access.OPTIONAL
        for right in _missing(session, where, group):
            lines.setdefault(right, f"missing{' (optional)' if optional else ''}: {right}\n")
            refused = refused or not optional
    end = "" if refused else f"you may {purpose}\n"
    if not talk.quiet():
        sys.stdout.write("".join(lines.values()) + end)
    return 1 if refused else 0


def _missing(session: Any, where: str | None, group: str) -> Any:
    from k8sext.kube import access
    from k8sext.kube.session import ApiError

    try:
        return access.missing(session, where, group)
    except ApiError as error:
        raise K8sextError(
            "what you may cannot be asked (SelfSubjectAccessReview)",
            where=session.server,
            why=error.message,
            fix="without --check the Role is printed all the same",
            exit_code=3,
        ) from None
