"""Frozen dataclasses to JSON and back, driven by their annotations."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
Decoder = Callable[[Any], Any]


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
    if isinstance(value, frozenset):
        return sorted(to_json(v) for v in cast("frozenset[object]", value))
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in cast("Mapping[object, object]", value).items()}
    return value


def from_json(cls: type[T], data: object) -> T:
    """The dataclass `cls` from what `to_json` made of it.

    Unknown keys are ignored, so that an older reader takes a newer writer's additions.
    Raises TypeError or ValueError when the data does not fit.
    """
    return cast("T", _decoder(cast("Any", cls))(data))


def _is_default(field: Any, value: object) -> bool:
    if field.default is not MISSING:
        return bool(value == field.default)
    return field.default_factory is not MISSING and bool(value == field.default_factory())


@functools.cache
def _decoder(hint: Any) -> Decoder:
    """What decodes one annotation; made once, because a run decodes thousands of the same."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _union_decoder(args)
    if origin is tuple:
        return _tuple_decoder(args)
    if origin is frozenset:
        member = _decoder(args[0])
        return lambda data: frozenset(map(member, data))
    if isinstance(hint, type) and is_dataclass(hint):
        return _dataclass_decoder(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    return float if hint is float else _as_it_is


def _as_it_is(data: Any) -> Any:
    return data


def _union_decoder(args: tuple[Any, ...]) -> Decoder:
    """Of a union the one member that needs decoding, if there is exactly one."""
    rich = [a for a in args if isinstance(a, type) and (is_dataclass(a) or issubclass(a, Enum))]
    decode = _decoder(rich[0]) if len(rich) == 1 else _as_it_is
    return lambda data: None if data is None else decode(data)


def _tuple_decoder(args: tuple[Any, ...]) -> Decoder:
    if args[1:] == (Ellipsis,):
        each = _decoder(args[0])
        return lambda data: tuple(map(each, data))
    every = tuple(_decoder(a) for a in args)
    return lambda data: tuple(d(item) for d, item in zip(every, data, strict=True))


def _dataclass_decoder(cls: type) -> Decoder:
    decoders = {name: _decoder(hint) for name, hint in get_type_hints(cls).items()}

    def decode(data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise TypeError(f"{cls.__name__} needs an object, not {type(data).__name__}")
        given = cast("Mapping[str, Any]", data)
        return cls(**{n: decode(given[n]) for n, decode in decoders.items() if n in given})

    return decode
