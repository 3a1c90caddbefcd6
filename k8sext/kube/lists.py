"""Whole lists, page by page, within bounds: a list that never ends is noticed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, TypeAlias

from k8sext.errors import K8sextError

from .session import ApiError, Session

Object: TypeAlias = Mapping[str, Any]
Objects: TypeAlias = tuple[Object, ...]
PAGES_AT_MOST = 1000
ITEMS_AT_MOST = 500_000
LIST_S = 180.0  # all pages of one list


def listed(session: Session, path: str, selector: str | None = None) -> Objects:
    """All items of a list; `resourceVersion=0` lets the API server answer from its cache.

    We ask for no pages, yet a server may give them. A page that is gone (410: the list took longer
    than etcd keeps its state) cannot be had any more, so the list begins anew, once. Raises
    K8sextError (exit code 3) where the list does not end.
    """
    try:
        return _pages(session, path, selector)
    except ApiError as error:
        if error.status != 410:
            raise
        return _pages(session, path, selector)


def _pages(session: Session, path: str, selector: str | None) -> Objects:
    until = time.monotonic() + LIST_S
    items: list[Object] = []
    given, token = set[str](), ""
    while True:
        where = {"continue": token} if token else {"resourceVersion": "0"}
        page = session.get(path, labelSelector=selector or None, **where)
        items.extend(page.get("items") or [])
        token = next_of(page)
        if not token:
            return tuple(items)
        if token in given:
            raise endless(session, path, "it gives the same page again and again")
        given.add(token)
        if len(given) >= PAGES_AT_MOST or len(items) > ITEMS_AT_MOST:
            what = f"{len(given)} pages with {len(items)} items have not been all"
            raise endless(session, path, what)
        if time.monotonic() > until:
            raise endless(session, path, f"it has not ended after {LIST_S:.0f} s")


def next_of(page: Mapping[str, Any]) -> str:
    """The token of the page that follows; "" after the last."""
    return str((page.get("metadata") or {}).get("continue") or "")


def endless(session: Session, path: str, why: str) -> K8sextError:
    """A list that is not worth going on with."""
    return K8sextError(
        "a list of the API server does not end",
        where=f"{session.server}{path}",
        why=why,
        fix="look for a proxy between here and it",
        exit_code=3,
    )
