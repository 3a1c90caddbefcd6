"""What of a pod spec decides how its pods resolve names, and whose images they are: pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from k8sext.model.secret import printable
from k8sext.model.workload import How, PodTraits, Use

from .hosts import plain
from .names import Names, keys
from .sources import Told

Object = Mapping[str, Any]
READS_AT_MOST = 200  # variables of one workload


def traits(spec: Object, labels: Mapping[str, str], told: Iterable[Told]) -> PodTraits:
    """The traits of a pod spec whose template has `labels`; defaults are the API server's."""
    reads = {name for one in told for name in one.references - one.environment.keys()}
    return PodTraits(
        labels=tuple(sorted((str(k), str(v)) for k, v in labels.items())),
        host_network=bool(spec.get("hostNetwork")),
        dns_policy=str(spec.get("dnsPolicy") or "ClusterFirst"),
        service_links=spec.get("enableServiceLinks") is not False,
        reads=tuple(sorted(reads))[:READS_AT_MOST],
    )


def image_use(container: Object, namespace: str, index: Names) -> Use | None:
    """The bridge that the container's image names as its registry.

    The first part of a reference is a registry only where it has a dot or a colon, or is localhost
    (distribution/reference, splitDockerDomain).
    """
    registry, slash, _ = str(container.get("image") or "").partition("/")
    host, _, port = registry.partition(":")
    if not slash or not ("." in registry or ":" in registry):
        return None
    found = _bridge(namespace, plain(host), index.bridges)
    if found is None:
        return None
    return Use(
        bridge=found,
        how=How.IMAGE,
        container=str(container.get("name") or ""),
        where="image",
        text=printable(registry, 200),
        host=plain(host),
        port=int(port) if port.isdigit() else None,
    )


def _bridge(namespace: str, host: str, bridges: Collection[tuple[str, str]]) -> str | None:
    return next((f"{key[0]}/{key[1]}" for key in keys(namespace, host) if key in bridges), None)
