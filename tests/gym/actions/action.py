"""What an action is: a word of the format, and what it does to the lab or to a case's objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from tests.gym.reader import Schema
from tests.lab.guise import Guise
from tests.lab.lab import Lab

Object = dict[str, Any]
TEXT: Schema = {"type": "text"}
NUMBER: Schema = {"type": "number"}
YES_OR_NO: Schema = {"type": "boolean"}
MAPPING: Schema = {"type": "mapping"}
TEXTS: Schema = {"type": "list", "items": TEXT}
SERVER: Schema = TEXT
WALLS: Schema = {"type": "text", "enum": ["drop", "reject", "reset"]}


def shape(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """A mapping that has these keys, and may have those."""
    return {
        "type": "mapping",
        "required": list(required),
        "keys": {**required, **(optional or {})},
    }


@dataclass(frozen=True)
class World:
    """The lab as one case sees it."""

    lab: Lab
    servers: Mapping[str, Guise]
    fill: Callable[[Any], Any]
    """Writes out `${…}` in texts, in whatever holds them."""
    namespaces: tuple[str, ...] = ()
    """Where its objects are: without the fault, with it, or both."""


def _nothing(value: Any) -> bool:
    return False


def always(value: Any) -> bool:
    """It lasts, whatever its value."""
    return True


def _no_servers(value: Any) -> Iterable[str]:
    return ()


def the_server(value: Any) -> Iterable[str]:
    """The one that most actions are done to: their value, or its key `server`."""
    return (value if isinstance(value, str) else value["server"],)


@dataclass(frozen=True)
class Action:
    """One word of the format."""

    schema: Schema
    during: Callable[[World, Any], AbstractContextManager[None]] | None = None
    edit: Callable[[list[Object], Any], list[Object]] | None = None
    servers: Callable[[Any], Iterable[str]] = _no_servers
    lasts: Callable[[Any], bool] = _nothing
    """Whether it leaves something in its server, also after it was undone."""
    noticed: bool = False
    """Whether servers connected with its own keep something of it: counters, alarms."""
    locks: tuple[str, ...] = field(default=())
    """What no other case may use meanwhile, besides the case's own servers."""
