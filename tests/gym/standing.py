"""Objects of a case in the cluster: applied, and taken away again, also those of a killed run."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.lab.cluster import kubeapi, resources
from tests.lab.place import LabError, Place

Object = dict[str, Any]
PREFIX = "gym-"
NODE_PORT_FREE_S = 20.0
_LATE = {"Service": 1, "Ingress": 2}
_writing = threading.Lock()


def stand(place: Place, namespace: str, objects: Sequence[Object], far: list[str]) -> None:
    """Apply objects in a namespace made for them; paths of those that reach beyond it go to `far`.

    Such are objects without a namespace or in another one, and Services that claim addresses of
    the whole cluster (`externalIPs`). Other namespaces that objects name are made, too.
    """
    placed = [_placed(place, namespace, o) for o in objects]
    spaces = [o for o in placed if o["kind"] == "Namespace"]
    named = {o["metadata"]["name"] for o in spaces}
    wanted = {namespace, *(o["metadata"].get("namespace", namespace) for o in placed)} - named
    spaces = [*map(_space, sorted(wanted)), *spaces]
    # Services late: kube-proxy then never writes rules for one that has no endpoints yet. And
    # Ingresses last: their controller then never sees one without its Service.
    rest = sorted(
        (o for o in placed if o["kind"] != "Namespace"), key=lambda o: _LATE.get(o["kind"], 0)
    )
    for item in (*spaces, *rest):
        path = resources.path_of(place, item)
        if _reaches_beyond(namespace, item) and not _is_there(place, item, path):
            far.append(path)
            note(place, [path])
        _apply(place, path, item)
    _await_account(place, namespace)


def _is_there(place: Place, item: Object, path: str) -> bool:
    """Whether it is a namespace that is not ours to remove."""
    return item["kind"] == "Namespace" and kubeapi.get(place, path) is not None


def _placed(place: Place, namespace: str, item: Object) -> Object:
    if not resources.resource_of(place, item).namespaced:
        return item
    return {**item, "metadata": {"namespace": namespace, **item["metadata"]}}


def _space(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _reaches_beyond(namespace: str, item: Mapping[str, Any]) -> bool:
    meta = item["metadata"]
    if item["kind"] == "Namespace":
        return bool(meta["name"] != namespace)
    return meta.get("namespace") != namespace or "externalIPs" in item.get("spec", {})


def _apply(place: Place, path: str, item: Object) -> None:
    """Server-side apply; straight to the API, a third of kubectl's time."""
    give_up = time.monotonic() + NODE_PORT_FREE_S
    while True:
        try:
            return kubeapi.apply(place, path, item)
        except LabError as problem:  # the Service of the run before had this node port
            if "already allocated" not in str(problem) or time.monotonic() > give_up:
                raise
            time.sleep(0.3)


def _await_account(place: Place, namespace: str) -> None:
    """Pods are refused until the controller has made the namespace's service account."""
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    give_up = time.monotonic() + 20
    while kubeapi.get(place, account) is None:
        if time.monotonic() > give_up:
            raise LabError(f"namespace {namespace} gets no service account")
        time.sleep(0.05)


def remove(place: Place, far: Sequence[str]) -> None:
    """Take away what reaches beyond a namespace, in the other order, and wait until it is gone.

    A namespace is only told to go: that takes longer, and nothing in it is left by then.
    """
    for path in reversed(far):
        if path.startswith("/api/v1/namespaces/") and path.count("/") == 4:
            kubeapi.request(place, path, method="DELETE")
        else:
            resources.remove(place, path)
    forget(place, far)


def clear(place: Place) -> None:
    """Take away what a run that was killed has left in the cluster."""
    remove(place, noted(place))
    for item in (kubeapi.get(place, "/api/v1/namespaces") or {}).get("items", []):
        name = item["metadata"]["name"]
        if name.startswith(PREFIX) and "deletionTimestamp" not in item["metadata"]:
            kubeapi.request(place, f"/api/v1/namespaces/{name}", method="DELETE")


def _file(place: Place) -> Path:
    """Paths of objects that a run has made outside its own namespaces."""
    return place.state / "gym.far"


def noted(place: Place) -> list[str]:
    """What a run has written down."""
    file = _file(place)
    paths: list[str] = json.loads(file.read_text()) if file.exists() else []
    return paths


def note(place: Place, far: Sequence[str]) -> None:
    """Write down what is about to be made, for whoever comes after a killed run."""
    with _writing:
        _write(place, [*noted(place), *far])


def forget(place: Place, far: Sequence[str]) -> None:
    """It is gone."""
    with _writing:
        _write(place, [p for p in noted(place) if p not in far])


def _write(place: Place, paths: Sequence[str]) -> None:
    new = _file(place).with_suffix(".new")
    new.write_text(json.dumps([*paths]))
    new.rename(_file(place))
