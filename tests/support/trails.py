"""Where targets of tests lead, as the objects of a healthy bridge would say it."""

from __future__ import annotations

from typing import Any

from k8sext.model.bridge import Kind
from k8sext.model.plan import Target, Trail

CLUSTER_IP = "10.96.0.9"


def to_endpoint(address: str, **more: Any) -> Trail:
    """One address that people wrote into a slice of a Service in `dev`."""
    known: dict[str, Any] = {"kind": Kind.SELECTORLESS, "people": True, "peer": address}
    return Trail(namespace="dev", **{**known, **more})


def by_service(*behind: str, **more: Any) -> Trail:
    """The cluster IP of a Service in `dev`, and what is behind it."""
    return to_endpoint(CLUSTER_IP, **{"virtual": (CLUSTER_IP,), "behind": behind, **more})


def by_alias(outside: str, address: str, **more: Any) -> Trail:
    """An address of the outside name to which an ExternalName Service leads."""
    known: dict[str, Any] = {"kind": Kind.EXTERNAL_NAME, "people": False, "outside": outside}
    return to_endpoint(address, **{**known, "chain": (outside,), **more})


def led(target: Target, trail: Trail) -> Target:
    """The target with its trail."""
    from dataclasses import replace

    return replace(target, trail=trail)
