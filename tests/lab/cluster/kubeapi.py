"""The few calls to the API server that starting and watching the lab takes."""

from __future__ import annotations

import functools
import json
import ssl
from typing import Any

from tests.lab import wire
from tests.lab.hosts import NODE1
from tests.lab.place import LabError, Place


@functools.cache
def _administrator(place: Place, generation: int) -> ssl.SSLContext:
    """TLS as the administrator; `generation` tells the keys of one run from the next one's."""
    del generation
    context = ssl.create_default_context(cafile=str(place.pki / "ca.crt"))
    context.load_cert_chain(place.pki / "admin.crt", place.pki / "admin.key")
    return context


APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"


def request(
    place: Place,
    path: str,
    *,
    method: str = "GET",
    body: object = None,
    timeout: float = 5.0,
    patch: str = APPLY,
) -> wire.Reply:
    """One request as the administrator, from the first node; `patch`: which kind a PATCH is."""
    key = place.pki / "admin.crt"
    if not key.exists():
        raise LabError("the lab is not up")
    return wire.http_request(
        place,
        NODE1.name,
        NODE1.address,
        6443,
        path,
        method=method,
        body=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": patch} if method == "PATCH" else {},
        tls=_administrator(place, key.stat().st_mtime_ns),
        timeout=timeout,
    )


def get(place: Place, path: str) -> dict[str, Any] | None:
    """An object, or None when there is none."""
    reply = request(place, path)
    if reply.status == 404:
        return None
    if reply.status != 200:
        raise LabError(f"GET {path}: {reply.status} {reply.body[:300]!r}")
    found: dict[str, Any] = json.loads(reply.body)
    return found


def apply(place: Place, path: str, manifest: dict[str, object]) -> None:
    """Server-side apply of one object."""
    query = "?fieldManager=lab&force=true"
    reply = request(place, path + query, method="PATCH", body=manifest)
    if reply.status not in (200, 201):
        raise LabError(f"apply {path}: {reply.status} {reply.body[:300]!r}")


def merge(place: Place, path: str, change: object) -> None:
    """JSON merge patch (RFC 7386) of an object that is there."""
    reply = request(place, path, method="PATCH", body=change, patch=MERGE)
    if reply.status != 200:
        raise LabError(f"change {path}: {reply.status} {reply.body[:300]!r}")
