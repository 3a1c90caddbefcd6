"""Comparing what a server is with what the bridge expects."""

from __future__ import annotations

import re
from itertools import zip_longest

_PART = re.compile(r"\s*(>=|<=|==|!=|>|<|=)?\s*v?(\d+(?:\.\d+)*)\s*$")


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: "10.11.6-MariaDB" -> (10, 11, 6)."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def version_in(version: str, spec: str) -> bool:
    """Whether `version` is within `spec`: comma-separated `>=12`, `<16`, `!=14.1`, or plain `7.1`
    (any version that begins with it). Raises ValueError for a spec that is none.
    """
    return all(_holds(numbers(version), part) for part in spec.split(","))


def _holds(have: tuple[int, ...], part: str) -> bool:
    found = _PART.match(part)
    if not found:
        raise ValueError(f"{part.strip()!r} is not a version range such as >=12,<16")
    want = tuple(int(n) for n in found[2].split("."))
    operator = found[1] or "="
    if operator in ("=", "=="):
        return have[: len(want)] == want
    if operator == "!=":
        return have[: len(want)] != want
    order = _compare(have, want)
    return {">=": order >= 0, "<=": order <= 0, ">": order > 0, "<": order < 0}[operator]


def _compare(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    for x, y in zip_longest(a, b, fillvalue=0):
        if x != y:
            return 1 if x > y else -1
    return 0
