"""Reads one YAML document against a schema; every error has its line and column.

A schema is a mapping: `type` (text, number, boolean, list, mapping, any, or a list of these),
`enum`, `items` (of a list), `keys` (name to schema: no other is allowed), `required`,
`values` (schema of every value, whatever its key), `one_key` (exactly one of its keys).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Schema = Mapping[str, Any]
_TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "mapping": (dict,),
}


class CaseError(Exception):
    """A case cannot be read; the text begins with FILE:LINE:COLUMN."""


@dataclass(frozen=True)
class Document:
    """What was read, and where each part of it stands."""

    data: dict[str, Any]
    name: str
    marks: Mapping[str, str]
    """Path (`expect.code`, `bridges[0].to`) to FILE:LINE:COLUMN."""

    def error(self, path: str, what: str) -> CaseError:
        """Something is wrong with a part of it, or with the nearest part around it."""
        shown = path
        while path and path not in self.marks:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return CaseError(f"{self.marks.get(path, self.name)}: {shown}: {what}")


def read(file: Path, schema: Schema) -> Document:
    """The document of a file. Raises CaseError."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CaseError(f"{file}: cannot be read: {error}") from error
    return parse(text, str(file), schema)


def parse(text: str, name: str, schema: Schema) -> Document:
    """The same of a text."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise CaseError(f"{place}: this is not YAML: {error.problem}") from error
    if node is None:
        raise CaseError(f"{name}:1:1: the file is empty")
    walk = _Walk(name)
    found: dict[str, Any] = walk.checked(node, {"type": "mapping", **schema}, "")
    return Document(found, name, walk.marks)


class _Walk:
    """One document."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.marks: dict[str, str] = {}

    def checked(self, node: Any, schema: Schema, path: str) -> Any:
        self.marks[path] = self._place(node)
        value = self._value(node, path)
        self._check_type(node, value, schema, path)
        single = isinstance(node, yaml.ScalarNode)  # the words of a list are its items' matter
        if single and "enum" in schema and value not in schema["enum"]:
            allowed = ", ".join(map(str, schema["enum"]))
            raise self._bad(node, path, f"is {value!r}; it may be {allowed}")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, schema, path)
        if isinstance(node, yaml.SequenceNode):
            rule = schema.get("items", {})
            return [self.checked(n, rule, f"{path}[{i}]") for i, n in enumerate(node.value)]
        return value

    def _check_type(self, node: Any, value: Any, schema: Schema, path: str) -> None:
        wanted = schema.get("type", "any")
        names: list[str] = [wanted] if isinstance(wanted, str) else list(wanted)
        if "any" in names:
            return
        types = tuple(t for n in names for t in _TYPES[n])
        if not isinstance(value, types) or (isinstance(value, bool) and "boolean" not in names):
            raise self._bad(node, path, f"must be {' or '.join(names)}")

    def _mapping(self, node: Any, schema: Schema, path: str) -> dict[str, Any]:
        keys, out = schema.get("keys"), dict[str, Any]()
        for key, item in node.value:
            name = str(key.value)
            inner = f"{path}.{name}" if path else name
            if name in out:
                raise self._bad(key, inner, "is written twice")
            if keys is not None and name not in keys:
                near = difflib.get_close_matches(name, keys, 1)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(keys)}"
                raise self._bad(key, inner, f"is not known; {hint}")
            rule = keys[name] if keys is not None else schema.get("values", {})
            out[name] = self.checked(item, rule, inner)
        for name in schema.get("required", ()):
            if name not in out:
                raise self._bad(node, f"{path}.{name}" if path else name, "is missing")
        if schema.get("one_key") and len(out) != 1:
            raise self._bad(node, path, f"must have exactly one key; it has {len(out)}")
        return out

    def _value(self, node: Any, path: str) -> Any:
        if isinstance(node, yaml.MappingNode):
            return {}
        if isinstance(node, yaml.SequenceNode):
            return []
        try:
            return yaml.SafeLoader("").construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            raise self._bad(node, path, "cannot be read") from error

    def _bad(self, node: Any, path: str, what: str) -> CaseError:
        return CaseError(f"{self._place(node)}: {path or 'the document'} {what}")

    def _place(self, node: Any) -> str:
        mark = node.start_mark
        return f"{self.name}:{mark.line + 1}:{mark.column + 1}"
