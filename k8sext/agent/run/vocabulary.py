"""Masking in texts of our own: a password that is an ordinary word must not destroy evidence.

Where a server is quoted, every occurrence of a secret is masked (`model.secret.mask`). In what we
say ourselves a word of our own (a product, a role, a reason) is there whatever the password is, so
it tells nothing of the password, and without it nobody can read the sentence.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from types import CodeType, FunctionType
from typing import Any

from k8sext.model.mask import SecretPlace, find, mask, replaced
from k8sext.model.plan import is_address, split_address
from k8sext.model.secret import Secret

_OURS = ("k8sext.agent.", "k8sext.model.", "k8sext.checks.protocols.")
_WORD = re.compile(r"[A-Za-z]{3,}")
_LETTERS = re.compile(r"[A-Za-z]+")
_PLACE = re.compile(r"[0-9A-Za-z_.:\[\]-]+")
_QUOTES = "'\"`"


def mask_own(
    text: str, secrets: Iterable[Secret], words: str = "", names: Sequence[str] = ()
) -> str:
    """`text` masked, but for words and addresses of our own in it.

    `words` is what the server said, where the text quotes it; `names` are the target's own (its
    Service, its host and address).
    """
    known = [*secrets]
    if words:
        text = text.replace(words, mask(words, known))
    places = (p for p in find(text, known) if not (p.bare and _stays(text, p, names)))
    return replaced(text, places)


def _stays(text: str, place: SecretPlace, names: Sequence[str]) -> bool:
    start, end = place.start, place.end
    return not _stands_as_a_value(text, start, end) and _is_ours(text, start, end, names)


def _stands_as_a_value(text: str, start: int, end: int) -> bool:
    """Behind an equals sign, or between quotes, whoever set them."""
    before, after = text[:start], text[end:]
    return before.endswith("=") or any(q in before and q in after for q in _QUOTES)


def _is_ours(text: str, start: int, end: int, names: Sequence[str]) -> bool:
    for name in names:
        if _covers(text, name, start, end):
            return True
    letters = next(
        (m for m in _LETTERS.finditer(text) if m.start() <= start and end <= m.end()), None
    )
    if letters:
        return letters[0].lower() in own_words()
    place = next((m for m in _PLACE.finditer(text) if m.start() <= start and end <= m.end()), None)
    return place is not None and _is_place(place[0].rstrip(".:"))


def _covers(text: str, name: str, start: int, end: int) -> bool:
    """Whether the occurrence is a part of a longer name of the target."""
    at = text.find(name) if len(name) > end - start else -1
    while at >= 0:
        if at <= start and end <= at + len(name):
            return True
        at = text.find(name, at + 1)
    return False


def _is_place(text: str) -> bool:
    """An IP address, with a port perhaps."""
    try:
        return is_address(text.strip("[]")) or is_address(split_address(text)[0])
    except ValueError:
        return False


@functools.cache
def own_words() -> frozenset[str]:
    """All words of three letters or more in the texts of the agent and its checks, lower case.

    They are read off the code itself, so that none is forgotten; this runs only where a password
    stands in a text as a bare word.
    """
    modules = [m for name, m in list(sys.modules.items()) if name.startswith(_OURS)]
    texts = (t for module in modules for v in list(vars(module).values()) for t in _texts(v, 4))
    return frozenset(word.lower() for text in texts for word in _WORD.findall(text))


def _texts(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, FunctionType):
        yield from _texts(value.__code__, depth)
    elif depth and isinstance(value, CodeType):
        for part in value.co_consts:
            yield from _texts(part, depth)
    elif depth and isinstance(value, dict):
        for part in (*value.keys(), *value.values()):
            yield from _texts(part, depth - 1)
    elif depth and isinstance(value, tuple | list | set | frozenset):
        for part in value:
            yield from _texts(part, depth - 1)
    elif depth and isinstance(value, type) and value.__module__.startswith(_OURS):
        for part in list(vars(value).values()):
            yield from _texts(part, depth - 1)
