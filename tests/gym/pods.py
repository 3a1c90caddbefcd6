"""Pods of a case: waited for, and taken away."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.lab.cluster import kubeapi
from tests.lab.place import LabError, Place

Object = Mapping[str, Any]
WORKLOADS: Mapping[str, str] = {
    "Pod": "/api/v1/namespaces/{namespace}/pods/{name}",
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
    "StatefulSet": "/apis/apps/v1/namespaces/{namespace}/statefulsets/{name}",
}
"""Where the API has each kind."""


def _ready(pod: Object) -> bool:
    conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


def _running(pod: Object) -> bool:
    return bool(pod["status"].get("phase") == "Running")


STATES: Mapping[str, Callable[[Object], bool]] = {"Ready": _ready, "Running": _running}
"""What pods may be waited for to be."""


def _rolled_out(workload: Object) -> bool:
    """Whether its pods are of its present template; a Pod is its own."""
    status = workload.get("status", {})
    if "replicas" not in workload.get("spec", {}):
        return True
    seen = status.get("observedGeneration", 0) >= workload["metadata"].get("generation", 0)
    return bool(seen and status.get("updatedReplicas", 0) == workload["spec"]["replicas"])


def await_all(
    place: Place,
    namespace: str,
    kind: str,
    name: str,
    state: Callable[[Object], bool],
    *,
    give_up: float,
) -> None:
    """Until all pods that a workload wants are in a state. LabError, with what they say, if not.

    A workload that this namespace does not have is not waited for: its absence may be the fault.
    """
    path = WORKLOADS[kind].format(namespace=namespace, name=name)
    while True:
        workload = kubeapi.get(place, path)
        if workload is None:
            return
        found, wanted = _pods(place, namespace, workload)
        if _rolled_out(workload) and len(found) == wanted and all(map(state, found)):
            return
        if time.monotonic() > give_up:
            said = "; ".join(map(_told, found)) or "no pod"
            raise LabError(f"{kind}/{name} of {namespace}: {len(found)} of {wanted} pods: {said}")
        time.sleep(0.3)


def remove(place: Place, namespace: str, kind: str, name: str) -> None:
    """Delete a workload and wait until its pods are gone."""
    path = WORKLOADS[kind].format(namespace=namespace, name=name)
    workload = kubeapi.get(place, path)
    if workload is None:
        return
    kubeapi.request(place, f"{path}?propagationPolicy=Background", method="DELETE")
    if kind == "Pod":
        _await_end(f"pod {name}", lambda: kubeapi.get(place, path) is not None)
    else:
        labels = _labels(workload)
        _await_end(f"pods of {name}", lambda: bool(_listed(place, namespace, labels)))


def await_gone(place: Place, namespace: str) -> None:
    """Until a namespace that is being deleted has no pods left."""
    _await_end(f"pods of {namespace}", lambda: bool(_listed(place, namespace, {})))


def _await_end(what: str, there: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while there():
        if time.monotonic() > give_up:
            raise LabError(f"{what} do not end")
        time.sleep(0.3)


def _pods(place: Place, namespace: str, workload: Object) -> tuple[list[Object], int]:
    """The pods of a workload (those that end already left out), and how many it wants."""
    if workload["kind"] == "Pod":
        return [workload], 1
    found = _listed(place, namespace, _labels(workload))
    alive = [p for p in found if "deletionTimestamp" not in p["metadata"]]
    return alive, int(workload["spec"].get("replicas", 1))


def _labels(workload: Object) -> Mapping[str, str]:
    chosen: Mapping[str, str] = workload["spec"]["selector"]["matchLabels"]
    return chosen


def _listed(place: Place, namespace: str, labels: Mapping[str, str]) -> list[Object]:
    chosen = "%2C".join(f"{key}%3D{value}" for key, value in labels.items())
    path = f"/api/v1/namespaces/{namespace}/pods?labelSelector={chosen}"
    items: list[Object] = (kubeapi.get(place, path) or {}).get("items", [])
    return items


def _told(pod: Object) -> str:
    states = [
        f"{status['name']} {next(iter(status['state'].values())).get('reason', '')}".strip()
        for status in pod["status"].get("containerStatuses", [])
    ]
    return f"{pod['metadata']['name']} {pod['status'].get('phase')} ({', '.join(states)})"
