"""`k8sext rbac`: the smallest Role for a job."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from k8sext.errors import K8sextError

from . import options as opt

# As `k8sext.kube.access.PURPOSES`, which is not imported for a help text.
JOBS = (
    "doctor", "relay", "like", "workloads", "list", "graph", "provision", "resolve", "cleanup",
)  # fmt: skip


def rbac_command(
    purpose: Annotated[
        str, typer.Option("--for", metavar="JOB", help=f"One of {', '.join(JOBS)}.")
    ] = "doctor",
    check: Annotated[
        bool, typer.Option(help="Check your own rights, and list those that are missing.")
    ] = False,
    service_account: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Also print a ServiceAccount of this name and its bindings, for CI.",
        ),
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Also allow reading this Secret; repeatable."),
    ] = None,
    kubeconfig: opt.Kubeconfig = None,
    context: opt.Context = None,
    namespace: opt.Namespace = None,
    all_namespaces: opt.AllNamespaces = False,
    as_user: opt.As = None,
    as_group: opt.AsGroup = None,
) -> int:
    """Print the Role (with -A a ClusterRole) that a job needs; --check says what you lack.

    Jobs: doctor (from a pod), relay (--from relay), like (--like), workloads (--workloads), list,
    graph, provision, resolve (what provision --resolve needs in addition), cleanup.
    """
    from k8sext.kube import access

    from . import console

    if purpose not in access.PURPOSES:
        known = ", ".join(access.PURPOSES)
        raise K8sextError(f"{purpose!r} is not one of {known}", where="--for")
    _named("--service-account", [service_account] if service_account is not None else [])
    _named("--secret", secret or [])
    if not check:
        where = None if all_namespaces else namespace or "default"
        text = access.role_yaml(
            purpose, where, secrets=secret or (), service_account=service_account or ""
        )
        console.data(text)
        return 0
    from k8sext.kube.session import Session

    from . import talk

    session = Session.load(
        kubeconfig, context, as_user, as_group or (), clear_text=talk.clear_text()
    )
    where = None if all_namespaces else namespace or session.namespace
    return _check(session, where, purpose)


def _named(option: str, names: list[str]) -> None:
    from k8sext.model.object_names import is_secret

    for name in names:
        if not is_secret(name):
            raise K8sextError(f"{name!r} is no name of a Kubernetes object", where=option)


def _check(session: Any, where: str | None, purpose: str) -> int:
    """One line per right that is missing; 1 when the job cannot be done without it."""
    from k8sext.kube import access

    from . import console, talk

    lines: dict[Any, str] = {}  # a right of two groups is told once
    refused = False
    for group in access.PURPOSES[purpose]:
        optional = group in access.OPTIONAL
        for right in _missing(session, where, group):
            lines.setdefault(right, f"missing{' (optional)' if optional else ''}: {right}\n")
            refused = refused or not optional
    end = "" if refused else f"you have all the rights that {purpose} needs\n"
    if not talk.quiet():
        console.data("".join(lines.values()) + end)
    return 1 if refused else 0


def _missing(session: Any, where: str | None, group: str) -> Any:
    from k8sext.kube import access
    from k8sext.kube.session import ApiError

    try:
        return access.missing(session, where, group)
    except ApiError as error:
        raise K8sextError(
            "your rights could not be checked (SelfSubjectAccessReview)",
            where=session.server,
            why=error.message,
            fix="without --check the Role is printed all the same",
            exit_code=3,
        ) from None
