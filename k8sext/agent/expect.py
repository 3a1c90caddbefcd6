"""What a bridge may expect of a server: declared by each check, read once, compared with facts."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from itertools import zip_longest

from k8sext.model.data import dataclass
from k8sext.model.result import Facts, Json

_PART = re.compile(r"\s*(>=|<=|==|!=|>|<|=)?\s*v?(\d+(?:\.\d+)*)\s*$")

_BRIDGE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(:[a-z0-9-]{1,15})?")


@dataclass(frozen=True, slots=True)
class Key:
    """One key of `expect`: what it means (for `k8sext checks`) and which values it takes.

    `kind` is a word of KINDS; with `choices` the value is one of them. What the reader hands on is
    text for `word` and `version`, a list of texts for `words`, else the value as it was given.
    """

    text: str
    kind: str = "word"
    choices: tuple[str, ...] = ()


def _word(value: Json) -> Json:
    """Text; a number is written as it stands: `version: 15`, `vhost: 7`."""
    if isinstance(value, str) and value.strip():
        return value.strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError("must be text")


def _version(value: Json) -> Json:
    text = str(_word(value))
    version_in("1", text)
    return text


def _words(value: Json) -> Json:
    """One text, or a list of them."""
    items = value if isinstance(value, list) else [value]
    if not items:
        raise ValueError("must not be empty")
    return [_word(item) for item in items]


def _number(value: Json) -> Json:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    if not math.isfinite(value) or value < 0:
        raise ValueError("must be a number of at least 0")
    return value


def _flag(value: Json) -> Json:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _bridge(value: Json) -> Json:
    """`SERVICE` or `SERVICE:PORT`, a number or a port's name (RFC 1123, RFC 6335)."""
    text = str(_word(value))
    if not _BRIDGE.fullmatch(text):
        raise ValueError(f"has {text!r}, which is no SERVICE or SERVICE:PORT of this namespace")
    return text


def _any(value: Json) -> Json:
    if isinstance(value, dict) or value is None or value == "":
        raise ValueError("must be text, a number, true, false or a list")
    return value


KINDS: Mapping[str, Callable[[Json], Json]] = {
    "word": _word, "version": _version, "words": _words, "number": _number, "flag": _flag,
    "any": _any, "bridge": _bridge,
}  # fmt: skip
Declared = Mapping[str, "Key | str"]  # a plain text: documented, any value
COMMON: Declared = {"unreachable": Key("true: nobody may get through to it", "flag")}


def keys_of_kind(declared: Declared, kind: str) -> tuple[str, ...]:
    """The keys that take values of one kind."""
    return tuple(n for n, key in declared.items() if isinstance(key, Key) and key.kind == kind)


def text_of(key: Key | str) -> str:
    """What the key takes, for people."""
    return key if isinstance(key, str) else key.text


def read(
    declared: Declared, given: Facts, elsewhere: Collection[str] = ()
) -> tuple[dict[str, Json], tuple[str, ...]]:
    """What of `given` can be compared, and what is wrong with the rest, one sentence each.

    `elsewhere` are keys that another port of the same Service knows: an expectation of the whole
    Service is not wrong at the ports that it does not speak of.
    """
    good: dict[str, Json] = {}
    wrong: list[str] = []
    known = {**COMMON, **declared}
    for name, value in given.items():
        if name not in known:
            if name not in elsewhere:
                wrong.append(f"expect.{name} is not known; there are {', '.join(sorted(known))}")
            continue
        try:
            good[name] = _read_one(name, known[name], value)
        except ValueError as error:
            wrong.append(f"expect.{name} {error}")
    return good, tuple(wrong)


def _read_one(name: str, key: Key | str, value: Json) -> Json:
    if isinstance(key, str):
        return KINDS["version" if name == "version" else "any"](value)
    done = KINDS[key.kind](value)
    if key.choices and done not in key.choices:
        raise ValueError(f"must be {' or '.join(key.choices)}")
    return done


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: "10.11.6-MariaDB" -> (10, 11, 6)."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def version_in(version: str, spec: str) -> bool:
    """Whether `version` is within `spec`: comma-separated `>=12`, `<16`, `!=14.1`, or plain `7.1`
    (any version that begins with it). Raises ValueError for a spec that is none.
    """
    return all(_holds(numbers(version), part) for part in spec.split(","))


def _holds(have: tuple[int, ...], part: str) -> bool:
    found = _PART.match(part)
    if not found:
        raise ValueError(f"has {part.strip()!r}, which is no version range such as >=12,<16")
    want = tuple(int(n) for n in found[2].split("."))
    operator = found[1] or "="
    if operator in ("=", "=="):
        return have[: len(want)] == want
    if operator == "!=":
        return have[: len(want)] != want
    order = _compare(have, want)
    return {">=": order >= 0, "<=": order <= 0, ">": order > 0, "<": order < 0}[operator]


def _compare(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    for x, y in zip_longest(a, b, fillvalue=0):
        if x != y:
            return 1 if x > y else -1
    return 0
