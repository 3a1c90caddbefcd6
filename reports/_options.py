"""What a terminal, a pipe or a file can show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`width` in columns; formats for machines pass it over."""

    width: int = 120
    color: bool = False
    unicode: bool = True
