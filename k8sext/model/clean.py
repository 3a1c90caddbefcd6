"""The filter between what others wrote and a terminal or a report: one for all formats.

`cleaned` is for values before they are laid out (tables, JUnit, pictures); `escaped` for JSON,
which keeps every character and writes those that cannot be seen as `\\uNNNN`; `screened` is the
net under everything that is written to a terminal, whoever made it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast

from .secret import visible

T = TypeVar("T")
_STYLE = re.compile("\x1b\\[[0-9;]{0,16}m")  # what the table is coloured with


def cleaned(value: T) -> T:
    """The same value with every text in it made visible; itself where there is nothing to do."""
    return cast("T", _cleaned(value))


def _cleaned(value: Any) -> Any:
    if type(value) is str:
        return visible(value)
    if is_dataclass(value) and not isinstance(value, type):
        return _of_fields(value)
    if isinstance(value, Mapping):
        return _of_mapping(value)  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, tuple | list):
        return _of_sequence(value)  # pyright: ignore[reportUnknownArgumentType]
    return value


def _of_mapping(items: Mapping[Any, Any]) -> Mapping[Any, Any]:
    made = {_cleaned(k): _cleaned(v) for k, v in items.items()}
    pairs = zip(items.items(), made.items(), strict=False)
    same = len(made) == len(items) and all(k is a and v is b for (k, v), (a, b) in pairs)
    return items if same else made


def _of_sequence(parts: tuple[Any, ...] | list[Any]) -> tuple[Any, ...] | list[Any]:
    made = [_cleaned(v) for v in parts]
    same = all(a is b for a, b in zip(parts, made, strict=True))
    return parts if same else type(parts)(made)


def _of_fields(value: Any) -> Any:
    new: dict[str, Any] = {}
    for field in fields(value):
        old = getattr(value, field.name)
        made = _cleaned(old)
        if made is not old and field.init:
            new[field.name] = made
    return replace(value, **new) if new else value


def escaped(value: Any, indent: int | None = None) -> str:
    """JSON in which every character can be seen: letters as they are, all else as `\\uNNNN`."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(c if c == "\n" or visible(c) == c else _in_json(c) for c in text)


def _in_json(char: str) -> str:
    return json.dumps(char)[1:-1]


def screened(text: str, *, styled: bool = False) -> str:
    """A text of several lines, each made visible; `styled`: colours stay."""
    return "\n".join(_line(line, styled) for line in text.split("\n"))


def _line(line: str, styled: bool) -> str:
    if line.isascii() and line.isprintable():
        return line
    if not styled:
        return visible(line)
    at, out = 0, ""
    for match in _STYLE.finditer(line):
        out += visible(line[at : match.start()]) + match[0]
        at = match.end()
    return out + visible(line[at:])
