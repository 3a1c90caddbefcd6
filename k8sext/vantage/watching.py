"""Objects as they change: by a watch, and where the watch fails by lists, until it works again.

Kubernetes API concepts, "Efficient detection of changes". A watch that names no resource version
begins with what there is, so that watching again loses nothing but what has been deleted meanwhile.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from k8sext.errors import K8sextError
from k8sext.kube.answers import decoded

PAUSE_S = 0.5
LONGEST_PAUSE_S = 2.0
# A proxy that holds back what it has until the end makes a watch silent: then a list tells.
SILENCE_S = 10.0
REFUSALS_AT_MOST = 3  # of watch and list, one after the other: then a right is missing

CHANGES = ("ADDED", "MODIFIED", "DELETED")

Event: TypeAlias = tuple[str, Mapping[str, Any]]  # ADDED, MODIFIED or DELETED, and the object


class WatchApi(Protocol):
    """What is asked of the API session."""

    def get(self, path: str, /, **params: object) -> dict[str, Any]:
        """GET a list."""
        ...

    def open(
        self, path: str, /, *, silence_s: float = ..., **params: object
    ) -> AbstractContextManager[Iterator[bytes]]:
        """Lines of a watch."""
        ...


@dataclass(slots=True)
class Watch:
    """Objects of one collection. `fits` says whether what came is such an object at all."""

    api: WatchApi
    path: str
    selector: str | None
    closed: threading.Event
    fits: Callable[[object], bool]
    seen: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])

    def events(self) -> Iterator[Event]:
        """Until `closed`. Raises K8sextError where both watch and list are refused for good."""
        pause, refusals = PAUSE_S, 0
        while not self.closed.is_set():
            healthy, refusal = yield from self._watched()
            if not healthy:
                listed = yield from self._listed()
                refusal = refusal if listed is not None else None
                refusals = refusals + 1 if refusal and listed else 0
                if refusal and listed and refusals >= REFUSALS_AT_MOST:
                    raise listed
            pause = PAUSE_S if healthy else min(pause * 1.5, LONGEST_PAUSE_S)
            self.closed.wait(pause * random.uniform(0.7, 1.3))  # noqa: S311

    def _watched(self) -> Generator[Event, None, tuple[bool, K8sextError | None]]:
        """One watch to its end: whether it worked, and the refusal where it was refused."""
        got = False
        try:
            with self.api.open(
                self.path, silence_s=SILENCE_S, watch="true", labelSelector=self.selector
            ) as lines:
                for line in lines:
                    if self.closed.is_set():
                        return True, None
                    event = self._event(line)
                    if event is None:  # cut or garbled, or an ERROR (410): what it hid is listed
                        return False, None
                    got = True
                    if event[0] != "BOOKMARK":
                        yield self._noted(*event)
        except K8sextError as error:
            refused = 400 <= getattr(error, "status", 0) < 500
            return False, error if refused else None
        return got, None

    def _event(self, line: bytes) -> Event | None:
        try:
            data = decoded(line)
        except ValueError:
            return None
        kind, about = data.get("type"), data.get("object")
        if not isinstance(kind, str) or not isinstance(about, dict):
            return None
        if kind != "BOOKMARK" and (kind not in CHANGES or not self.fits(about)):
            return None
        return kind, about

    def _listed(self) -> Generator[Event, None, K8sextError | None]:
        """What a list says has changed; the error where it could not be had."""
        try:
            page = self.api.get(self.path, labelSelector=self.selector)
        except K8sextError as error:
            return error
        items = [i for i in page.get("items") or [] if self.fits(i)]
        there = {_key(i) for i in items}
        for item in items:
            if _version(self.seen.get(_key(item))) != _version(item):
                yield self._noted("MODIFIED", item)
        partly = (page.get("metadata") or {}).get("continue")
        for key in [k for k in self.seen if k not in there and not partly]:
            gone = self.seen[key]
            meta = {"deletionTimestamp": "unknown", **_meta(gone)}
            yield self._noted("DELETED", {**gone, "metadata": meta})
        return None

    def _noted(self, kind: str, about: Mapping[str, Any]) -> Event:
        if kind == "DELETED":
            self.seen.pop(_key(about), None)
        else:
            self.seen[_key(about)] = about
        return kind, about


def _key(about: Mapping[str, Any]) -> str:
    meta = _meta(about)
    return f"{meta.get('name', '')} {meta.get('uid', '')}"


def _meta(about: Mapping[str, Any]) -> Mapping[str, Any]:
    return about.get("metadata") or {}


def _version(about: Mapping[str, Any] | None) -> object:
    """What changes with every change; without one every look is a change."""
    return _meta(about).get("resourceVersion", object()) if about else None
