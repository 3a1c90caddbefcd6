"""Settings that belong together: the port beside a host, the login beside it. Indexed: linear."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence

from .entries import Entry
from .hosts import port_number

HOSTS = frozenset(
    "host hosts hostname hostnames server servers addr addrs address addresses url urls uri uris"
    " endpoint endpoints node nodes broker brokers dsn ip ips target upstream backend zone seeds"
    " connection".split()
)
PASSWORDS = frozenset({"password", "passwd", "pass", "pwd"})
LOGINS = PASSWORDS | {"user", "username", "secret", "token", "key", "apikey"}
PORTS = (("port",), ("port", "number"), ("ports",))
NEAR_LINES = 3  # `host` and `port` without any prefix belong together if they stand together
LOGINS_AROUND = 6  # settings of one login before and after a host

Words = tuple[str, ...]


def is_host_key(words: Sequence[str]) -> bool:
    """Whether a setting of that name holds a host: `…HOST`, `….url`, `bootstrap.servers`."""
    if not words:
        return False
    return words[-1] in HOSTS or (words[-1] == "name" and len(words) > 1 and words[-2] in HOSTS)


def stem_of(words: Sequence[str]) -> Words:
    """What is left of a host's key: `spring redis` of `spring.redis.host`."""
    rest = list(words)
    while rest and (rest[-1] in HOSTS or rest[-1] == "name"):
        rest.pop()
    return tuple(rest)


class Settings:
    """The settings of one text, or of the environment, by what they are looked up by."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = list(entries)
        self._ports: dict[tuple[str, Words], list[tuple[int, int]]] = defaultdict(list)
        self._logins: dict[Words, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            self._add(entry)
        for found in self._ports.values():
            found.sort()
        for logins in self._logins.values():
            logins.sort(key=lambda e: e.line)

    def _add(self, entry: Entry) -> None:
        for end in PORTS:
            if entry.words[-len(end) :] == end and (number := port_number(entry.value)):
                stem = entry.words[: -len(end)]
                self._ports[entry.scope, stem].append((entry.line, number))
        for size in range(len(entry.words) - 1, 0, -1):
            if entry.words[size] not in LOGINS:
                break
            self._logins[entry.words[:size]].append(entry)

    def port_beside(self, host: Entry, stem: Words, scope: str) -> int | None:
        """The port of that stem, the nearest by lines; without a stem only within a few."""
        found = self._ports.get((scope, stem))
        if not found:
            return None
        at = bisect_left(found, (host.line, 0))
        line, number = min(found[max(at - 1, 0) : at + 1], key=lambda p: abs(p[0] - host.line))
        near = bool(stem) or (scope != "env" and abs(line - host.line) <= NEAR_LINES)
        return number if near else None

    def login_beside(self, stem: Words, line: int) -> Sequence[Entry]:
        """Settings of a login with the stem of a host: `REDIS_PASSWORD` beside `REDIS_HOST`.

        Of many (items of a list) those that stand around the host.
        """
        found = self._logins.get(stem, []) if stem else []
        at = bisect_left(found, line, key=lambda e: e.line)
        return found[max(at - LOGINS_AROUND, 0) : at + LOGINS_AROUND]


def port_of(host: Entry, own: Settings, environment: Settings) -> int | None:
    """The number beside a host: the setting of the same stem that is called `port`."""
    stem = stem_of(host.words)
    places = [(own, host.scope), (environment, "env")]
    if host.scope == "env":
        places = places[1:]
    elif stem[:1] == ("spring",):
        places.reverse()  # the environment goes before files
    found = (place.port_beside(host, stem, scope) for place, scope in places)
    return next((number for number in found if number), None)
