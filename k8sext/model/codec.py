"""Frozen dataclasses to JSON and back, driven by their annotations."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_json(value: object) -> Any:
    """`value` as what `json.dumps` takes; fields that hold their default are left out."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: to_json(getattr(value, f.name))
            for f in fields(value)
            if not _is_default(f, getattr(value, f.name))
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [to_json(v) for v in cast("list[object]", value)]
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in cast("Mapping[object, object]", value).items()}
    return value


def from_json(cls: type[T], data: object) -> T:
    """The dataclass `cls` from what `to_json` made of it.

    Unknown keys are ignored, so that an older reader takes a newer writer's additions.
    Raises TypeError or ValueError when the data does not fit.
    """
    return cast("T", _decode(cls, data))


def _is_default(field: Any, value: object) -> bool:
    if field.default is not MISSING:
        return bool(value == field.default)
    return field.default_factory is not MISSING and bool(value == field.default_factory())


def _decode(hint: Any, data: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _decode_union(args, data)
    if origin is tuple:
        kinds = [args[0]] * len(data) if args[1:] == (Ellipsis,) else args
        return tuple(_decode(kind, item) for kind, item in zip(kinds, data, strict=True))
    if isinstance(hint, type) and is_dataclass(hint):
        return _decode_dataclass(hint, data)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(data)
    if hint is float:
        return float(data)
    return data


def _decode_union(args: tuple[Any, ...], data: Any) -> Any:
    if data is None:
        return None
    rich = [a for a in args if isinstance(a, type) and (is_dataclass(a) or issubclass(a, Enum))]
    return _decode(rich[0], data) if len(rich) == 1 else data


_HINTS: dict[type, dict[str, Any]] = {}


def _decode_dataclass(cls: type, data: Any) -> Any:
    if not isinstance(data, Mapping):
        raise TypeError(f"{cls.__name__} needs an object, not {type(data).__name__}")
    hints = _HINTS.setdefault(cls, get_type_hints(cls))
    given = cast("Mapping[str, Any]", data)
    return cls(
        **{name: _decode(hint, given[name]) for name, hint in hints.items() if name in given}
    )
