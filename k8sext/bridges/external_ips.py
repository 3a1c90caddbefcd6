"""Addresses outside that a Service of this cluster takes for itself (`spec.externalIPs`): pure.

Every node sends connections for such an address and port to that Service's endpoints. Whoever may
make Services can so put pods of theirs before a server outside (CVE-2020-8554); what a load
balancer has been given stands in the status, which they may not write.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from k8sext.model.bridge import Bridge
from k8sext.model.plan import join_address

Object = Mapping[str, Any]


def noted(bridges: Sequence[Bridge], services: Iterable[Object]) -> tuple[Bridge, ...]:
    """The bridges, each with what other Services claim: `address:port` of TCP."""
    claims = [(key, target) for key, target in _claims(services)]
    if not claims:
        return tuple(bridges)
    return tuple(
        replace(b, claimed=tuple(sorted({t for key, t in claims if key != b.ref}))) for b in bridges
    )


def _claims(services: Iterable[Object]) -> Iterator[tuple[str, str]]:
    for service in services:
        meta, spec = service["metadata"], service.get("spec") or {}
        for address in spec.get("externalIPs") or ():
            for port in spec.get("ports") or ():
                if str(port.get("protocol") or "TCP") == "TCP":
                    where = join_address(str(address), int(port["port"]))
                    yield f"{meta['namespace']}/{meta['name']}", where
