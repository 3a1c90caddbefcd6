"""`dataclass(frozen=True)`, made in a quarter of the time.

The standard library compiles six methods for each frozen class, one by one. A run defines about a
hundred such classes before it looks at anything, and the pod forty more: a third of the time that
importing our own code took. Here `__init__` alone is compiled; the other methods read the fields
when they are called. Everything else is the standard library's, which also makes every class that
is not frozen. `fields`, `replace`, `asdict` and type checkers see ordinary dataclasses.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type | None = None, /, **options: bool) -> Any:
        """As `dataclasses.dataclass`; with `frozen=True` only `slots` and `kw_only` beside it."""
        make = frozen_class if options.pop("frozen", False) else dataclasses.dataclass
        return make(cls, **options) if cls else lambda cls: make(cls, **options)


__all__ = ["dataclass"]


def frozen_class(cls: type, *, slots: bool = False, kw_only: bool = False) -> type:
    """The class with its methods; what it defines itself is left alone."""
    own = set(vars(cls))
    plain = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)
    made: Any = plain(cls)
    fields = dataclasses.fields(made)
    methods = {"__init__": _init_of(made, fields), **_methods_of(fields)}
    for name, method in methods.items():
        if name not in own:
            method.__qualname__ = f"{made.__qualname__}.{name}"
            setattr(made, name, method)
    return made  # type: ignore[no-any-return]


def _init_of(cls: type, fields: Sequence[dataclasses.Field[Any]]) -> Callable[..., None]:
    """`__init__`, which sets each field below `__setattr__`: that one refuses."""
    scope: dict[str, Any] = {"_set": object.__setattr__, "_absent": object()}
    by_place, by_name, body = list[str](), list[str](), list[str]()
    for field in fields:
        name, value = field.name, field.name
        argument = name
        if field.default is not dataclasses.MISSING:
            scope[f"_default_{name}"] = field.default
            argument += f"=_default_{name}"
        elif field.default_factory is not dataclasses.MISSING:
            scope[f"_make_{name}"] = field.default_factory
            argument += "=_absent"
            value = f"_make_{name}() if {name} is _absent else {name}"
        (by_name if field.kw_only else by_place).append(argument)
        body.append(f" _set(self, {name!r}, {value})")
    star = ["*", *by_name] if by_name else []
    lines = [f"def __init__({', '.join(['self', *by_place, *star])}):", *body, " return"]
    exec("\n".join(lines), scope)  # noqa: S102 - names of fields, which are identifiers
    made: Callable[..., None] = scope["__init__"]
    made.__module__ = cls.__module__
    return made


def _methods_of(fields: Sequence[dataclasses.Field[Any]]) -> dict[str, Callable[..., Any]]:
    """All the others, which need no compiler."""
    names = tuple(f.name for f in fields)
    shown = tuple(f.name for f in fields if f.repr)
    compared = tuple(f.name for f in fields if f.compare)
    values: Callable[[Any], Any] = attrgetter(*compared) if compared else lambda _: ()

    def __eq__(self: object, other: object) -> Any:
        return values(self) == values(other) if type(self) is type(other) else NotImplemented

    def __hash__(self: object) -> int:
        return hash(values(self))

    def __repr__(self: object) -> str:
        values_shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{type(self).__qualname__}({values_shown})"

    def __setattr__(self: object, name: str, value: object) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self: object, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def __getstate__(self: object) -> list[Any]:
        return [getattr(self, name) for name in names]

    def __setstate__(self: object, state: Sequence[Any]) -> None:
        for name, value in zip(names, state, strict=True):
            object.__setattr__(self, name, value)

    methods = (__eq__, __hash__, __repr__, __setattr__, __delattr__, __getstate__, __setstate__)
    return {method.__name__: method for method in methods}
