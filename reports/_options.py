"""What a terminal, a pipe or a file can show."""

from __future__ import annotations

from k8sext.model.data import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`width` in columns; formats for machines pass it over.

    Of the table: without `explain` each line has its codes beside it, in place of the explanations
    below; without `summary` the last line is left out.
    """

    width: int = 120
    color: bool = False
    unicode: bool = True
    explain: bool = True
    summary: bool = True
