"""A watch that fails, in every way it can, against an API that is told what to say."""

import json
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from k8sext.errors import K8sextError
from k8sext.kube import shapes
from k8sext.kube.answers import ApiError
from k8sext.vantage import watching
from k8sext.vantage.watching import Watch


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PAUSE_S", 0.001)
    monkeypatch.setattr(watching, "LONGEST_PAUSE_S", 0.001)


def pod(version: str = "1", name: str = "p") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "dev", "resourceVersion": version}}


def line(kind: str, about: Any) -> bytes:
    return json.dumps({"type": kind, "object": about}).encode()


def forbidden() -> ApiError:
    return ApiError(403, "Forbidden", "no", {}, "")


class Told:
    """Each opening gives the next of `watches`, each list the next of `lists` (the last stays)."""

    def __init__(self, watches: list[Any], lists: list[Any]) -> None:
        self.watches, self.lists = watches, lists

    def get(self, path: str, /, **params: object) -> dict[str, Any]:
        said = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(said, Exception):
            raise said
        return {"items": said}

    @contextmanager
    def open(self, path: str, /, **params: object) -> Generator[Iterator[bytes]]:
        said = self.watches.pop(0) if self.watches else K8sextError("reset", exit_code=3)
        if isinstance(said, Exception):
            raise said
        yield iter(said)


def heard(api: Told, number: int) -> list[tuple[str, str]]:
    """The first events: kind and resource version."""
    closed = threading.Event()
    watch = Watch(api, "/pods", None, closed, fits=lambda about: shapes.item("pods", about))
    events = watch.events()
    return [(k, o["metadata"]["resourceVersion"]) for k, o in (next(events) for _ in range(number))]


BROKEN: dict[str, Any] = {
    "refused": forbidden(),
    "reset": K8sextError("reset", exit_code=3),
    "empty": [],
    "garbled": [b"\x00\xff{{{"],
    "cut within a line": [line("ADDED", pod())[:20]],
    "html": [b"<html>\n", b"log in\n"],
    "null": [b"null"],
    "array": [b"[1]"],
    "number": [b"1"],
    "deep": [b"[" * 100_000],
    "gone": [line("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})],
    "no object": [line("ADDED", None)],
    "object is text": [line("ADDED", "x")],
    "no metadata": [line("ADDED", {})],
    "metadata is a list": [line("ADDED", {"metadata": [1]})],
    "unknown type": [line("RENAMED", pod())],
    "type is a number": [line(7, pod())],  # type: ignore[arg-type]
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_watch_that_fails_is_replaced_by_lists(broken: Any) -> None:
    """For ever: what changes is seen by the lists alone, and what does not is not told twice."""
    api = Told([broken] * 9, [[pod("1")], [pod("1")], [pod("2")], []])
    assert heard(api, 3) == [("MODIFIED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_one_failure_costs_nothing(broken: Any) -> None:
    """The watch before and after it, and what happened between them."""
    before = [line("ADDED", pod("1")), *(broken if isinstance(broken, list) else [])]
    api = Told([before, [line("MODIFIED", pod("3"))]], [[pod("2")]])
    seen = heard(api, 3 if isinstance(broken, list) and broken else 2)
    assert seen[0] == ("ADDED", "1")
    assert seen[-1] == ("MODIFIED", "3")
    assert ("MODIFIED", "2") in seen or not (isinstance(broken, list) and broken)


def test_a_list_of_one_page_tells_of_no_end() -> None:
    api = Told([], [[pod("1")]])
    page = api.get
    api.get = lambda path, /, **p: {**page(path), "metadata": {"continue": "t"}}  # type: ignore[method-assign]
    watch = Watch(api, "/pods", None, threading.Event(), fits=lambda _: True)
    watch.seen["other "] = pod("1", "other")
    assert [k for k, _ in (next(watch.events()),)] == ["MODIFIED"]
    assert list(watch._listed()) == []  # pyright: ignore[reportPrivateUsage]


def test_bookmarks_say_nothing() -> None:
    mark = line("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": "9"}})
    assert heard(Told([[mark, line("ADDED", pod("1"))]], [[]]), 1) == [("ADDED", "1")]


def test_whoever_may_neither_watch_nor_list_is_told_so_soon() -> None:
    with pytest.raises(ApiError):
        heard(Told([forbidden()] * 9, [forbidden()]), 1)


def test_one_refusal_that_passes_is_none() -> None:
    """An API server that has just started refuses until it has read the roles."""
    api = Told([forbidden()], [forbidden(), [pod("1")]])
    assert heard(api, 1) == [("MODIFIED", "1")]
