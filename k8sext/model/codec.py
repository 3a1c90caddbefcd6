"""Frozen dataclasses to JSON and back, driven by their annotations."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Mapping, Sequence
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


def from_json(cls: type[T], data: object, *, strict: bool = False) -> T:
    """The dataclass `cls` from what `to_json` made of it.

    Unknown keys are ignored, so that an older reader takes a newer writer's additions.
    Raises TypeError or ValueError when the data does not fit; `strict` looks at plain values too,
    for what others may have altered (for what our own agent writes it would only take time).
    """
    return cast("T", _decoder(cast("Any", cls), strict)(data))


def _is_default(field: Any, value: object) -> bool:
    if field.default is not MISSING:
        return bool(value == field.default)
    return field.default_factory is not MISSING and bool(value == field.default_factory())


@functools.cache
def _decoder(hint: Any, strict: bool) -> Decoder:
    """What decodes one annotation; made once, because a run decodes thousands of the same."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _union_decoder(hint, args, strict)
    if origin is tuple:
        return _tuple_decoder(args, strict)
    if origin is frozenset:
        member = _decoder(args[0], strict)
        return lambda data: frozenset(map(member, data))
    if isinstance(hint, type) and is_dataclass(hint):
        return _dataclass_decoder(hint, strict)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if strict:
        return _strict_decoder(hint, origin, args)
    return float if hint is float else _as_it_is


def _as_it_is(data: Any) -> Any:
    return data


def _strict_decoder(hint: Any, origin: Any, args: tuple[Any, ...]) -> Decoder:
    """Of plain values, mappings and sequences: what JSON has for them, and nothing else."""
    if hint in _PLAIN:
        return functools.partial(_plain, hint, _PLAIN[hint])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        value = _decoder(args[1], True)
        return lambda data: {k: value(v) for k, v in _plain(Mapping, (dict,), data).items()}
    if isinstance(origin, type) and issubclass(origin, Sequence):
        member = _decoder(args[0], True)
        return lambda data: [member(v) for v in _plain(Sequence, (list,), data)]
    return _as_it_is


_PLAIN: Mapping[Any, tuple[type, ...]] = {
    str: (str,), int: (int,), float: (int, float), bool: (bool,),
}  # fmt: skip


def _plain(hint: Any, types_: tuple[type, ...], data: Any) -> Any:
    stray = isinstance(data, bool) and hint is not bool  # to Python it is a number, too
    if not isinstance(data, types_) or stray:
        raise TypeError(f"{hint.__name__} is needed, not {type(data).__name__}")
    return float(cast("float", data)) if hint is float else data


def _union_decoder(hint: Any, args: tuple[Any, ...], strict: bool) -> Decoder:
    """Of a union the one member that needs decoding, if there is exactly one."""
    rich = [a for a in args if isinstance(a, type) and (is_dataclass(a) or issubclass(a, Enum))]
    others = [a for a in args if a is not type(None)]
    if len(rich) == 1:
        decode = _decoder(rich[0], strict)
    elif strict and len(others) == 1:
        decode = _decoder(others[0], True)
    else:
        decode = _as_it_is  # Json, which all of JSON is
    if strict and type(None) not in args:
        return decode
    return lambda data: None if data is None else decode(data)


def _tuple_decoder(args: tuple[Any, ...], strict: bool) -> Decoder:
    def items(data: Any) -> Any:
        return _plain(tuple, (list, tuple), data) if strict else data

    if args[1:] == (Ellipsis,):
        each = _decoder(args[0], strict)
        return lambda data: tuple(map(each, items(data)))
    every = tuple(_decoder(a, strict) for a in args)
    return lambda data: tuple(d(item) for d, item in zip(every, items(data), strict=True))


def _dataclass_decoder(cls: type, strict: bool) -> Decoder:
    decoders = {name: _decoder(hint, strict) for name, hint in get_type_hints(cls).items()}

    def decode(data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise TypeError(f"{cls.__name__} needs an object, not {type(data).__name__}")
        given = cast("Mapping[str, Any]", data)
        return cls(**{n: decode(given[n]) for n, decode in decoders.items() if n in given})

    return decode
