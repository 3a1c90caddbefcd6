"""Where the addresses of a bridge are written: slices, and Endpoints that are mirrored."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from k8sext.bridges.handmade import MIRROR, managed_by
from k8sext.model.bridge import Bridge
from k8sext.model.data import dataclass
from k8sext.model.lint import Key, Object, Objects
from k8sext.model.shell import part, word

# How a connection ends where nobody is at the address, or the way to it is not the one meant.
NOBODY_THERE = ("KX301", "KX302", "KX308", "KX310")
# How it ends where another server answers there.
ANOTHER_ANSWERS = ("KX311", "KX313", "KX501", "KX502", "KX503")
# The name leads nowhere inside the cluster, while the address itself may well accept.
NO_BACKEND = ("KX303", "KX304", "KX305", "KX306", "KX315", "KX320")


@dataclass(frozen=True, slots=True)
class Piece:
    """One list of addresses with its ports, as it stands in an object.

    `path` is the JSON pointer to the part of the object that holds both.
    """

    kind: str
    name: str
    path: str
    ports: Sequence[Object]
    addresses: Sequence[Sequence[str]]  # of each endpoint

    def ref(self, namespace: str) -> str:
        """`KIND/NAMESPACE/NAME`."""
        return f"{self.kind}/{namespace}/{self.name}"


def key_of_bridge(bridge: Bridge) -> Key:
    """Namespace and name of its Service."""
    return bridge.namespace, bridge.service


def pieces(objects: Objects, key: Key) -> Iterator[Piece]:
    """What stands behind a Service; a mirrored slice is written in its Endpoints."""
    own = [s for s in objects.slices_of.get(key, ()) if managed_by(s) != MIRROR]
    for item in own:
        yield Piece(
            "EndpointSlice",
            str(item["metadata"]["name"]),
            "",
            item.get("ports") or (),
            [e.get("addresses") or () for e in item.get("endpoints") or ()],
        )
    legacy = objects.endpoints_of.get(key)
    if legacy and len(own) < max(len(objects.slices_of.get(key, ())), 1):
        yield from _subsets(legacy)


def _subsets(item: Object) -> Iterator[Piece]:
    for number, subset in enumerate(item.get("subsets") or []):
        known = [a for word in ("addresses", "notReadyAddresses") for a in subset.get(word) or []]
        yield Piece(
            "Endpoints",
            str(item["metadata"]["name"]),
            f"/subsets/{number}",
            subset.get("ports") or (),
            [[str(a["ip"])] for a in known],
        )


def patch(kind: str, namespace: str, name: str, *operations: dict[str, Any]) -> str:
    """The command that applies a JSON patch."""
    body = part(json.dumps(operations, separators=(",", ":")))
    where = f"{word(kind.lower())} -n {word(namespace)} {word(name)}"
    return f"kubectl patch {where} --type=json -p {body}"


def replaced(path: str, value: object) -> dict[str, Any]:
    """The operation that sets what is there, or is not yet there (RFC 6902: add replaces)."""
    return {"op": "add", "path": path, "value": value}


def number_of(text: str) -> int | None:
    """A port's number; None for a port's name and where nothing is said."""
    return int(text) if text.isdigit() else None
