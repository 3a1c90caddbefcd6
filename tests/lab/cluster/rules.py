"""What kube-proxy has written on the nodes, against what the objects of a namespace ask for."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from tests.lab.cluster import kubeapi
from tests.lab.hosts import NODES, inside
from tests.lab.place import LabError, Place

PATIENCE_S = 30.0
_SERVICE_NAME = "kubernetes.io/service-name"
_NOT_MIRRORED = (
    ("labels", "endpointslice.kubernetes.io/skip-mirror"),
    ("annotations", "control-plane.alpha.kubernetes.io/leader"),
)
Object = Mapping[str, Any]


def awaited(place: Place, *namespaces: str) -> None:
    """Until every node has the rules of every Service; LabError where one has them not in time.

    A Service is written when it is seen, as one that refuses; again when its slices are seen.
    """
    missing = {rule for n in namespaces for rule in _wanted(place, n)}
    give_up = time.monotonic() + PATIENCE_S
    while missing:
        written = [inside(place, n.name, ["iptables-save"]) for n in NODES]
        missing = {m for m in missing if not all(re.search(m, w, re.M) for w in written)}
        if missing and time.monotonic() > give_up:
            raise LabError(f"kube-proxy has not written {', '.join(sorted(missing))}")
        time.sleep(0.1 if missing else 0)


def _wanted(place: Place, namespace: str) -> Iterator[str]:
    """Patterns of lines: of each place that a Service leads to; where it leads nowhere, that it
    is known.
    """
    core, discovery = (
        f"/{v}/namespaces/{namespace}" for v in ("api/v1", "apis/discovery.k8s.io/v1")
    )
    slices = _items(place, f"{discovery}/endpointslices")
    legacy = _items(place, f"{core}/endpoints")
    for service in _items(place, f"{core}/services"):
        spec, name = service["spec"], service["metadata"]["name"]
        if spec.get("clusterIP") in (None, "", "None"):
            continue
        ends = [*_of_slices(service, slices), *_of_legacy(service, legacy)]
        kept = spec.get("internalTrafficPolicy") == "Local"
        for port in spec["ports"]:
            about = f"{namespace}/{name}" + (f":{port['name']}" if port.get("name") else "")
            there = [a for n, a in ends if n == port.get("name", "") and not kept]
            for address in there:
                yield rf'^-A KUBE-SEP-.* "{about}" .*--to-destination {re.escape(address)}$'
            if not there:
                yield rf"^-A \S+ -d {re.escape(spec['clusterIP'])}/32 .*--dport {port['port']} "


def _items(place: Place, path: str) -> list[Object]:
    return list((kubeapi.get(place, path) or {}).get("items") or ())


def _of_slices(service: Object, slices: list[Object]) -> Iterator[tuple[str, str]]:
    """Ready endpoints: the port's name, and where it leads."""
    for item in slices:
        named = (item["metadata"].get("labels") or {}).get(_SERVICE_NAME)
        family = item["addressType"] in service["spec"].get("ipFamilies", ())
        if named != service["metadata"]["name"] or not family:
            continue
        for end in item.get("endpoints") or ():
            if (end.get("conditions") or {}).get("ready") is not False:
                for port in item.get("ports") or ():
                    yield port.get("name") or "", f"{end['addresses'][0]}:{port['port']}"


def _of_legacy(service: Object, legacy: list[Object]) -> Iterator[tuple[str, str]]:
    """The same, of Endpoints that a controller will mirror."""
    for item in legacy:
        meta = item["metadata"]
        barred = any(word in (meta.get(field) or {}) for field, word in _NOT_MIRRORED)
        if meta["name"] != service["metadata"]["name"] or barred:
            continue
        for subset in item.get("subsets") or ():
            for address in subset.get("addresses") or ():
                for port in subset.get("ports") or ():
                    yield port.get("name") or "", f"{address['ip']}:{port['port']}"
