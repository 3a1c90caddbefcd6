"""Which known word a mistyped one was likely meant to be: pure."""

from __future__ import annotations

from collections.abc import Iterable

SHORT = 5  # words of fewer letters may differ by one change, others by two


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is nearest, "" where none is near."""
    allowed = 1 if len(word) < SHORT else 2
    near = ((distance(word, other, allowed), other) for other in known)
    close = min((pair for pair in near if pair[0] <= allowed), default=None)
    return close[1] if close else ""


def near(one: str, other: str) -> bool:
    """Whether two names differ by a slip of the pen, or one is the other with an ending."""
    allowed = 1 if min(len(one), len(other)) <= SHORT else 2
    shorter, longer = sorted((one, other), key=len)
    return longer.startswith(f"{shorter}-") or distance(one, other, allowed) <= allowed


def distance(one: str, other: str, limit: int) -> int:
    """Changes between two names (a letter more, less, other, or two swapped), up to `limit` + 1."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and (a, one[i - 2]) == (other[j - 2], b):
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return min(last[-1], limit + 1)
