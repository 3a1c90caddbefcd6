"""Who made an object: somebody by hand or from Git, or a controller."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

Object: TypeAlias = Mapping[str, Any]
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "endpointslice-controller.k8s.io"
MIRROR = "endpointslicemirroring-controller.k8s.io"
ENDPOINTS_MANAGED_BY = "endpoints.kubernetes.io/managed-by"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
HELM = "meta.helm.sh/release-name"
ARGO = "argocd.argoproj.io/tracking-id"
ARGO_ENDPOINTS = ":/Endpoints:"
OURS = "k8sext"
PROGRAMS = ("-operator", "-controller", "-controller-manager", "-manager", "-agent")
# Controllers that write what people wrote into a repository.
FROM_GIT = ("kustomize-controller", "helm-controller", "argocd-controller",
            "argocd-application-controller")  # fmt: skip


def managed_by(item: Object) -> str:
    """What its label says of who keeps a slice; "" where it says nothing."""
    return str((item["metadata"].get("labels") or {}).get(MANAGED_BY) or "")


def slice_controlled(item: Object, legacy: Object | None) -> Callable[[Object], bool]:
    """Which endpoints of a slice an endpoints controller chose by a selector, and nobody by hand.

    Such slices stay when the selector goes (pkg/controller/endpointslice, syncService, returns
    before it looks at them), so that their label decides. What is mirrored is as its Endpoints
    object, of which the same holds; it keeps the reference to the pod (endpointslicemirroring).
    """
    keeper = managed_by(item)
    if keeper == CONTROLLER:
        return lambda _endpoint: True
    if keeper != MIRROR:
        return lambda _endpoint: False
    whole = legacy is not None and endpoints_controlled(legacy)
    return lambda endpoint: whole or _of_pod(endpoint)


def endpoints_controlled(item: Object) -> bool:
    """Whether the endpoints controller wrote the addresses of an Endpoints object.

    It says so in a label since Kubernetes 1.33; before that it is known as the one who wrote
    `subsets` last, and by the reference to a pod that it gives each address.
    """
    meta = item["metadata"]
    if ENDPOINTS_MANAGED_BY in (meta.get("labels") or {}):
        return True
    fields = [f for f in meta.get("managedFields") or () if "f:subsets" in _fields(f)]
    if fields and not any(by_people(str(f.get("manager") or "")) for f in fields):
        return True
    subsets = item.get("subsets") or ()
    return any(_of_pod(a) for s in subsets for a in s.get("addresses") or ())


def _fields(managed: Object) -> Mapping[str, Any]:
    return managed.get("fieldsV1") or {}


def _of_pod(endpoint: Object) -> bool:
    return (endpoint.get("targetRef") or {}).get("kind") == "Pod"


def slice_by_hand(item: Object) -> bool:
    """Whether people made an EndpointSlice: no controller owns it or keeps it by its label.

    Controllers write their domain there (endpointslice-controller.k8s.io,
    endpointslice-mesh-controller.cilium.io); people are to write a word of theirs
    (kubernetes.io/docs/concepts/services-networking/endpoint-slices, Management).
    """
    meta = item["metadata"]
    keeper = managed_by(item)
    if keeper != OURS and ("." in keeper or keeper.endswith(PROGRAMS)):
        return False
    if any(o.get("controller") for o in meta.get("ownerReferences") or ()):
        return False
    managers = list(_managers(item))
    return not managers or any(by_people(m) for m in managers)


def endpoints_by_hand(item: Object) -> bool:
    """Whether people wrote addresses into an Endpoints object.

    kubectl's own copy of what was applied stays when a controller empties the object. Of a
    server-side apply nothing is left then but, for a while, the entry of its manager.
    """
    annotations = item["metadata"].get("annotations") or {}
    if HELM in annotations or ARGO_ENDPOINTS in (annotations.get(ARGO) or ""):
        return True  # they mark each object that they write; the controller keeps annotations
    if LAST_APPLIED in annotations and _subsets_in(annotations[LAST_APPLIED]):
        return True
    return any(_wrote_subsets(f) for f in item["metadata"].get("managedFields") or ())


def _subsets_in(applied: str) -> bool:
    try:
        document: Any = json.loads(applied)
    except ValueError:
        return False
    return isinstance(document, dict) and bool(document.get("subsets"))


def _wrote_subsets(field: Object) -> bool:
    return by_people(str(field.get("manager") or "")) and "f:subsets" in (
        field.get("fieldsV1") or {}
    )


def _managers(item: Object) -> Iterator[str]:
    for field in item["metadata"].get("managedFields") or ():
        yield str(field.get("manager") or "")


def by_people(manager: str) -> bool:
    """Whether a field manager writes what people told it to."""
    return manager in FROM_GIT or not manager.endswith(PROGRAMS)
