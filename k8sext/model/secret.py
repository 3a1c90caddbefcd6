"""Values that must appear nowhere."""

from __future__ import annotations

import re

# Letters and marks that nobody sees: fillers, joiners, selectors of glyphs that text is hidden in
# (Unicode, Default_Ignorable_Code_Point; not the two that choose emoji or text), and Braille's
# empty cell. `str.isprintable` takes them for visible.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0d\uffa0"
    "\U000e0000-\U000e0fff]"
)
_MARKS = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]"
_STACKED = re.compile(f"({_MARKS}{{4}}){_MARKS}+")


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


def printable(text: str, limit: int = 400) -> str:
    """`text` on one line, bounded, without what a terminal obeys: see `visible`."""
    out = visible(text[: limit + 1]).strip()
    return out if len(out) <= limit else out[: limit - 1] + "…"


def visible(text: str) -> str:
    """`text` on one line, every character of which can be seen: the filter for whatever somebody
    else wrote and a terminal or a report shows.

    Controls (ESC, C0, C1), what turns the direction of writing, line separators, characters without
    width, halves of pairs and private ones become `\\xNN`/`\\uNNNN`; line breaks and wide blanks
    become blanks. Letters of all writings and emoji stay. Of marks upon one letter, which can cover
    the lines above and below, four are left.
    """
    if text.isascii() and text.isprintable():
        return text
    if not text.isprintable() or _UNSEEN.search(text):
        text = "".join(c if c.isprintable() and not _UNSEEN.match(c) else _shown(c) for c in text)
    return _STACKED.sub(r"\1", text)


def _shown(char: str) -> str:
    blank = char in "\t\n\r\xa0\u1680\u202f\u205f\u3000" or "\u2000" <= char <= "\u200a"
    return " " if blank else char.encode("unicode_escape").decode()
