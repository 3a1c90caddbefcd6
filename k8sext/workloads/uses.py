"""What one container uses: hosts in what it is told, each with its port and its login."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from k8sext.model.data import dataclass
from k8sext.model.plan import join_address
from k8sext.model.secret import printable
from k8sext.model.workload import PASSES_BY, How, Stray, Use

from . import entries, hosts
from .entries import Entry
from .hosts import Mention
from .names import Names
from .settings import PASSWORDS, Settings, is_host_key, port_of, stem_of
from .sources import TextSource, Told

USES_AT_MOST = 200  # of one container
# What may be shown of a URI before its host; anything else can be part of a login.
SCHEMES = frozenset(
    "amqp amqps elasticsearch es http https jdbc kafka ldap ldaps mariadb memcached mongodb"
    " mongodb+srv mysql nats oracle postgres postgresql redis rediss smtp sqlserver tcp thin udp ws"
    " wss zipkin zookeeper".split()
)


class _Found(NamedTuple):
    """A mention, the setting whose value it is (if it is one), and its place."""

    mention: Mention
    entry: Entry | None
    source: TextSource
    line: int

    @property
    def key(self) -> str:
        """The setting's name, unless a password could be glued to it (`-pSECRET`)."""
        key = self.entry.key if self.entry else ""
        glued = key.startswith("-") and not key.startswith(("--", "-D")) and len(key) > 2
        return "" if glued else key

    @property
    def host_key(self) -> bool:
        return self.entry is not None and is_host_key(self.entry.words)


@dataclass(frozen=True, slots=True)
class _ContainerReader:
    """One container, and what names mean to it."""

    told: Told
    namespace: str
    names: Names
    aliases: frozenset[str]
    environment: Settings


def of_container(
    told: Told, namespace: str, names: Names, aliases: frozenset[str] = frozenset()
) -> tuple[list[Use], list[Stray]]:
    """Uses and strays of one container; `aliases` are hosts that the pod itself resolves."""
    reader = _ContainerReader(told, namespace, names, aliases, Settings(told.settings()))
    uses: dict[tuple[object, ...], Use] = {}
    strays: dict[tuple[str, str], Stray] = {}
    for source in told.sources:
        settings = Settings(entries.read(source.text))
        for found in _mentions(source, settings.entries, _overridden(source, settings, reader)):
            if len(uses) >= USES_AT_MOST:
                break
            for use in _uses(found, settings, reader):
                key = (use.bridge, use.port, use.how, use.where)
                if key not in uses or uses[key].likely:
                    uses[key] = use
            if stray := _stray(found, reader):
                strays.setdefault((stray.namespace, stray.service), stray)
    return _plainest(list(uses.values())), list(strays.values())


def _plainest(uses: Sequence[Use]) -> list[Use]:
    """Without guesses where the same place says it for certain, without a port where it has one."""
    sure = {(u.bridge, u.where) for u in uses if not u.likely}
    ported = {(u.bridge, u.where, u.how) for u in uses if u.port}
    return [
        u
        for u in uses
        if (not u.likely or (u.bridge, u.where) not in sure)
        and (u.port or (u.bridge, u.where, u.how) not in ported)
    ]


def _overridden(source: TextSource, settings: Settings, reader: _ContainerReader) -> set[int]:
    """Lines that Spring does not see: the environment has the same property."""
    if source.key:
        return set()
    told = {e.words for e in reader.environment.entries}
    return {e.line for e in settings.entries if e.words[:1] == ("spring",) and e.words in told}


# -- mentions --------------------------------------------------------------------------------------


def _mentions(source: TextSource, settings: Sequence[Entry], hidden: set[int]) -> Iterator[_Found]:
    """Hosts that are a setting's whole value, then those that stand anywhere in a line."""
    whole = Entry(entries.words_of(source.key), source.key, source.text, 0, "env")
    for entry in (*([whole] if source.key else ()), *settings):
        if entry.line not in hidden:
            for mention in hosts.exact(entry.value):
                yield _Found(mention, entry, source, entry.line)
    by_line: dict[int, list[Entry]] = {}
    for entry in settings:
        if entry.scope == "file":
            by_line.setdefault(entry.line, []).append(entry)
    for number, line in entries.lines_of(source.text):
        here = by_line.get(number, [])
        if number in hidden:
            continue
        if len(here) > 1:  # JSON in one line
            for entry in here:
                for mention in hosts.in_line(entry.value):
                    yield _Found(mention, entry, source, number)
            continue
        key = here[0] if here else whole if source.key else None
        for mention in hosts.in_line(line):
            yield _Found(mention, key, source, number)


def _sure(found: _Found) -> bool:
    """Nothing but a host is written like that: a URI, a host with a port, a value of `…HOST`."""
    mention = found.mention
    if mention.scheme or mention.port is not None or ".svc" in mention.host:
        return mention.sure
    return mention.sure and found.host_key


def _distinct(mention: Mention) -> bool:
    """Whether a bare word can be taken for a name at all: `redis` is one of many words."""
    return mention.port is not None or any(c in "-." or c.isdigit() for c in mention.host)


# -- uses ------------------------------------------------------------------------------------------


def _uses(found: _Found, settings: Settings, reader: _ContainerReader) -> Iterator[Use]:
    mention = found.mention
    if not reader.names.can_mean(mention.host):
        return  # as most words of a text
    sure = _sure(found)
    if not sure and not _distinct(mention):
        return
    port = mention.port
    if port is None and found.host_key and found.entry:
        port = port_of(found.entry, settings, reader.environment)
    for meaning in reader.names.meaning(reader.namespace, mention.host, port):
        if meaning.how in PASSES_BY and not sure:
            continue  # an address in a list of log levels is no use
        secret, inline = _login(found, settings, reader)
        yield Use(
            bridge=meaning.bridge.ref,
            how=meaning.how,
            container=reader.told.container,
            where=printable(found.source.at(found.line), 200),
            text=_text(found, port),
            host=mention.host,
            port=port,
            implied=mention.implied,
            keyed=found.entry is not None,
            likely=meaning.likely or not sure,
            secret=secret,
            inline=inline,
        )


def _login(found: _Found, settings: Settings, reader: _ContainerReader) -> tuple[str, bool]:
    """(Secret, whether a password is written): of the URI itself, else of settings beside it."""
    mention, told = found.mention, reader.told
    if secrets := told.secrets_in(mention.login + mention.password):
        return secrets[0], False
    if mention.password:
        return "", True
    stem = stem_of(found.entry.words) if found.entry and found.host_key else ()
    beside = [
        *reader.environment.login_beside(stem, 0),
        *settings.login_beside(stem, found.line),
    ]
    for entry in beside:
        if secrets := told.secrets_in(entry.value):
            return secrets[0], False
    return "", any(set(e.words) & PASSWORDS and e.value.strip() for e in beside)


def _text(found: _Found, port: int | None) -> str:
    """What was recognised, put together anew: nothing else of what is written can show."""
    mention = found.mention
    host, written = mention.host, mention.port if not mention.implied else None
    if written is not None:
        host = join_address(host, written)
    elif port is not None and not mention.implied:
        host = f"{host} (port {port})"  # a setting of its own
    scheme = f"{mention.scheme}://" if set(mention.scheme.split(":")) <= SCHEMES else ""
    login = "***@" if mention.login else ""
    text = f"{scheme if mention.scheme else ''}{login}{host}"
    return printable(f"{found.key}={text}" if found.key else text, 200)


def _stray(found: _Found, reader: _ContainerReader) -> Stray | None:
    if not found.mention.sure:
        return None
    host, names = found.mention.host, reader.names
    only = ".svc." in f"{host}." and host.count(".") >= 2
    if not (found.mention.scheme or found.host_key or only) or host in reader.aliases:
        return None
    missing = names.missing(reader.namespace, host)
    if missing is None or names.meaning(reader.namespace, host, found.mention.port):
        return None
    return Stray(
        namespace=missing[0],
        service=missing[1],
        container=reader.told.container,
        where=printable(found.source.at(found.line), 200),
        text=_text(found, found.mention.port),
        only_a_service=only,
    )


def by_secret(told: Told, namespace: str, names: Names, known: Collection[str]) -> Iterator[Use]:
    """Bridges whose Secret the container has and whose name it does not say: likely used."""
    for secret, where in told.secrets.items():
        for bridge in names.logins.get((namespace, secret), ()):
            if bridge.ref not in known:
                yield Use(
                    bridge=bridge.ref,
                    how=How.SECRET,
                    container=told.container,
                    where=printable(where, 200),
                    text=f"Secret {secret}",
                    likely=True,
                    secret=secret,
                )


def with_own_secret(use: Use, told: Told, names: Names) -> Use:
    """Where nothing says which login it is: the bridge's own Secret, if the container has it."""
    namespace, _, service = use.bridge.partition("/")
    bridge = names.bridges.get((namespace, service))
    ref = bridge.credentials if bridge else None
    if use.secret or use.inline or ref is None or ref.secret not in told.secrets:
        return use
    return replace(use, secret=ref.secret)
