"""Values that must appear nowhere."""

from __future__ import annotations

from collections.abc import Iterable


class Secret:
    """A value that shows itself only to `reveal()`; text, repr, pickle and copies stay masked."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value. Call it in the line that sends it, nowhere else."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Secret is not serialised")


def mask(text: str, secrets: Iterable[Secret]) -> str:
    """`text` with every secret of three characters or more replaced by `***`."""
    for value in sorted({s.reveal() for s in secrets}, key=len, reverse=True):
        if len(value) >= 3:
            text = text.replace(value, "***")
    return text


def printable(text: str, limit: int = 400) -> str:
    """`text` on one line, bounded, without control characters: fit for a terminal and for XML.

    Control, format (bidirectional overrides) and surrogate characters become `\\xNN`/`\\uNNNN`.
    """
    out = "".join(
        c if c.isprintable() else " " if c in "\t\n\r" else c.encode("unicode_escape").decode()
        for c in text[: limit + 1]
    ).strip()
    return out if len(out) <= limit else out[: limit - 1] + "…"
