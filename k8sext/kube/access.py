"""Rights: which ones a job needs, which are missing, and the Role that would give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType

from .session import Session

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


# ARCHITECTURE, "Rights". Groups of one purpose are printed together.
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
        "wide": (
            *_rights("", "nodes", "list", cluster=True),
            *_rights("", "services", "list", cluster=True),  # spec.externalIPs of any namespace
            *_rights("networking.k8s.io", "ingressclasses", "list", cluster=True),
        ),
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
OPTIONAL = ("better", "workloads", "wide")  # without them something is skipped by name
PURPOSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "doctor": ("probe", "discover", "better", "wide"),
        "relay": ("probe", "relay", "discover", "better", "wide"),
        "workloads": ("probe", "discover", "better", "workloads", "wide"),
        "graph": ("discover", "workloads"),
        "provision": ("provision",),
    }
)


def missing(session: Session, namespace: str | None, group: str) -> list[Right]:
    """The rights of a group that the caller lacks (one SelfSubjectAccessReview each, in parallel).

    Raises ApiError when the reviews themselves are refused.
    """
    rights = ROLES[group]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
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


def role_yaml(purpose: str, namespace: str | None) -> str:
    """The smallest roles for a purpose of PURPOSES: a Role, and a ClusterRole where one is needed.

    Without a namespace everything is in one ClusterRole.
    """
    rights = list(dict.fromkeys(r for group in PURPOSES[purpose] for r in ROLES[group]))
    name = f"k8sext-{purpose}"
    if namespace is None:
        return _document("ClusterRole", name, None, rights)
    inside = [r for r in rights if not r.cluster]
    outside = [r for r in rights if r.cluster]
    text = _document("Role", name, namespace, inside)
    return text + ("---\n" + _document("ClusterRole", name, None, outside) if outside else "")


def _document(kind: str, name: str, namespace: str | None, rights: Sequence[Right]) -> str:
    head = ["apiVersion: rbac.authorization.k8s.io/v1", f"kind: {kind}", "metadata:"]
    head += [f"  name: {name}", *([f"  namespace: {namespace}"] if namespace else []), "rules:"]
    verbs: dict[tuple[str, str], list[str]] = {}
    for right in rights:
        known = verbs.setdefault((right.group, right.resource), [])
        known += [] if right.verb in known else [right.verb]
    for (group, resource), words in verbs.items():
        head.append(f'- apiGroups: ["{group}"]')
        head.append(f'  resources: ["{resource}"]')
        head.append(f"  verbs: [{', '.join(words)}]")
    return "\n".join(head) + "\n"
