"""A loader of YAML that ends, whatever the text: levels, nodes and numbers are bounded.

PyYAML's own composer in Python stands on libyaml's events: each event is counted before anything
is made of it, in one pass. (libyaml's composer recurses in C, and a deep text ends the process.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor

from .bounds import DOCUMENT, Bounds, Unreadable

if TYPE_CHECKING or not hasattr(yaml, "CSafeLoader"):
    from yaml import SafeLoader as Base
else:

    class Base(Composer, yaml.CSafeLoader):
        """Events by libyaml, nodes by the composer in Python."""

        def __init__(self, stream: bytes | str) -> None:
            yaml.CSafeLoader.__init__(self, stream)
            Composer.__init__(self)


MAX_NUMBER = 100  # characters: `1:1:1:…` is a number to the base of 60, in quadratic time
# What constructors raise of values that do not fit their tag: `!!bool x`, `!!timestamp x`, `!!int`,
# a date without such a day, a list as a key.
_MISFITS = (
    ValueError, TypeError, ArithmeticError, LookupError, AttributeError, RecursionError,
)  # fmt: skip


class _TooMuch(yaml.YAMLError):
    """A bound was passed."""

    def __init__(self, why: str, mark: Any) -> None:
        super().__init__(why)
        self.problem, self.problem_mark = why, mark


class _Open:
    """A mapping or list that has begun: what is under it so far."""

    __slots__ = ("anchor", "height", "nodes")

    def __init__(self, anchor: str | None) -> None:
        self.anchor, self.nodes, self.height = anchor, 1, 1


class Loader(Base):
    """A safe loader with bounds."""

    def __init__(self, stream: bytes | str, bounds: Bounds = DOCUMENT) -> None:
        super().__init__(stream)
        self.bounds = bounds
        self.open: list[_Open] = []
        self.known: dict[str, tuple[int, int]] = {}  # anchor to nodes and levels under it

    def get_event(self) -> Any:
        """The next event, counted."""
        begin: Any = super()
        event = begin.get_event()
        if isinstance(event, yaml.CollectionStartEvent):
            self.open.append(_Open(event.anchor))
            if len(self.open) > self.bounds.depth:
                raise _TooMuch(f"is more than {self.bounds.depth} levels deep", event.start_mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            ended = self.open.pop()
            self._count(ended.anchor, ended.nodes, ended.height, event)
        elif isinstance(event, yaml.ScalarEvent):
            self._count(event.anchor, 1, 1, event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentEndEvent):
            self.known.clear()
        return event

    def _count(self, anchor: str | None, nodes: int, height: int, event: Any) -> None:
        """Something is complete: it is under whatever is open."""
        if anchor:
            self.known[anchor] = nodes, height
        if not self.open:
            return
        above = self.open[-1]
        above.nodes += nodes
        above.height = max(above.height, height + 1)
        # Of what is still open each counts itself only; a sum is made where one ends.
        if above.nodes > self.bounds.nodes:
            raise self._grown(event)

    def _alias(self, event: Any) -> None:
        if any(o.anchor == event.anchor for o in self.open):
            raise _TooMuch("holds an alias of itself", event.start_mark)
        nodes, height = self.known.get(event.anchor, (1, 1))  # the composer tells what is unknown
        if len(self.open) + height > self.bounds.depth + 1:
            raise self._grown(event)
        self._count(None, nodes, height, event)

    def _grown(self, event: Any) -> _TooMuch:
        nodes, depth = self.bounds.nodes, self.bounds.depth
        why = f"grows too large (over {nodes:,} values or {depth} levels, aliases written out)"
        return _TooMuch(why, event.start_mark)


def _number(loader: Any, node: Any) -> int:
    if len(node.value) > MAX_NUMBER:
        raise _TooMuch(f"is a number of more than {MAX_NUMBER} characters", node.start_mark)
    return SafeConstructor.construct_yaml_int(loader, node)


Loader.add_constructor("tag:yaml.org,2002:int", _number)


class TextLoader(Loader):
    """Every plain value is text: the password 0123 is not the number 83, and `yes` is not true."""


_OF_MERGE_KEYS = "<"
TextLoader.yaml_implicit_resolvers = {
    _OF_MERGE_KEYS: Loader.yaml_implicit_resolvers[_OF_MERGE_KEYS]
}


def load(
    data: bytes | str,
    bounds: Bounds = DOCUMENT,
    *,
    quotable: bool = True,
    texts: bool = False,
) -> Any:
    """The one document of a text, as in `files.yaml_of`. Raises Unreadable."""
    cls = TextLoader if texts else Loader
    return _guarded(lambda loader: loader.get_single_data(), cls, data, bounds, quotable)


def compose_all(data: bytes | str, bounds: Bounds = DOCUMENT) -> list[Any]:
    """The root nodes of all documents; an empty one has none. Raises Unreadable."""

    def nodes(loader: Loader) -> list[Any]:
        found: list[Any] = []
        while loader.check_node():
            found.append(loader.get_node())
        return [node for node in found if node]

    return cast("list[Any]", _guarded(nodes, Loader, data, bounds, quotable=True))


def scalar(node: Any) -> Any:
    """The value of one node that is no mapping and no list. Raises Unreadable."""
    return _guarded(lambda loader: loader.construct_object(node), Loader, "", DOCUMENT, True)


def _guarded(
    make: Any, cls: type[Loader], data: bytes | str, bounds: Bounds, quotable: bool
) -> Any:
    """What `make` makes of a loader; all that can go wrong is one kind of error."""
    if len(data) > bounds.size:
        raise Unreadable(f"it is larger than {bounds.size >> 20} MiB")
    try:
        loader = cls(data, bounds)
        try:
            return make(loader)
        finally:
            loader.dispose()
    except _TooMuch as error:
        raise Unreadable(f"the document {error.problem}", _place(error)) from None
    except yaml.reader.ReaderError as error:
        raise Unreadable(_character(error)) from None
    except yaml.YAMLError as error:
        problem = str(getattr(error, "problem", None) or "") if quotable else ""
        why = f"it is not YAML ({problem})" if problem else "it is not YAML"
        raise Unreadable(why, _place(error)) from None
    except _MISFITS:
        raise Unreadable("a value in it does not fit its YAML type") from None


def _place(error: Any) -> str:
    mark = getattr(error, "problem_mark", None)
    return f":{mark.line + 1}:{mark.column + 1}" if mark else ""


def _character(error: yaml.reader.ReaderError) -> str:
    reason, code = str(error.reason), error.character
    if "control" in reason or "special" in reason:  # libyaml's words and PyYAML's
        shown = code if isinstance(code, int) else ord(str(code)[:1] or "\0")
        return f"character #x{shown:04x} is not allowed"
    return f"it is not text ({reason})"
