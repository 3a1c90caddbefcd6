"""Where the API server has an object of any kind: asked of the server itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.lab.cluster import kubeapi
from tests.lab.place import LabError, Place

Object = Mapping[str, Any]
NEW_KIND_S = 10.0
"""How long a kind may take to be served: that of a CustomResourceDefinition comes late."""
GONE_S = 20.0


@dataclass(frozen=True)
class Resource:
    """A kind as the API names it in paths."""

    base: str
    """`/api/v1` or `/apis/GROUP/VERSION`."""
    plural: str
    namespaced: bool

    def path(self, name: str, namespace: str) -> str:
        """The path of one object."""
        where = f"/namespaces/{namespace}" if self.namespaced else ""
        return f"{self.base}{where}/{self.plural}/{name}"


_known: dict[tuple[str, str], Resource] = {}


def resource_of(place: Place, item: Object) -> Resource:
    """The resource of an object. LabError if the server has no such kind."""
    key = (str(item.get("apiVersion")), str(item.get("kind")))
    give_up = time.monotonic() + NEW_KIND_S
    while key not in _known:
        _learn(place, key[0])
        if key not in _known and time.monotonic() > give_up:
            raise LabError(f"the API server has no {key[1]} in {key[0]}")
        time.sleep(0 if key in _known else 0.3)
    return _known[key]


def _learn(place: Place, version: str) -> None:
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    for found in (kubeapi.get(place, base) or {}).get("resources", []):
        if "/" not in found["name"]:
            resource = Resource(base, found["name"], found["namespaced"])
            _known[(version, found["kind"])] = resource


def path_of(place: Place, item: Object) -> str:
    """The path of an object."""
    meta = item["metadata"]
    return resource_of(place, item).path(meta["name"], meta.get("namespace", ""))


def remove(place: Place, path: str) -> None:
    """Delete an object and wait until it is gone; one that is not there is no error."""
    kubeapi.request(place, path, method="DELETE")
    give_up = time.monotonic() + GONE_S
    while kubeapi.get(place, path) is not None:
        if time.monotonic() > give_up:
            raise LabError(f"{path} does not go away")
        time.sleep(0.1)
