"""Whether an answer has the shape of what was asked for: a table of the fields that are read here.

The API server's objects are typed (Go), so a number in place of an object means that something
else answers: a proxy, a cache, a defect. Code that reads raw JSON must not stumble over it. Absent
and null are the same; fields that nobody reads here are not looked at, so that newer servers pass.
Source of the fields: Kubernetes API reference v1.35, of each kind its JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .calls import METADATA_ONLY, ApiCall
from .fields import ANY_KIND, KINDS, Field, ListOf, Required, Values

Check = Callable[[Any], None]
KNOWN_AT_MOST = 500  # looks of one kind of object that are remembered


class Misshapen(Exception):
    """Where an answer is not what its kind looks like: `items.3.metadata is not an object`."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.path: list[str] = []
        self.what = what

    def __str__(self) -> str:
        return f"{'.'.join(reversed(self.path)) or 'the answer'} {self.what}"


# The API's paths: /api/v1/namespaces/NS/pods/NAME/log, /apis/GROUP/VERSION/namespaces/NS/….
_PATH = re.compile(
    r"/apis?(?:/[^/]+)?/v\d\w*(?:/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?"
)


def check(call: ApiCall, data: Mapping[str, Any]) -> None:
    """Raises Misshapen where the answer to a call is no such thing."""
    if call.accept == METADATA_ONLY:
        _META_ONLY(data)
        return
    if call.path in _FIXED:
        _FIXED[call.path](data)
        return
    found = _PATH.fullmatch(call.path)
    if not found or call.method == "DELETE":
        return
    plural, kind = found["plural"], KINDS.get(found["plural"])
    if kind is None:
        return
    if call.method == "GET" and not found["name"]:
        _list(data, kind.name, _ITEMS[plural])
    else:
        _one(data, kind.name, _ITEMS[plural])


def item(plural: str, data: object) -> bool:
    """Whether it is one of a kind: for what comes by a watch."""
    try:
        _ITEMS[plural](data)
    except Misshapen:
        return False
    return True


def _list(data: Mapping[str, Any], kind: str, each: Check) -> None:
    said = data.get("kind")
    if said is None and "items" not in data:
        raise Misshapen("is no list")
    if said not in (None, f"{kind}List", "List"):
        raise Misshapen(f"is {_name(said)}, not {kind}List")
    meta, items = data.get("metadata"), data.get("items")
    if meta is not None:
        _inside("metadata", _LIST_META, meta)
    if items is None:
        return
    _inside("items", _each(each), items)


def _one(data: Mapping[str, Any], kind: str, each: Check) -> None:
    said = data.get("kind")
    if said not in (None, kind):
        raise Misshapen(f"is {_name(said)}, not {kind}")
    each(data)


def _name(said: object) -> str:
    return said if isinstance(said, str) else f"of kind {type(said).__name__}"


def _at(key: str, error: Misshapen) -> Misshapen:
    error.path.append(key)
    return error


def _inside(key: str, inner: Check, value: object) -> None:
    try:
        inner(value)
    except Misshapen as error:
        raise _at(key, error) from None


def compiled(field: Field) -> Check:
    """The check of one field: closures, because 5,000 objects are looked at in no time."""
    if isinstance(field, Required):
        return compiled(field.field)
    plain = frozenset(field.field) if isinstance(getattr(field, "field", None), tuple) else None
    if isinstance(field, ListOf):
        return _each(compiled(field.field), plain)
    if isinstance(field, Values):
        return _values(compiled(field.field), plain)
    if isinstance(field, Mapping):
        return _object(field)
    return _plain(field)


_WORDS = {str: "text", int: "a number", bool: "true or false", dict: "an object"}


def _plain(kinds: tuple[type, ...]) -> Check:
    def look(value: Any) -> None:
        if type(value) not in kinds:
            raise Misshapen(f"is not {_type_names(kinds)}")

    return look


def _type_names(kinds: tuple[type, ...]) -> str:
    return " or ".join(_WORDS[k] for k in kinds)


def _each(inner: Check, plain: frozenset[type] | None = None) -> Check:
    def look(value: Any) -> None:
        if type(value) is not list:
            raise Misshapen("is not a list")
        if plain is not None and plain.issuperset(map(type, value)):
            return
        for number, one in enumerate(value):
            try:
                inner(one)
            except Misshapen as error:
                raise _at(str(number), error) from None

    return look


def _values(inner: Check, plain: frozenset[type] | None) -> Check:
    def look(value: Any) -> None:
        if type(value) is not dict:
            raise Misshapen("is not an object")
        if plain is not None and plain.issuperset(map(type, value.values())):
            return
        for key, one in value.items():
            try:
                inner(one)
            except Misshapen as error:
                raise _at(str(key)[:100], error) from None

    return look


def _object(fields: Mapping[str, Field]) -> Check:
    bare = {key: f.field if isinstance(f, Required) else f for key, f in fields.items()}
    plain = tuple((key, f) for key, f in bare.items() if isinstance(f, tuple))
    each = tuple((key, compiled(f)) for key, f in bare.items() if not isinstance(f, tuple))
    needed = tuple(key for key, f in fields.items() if isinstance(f, Required))
    # Objects of a list look alike: what keys and types are right, and what is left to look into,
    # is found out once for each look.
    known: dict[tuple[Any, ...], tuple[tuple[str, Check], ...]] = {}

    def new(value: dict[str, Any]) -> tuple[tuple[str, Check], ...]:
        for key, kinds in plain:
            if (one := value.get(key)) is not None and type(one) not in kinds:
                raise _at(key, Misshapen(f"is not {_type_names(kinds)}"))
        for key in needed:
            if value.get(key) is None:
                raise _at(key, Misshapen("is missing"))
        return tuple((key, inner) for key, inner in each if value.get(key) is not None)

    def look(value: Any) -> None:
        if type(value) is not dict:
            raise Misshapen("is not an object")
        alike = (*value, *map(type, value.values()))
        inside = known.get(alike)
        if inside is None:
            inside = new(value)
            if len(known) < KNOWN_AT_MOST:
                known[alike] = inside
        key = ""
        try:
            for key, inner in inside:
                inner(value[key])
        except Misshapen as error:
            raise _at(key, error) from None

    return look


_ITEMS = {plural: compiled(kind.fields) for plural, kind in KINDS.items()}
_META_ONLY = compiled(ANY_KIND)
_LIST_META = compiled({"continue": (str,), "resourceVersion": (str,)})
_FIXED: Mapping[str, Check] = {
    "/version": compiled({"gitVersion": (str,)}),
    "/apis": compiled({"groups": Required(ListOf({"name": Required((str,))}))}),
}
