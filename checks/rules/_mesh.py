"""Whether a namespace puts a mesh's proxy into its pods, by its labels and annotations."""

from __future__ import annotations

from collections.abc import Mapping

from k8sext.model.lint import Object, Objects


def meshes(objects: Objects) -> Mapping[str, str]:
    """Namespaces with injection, each with the mesh's name."""
    found = {str(n["metadata"]["name"]): _mesh(n) for n in objects.namespaces or ()}
    return {name: mesh for name, mesh in found.items() if mesh}


def _mesh(namespace: Object) -> str:
    """Istio: label istio-injection, istio.io/rev or istio.io/dataplane-mode (ambient); Linkerd:
    annotation linkerd.io/inject (their documentation on injection).
    """
    labels = namespace["metadata"].get("labels") or {}
    notes = namespace["metadata"].get("annotations") or {}
    if labels.get("istio-injection") == "disabled":
        return ""
    if labels.get("istio-injection") == "enabled" or labels.get("istio.io/rev"):
        return "Istio"
    if labels.get("istio.io/dataplane-mode") == "ambient":
        return "Istio"
    return "Linkerd" if notes.get("linkerd.io/inject") in ("enabled", "ingress") else ""
