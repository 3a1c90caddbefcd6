"""Settings in texts as key and value: YAML, properties, JSON, ini, flags, XML elements.

A reader of lines, not of languages: a file of templates, or one with a line that belongs nowhere,
is still read. Bounded: time and memory are linear in the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

from k8sext.model.data import dataclass

LINE_AT_MOST = 20_000  # characters of one line; minified scripts have more, settings have not
PATH_AT_MOST = 6  # of a nested key the last parts
MISSES_AT_MOST = 100  # values of JSON whose line was searched for in vain (each costs a whole pass)

_PLAIN = re.compile(
    r"""(\s*)((?:-\s+)*)(["']?)([\w.$\[\]/-]+)\3\s*(?:=|:(?=\s|$)|(?<=["']):)(.*)"""
)
_ITEM = re.compile(r"(\s*)-\s+(\S.*)")
_SECTION = re.compile(r"\s*\[([\w. -]+)\]\s*")
_FLAG = re.compile(r"(?:(?<=\s)|^)(--?)(?!-)([\w.-]+)(?:=|\s+)(\"[^\"]*\"|'[^']*'|(?!-)[^\s\"']+)")
_PAIR = re.compile(r"(?:(?<=[\s;&?\"'])|^)([A-Za-z][\w.-]*)=(\"[^\"]*\"|'[^']*'|[^\s;&\"']+)")
_ELEMENT = re.compile(r"<([\w.-]+)>([^<>]+)</\1>")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_COMMENT = re.compile(r"\s*(?:#|//|;|!|<!--)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting. `scope` tells which others can belong to it: a file, a line of flags."""

    words: tuple[str, ...]  # the key, lower case, in its words: spring, redis, host
    key: str  # as written
    value: str
    line: int
    scope: str = ""


def words_of(key: str) -> tuple[str, ...]:
    """`SPRING_REDIS_HOST`, `spring.redis.host` and `spring.redisHost` are the same words."""
    return tuple(w.lower() for w in _WORD.findall(key))


def unquoted(value: str) -> str:
    """A value without the comma that ends it in JSON, and without its quotes."""
    value = value.strip().rstrip(",").strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value


def uncommented(line: str) -> str:
    """The line without its comment; "" where it is nothing else."""
    if _COMMENT.match(line):
        return ""
    at = line.find(" #")
    while at >= 0 and (line.count('"', 0, at) % 2 or line.count("'", 0, at) % 2):
        at = line.find(" #", at + 1)
    return line[:at] if at >= 0 else line


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Number and text of each line that says something."""
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) <= LINE_AT_MOST and (said := uncommented(line).rstrip()):
            yield number, said


def read(text: str) -> list[Entry]:
    """Every setting of a text."""
    document = _json(text)
    if document is not None:
        return list(_of_json(document, text))
    return [*_nested(lines_of(text)), *(e for n, line in lines_of(text) for e in in_line(line, n))]


def in_line(line: str, number: int) -> Iterator[Entry]:
    """Settings inside one line: flags (`--host x`, `-Da.b=c`), `key=value` pairs, XML elements."""
    scope = f"line {number}"
    for dashes, name, value in _FLAG.findall(line):
        key = name[1:] if name[0] == "D" and "." in name else name  # -Dspring.redis.host=…
        yield Entry(_flag_words(key), dashes + name, unquoted(value), number, scope)
    for name, value in _PAIR.findall(line):
        yield Entry(words_of(name), name, unquoted(value), number, scope)
    for name, value in _ELEMENT.findall(line):
        yield Entry(words_of(name), name, value.strip(), number, "file")


def _flag_words(name: str) -> tuple[str, ...]:
    """`-h`, `-p` and MySQL's `-P` in words; a password given as `-p` is no number, so no port."""
    short = {"h": ("host",), "p": ("port",), "P": ("port",)}
    return short.get(name) or words_of(name)


# -- lines with indentation ------------------------------------------------------------------------


def _nested(lines: Iterable[tuple[int, str]]) -> Iterator[Entry]:
    """YAML, pretty JSON, properties, ini: a key belongs to the keys that stand further left."""
    above: list[tuple[int, str]] = []
    section: tuple[str, ...] = ()
    for number, line in lines:
        if head := _SECTION.fullmatch(line):
            above, section = [], (head[1],)
        elif found := _PLAIN.match(line):
            indent = len(found[1]) + len(found[2])
            _leave(above, indent)
            path = (*section, *(name for _, name in above), found[4])
            above.append((indent, found[4]))
            if value := unquoted(found[5]):
                yield _entry(path, value, number)
        elif item := _ITEM.match(line):
            _leave(above, len(item[1]) + 1)  # a list may stand as far left as its key
            yield _entry((*section, *(name for _, name in above)), unquoted(item[2]), number)


def _leave(above: list[tuple[int, str]], indent: int) -> None:
    while above and above[-1][0] >= indent:
        above.pop()


def _entry(path: tuple[str, ...], value: str, line: int) -> Entry:
    key = ".".join(path[-PATH_AT_MOST:])
    return Entry(words_of(key), key, value, line, "file")


# -- JSON ----------------------------------------------------------------------------------------


def _json(text: str) -> Any:
    """The document, where the text is one; it may be one line, or deeper than can be read."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def _of_json(document: Any, text: str) -> Iterator[Entry]:
    """Leaves in the order of the text, so that the line of each is found in one pass."""
    place = _Place(text)
    stack: list[tuple[tuple[str, ...], Any]] = [((), document)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, dict):
            pairs = cast("dict[str, Any]", value).items()
            stack.extend(((*path, k)[-PATH_AT_MOST:], v) for k, v in reversed(list(pairs)))
        elif isinstance(value, list):
            stack.extend((path, v) for v in reversed(value))
        elif isinstance(value, str | int) and not isinstance(value, bool):
            yield _entry(path, str(value), place.of(str(value)))


class _Place:
    """Lines of values that come in the order of the text."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.line, self.misses = text, 0, 1, 0

    def of(self, value: str) -> int:
        """The line of the next such value; the last line known where it is written otherwise."""
        found = self.text.find(value, self.at) if self.misses < MISSES_AT_MOST else -1
        if found < 0:
            self.misses += 1
            return self.line
        self.line += self.text.count("\n", self.at, found)
        self.at = found + len(value)
        return self.line
