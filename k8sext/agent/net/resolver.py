"""A small asynchronous DNS stub: it sees what getaddrinfo hides (rcode, CNAME chain, which server).

Wire format: RFC 1035 section 4; search list and ndots: resolv.conf(5).
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import re
import secrets
import socket
import struct
from dataclasses import replace
from pathlib import Path

from k8sext.agent.fault import Fault
from k8sext.model.data import dataclass
from k8sext.model.plan import is_address
from k8sext.model.words import Reason

A, AAAA, CNAME = 1, 28, 5
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
UNABLE = (2, 4, 5)
TRIES = 2


@dataclass(frozen=True, slots=True)
class Config:
    """What resolv.conf and hosts say."""

    servers: tuple[str, ...] = ("127.0.0.1",)
    search: tuple[str, ...] = ()
    ndots: int = 1
    timeout_s: float = 5.0
    hosts: tuple[tuple[str, str], ...] = ()  # (name, address)
    port: int = 53


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsAnswer:
    """What the servers said of one name, after the search list."""

    name: str  # the full name that decided
    addresses: tuple[str, ...] = ()
    cname: tuple[str, ...] = ()
    rcode: str = "NOERROR"
    server: str = ""
    searched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """One parsed DNS message."""

    rcode: int
    truncated: bool
    addresses: tuple[str, ...]
    cname: tuple[str, ...]


def read_config(
    resolv: Path = Path("/etc/resolv.conf"), hosts: Path = Path("/etc/hosts")
) -> Config:
    """This machine's resolver configuration; a file that cannot be read counts as empty."""
    servers, search, ndots, timeout = [], [], 1, 5
    for words in _lines(resolv):
        if words[0] == "nameserver" and len(words) > 1:
            servers.append(words[1])
        elif words[0] in ("search", "domain"):
            search = words[1:]
        elif words[0] == "options":
            values = dict(w.split(":", 1) for w in words[1:] if ":" in w)
            ndots = _bounded(values.get("ndots", ""), ndots, 0, 15)
            timeout = _bounded(values.get("timeout", ""), timeout, 1, 30)
    pairs = tuple((name.lower(), words[0]) for words in _lines(hosts) for name in words[1:])
    return Config(tuple(servers[:3]) or ("127.0.0.1",), tuple(search), ndots, timeout, pairs)


def _bounded(text: str, default: int, least: int, most: int) -> int:
    """An option's number within resolv.conf(5)'s bounds; what is no number is overlooked."""
    return min(max(int(text), least), most) if re.fullmatch(r"[0-9]{1,6}", text) else default


def _lines(path: Path) -> list[list[str]]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    rows = (line.split("#", 1)[0].split(";", 1)[0].split() for line in text.splitlines())
    return [row for row in rows if row]


def candidates(name: str, config: Config) -> tuple[str, ...]:
    """The full names that are tried, in order (resolv.conf(5): search, ndots)."""
    if name.endswith("."):
        return (name[:-1],)
    searched = tuple(f"{name}.{domain.rstrip('.')}" for domain in config.search)
    return (name, *searched) if name.count(".") >= config.ndots else (*searched, name)


async def resolve(name: str, config: Config, deadline: float) -> DnsAnswer:
    """Addresses of `name`, IPv4 first. Raises Fault with the servers' own answer as evidence."""
    local = tuple(a for n, a in config.hosts if n == name.lower().rstrip("."))
    if local:
        return DnsAnswer(name=name, addresses=local, server="/etc/hosts")
    tried: list[str] = []
    exists: DnsAnswer | None = None
    failed: DnsAnswer | None = None
    for full in candidates(name, config):
        tried.append(full)
        answer = await _lookup(full, config, deadline, tuple(tried))
        if answer.addresses:
            return answer
        if answer.rcode == "NOERROR" or answer.cname:
            exists = exists or answer
        elif answer.rcode != "NXDOMAIN":
            failed = failed or answer  # glibc goes on: a search domain may be broken for itself
    if exists and exists.cname and exists.rcode == "NOERROR":
        exists = await _follow(exists, config, deadline)
    if exists is None and failed:
        said = f"the DNS server said {failed.rcode} for {failed.name}"
        raise _fault(Reason.DNS_SERVER_FAILURE, failed, said)
    if exists is None:
        last = DnsAnswer(name=name, rcode="NXDOMAIN", searched=tuple(tried))
        raise _fault(Reason.NAME_NOT_FOUND, last, f"no such name: {name}")
    raise _empty(exists)


async def _follow(answer: DnsAnswer, config: Config, deadline: float) -> DnsAnswer:
    """CoreDNS answers an alias whose target is missing with NOERROR: ask for the target itself."""
    if is_address(answer.cname[-1]):
        return answer
    target = await _lookup(answer.cname[-1], config, deadline, answer.searched)
    return replace(answer, rcode=target.rcode)


def _empty(answer: DnsAnswer) -> Fault:
    """The name is there and leads to no address."""
    if not answer.cname:
        return _fault(Reason.NAME_NO_ADDRESS, answer, f"{answer.name} has no address record")
    target = answer.cname[-1]
    if is_address(target):
        text = f"{answer.name} is an alias of {target}, which is an address and not a name"
        return _fault(Reason.NAME_NOT_A_NAME, answer, text)
    if answer.rcode == "NOERROR":
        text = f"{answer.name} is an alias of {target}, which has no address record"
        return _fault(Reason.NAME_NO_ADDRESS, answer, text)
    if answer.rcode != "NXDOMAIN":
        text = (
            f"{answer.name} is an alias of {target}, and DNS answers {answer.rcode} for that name"
        )
        return _fault(Reason.DNS_SERVER_FAILURE, answer, text)
    text = f"{answer.name} is an alias of {target}, which does not exist"
    return _fault(Reason.NAME_NOT_FOUND, answer, text)


def _fault(reason: Reason, answer: DnsAnswer, detail: str) -> Fault:
    return Fault(
        reason,
        detail,
        rcode=answer.rcode,
        cname=list(answer.cname),
        searched=list(answer.searched),
        server=answer.server,
    )


async def _lookup(
    name: str, config: Config, deadline: float, searched: tuple[str, ...]
) -> DnsAnswer:
    """A and AAAA side by side; what one of them finds is enough."""
    kinds = (A, AAAA)
    both = await asyncio.gather(
        *(_ask(name, kind, config, deadline) for kind in kinds), return_exceptions=True
    )
    good = [b for b in both if not isinstance(b, BaseException)]
    if not good:
        error = both[0]
        assert isinstance(error, BaseException)
        raise error
    replies = [reply for reply, _ in good]
    addresses = tuple(dict.fromkeys(a for r in replies for a in r.addresses))
    if not addresses and len(good) < len(both):
        raise next(b for b in both if isinstance(b, BaseException))
    cname = max((r.cname for r in replies), key=len)
    rcode = max(replies, key=lambda r: r.rcode).rcode if not addresses else 0
    return DnsAnswer(
        name=name,
        addresses=addresses,
        cname=cname,
        rcode=RCODES.get(rcode, str(rcode)),
        server=good[0][1],
        searched=searched,
    )


async def _ask(name: str, kind: int, config: Config, deadline: float) -> tuple[Reply, str]:
    """One question, every server in turn, twice.

    A server that cannot (SERVFAIL, NOTIMP, REFUSED) is passed over for the next one, as libc does.
    """
    loop = asyncio.get_running_loop()
    unable: tuple[Reply, str] | None = None
    why = ""
    share = max((deadline - loop.time()) / (TRIES * len(config.servers)), 0.05)
    for _ in range(TRIES):
        for server in config.servers:
            until = min(loop.time() + min(share, config.timeout_s), deadline)
            try:
                async with asyncio.timeout_at(until):
                    reply = await _exchange(name, kind, server, config.port)
            except TimeoutError:
                continue
            except OSError as error:
                why = f" ({errno.errorcode.get(error.errno or 0, 'closed')})"
                continue
            if reply.rcode not in UNABLE:
                return reply, server
            unable = unable or (reply, server)
        if unable:
            return unable
    servers = ", ".join(config.servers)
    raise Fault(Reason.DNS_TIMED_OUT, f"no answer from {servers}{why}", server=servers, name=name)


async def _exchange(name: str, kind: int, server: str, port: int) -> Reply:
    number = secrets.randbelow(1 << 16)
    question = query(name, kind, number)
    reply = parse(await _udp(question, server, port), number)
    return parse(await _tcp(question, server, port), number) if reply.truncated else reply


class _Once(asyncio.DatagramProtocol):
    """Takes the first datagram that answers our question; others are not for us, or forged."""

    def __init__(self, question: bytes) -> None:
        self.question = question
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        if answers(self.question, data) and not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def _udp(question: bytes, server: str, port: int) -> bytes:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: _Once(question), remote_addr=(server, port), family=family
    )
    try:
        transport.sendto(question)
        return await protocol.answer
    finally:
        transport.close()


async def _tcp(question: bytes, server: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(server, port)
    try:
        writer.write(struct.pack("!H", len(question)) + question)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("the DNS server closed the connection") from error
    finally:
        writer.close()


def answers(question: bytes, data: bytes) -> bool:
    """Whether `data` is a response with our number and, as far as it repeats one, our question."""
    if len(data) < 12 or data[:2] != question[:2] or not data[2] & 0x80:
        return False
    repeated = int.from_bytes(data[4:6])
    asked = question[12:].lower()
    return not repeated or (repeated == 1 and data[12 : 12 + len(asked)].lower() == asked)


def query(name: str, kind: int, number: int) -> bytes:
    """A recursive question for one name and type. Raises Fault for what cannot be a name."""
    labels = name.rstrip(".").split(".")
    try:
        encoded = [
            label.encode("idna") if not label.isascii() else label.encode() for label in labels
        ]
    except UnicodeError as error:
        raise Fault(Reason.NAME_NOT_A_NAME, f"{name} is not a host name") from error
    if any(not 0 < len(label) < 64 for label in encoded):
        raise Fault(Reason.NAME_NOT_A_NAME, f"{name} is not a host name")
    asked = b"".join(bytes([len(label)]) + label for label in encoded) + b"\0"
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + asked + struct.pack("!2H", kind, 1)


def parse(data: bytes, number: int) -> Reply:
    """A reply. Raises Fault (DNS_SERVER_FAILURE) for anything that is not one."""
    try:
        got, flags, questions, answers, _, _ = struct.unpack_from("!6H", data)
        if got != number or not flags & 0x8000:
            raise ValueError("not an answer to this question")
        at = 12
        for _ in range(questions):
            at = _read_name(data, at)[1] + 4
        return _records(data, at, answers, flags)
    except (ValueError, IndexError, struct.error) as error:
        raise Fault(
            Reason.DNS_SERVER_FAILURE, f"not a DNS answer: {error}", first_bytes=data[:64].hex()
        ) from error


def _records(data: bytes, at: int, count: int, flags: int) -> Reply:
    addresses: list[str] = []
    cname: list[str] = []
    for _ in range(count):
        _, at = _read_name(data, at)
        kind, _, _, length = struct.unpack_from("!HHIH", data, at)
        at += 10
        if kind in (A, AAAA):
            addresses.append(str(ipaddress.ip_address(data[at : at + length])))
        elif kind == CNAME:
            cname.append(_read_name(data, at)[0])
        at += length
    return Reply(flags & 0xF, bool(flags & 0x0200), tuple(addresses), tuple(cname))


def _read_name(data: bytes, at: int) -> tuple[str, int]:
    """A possibly compressed name at `at`, and where the next field begins."""
    labels: list[str] = []
    end = 0
    for _ in range(128):  # a longer chain of labels and pointers is an attack
        length = data[at]
        if length >= 0xC0:
            end = end or at + 2
            at = (length & 0x3F) << 8 | data[at + 1]
        elif length == 0:
            return ".".join(labels), end or at + 1
        else:
            labels.append(data[at + 1 : at + 1 + length].decode("ascii", "backslashreplace"))
            at += 1 + length
    raise ValueError("a name without an end")
