"""Our frozen dataclasses behave as the standard library's do."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import field
from typing import Any, ClassVar

import pytest

from k8sext.model import data

Maker = Callable[..., Any]


def classes(make: Maker) -> dict[str, Any]:
    """The same classes, made by one decorator or the other."""

    @make(frozen=True, slots=True, kw_only=True)
    class Place:
        """With a default of each kind."""

        word: ClassVar[str] = "kept"
        host: str
        port: int = 5432
        names: tuple[str, ...] = ()
        facts: dict[str, int] = field(default_factory=dict[str, int])
        hidden: str = field(default="x", repr=False, compare=False)

    @make(frozen=True, slots=True)
    class Pair:
        """By place."""

        one: int
        two: int = field(default=2, kw_only=True)

        def __repr__(self) -> str:
            return "a pair"

    @make(frozen=True, slots=True)
    class Longer(Pair):
        """Inherits."""

        three: int = 3

    @make(frozen=True)
    class Loose:
        """Without slots."""

        text: str = ""

    @make(frozen=True, slots=True)
    class Empty:
        """Nothing in it."""

    return {c.__name__: c for c in (Place, Pair, Longer, Loose, Empty)}


OURS, THEIRS = classes(data.dataclass), classes(dataclasses.dataclass)


def ended(act: Callable[[], Any]) -> Any:
    """What came of it, or how it ended."""
    try:
        return act()
    except Exception as error:
        return type(error)


ACTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "repr": lambda c: repr(c["Place"](host="h")).rpartition(".")[2],
    "own repr": lambda c: repr(c["Pair"](1)),
    "repr of an empty one": lambda c: repr(c["Empty"]()).rpartition(".")[2],
    "equal": lambda c: c["Place"](host="h") == c["Place"](host="h", hidden="y"),
    "not equal": lambda c: c["Place"](host="h") == c["Place"](host="h", port=1),
    "of another class": lambda c: c["Longer"](1) == c["Pair"](1),
    "of another kind": lambda c: c["Pair"](1) == 1,
    "hash": lambda c: hash(c["Longer"](1)) == hash(c["Longer"](1, 3, two=2)),
    "hash of an empty one": lambda c: hash(c["Empty"]()) == hash(c["Empty"]()),
    "hash of a mapping": lambda c: hash(c["Place"](host="h")),
    "by place where names are wanted": lambda c: c["Place"]("h"),
    "too few": lambda c: c["Place"](),
    "an unknown name": lambda c: c["Pair"](1, four=4),
    "a name twice": lambda c: c["Pair"](1, one=1),
    "set": lambda c: setattr(c["Pair"](1), "one", 2),
    "set what is no field": lambda c: setattr(c["Loose"](), "new", 2),
    "delete": lambda c: delattr(c["Pair"](1), "one"),
    "replace": lambda c: dataclasses.replace(c["Longer"](1), two=7).two,
    "as dict": lambda c: dataclasses.asdict(c["Place"](host="h")),
    "fields": lambda c: [(f.name, f.type, f.kw_only) for f in dataclasses.fields(c["Longer"])],
    "is one": lambda c: dataclasses.is_dataclass(c["Place"]),
    "slots": lambda c: hasattr(c["Pair"](1), "__dict__"),
    "no slots": lambda c: c["Loose"]("a").__dict__,
    "class variable": lambda c: c["Place"].word,
    "a fresh default": lambda c: c["Place"](host="h").facts is c["Place"](host="h").facts,
    "copy": lambda c: copy.copy(c["Place"](host="h")) == c["Place"](host="h"),
    "deep copy": lambda c: copy.deepcopy(c["Place"](host="h")) == c["Place"](host="h"),
    "match": lambda c: c["Longer"].__match_args__,
    "name": lambda c: (c["Place"].__name__, c["Place"].__module__, c["Place"].__doc__),
}


@pytest.mark.parametrize("act", sorted(ACTS))
def test_ours_are_like_theirs(act: str) -> None:
    assert ended(lambda: ACTS[act](OURS)) == ended(lambda: ACTS[act](THEIRS))


def test_what_the_product_has_can_be_pickled() -> None:
    from k8sext.model.plan import Budget, Control, Plan

    plan = Plan(run_id="r", namespace="dev", targets=(), modules=("tcp",), budget=Budget(run_s=1))
    assert pickle.loads(pickle.dumps(plan)) == plan
    assert plan != dataclasses.replace(plan, control=Control(name="x"))
