"""`k8sext.io/*` annotations of a Service; a value that cannot be read is told, never raised."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from typing import Any, TypeVar, cast

from k8sext.model.bridge import CredentialRef, Port
from k8sext.model.data import dataclass
from k8sext.model.nearest import nearest
from k8sext.model.object_names import is_host, is_key, is_secret
from k8sext.model.result import Facts
from k8sext.model.secret import printable
from k8sext.model.tls import TlsMode, TlsSpec

T = TypeVar("T")
PREFIX = "k8sext.io/"
WORDS = (
    "protocol", "credentials", "credentials-keys", "ports", "tls", "tls-ca", "tls-server-name",
    "expect", "origin", "ingress", "ignore",
)  # fmt: skip
PER_PORT = (
    "protocol",
    "credentials",
    "credentials-keys",
    "tls",
    "tls-ca",
    "tls-server-name",
    "expect",
)
# Who writes one of these asks for a check of this Service, whatever Service it is.
ASKING = ("protocol", "credentials", "ports", "tls", "tls-ca", "tls-server-name", "expect")
# The plan of all bridges of a namespace travels in one Job: no Service may fill it up. Whoever has
# more to expect has `-f`.
MAX_VALUE = 8192
MAX_PORTS = 100
MAX_DEPTH = 20
_CODE = re.compile(r"KX\d{3}")


@dataclass(frozen=True, slots=True)
class Said:
    """What the annotations say. Keys of `…_by_port` are the names (or numbers) of ports."""

    protocol: str = ""
    protocol_by_port: Mapping[str, str] = field(default_factory=dict[str, str])
    credentials: CredentialRef | None = None
    credentials_by_port: tuple[tuple[str, CredentialRef], ...] = ()
    tls: TlsSpec | None = None
    tls_by_port: tuple[tuple[str, TlsSpec], ...] = ()
    expect: Facts = field(default_factory=dict[str, Any])
    expect_by_port: tuple[tuple[str, Facts], ...] = ()
    ports: tuple[tuple[int, str], ...] = ()  # (number, protocol or "")
    origin: str = ""
    ingress: str = ""  # HOST[/PATH]
    ignore: tuple[tuple[str, str], ...] = ()
    of_ports: tuple[tuple[str, str], ...] = ()  # (annotation, name or number of its port)
    unread: tuple[str, ...] = ()  # values that cannot be read, one sentence each
    unknown: tuple[str, ...] = ()  # annotations that do not exist, one sentence each

    @property
    def problems(self) -> tuple[str, ...]:
        """All that is wrong with them."""
        return (*self.unread, *self.unknown)


NOTHING_SAID = Said()


def asks(annotations: Mapping[str, str]) -> bool:
    """Whether somebody has asked for a check of this Service by an annotation."""
    words = (k[len(PREFIX) :].partition(".")[0] for k in annotations if k.startswith(PREFIX))
    return any(word in ASKING for word in words)


def parse(annotations: Mapping[str, str], protocols: frozenset[str]) -> Said:
    """The annotations of one Service; `protocols` are the names there are."""
    words = {k[len(PREFIX) :]: v for k, v in annotations.items() if k.startswith(PREFIX)}
    return _AnnotationReader(words, protocols).read() if words else NOTHING_SAID


class _AnnotationReader:
    """Reads one Service's annotations and gathers what is wrong with them."""

    def __init__(self, words: Mapping[str, str], protocols: frozenset[str]) -> None:
        self.protocols = protocols
        self.unread: list[str] = []
        self.unknown: list[str] = []
        self.by_port: dict[str, dict[str, str]] = {"": {}}
        for word, value in words.items():
            name, _, port = word.partition(".")
            if name in WORDS and port and name not in PER_PORT:
                self.unknown.append(f"{PREFIX}{word}: {PREFIX}{name} is for the whole Service")
            elif name in WORDS and len(value) > MAX_VALUE:
                self._bad(name, port, f"its value is longer than {MAX_VALUE} characters")
            elif name in WORDS:
                self.by_port.setdefault(port, {})[name] = value.strip()
            else:
                self.unknown.append(_unknown(name, f".{port}" if port else ""))

    def read(self) -> Said:
        whole = self.by_port[""]
        own = {port: words for port, words in self.by_port.items() if port}
        credentials = self._each(own, self._credentials)
        tls = self._each(own, self._tls)
        expect = self._each(own, self._expect)
        protocol = self._each(own, self._protocol)
        return Said(
            protocol=self._protocol("", whole) or "",
            protocol_by_port=dict(protocol),
            credentials=self._credentials("", whole),
            credentials_by_port=credentials,
            tls=self._tls("", whole),
            tls_by_port=tls,
            expect=self._expect("", whole) or {},
            expect_by_port=expect,
            ports=self._ports(whole.get("ports", "")),
            origin=self._host("origin", "", whole),
            ingress=self._ingress(whole.get("ingress", "")),
            ignore=self._ignore(whole.get("ignore", "")),
            of_ports=tuple((w, port) for port, words in own.items() for w in words),
            unread=tuple(self.unread),
            unknown=tuple(self.unknown),
        )

    def _each(
        self,
        own: Mapping[str, Mapping[str, str]],
        parse_one: Callable[[str, Mapping[str, str]], T | None],
    ) -> tuple[tuple[str, T], ...]:
        """One reader over every port that has its own words; a port inherits nothing here."""
        read = ((port, parse_one(port, words)) for port, words in own.items())
        return tuple((port, value) for port, value in read if value is not None)

    def _bad(self, word: str, port: str, why: str) -> None:
        self.unread.append(f"{PREFIX}{word}{f'.{port}' if port else ''}: {why}")

    def _protocol(self, port: str, words: Mapping[str, str]) -> str | None:
        value = words.get("protocol", "").lower()
        if value and value not in self.protocols:
            self._bad("protocol", port, self._not_a_protocol(value))
            return None
        return value or None

    def _not_a_protocol(self, value: str) -> str:
        near = nearest(value, sorted(self.protocols))
        hint = f"; did you mean {near}?" if near else ""
        return f"{_shown(value)} is not one of the protocols of `k8sext checks`{hint}"

    def _credentials(self, port: str, words: Mapping[str, str]) -> CredentialRef | None:
        secret, keys = words.get("credentials", ""), words.get("credentials-keys", "")
        if not secret:
            if keys:
                self._bad("credentials-keys", port, "there is no credentials annotation beside it")
            return None
        if not is_secret(secret):
            self._bad("credentials", port, "its value is not the name of a Secret")
            return None
        return CredentialRef(secret=secret, keys=self._keys(port, keys))

    def _keys(self, port: str, text: str) -> tuple[tuple[str, str], ...]:
        pairs: list[tuple[str, str]] = []
        for item in filter(None, (x.strip() for x in text.split(","))):
            word, mark, key = (part.strip() for part in item.partition("="))
            if not (mark and word and key):
                self._bad("credentials-keys", port, "an item is not WORD=KEY")
            elif not is_key(key):
                self._bad("credentials-keys", port, "an item names no key that a Secret can have")
            else:
                pairs.append((word, key))
        return tuple(pairs)

    def _tls(self, port: str, words: Mapping[str, str]) -> TlsSpec | None:
        if not any(w in words for w in ("tls", "tls-ca", "tls-server-name")):
            return None
        secret, key = self._ca(port, words.get("tls-ca", ""))
        return TlsSpec(
            mode=self._mode(port, words.get("tls", "")),
            ca_secret=secret,
            ca_key=key,
            server_name=self._host("tls-server-name", port, words),
        )

    def _ca(self, port: str, text: str) -> tuple[str, str]:
        """Secret and key; a name that no Secret can have would keep the pod of all bridges away."""
        secret, mark, key = text.partition("#")
        if not text or (is_secret(secret) and is_key(key)):
            return secret, key
        if is_secret(secret) and not mark:
            return secret, "ca.crt"  # as in a file of bridges
        self._bad("tls-ca", port, "its value is not SECRET#KEY")
        return "", ""

    def _host(self, word: str, port: str, words: Mapping[str, str]) -> str:
        value = words.get(word, "")
        if not value or is_host(value):
            return value
        self._bad(word, port, f"{_shown(value)} is not a host name")
        return ""

    def _ingress(self, text: str) -> str:
        """HOST[/PATH]; of a host `*.` may be the first label."""
        host, _, path = text.partition("/")
        if not text or (is_host(host.removeprefix("*.")) and not set(path) & set(" ?#%")):
            return text
        self._bad("ingress", "", f"{_shown(text)} is not HOST or HOST/PATH")
        return ""

    def _mode(self, port: str, value: str) -> TlsMode | None:
        try:
            return TlsMode(value) if value else None
        except ValueError:
            self._bad("tls", port, f"{_shown(value)} is not disable, require or verify-full")
            return None

    def _expect(self, port: str, words: Mapping[str, str]) -> Facts | None:
        if not words.get("expect"):
            return None
        try:
            data: Any = json.loads(words["expect"], parse_constant=_no_number)
            json.dumps(data, ensure_ascii=False).encode()  # half of a surrogate pair is no text
        except (ValueError, RecursionError):
            self._bad("expect", port, "its value is not JSON")
            return None
        if isinstance(data, dict) and _depth(cast("object", data)) <= MAX_DEPTH:
            return cast("dict[str, Any]", data)
        self._bad("expect", port, "its value is not a JSON object")
        return None

    def _ports(self, text: str) -> tuple[tuple[int, str], ...]:
        """`5432/postgresql, 9200`: numbers, each with a protocol if it is not to be inferred."""
        found: list[tuple[int, str]] = []
        items = [x for x in (x.strip() for x in text.split(",")) if x]
        if len(items) > MAX_PORTS:
            self._bad("ports", "", f"its value has more than {MAX_PORTS} ports")
            return ()
        for item in items:
            number, _, name = item.partition("/")
            if not _is_port(number):
                self._bad("ports", "", f"{_shown(item)} is not PORT or PORT/PROTOCOL")
            elif name and name not in self.protocols:
                self._bad("ports", "", self._not_a_protocol(name))
            else:
                found.append((int(number), name))
        return tuple(found)

    def _ignore(self, text: str) -> tuple[tuple[str, str], ...]:
        if not text:
            return ()
        codes, _, reason = re.sub(r",\s+", ",", text).partition(" ")
        good = [c for c in codes.split(",") if _CODE.fullmatch(c)]
        if not good or len(good) != len([c for c in codes.split(",") if c]):
            self._bad("ignore", "", "its value is not CODE,… REASON")
        return tuple((code, reason.strip()) for code in good)


def _shown(value: str) -> str:
    """A value in quotes, short and without what a terminal obeys."""
    return f"'{printable(value, 60)}'"


def _is_port(text: str) -> bool:
    """Five digits at most: int() refuses thousands, and takes digits of other scripts."""
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is not JSON")  # Python takes NaN and Infinity


def _depth(data: object) -> int:
    """Levels of mappings and lists."""
    inside: list[object] = []
    if isinstance(data, dict):
        inside = list(cast("dict[str, object]", data).values())
    elif isinstance(data, list):
        inside = cast("list[object]", data)
    return 1 + max(map(_depth, inside), default=0) if isinstance(data, dict | list) else 0


def _unknown(name: str, port: str) -> str:
    """What is said of an annotation that does not exist."""
    near = nearest(name, WORDS)
    hint = f"; did you mean {PREFIX}{near}{port}?" if near else ""
    return f"{PREFIX}{name}{port}: no such annotation is known{hint}"


def of_no_port(said: Said, ports: Collection[Port]) -> tuple[str, ...]:
    """Annotations for ports that the Service does not have, one sentence each."""
    wanted = [*said.of_ports, *(("ports", str(number)) for number, _ in said.ports)]
    if not wanted:
        return ()
    names = [p.name for p in ports if p.name]
    numbers = [str(p.port) for p in ports]
    there = ", ".join(p.key for p in ports) or "none"
    return tuple(
        _no_port(word, port, nearest(port, names), there)
        for word, port in wanted
        if port not in names and port not in numbers
    )


def _no_port(word: str, port: str, near: str, there: str) -> str:
    name = f"{PREFIX}{word}" if word == "ports" else f"{PREFIX}{word}.{port}"
    hint = f"; did you mean {PREFIX}{word}.{near}?" if near else ""
    return f"{name}: the Service has no port {port} (it has {there}){hint}"
