"""What a pod has read of Secrets once, when its containers started, and holds since then.

The kubelet renews mounted Secrets; it does not renew environment variables, nor what is mounted
with `subPath` (Kubernetes documentation, Secrets: "Using Secrets as environment variables" and
"Mounted Secrets are updated automatically").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from k8sext.model.workload import Held

Object = Mapping[str, Any]
# Reloader restarts workloads whose Secrets change: https://github.com/stakater/Reloader
_RELOADERS = ("reloader.stakater.com/", "secret.reloader.stakater.com/")


def of_pod(pod: Object) -> Iterator[Held]:
    """One for each running container and Secret. One that waits to start again reads it anew."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    since = {
        str(c.get("name")): str(
            ((c.get("state") or {}).get("running") or {}).get("startedAt") or ""
        )
        for word in ("initContainerStatuses", "containerStatuses")
        for c in status.get(word) or []
    }
    name = str((pod.get("metadata") or {}).get("name") or "")
    for container in (*(spec.get("initContainers") or []), *(spec.get("containers") or [])):
        began = since.get(str(container.get("name")), "")
        for secret, keys in _read_once(container, spec) if began else ():
            yield Held(secret=secret, keys=keys, pod=name, since=began)


def reloaded(annotations: Mapping[str, str]) -> bool:
    """Whether somebody restarts the workload when a Secret of it changes."""
    return any(key.startswith(_RELOADERS) for key in annotations)


def _read_once(container: Object, spec: Object) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(Secret, keys) of a container; no keys: all of them."""
    for item in container.get("envFrom") or []:
        if ref := item.get("secretRef"):
            yield str(ref.get("name")), ()
    for item in container.get("env") or []:
        if ref := (item.get("valueFrom") or {}).get("secretKeyRef"):
            yield str(ref.get("name")), (str(ref.get("key")),)
    volumes = {str(v.get("name")): v for v in spec.get("volumes") or []}
    for mount in container.get("volumeMounts") or []:
        if mount.get("subPath") or mount.get("subPathExpr"):
            yield from ((name, ()) for name in _secrets(volumes.get(str(mount.get("name"))) or {}))


def _secrets(volume: Object) -> Iterator[str]:
    if secret := volume.get("secret"):
        yield str(secret.get("secretName"))
    for part in (volume.get("projected") or {}).get("sources") or []:
        if secret := part.get("secret"):
            yield str(secret.get("name"))
