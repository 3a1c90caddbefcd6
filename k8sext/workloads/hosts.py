"""Hosts in a line of text: in URIs, before a port, as values of settings, as bare words.

Whole words only: a word is all that a DNS name can be made of, so `my-redis-svc2` does not hold
`redis-svc`. Every expression is anchored where a word begins, so time is linear in the line.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import NamedTuple

# What a driver takes where a URI names no port. Not of http: clients of Elasticsearch take 9200.
DEFAULT_PORTS = {
    "amqp": 5672, "amqps": 5671, "redis": 6379, "rediss": 6379, "mysql": 3306, "mariadb": 3306,
    "postgres": 5432, "postgresql": 5432,
}  # fmt: skip
VALUE_AT_MOST = 4000  # characters of a list of hosts
_HOST = r"\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?"
_TOKEN = re.compile(rf"(?<![\w.-])(?:{_HOST})(?![\w-])")
_PORT = re.compile(r":(\d{1,5})(?![\w.-])")
_NEXT_PORT = re.compile(r"[ \t]+(\d{2,5})(?![\w.:-])")
_BEFORE_PORT = frozenset(": \t")
_URI = re.compile(
    r"(?<![\w+.:-])([A-Za-z][\w+.-]*(?::[\w+.-]+)*)(?::@?|@)//([^\s\"'<>`|,;{}]*)", re.ASCII
)
_MORE = re.compile(r"(?:,[\w.-]+(?::\d+)?(?![\w.:-]))+(?:[/?#][^\s\"'<>`|;]*)?")
_TAIL = re.compile(r"[^\s\"'<>]*")
_PASSWORD = re.compile(r"[?&;](?:password|passwd|pwd|pass)=([^&;]+)", re.IGNORECASE)
_AUTHORITY = re.compile(r"[^/?#\\]*")
_MEMBER = re.compile(rf"({_HOST})(?::(\d{{1,5}}))?")


class Mention(NamedTuple):  # of which there are many: a dataclass takes five times as long
    """A word that can be a host. `sure` where nothing but a host is written like that."""

    host: str  # as `plain` gives it
    port: int | None = None
    scheme: str = ""
    login: str = ""  # what stands before the @ of a URI; never shown
    password: str = ""  # of a URI, there or among its parameters; never shown
    implied: bool = False  # the port is not written, its scheme has it
    sure: bool = False


def plain(host: str) -> str:
    """A host as it is compared: lower case, no brackets, no final dot; IPv6 in its short form."""
    host = host.strip("[]").rstrip(".").lower()
    return _six(host) or host


def _six(text: str) -> str:
    """An IPv6 address in short form; "" for anything else."""
    if text.count(":") < 2:
        return ""
    try:
        return str(ipaddress.IPv6Address(text.strip("[]")))
    except ValueError:
        return ""


def in_line(line: str) -> Iterator[Mention]:
    """Every mention in a line, those of URIs first."""
    rest = line
    for found in _URI.finditer(line) if "//" in line else ():
        more = _MORE.match(line, found.end())
        text = found[2] + (more[0] if more else "")
        tail = _TAIL.match(line, found.start(2))
        given = _PASSWORD.search(tail[0]) if tail else None
        login, hosts, length = _authority(text)
        password = login.partition(":")[2] or (given[1] if given else "")
        for mention in _of_authority(hosts, found[1].lower()):
            yield mention._replace(login=login, password=password)
        start = found.start(2)
        rest = rest[:start] + " " * length + rest[start + length :]
    for token in _TOKEN.finditer(rest):
        if token.start() and rest[token.start() - 1] in "/\\$":
            continue  # part of a path, or the name of a variable
        if token[0].isalpha() and rest[token.end() : token.end() + 1] not in _BEFORE_PORT:
            continue  # most words of a text are plain ones
        yield _bare(rest, token)


def exact(value: str) -> list[Mention]:
    """The hosts of a value that is nothing but hosts: one, or several with commas or blanks."""
    if len(value) > VALUE_AT_MOST:
        return []
    if six := _six(value):
        return [Mention(six, sure=True)]
    listed = value[1:-1] if value.startswith("[") and not value.startswith("[[") else value
    parts = [p.strip("\"'") for p in re.split(r"[,;\s]+", listed) if p]
    if len(parts) == 1 and _MEMBER.fullmatch(value):
        parts = [value]  # `[2001:db8::1]:6379`
    found = [_MEMBER.fullmatch(p) for p in parts]
    if not all(found):
        return []
    return [Mention(plain(m[1]), port_number(m[2]), sure=True) for m in found if m]


def _authority(text: str) -> tuple[str, str, int]:
    """(login, hosts, length of both): a password may hold a slash that nobody escaped."""
    end = _AUTHORITY.match(text)
    authority = end[0] if end else ""
    tail = authority.rpartition("@")[2]
    if "@" in text[len(authority) :] and ":" in tail and not re.search(r":\d{1,5}$", tail):
        at = text.rindex("@")
        again = _AUTHORITY.match(text, at + 1)
        authority = text[:at] + "@" + (again[0] if again else "")
    login, _, hosts = authority.rpartition("@")
    return login, hosts, len(authority)


def _of_authority(hosts: str, scheme: str) -> Iterator[Mention]:
    default = next((DEFAULT_PORTS[s] for s in scheme.split(":") if s in DEFAULT_PORTS), None)
    for part in hosts.split(","):
        member = _MEMBER.match(part)
        whole = member and member.end() == len(part)
        oracle = member and member[2] and part[member.end()] == ":" if not whole else False
        if member and (whole or oracle):
            port, implied = port_number(member[2]), not member[2] and default is not None
            yield Mention(
                plain(member[1]), default if implied else port, scheme, implied=implied, sure=True
            )


def _bare(rest: str, token: re.Match[str]) -> Mention:
    host, end = plain(token[0]), token.end()
    if port := _PORT.match(rest, end):
        return Mention(host, port_number(port[1]), sure=True)
    sure = ".svc." in f"{host}." and host.count(".") >= 2
    after = _NEXT_PORT.match(rest, end)  # `nc -z redis-svc 6379`
    return Mention(host, port_number(after[1]) if after else None, sure=sure)


def port_number(text: str | None) -> int | None:
    """The number of a port; None for anything else."""
    fits = text is not None and re.fullmatch(r"[0-9]{1,5}", text)
    number = int(text) if text and fits else 0
    return number if 0 < number < 1 << 16 else None
