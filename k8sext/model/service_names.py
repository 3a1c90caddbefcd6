"""Names of Services inside the cluster, as an alias (ExternalName) can hold them."""

from __future__ import annotations

from typing import TypeAlias

Key: TypeAlias = tuple[str, str]  # namespace and name
DOMAIN = ".svc.cluster.local"


def whole(name: str) -> Key | None:
    """Namespace and Service of `SERVICE.NAMESPACE.svc.cluster.local`; None for other names."""
    bare = name.rstrip(".").lower()
    parts = bare.removesuffix(DOMAIN).split(".") if bare.endswith(DOMAIN) else []
    return (parts[-1], parts[-2]) if len(parts) >= 2 else None


def cut_short(name: str, namespace: str) -> Key | None:
    """Namespace and Service that a name means which is whole inside a pod only.

    `SERVICE`, `SERVICE.NAMESPACE` and `SERVICE.NAMESPACE.svc` need the search list of a pod's
    resolv.conf; the target of an alias is looked up as it is written (RFC 1034, 3.6.2).
    """
    parts = name.rstrip(".").lower().removesuffix(".svc").split(".")
    if len(parts) == 1:
        return namespace, parts[0]
    return (parts[1], parts[0]) if len(parts) == 2 else None
