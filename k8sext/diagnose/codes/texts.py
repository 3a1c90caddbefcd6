"""What `k8sext explain CODE` says: five heads for every code, none empty.

The texts are kept beside this file by range of codes. Each code is a block; a block is its code on
a line of its own, then one line (which may go on, indented) for each of the heads.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import fields
from types import MappingProxyType

from k8sext.model.data import dataclass

HEADS = {
    "means": "What it means",
    "how": "How we know",
    "see": "See it yourself",
    "repair": "Repair",
    "wrong": "When this is wrong",
}


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
    for block in _blocks():
        code, *lines = block.splitlines()
        if code in found:
            raise ValueError(f"{code} has two texts")
        found[code] = Text(**_heads(lines))
    return MappingProxyType(dict(sorted(found.items())))


def _blocks() -> Iterator[str]:
    """The blocks of the files `texts_*.py` beside this one."""
    folder = __name__.rpartition(".")[0]
    for file in pkgutil.iter_modules(importlib.import_module(folder).__path__):
        if file.name.startswith("texts_"):
            yield from importlib.import_module(f"{folder}.{file.name}").TEXT.strip().split("\n\n")


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
