"""What `k8sext explain CODE` says: five heads for every code, none empty.

The texts are kept beside this file by range of codes. Each code is a block; a block is its code on
a line of its own, then one line (which may go on, indented) for each of the heads.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType

from . import texts_answer, texts_callback, texts_login, texts_reach, texts_run, texts_state

HEADS = {
    "means": "What it means",
    "how": "How we know",
    "see": "See it yourself",
    "repair": "Repair",
    "wrong": "When this is wrong",
}
_PARTS = (
    texts_reach.TEXT, texts_answer.TEXT, texts_login.TEXT, texts_state.TEXT, texts_callback.TEXT,
    texts_run.TEXT,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """The text of one code, a paragraph for each head."""

    means: str
    how: str
    see: str
    repair: str
    wrong: str

    @property
    def line(self) -> str:
        """The first sentence of what it means: the code in a list."""
        return self.means.partition(". ")[0].rstrip(".")

    def paragraphs(self) -> tuple[tuple[str, str], ...]:
        """Head and paragraph, in order."""
        return tuple((HEADS[f.name], getattr(self, f.name)) for f in fields(self))


@functools.cache
def texts() -> Mapping[str, Text]:
    """Every text by code, in the order of codes.

    Raises ValueError for a code that occurs twice, TypeError for a head that lacks or is unknown.
    """
    found: dict[str, Text] = {}
    for block in (b for part in _PARTS for b in part.strip().split("\n\n")):
        code, *lines = block.splitlines()
        if code in found:
            raise ValueError(f"{code} has two texts")
        found[code] = Text(**_heads(lines))
    return MappingProxyType(dict(sorted(found.items())))


def _heads(lines: list[str]) -> dict[str, str]:
    heads: dict[str, str] = {}
    for line in lines:
        if line.startswith(" "):
            last = next(reversed(heads))
            heads[last] += " " + line.strip()
        else:
            head, _, text = line.partition(": ")
            heads[head] = text.strip()
    return heads
