"""memcached, over its text protocol; over the binary one where the server speaks only that (SASL).

Text: memcached, doc/protocol.txt, whose section "Authentication" is the login of `-Y`. Binary:
doc/protocol-binary.txt and the wiki's SASLAuthProtocol. What servers answer was measured on 1.6.18.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from k8sext.agent.check import CheckInfo, Fault, Fingerprint, Key, Login, Seen, WireCheck
from k8sext.agent.expect import version_in
from k8sext.agent.net.guess import wrong_protocol
from k8sext.agent.net.second_look import explain_hang_up
from k8sext.model.plan import OUR_CONNECTIONS
from k8sext.model.result import Json
from k8sext.model.words import Reason

if TYPE_CHECKING:  # what a check says of itself is read without asyncio
    from k8sext.agent.net.stream import Stream

NEARLY = 0.9  # of its connections: worth a warning
ITS_OWN = 8  # of the limit, beside `reserved_fds`: of 1024, 20 reserved, the 999th is turned away
MAX_LINES = 1000  # of `stats`; 1.6.18 has 86
MAX_BODY = 1 << 16
_WORDS = ("VERSION", "STAT", "END", "STORED", "ERROR", "CLIENT_ERROR", "SERVER_ERROR")
_GONE = (Reason.CLOSED_EARLY, Reason.RESET)
KEPT = (
    "uptime", "threads", "curr_connections", "max_connections", "rejected_connections",
    "listen_disabled_num", "curr_items", "bytes", "limit_maxbytes", "evictions",
)  # fmt: skip

# The binary protocol: the header of a request, and what an answer's status says.
_HEADER = struct.Struct("!BBHBBHIIQ")
_REQUEST, _ANSWER = 0x80, 0x81
_VERSION, _STAT, _SASL_MECHANISMS, _SASL_AUTH = 0x0B, 0x10, 0x20, 0x21
_OK, _AUTH_ERROR = 0x00, 0x20


class Memcached(WireCheck):
    """`version`, a login where one is asked for, `stats`. No key is read and nothing stored."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="memcached",
        summary="memcached and proxies that speak its protocol",
        proves="logged in where it asks for that, and the server tells its version and statistics",
        ports=(11211,),
        port_names=("memcached", "memcache"),
        service_names=("memcached", "memcache"),
        app_protocols=("memcached", "memcache"),
        credential_keys={
            "username": ("user", "memcached-username", "MEMCACHED_USERNAME"),
            "password": ("memcached-password", "MEMCACHED_PASSWORD"),
        },
        expects={"version": Key("range, e.g. >=1.5", "version")},
        fingerprints=(
            Fingerprint(product="memcached", starts="ERROR\r\n"),
            Fingerprint(product="memcached", starts="CLIENT_ERROR "),
            Fingerprint(product="memcached", starts="ERROR Too many open connections"),
        ),
    )
    verify_needs_login = False  # where a login is asked for and there is none, auth ends the probe
    speech: TextProtocol | BinaryProtocol

    async def handshake(self) -> Seen:
        """`version`. A server that wants SASL waits in silence for a binary request."""
        stream, end = self.stream, self.stream.deadline
        self.speech = TextProtocol(stream)
        stream.deadline = stream.sooner(stream.left_s / 3)
        try:
            await self.speech.greet()
        except Fault as fault:
            stream.deadline = end
            if fault.reason is not Reason.SILENT:
                raise await explain_hang_up(stream, fault, own="memcached") from fault
            await stream.reconnect()
            self.speech = BinaryProtocol(stream)
            await self.speech.greet()
        finally:
            stream.deadline = end
        return Seen(detail="asks for a login" if self.speech.wants_login else "tells its version")

    async def auth(self, login: Login | None) -> Seen | None:
        """One attempt. A server that asks for no login gets none: it would store it as a value."""
        if not self.speech.wants_login:
            return Seen(detail="the server asks for no login") if login else None
        if login is None:
            raise Fault(Reason.AUTH_REQUIRED, "the server asks for a user and a password")
        await self.speech.log_in(login.get("username"), login.get("password"))
        return Seen(
            detail=f"user {login.get('username')}",
            warning=self.password_in_clear,
        )

    async def verify(self) -> Seen:
        """Its version, and how full it is; a proxy that has no statistics proves less."""
        version = await self.speech.version()
        evidence: dict[str, Json] = {"product": "memcached", "version": version}
        spec = str(self.target.expect.get("version", ""))
        if spec and not version_in(version, spec):
            text = f"version {version}, expected is {spec}"
            raise Fault(Reason.UNSUPPORTED_VERSION, text, **evidence)
        try:
            stats = await self.speech.stats()
        except Fault as fault:
            if fault.reason not in (*_GONE, Reason.SERVER_ERROR):
                raise
            # twemproxy hangs up on commands that it does not pass on.
            said = f"`stats` is not answered ({fault.detail}), as by a proxy in front of it"
            return Seen(detail=said, evidence=evidence)
        evidence |= {key: stats[key] for key in KEPT if key in stats}
        full = nearly_full(stats)
        return Seen(
            detail="; ".join(filter(None, [full, turned_away(stats), evicted(stats)])),
            evidence=evidence,
            warning=Reason.NEARLY_FULL if full else None,
        )


# -- what the statistics mean ------------------------------------------------------------------

Stats = Mapping[str, str]


def number(stats: Stats, key: str) -> int:
    """A statistic as a number; what is none, or not there, is 0."""
    text = stats.get(key, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


def nearly_full(stats: Stats) -> str:
    """That its connections are nearly used up, and not by our own; "" where they are not."""
    limit, now = number(stats, "max_connections"), number(stats, "curr_connections")
    room = limit - number(stats, "reserved_fds") - ITS_OWN
    full = 0 < room and now >= NEARLY * room and now - OUR_CONNECTIONS >= room / 2
    return f"{now} of at most {limit} connections are open" if full else ""


def turned_away(stats: Stats) -> str:
    """How many clients found it full since it was started."""
    times = number(stats, "rejected_connections") + number(stats, "listen_disabled_num")
    return f"connections were refused {times} times since its start" if times else ""


def evicted(stats: Stats) -> str:
    """How many items had to go for new ones: what a cache does when its memory is full."""
    items, size = number(stats, "evictions"), number(stats, "limit_maxbytes") >> 20
    return f"{items} items were evicted, its memory of {size} MiB is full" if items else ""


# -- the two ways to speak to it ---------------------------------------------------------------


class TextProtocol:
    """Lines."""

    wants_login = False

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._version = ""

    async def greet(self) -> None:
        """Ask for the version. Raises Fault."""
        await self.stream.write(b"version\r\n")
        words = await self._first_line()
        self.wants_login = words == "CLIENT_ERROR unauthenticated"
        if not self.wants_login:
            self._version = _told_version(words)

    async def log_in(self, user: str, password: str) -> None:
        """The value of a `set` whose key, flags and time do not matter. Raises Fault."""
        value = f"{user} {password}".encode()
        await self.stream.write(b"set k8sext 0 0 %d\r\n%s\r\n" % (len(value), value))
        words = await self._line()
        if words == "CLIENT_ERROR authentication failure":
            raise Fault(Reason.AUTH_REJECTED, words, words=words)
        if words != "STORED":
            raise _error(words)

    async def version(self) -> str:
        """Known from the greeting, or asked for after the login. Raises Fault."""
        if not self._version:
            await self.stream.write(b"version\r\n")
            self._version = _told_version(await self._line())
        return self._version

    async def stats(self) -> Stats:
        """The general statistics. Raises Fault, SERVER_ERROR where they are not given."""
        await self.stream.write(b"stats\r\n")
        found: dict[str, str] = {}
        for _ in range(MAX_LINES):
            words = await self._line()
            if words == "END":
                return found
            kind, _, rest = words.partition(" ")
            if kind != "STAT":
                raise _error(words)
            name, _, value = rest.partition(" ")
            found[name] = value
        raise Fault(Reason.TOO_MUCH, f"more than {MAX_LINES} statistics")

    async def _first_line(self) -> str:
        """An answer of memcached's; what has other first bytes is another product's."""
        first = await self.stream.read_exactly(3)
        if not any(word.startswith(first.decode("latin-1")) for word in _WORDS):
            raise await self._wrong()
        words = _text(first + await self.stream.read_until(b"\n", 2048))
        if words.partition(" ")[0] not in _WORDS:
            raise await self._wrong()
        return words

    async def _wrong(self) -> Fault:
        return await wrong_protocol(self.stream, "`version` is not answered as memcached does")

    async def _line(self) -> str:
        return _text(await self.stream.read_until(b"\n", 2048))


class BinaryProtocol:
    """Packets with a header of 24 bytes."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.mechanisms = ""
        self._version = ""

    @property
    def wants_login(self) -> bool:
        """Whether there are mechanisms to log in by: a server without SASL knows none."""
        return bool(self.mechanisms)

    async def greet(self) -> None:
        """Ask for the version, then for the mechanisms. Raises Fault."""
        await self._send(_VERSION)
        status, _, self._version = await self._answer()
        if status != _OK:
            raise _error(self._version)
        await self._send(_SASL_MECHANISMS)
        status, _, words = await self._answer()
        self.mechanisms = words if status == _OK else ""

    async def log_in(self, user: str, password: str) -> None:
        """SASL PLAIN (RFC 4616). Raises Fault."""
        if "PLAIN" not in self.mechanisms.split():
            text = f"it takes {self.mechanisms}, and k8sext speaks PLAIN"
            raise Fault(Reason.AUTH_METHOD_UNSUPPORTED, text, words=self.mechanisms)
        await self._send(_SASL_AUTH, b"PLAIN", f"\0{user}\0{password}".encode())
        status, _, words = await self._answer()
        if status == _AUTH_ERROR:
            raise Fault(Reason.AUTH_REJECTED, words, words=words)
        if status != _OK:
            raise _error(words)

    async def version(self) -> str:
        """Known from the greeting."""
        return self._version

    async def stats(self) -> Stats:
        """The general statistics, a packet each until one without a name. Raises Fault."""
        await self._send(_STAT)
        found: dict[str, str] = {}
        for _ in range(MAX_LINES):
            status, name, value = await self._answer()
            if status != _OK:
                raise _error(value)
            if not name:
                return found
            found[name] = value
        raise Fault(Reason.TOO_MUCH, f"more than {MAX_LINES} statistics")

    async def _send(self, opcode: int, key: bytes = b"", value: bytes = b"") -> None:
        size = len(key) + len(value)
        head = _HEADER.pack(_REQUEST, opcode, len(key), 0, 0, 0, size, 0, 0)
        await self.stream.write(head + key + value)

    async def _answer(self) -> tuple[int, str, str]:
        """Status, key and value of one packet."""
        head = await self.stream.read_exactly(_HEADER.size)
        magic, _, key, extras, _, status, size, _, _ = _HEADER.unpack(head)
        if magic != _ANSWER or size > MAX_BODY or key + extras > size:
            why = "the answer is in neither of memcached's protocols"
            raise await wrong_protocol(self.stream, why)
        body = await self.stream.read_exactly(size)
        return status, _text(body[extras : extras + key]), _text(body[extras + key :])


def _text(data: bytes) -> str:
    return data.decode("latin-1").rstrip("\r\n")


def _told_version(words: str) -> str:
    kind, _, version = words.partition(" ")
    if kind != "VERSION" or not version:
        raise _error(words)
    return version


def _error(words: str) -> Fault:
    """An answer that is not the wanted one."""
    full = words.startswith("ERROR Too many open connections")
    reason = Reason.TOO_MANY_CONNECTIONS if full else Reason.SERVER_ERROR
    return Fault(reason, words, words=words)
