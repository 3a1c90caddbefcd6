"""Waits until kube-proxy on every node has seen what was applied so far.

What it makes of the objects is not asked: there are many that it passes over (another proxy's
Services, slices of names, ports of another protocol), and rules that cannot come must not be
waited for. In place of that a mark is applied last, a Service with a slice: its rules are written
in one go with those of everything that was seen before it, and each kind of object is seen in the
order in which it was written.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

from tests.lab.cluster import kubeapi
from tests.lab.hosts import NODES, SILENT, inside
from tests.lab.place import LabError, Place

PATIENCE_S = 30.0
CONTROLLERS_S = 5.0
"""How long controllers may take for what they make of Services and Endpoints; if they make
nothing of one of them, that is what people have, too.
"""
_SERVICE_NAME = "kubernetes.io/service-name"
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_MIRROR = "endpointslicemirroring-controller.k8s.io"
_CONTROLLER = "endpointslice-controller.k8s.io"
_NOT_MIRRORED = (
    ("labels", "endpointslice.kubernetes.io/skip-mirror"),
    ("annotations", "control-plane.alpha.kubernetes.io/leader"),
)
Object = Mapping[str, Any]
Ends = set[tuple[str, int]]


def awaited(place: Place, *namespaces: str) -> None:
    """Until the nodes have what was applied. LabError where one of them does not follow."""
    _until(lambda: not any(name for n in namespaces for name in _unmade(place, n)), CONTROLLERS_S)
    with _mark(place, namespaces[0]) as pattern:
        waiting = {n.name for n in NODES}

        def written() -> bool:
            rules = {name: inside(place, name, ["iptables-save"]) for name in waiting}
            waiting.intersection_update(n for n, r in rules.items() if not pattern.search(r))
            return not waiting

        if not _until(written, PATIENCE_S):
            raise LabError(f"kube-proxy on {', '.join(sorted(waiting))} does not follow")


def _until(reached: Callable[[], bool], seconds: float) -> bool:
    give_up = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.05)
    return True


@contextlib.contextmanager
def _mark(place: Place, namespace: str) -> Generator[re.Pattern[str]]:
    """A Service and its slice; gives what the rule that leads to it looks like."""
    name = f"mark-{secrets.token_hex(4)}"
    port = 1024 + secrets.randbelow(60000)
    meta = {"name": name, "namespace": namespace}
    service: dict[str, object] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {"ports": [{"port": port}]},
    }
    ends: dict[str, object] = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**meta, "labels": {_SERVICE_NAME: name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [SILENT]}],
        "ports": [{"port": port}],
    }
    paths = (
        f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices/{name}",
        f"/api/v1/namespaces/{namespace}/services/{name}",
    )
    try:
        for path, item in zip(paths, (ends, service), strict=True):
            kubeapi.apply(place, path, item)
        end = re.escape(f"{SILENT}:{port}")
        yield re.compile(rf'^-A KUBE-SEP-.* "{namespace}/{name}" .*--to-destination {end}$', re.M)
    finally:
        for path in reversed(paths):
            kubeapi.request(place, path, method="DELETE")


def _unmade(place: Place, namespace: str) -> Iterator[str]:
    """Services and Endpoints for which a controller has yet to write slices."""
    slices = _items(place, f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices")
    legacy = {o["metadata"]["name"]: o for o in _items(place, _core(namespace, "endpoints"))}
    for service in _items(place, _core(namespace, "services")):
        name, spec = service["metadata"]["name"], service["spec"]
        ours = [s for s in slices if _labels(s).get(_SERVICE_NAME) == name]
        if spec.get("type") == "ExternalName":
            continue
        if spec.get("selector"):
            if not any(_labels(s).get(_MANAGED_BY) == _CONTROLLER for s in ours):
                yield name
        elif name in legacy and not _ends_of(legacy[name]) <= _mirrored(ours):
            yield name


def _core(namespace: str, kind: str) -> str:
    return f"/api/v1/namespaces/{namespace}/{kind}"


def _items(place: Place, path: str) -> list[Object]:
    return list((kubeapi.get(place, path) or {}).get("items") or ())


def _labels(item: Object) -> Mapping[str, str]:
    return item["metadata"].get("labels") or {}


def _mirrored(slices: list[Object]) -> Ends:
    """Where the slices lead that were made of Endpoints."""
    return {
        (end["addresses"][0], port.get("port", 0))
        for item in slices
        if _labels(item).get(_MANAGED_BY) == _MIRROR
        for end in item.get("endpoints") or ()
        for port in item.get("ports") or ()
    }


def _ends_of(legacy: Object) -> Ends:
    """Where Endpoints lead that a controller will make slices of."""
    meta = legacy["metadata"]
    if any(word in (meta.get(field) or {}) for field, word in _NOT_MIRRORED):
        return set()
    return {
        (address["ip"], port["port"])
        for subset in legacy.get("subsets") or ()
        for address in subset.get("addresses") or ()
        for port in subset.get("ports") or ()
    }
