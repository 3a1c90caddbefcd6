"""Rights: which ones a job needs, which are missing, and the roles that would give them.

tests/e2e/test_rights.py runs every job as a user who has exactly these, and fails where a request
is denied or a right is never used (by the API server's audit log).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from k8sext.model.data import dataclass

from .session import Session
from .workers import Workers

CONNECTIONS = 2  # a TLS handshake costs more than a review
_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one resource; `cluster` rights cannot be given by a Role."""

    verb: str
    resource: str  # "pods", "pods/log"
    group: str = ""
    cluster: bool = False

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{f'.{self.group}' if self.group else ''}"


def _rights(group: str, resource: str, verbs: str, cluster: bool = False) -> tuple[Right, ...]:
    return tuple(Right(verb, resource, group, cluster) for verb in verbs.split())


# Groups of one purpose are printed together.
ROLES: Mapping[str, tuple[Right, ...]] = MappingProxyType(
    {
        "probe": (
            *_rights("batch", "jobs", "create get delete"),
            *_rights("", "pods", "list watch"),
            *_rights("", "pods/log", "get"),
        ),
        "relay": _rights("", "pods/portforward", "get create"),
        "discover": (
            *_rights("", "services", "list"),
            *_rights("", "endpoints", "list"),
            *_rights("discovery.k8s.io", "endpointslices", "list"),
        ),
        "better": (
            *_rights("", "events", "list watch"),
            *_rights("networking.k8s.io", "networkpolicies", "list"),
            *_rights("networking.k8s.io", "ingresses", "list"),
            *_rights("", "namespaces", "get"),
        ),
        "like": (
            *_rights("apps", "deployments", "list"),
            *_rights("apps", "statefulsets", "list"),
            *_rights("apps", "daemonsets", "list"),
        ),
        # Named skips of `--workloads` and `graph`. Whoever may list ConfigMaps reads all of them,
        # so that `doctor` alone does not ask for it.
        "workloads": (
            *_rights("", "pods", "list"),
            *_rights("apps", "deployments", "list"),
            *_rights("apps", "statefulsets", "list"),
            *_rights("apps", "daemonsets", "list"),
            *_rights("batch", "cronjobs", "list"),
            *_rights("batch", "jobs", "list"),
            *_rights("", "configmaps", "list"),
        ),
        "seen": (  # which Services lead to pods or nodes of the cluster itself
            *_rights("", "pods", "list"),
            *_rights("", "nodes", "list", cluster=True),
        ),
        "wide": (
            *_rights("", "nodes", "list", cluster=True),
            *_rights("", "services", "list", cluster=True),  # spec.externalIPs of any namespace
            *_rights("networking.k8s.io", "ingressclasses", "list", cluster=True),
        ),
        "cleanup": _rights("batch", "jobs", "list get delete"),
        # Which user number a pod may have: OpenShift tells it at the namespace.
        "users": _rights("", "namespaces", "get"),
        # Cluster IPs of every namespace: an address that is one of them is refused.
        "taken": _rights("", "services", "list", cluster=True),
        "provision": (
            # Server-side apply of what is not there yet asks for `create` beside `patch`.
            *_rights("", "services", "get list create patch"),
            *_rights("discovery.k8s.io", "endpointslices", "get list create patch delete"),
            # OpenShift's admission refuses addresses of one's own choice without it.
            *_rights("discovery.k8s.io", "endpointslices/restricted", "create"),
            *_rights("networking.k8s.io", "ingresses", "get create patch delete"),
        ),
    }
)
# Without them something is skipped by name.
OPTIONAL = ("better", "like", "workloads", "seen", "wide", "users", "taken")
PROBING = ("probe", "relay")  # without them there is nothing to see
PURPOSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "doctor": ("probe", "discover", "better", "wide"),
        "relay": ("probe", "relay", "discover", "better", "wide"),
        "like": ("probe", "discover", "better", "like", "wide"),
        "workloads": ("probe", "discover", "better", "workloads", "wide"),
        "list": ("discover", "seen"),
        "graph": ("discover", "seen", "workloads"),
        "provision": ("provision", "taken"),
        "resolve": ("probe", "users"),
        "cleanup": ("cleanup",),
    }
)


def missing(session: Session, namespace: str | None, group: str) -> list[Right]:
    """The rights of a group that the caller lacks (one SelfSubjectAccessReview each, in parallel).

    Raises ApiError when the reviews themselves are refused.
    """
    rights = ROLES[group]
    with Workers(CONNECTIONS) as pool:
        granted = list(pool.map(lambda right: allowed(session, namespace, right), rights))
    return [right for right, yes in zip(rights, granted, strict=True) if not yes]


def allowed(session: Session, namespace: str | None, right: Right) -> bool:
    """Whether the caller has a right (one SelfSubjectAccessReview)."""
    resource, _, sub = right.resource.partition("/")
    asked = {
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": sub,
        "namespace": "" if right.cluster else namespace or "",
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    return bool(session.post(_REVIEW, review).get("status", {}).get("allowed"))


def role_yaml(
    purpose: str,
    namespace: str | None,
    *,
    secrets: Sequence[str] = (),
    service_account: str = "",
) -> str:
    """The smallest roles for a purpose of PURPOSES: a Role, and a ClusterRole where one is needed.

    Without a namespace everything is in one ClusterRole. `secrets` are names of those that may be
    read. With `service_account` that account and its bindings are there too; it lives in the
    namespace (without one, in `default`).
    """
    rights = list(dict.fromkeys(r for group in PURPOSES[purpose] for r in ROLES[group]))
    name, lives = f"k8sext-{purpose}", namespace or "default"
    parts: list[tuple[str, list[Right], Sequence[str]]] = [("ClusterRole", rights, secrets)]
    if namespace is not None:
        outside = [r for r in rights if r.cluster]
        parts = [("Role", [r for r in rights if not r.cluster], secrets)]
        parts += [("ClusterRole", outside, ())] if outside else []
    documents = [_role(kind, name, namespace, some, read) for kind, some, read in parts]
    if service_account:
        bindings = [_binding(kind, name, service_account, lives) for kind, _, _ in parts]
        documents = [_account(service_account, lives), *documents, *bindings]
    return "---\n".join(documents)


def _role(
    kind: str,
    name: str,
    namespace: str | None,
    rights: Sequence[Right],
    secrets: Sequence[str],
) -> str:
    within = namespace if kind == "Role" else None
    lines = [*_head("rbac.authorization.k8s.io/v1", kind, name, within), "rules:"]
    verbs: dict[tuple[str, str], list[str]] = {}
    for right in rights:
        known = verbs.setdefault((right.group, right.resource), [])
        known += [] if right.verb in known else [right.verb]
    for (group, resource), words in verbs.items():
        lines += _rule(group, resource, words)
    if secrets:
        lines += [*_rule("", "secrets", ["get"]), f"  resourceNames: {json.dumps([*secrets])}"]
    return "\n".join(lines) + "\n"


def _rule(group: str, resource: str, verbs: Sequence[str]) -> list[str]:
    return [
        f'- apiGroups: ["{group}"]',
        f'  resources: ["{resource}"]',
        f"  verbs: [{', '.join(verbs)}]",
    ]


def _account(name: str, namespace: str) -> str:
    return "\n".join(_head("v1", "ServiceAccount", name, namespace)) + "\n"


def _binding(kind: str, role: str, account: str, namespace: str) -> str:
    inside = kind == "Role"
    name = role if inside else f"{role}-{namespace}"
    lines = [
        *_head(
            "rbac.authorization.k8s.io/v1", f"{kind}Binding", name, namespace if inside else None
        ),
        f"roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: {role}}}",
        "subjects:",
        f"- {{kind: ServiceAccount, name: {account}, namespace: {namespace}}}",
    ]
    return "\n".join(lines) + "\n"


def _head(version: str, kind: str, name: str, namespace: str | None) -> list[str]:
    within = [f"  namespace: {namespace}"] if namespace else []
    return [f"apiVersion: {version}", f"kind: {kind}", "metadata:", f"  name: {name}", *within]
