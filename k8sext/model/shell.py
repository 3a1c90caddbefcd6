"""Quotes for the shell: whatever stands in a line that somebody may paste passes here.

The lines are for sh and its relatives (bash, dash, ksh, zsh). A plain name stays as it is. What
nobody can type or see (a line break, an escape, a direction mark), and what a command would take
for an option, does not get into a line at all: its place in capitals stands there instead, as in
`YOUR-POD`, and the reader has to look.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from string import Formatter
from typing import Any

from .secret import visible


def word(value: object, stand_in: str = "NAME") -> str:
    """One value as one argument that is no option; `stand_in` for what cannot be written."""
    text = str(value)
    if not is_fit(text):
        return stand_in
    return part(text)


def part(value: object, stand_in: str = "NAME") -> str:
    """As `word`, for a value inside a longer argument (`key=VALUE`), where a dash is harmless."""
    text = str(value)
    if not text or visible(text) != text:
        return stand_in
    # zsh takes a word that begins with = for the path of a command.
    return f"'{text}'" if text.startswith("=") and shlex.quote(text) == text else shlex.quote(text)


def is_fit(text: str) -> bool:
    """Whether a value can be an argument of a line."""
    return bool(text) and not text.startswith("-") and visible(text) == text


def line(*words: object) -> str:
    """A command of these words, each quoted. Those of ours may be options."""
    return " ".join(part(w) for w in words)


class _Line(Formatter):
    """See `filled`."""

    def vformat(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, format_string: str, args: Any, kwargs: Mapping[str, Any]
    ) -> str:
        out: list[str] = []
        for text, name, _spec, conversion in self.parse(format_string):
            out.append(text)
            if name is not None:
                out.append(_written(name, str(kwargs[name]), conversion))
        return "".join(out)


def _written(name: str, value: str, conversion: str | None) -> str:
    stand_in = "NAME" if name.isdigit() else name.upper().replace("_", "-")
    if conversion == "j":
        return json.dumps(value)[1:-1].replace("'", "\\u0027")
    if conversion == "q":
        return word(value, stand_in)
    return part(value, stand_in) if conversion == "p" else value


def filled(template: str, facts: Mapping[str, str]) -> str:
    """A template of ours: `{name}` for prose; in a line to paste `{name!q}` for a value that is an
    argument, `{name!p}` for one inside an argument, `{name!j}` for one inside a string of JSON that
    stands in single quotes. Raises KeyError for a fact that is not there.
    """
    return _Line().vformat(template, (), facts).strip()


def names(template: str) -> tuple[str, ...]:
    """What a template has places for."""
    return tuple(name for _, name, _, _ in Formatter().parse(template) if name)


def is_fillable(template: str, facts: Mapping[str, str]) -> bool:
    """Whether every value can be written where the template wants it: nothing is left to choose."""
    for _, name, _, conversion in Formatter().parse(template):
        value = str(facts[name]) if name else ""
        if conversion == "q" and not is_fit(value):
            return False
        if conversion == "p" and visible(value) != value:
            return False
    return True
