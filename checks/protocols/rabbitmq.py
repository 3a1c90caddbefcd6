"""RabbitMQ, AMQP 0-9-1.

Frames, classes and methods: AMQP 0-9-1 specification; field tables as RabbitMQ writes them
(rabbit_binary_parser.erl); authentication_failure_close: RabbitMQ documentation "Access Control".
"""

from __future__ import annotations

import struct
from typing import ClassVar

from k8sext import __version__
from k8sext.agent.check import CheckInfo, Fault, Login, Seen, WireCheck
from k8sext.agent.expect import version_in
from k8sext.agent.guess import wrong_protocol
from k8sext.model.result import Json
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason

HEADER = b"AMQP\x00\x00\x09\x01"
METHOD, HEARTBEAT, END = 1, 8, 0xCE
START, START_OK, TUNE, TUNE_OK = (10, 10), (10, 11), (10, 30), (10, 31)
OPEN, OPEN_OK, CLOSE, CLOSE_OK = (10, 40), (10, 41), (10, 50), (10, 51)
BLOCKED = (10, 60)
CHANNEL_OPEN, CHANNEL_OPEN_OK, CHANNEL_CLOSE = (20, 10), (20, 11), (20, 40)
EXCHANGE_DECLARE, QUEUE_DECLARE, QUEUE_DECLARE_OK = (40, 10), (50, 10), (50, 11)
MAX_FRAME = 128 << 10
MAX_DEPTH = 8

_FIXED = {
    b"t": "!?", b"b": "!b", b"B": "!B", b"s": "!h", b"u": "!H", b"I": "!i", b"i": "!I",
    b"l": "!q", b"L": "!Q", b"f": "!f", b"d": "!d", b"T": "!Q",
}  # fmt: skip


class Reader:
    """Reads values from a method's arguments. Raises Fault where they end early."""

    def __init__(self, data: bytes, depth: int = 0) -> None:
        self.data, self.at, self.depth = data, 0, depth

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if self.at + count > len(self.data):
            raise Fault(Reason.WRONG_PROTOCOL, "arguments that end early")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, form: str) -> int:
        """One big-endian number."""
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def short(self) -> str:
        """A short string."""
        return self.take(self.number("!B")).decode("utf-8", "replace")

    def long(self) -> bytes:
        """A long string."""
        return self.take(self.number("!I"))

    def table(self) -> dict[str, Json]:
        """A field table."""
        if self.depth >= MAX_DEPTH:
            raise Fault(Reason.TOO_MUCH, "a table nested too deep")
        inner = Reader(self.long(), self.depth + 1)
        out: dict[str, Json] = {}
        while inner.at < len(inner.data):
            name = inner.short()
            out[name] = inner.value()
        return out

    def value(self) -> Json:
        """One tagged field value."""
        kind = self.take(1)
        if kind in _FIXED:
            form = _FIXED[kind]
            value: Json = struct.unpack(form, self.take(struct.calcsize(form)))[0]
            return value
        if kind in b"Sx":
            return self.long().decode("utf-8", "replace")
        if kind == b"F":
            return self.table()
        if kind == b"A":
            return self._array()
        if kind == b"D":
            return self.take(5).hex()
        if kind == b"V":
            return None
        raise Fault(Reason.WRONG_PROTOCOL, f"a field of unknown kind {kind!r}")

    def _array(self) -> Json:
        if self.depth >= MAX_DEPTH:
            raise Fault(Reason.TOO_MUCH, "an array nested too deep")
        inner = Reader(self.long(), self.depth + 1)
        out: list[Json] = []
        while inner.at < len(inner.data):
            out.append(inner.value())
        return out


def short(text: str) -> bytes:
    """A short string, cut at 255 bytes."""
    data = text.encode()[:255]
    return bytes([len(data)]) + data


def long(data: bytes) -> bytes:
    """A long string."""
    return struct.pack("!I", len(data)) + data


def client_properties() -> bytes:
    """Who we are, and that a refused login is to be told, not only felt."""
    capability = short("authentication_failure_close") + b"t\x01"
    capability += short("connection.blocked") + b"t\x01"
    table = short("product") + b"S" + long(b"k8sext")
    table += short("version") + b"S" + long(__version__.encode())
    table += short("connection_name") + b"S" + long(b"k8sext probe")
    table += short("capabilities") + b"F" + long(capability)
    return long(table)


def sasl(mechanism: str, user: bytes, password: bytes) -> bytes:
    """The login: PLAIN as in RFC 4616; AMQPLAIN is a table without its length (RabbitMQ)."""
    if mechanism == "PLAIN":
        return b"\0" + user + b"\0" + password
    return short("LOGIN") + b"S" + long(user) + short("PASSWORD") + b"S" + long(password)


def close_fault(code: int, words: str) -> Fault:
    """connection.close or channel.close as a Fault."""
    lower = words.lower()
    reasons = {403: Reason.AUTH_REJECTED, 404: Reason.OBJECT_MISSING}
    reason = reasons.get(code, Reason.SERVER_ERROR)
    if code == 403 and "access to " in lower:  # "access to queue 'q' in vhost '/' refused for …"
        reason = Reason.PERMISSION_DENIED
    if "loopback" in lower or "localhost" in lower:
        reason = Reason.LOOPBACK_ONLY_USER
    elif code == 530:
        missing = "not found" in lower
        limit = "limit" in lower
        reason = Reason.VHOST_MISSING if missing else Reason.PERMISSION_DENIED
        reason = Reason.TOO_MANY_CONNECTIONS if limit else reason
    return Fault(reason, words, words=words, code=str(code))


class Rabbitmq(WireCheck):
    """Protocol header, PLAIN login, virtual host, passive declares, connection.close."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="rabbitmq",
        summary="RabbitMQ and other AMQP 0-9-1 brokers",
        proves="logged in to the virtual host; expected queue and exchange are there",
        ports=(5672,),
        port_names=("rabbitmq", "amqp", "rabbit"),
        service_names=("rabbitmq", "rabbit", "amqp"),
        app_protocols=("amqp",),
        credential_keys={
            "username": ("user", "RABBITMQ_DEFAULT_USER", "spring.rabbitmq.username"),
            "password": (
                "RABBITMQ_DEFAULT_PASS",
                "rabbitmq-password",
                "spring.rabbitmq.password",
            ),
            "vhost": ("virtual-host", "RABBITMQ_DEFAULT_VHOST", "spring.rabbitmq.virtual-host"),
        },
        expects={
            "queue": "name of a queue that must exist",
            "exchange": "name of an exchange that must exist",
            "version": "range, e.g. >=3.8",
        },
    )
    opened = False
    finished = False
    blocked = ""  # why the broker takes no messages, if it said so

    async def handshake(self) -> Seen:
        """connection.start, or the broker's own header where it speaks another version."""
        await self.stream.write(HEADER)
        first = await self.stream.read_exactly(4)
        if first == b"AMQP":
            other = (await self.stream.read_exactly(4)).hex()
            text = f"the broker wants another AMQP version ({other})"
            raise Fault(Reason.UNSUPPORTED_VERSION, text, **self.stream.first_bytes_fact())
        method, body = await self._frame(first)
        if method != START:
            raise await self._wrong("the first method is not connection.start")
        body.take(2)
        self.properties = body.table()
        self.mechanisms = body.long().decode("ascii", "replace").split()
        return Seen(
            detail=f"{self._property('product')} {self._property('version')}",
            evidence={
                "product": self._property("product").lower(),
                "version": self._property("version"),
                "identity": self._property("cluster_name"),
                "mechanisms": [*self.mechanisms],
            },
        )

    async def auth(self, login: Login | None) -> Seen | None:
        """PLAIN, once; the broker's own words say why not."""
        if login is None:
            raise Fault(Reason.AUTH_REQUIRED, "the broker always asks for a login")
        mechanism = next((m for m in ("PLAIN", "AMQPLAIN") if m in self.mechanisms), "")
        if not mechanism:
            offered = ", ".join(self.mechanisms)
            raise Fault(Reason.AUTH_METHOD_UNSUPPORTED, f"the broker offers {offered} only")
        user = login.get("username", "guest")
        response = sasl(mechanism, user.encode(), login.get("password").encode())
        arguments = client_properties() + short(mechanism) + long(response) + short("en_US")
        await self._send(START_OK, arguments)
        tune = await self._expect(TUNE)
        channels, frame, heartbeat = (tune.number("!H"), tune.number("!I"), tune.number("!H"))
        await self._send(TUNE_OK, struct.pack("!HIH", channels, frame, heartbeat))
        await self._open(login.get("vhost") or "/")
        clear = not self.stream.encrypted and self.target.tls.mode is not TlsMode.DISABLE
        return Seen(
            detail=f"user {user}, vhost {login.get('vhost') or '/'}",
            warning=Reason.PASSWORD_IN_CLEAR if clear else None,
        )

    async def _open(self, vhost: str) -> None:
        await self._send(OPEN, short(vhost) + short("") + b"\0")
        await self._expect(OPEN_OK)
        self.opened = True

    async def verify(self) -> Seen:
        """A channel, and what the bridge expects, declared passively (nothing is created)."""
        await self._send(CHANNEL_OPEN, short(""), channel=1)
        await self._expect(CHANNEL_OPEN_OK)
        evidence: dict[str, Json] = {}
        exchange, queue = (str(self.target.expect.get(k, "")) for k in ("exchange", "queue"))
        if exchange:
            passive = struct.pack("!H", 0) + short(exchange) + short("") + b"\x01" + long(b"")
            await self._send(EXCHANGE_DECLARE, passive, channel=1)
            await self._expect((40, 11))
        if queue:
            passive = struct.pack("!H", 0) + short(queue) + b"\x01" + long(b"")
            await self._send(QUEUE_DECLARE, passive, channel=1)
            evidence = await self._queue()
        version, spec = self._property("version"), str(self.target.expect.get("version", ""))
        if spec and not version_in(version, spec):
            raise Fault(Reason.UNSUPPORTED_VERSION, f"version {version}, expected is {spec}")
        counts = ", ".join(k if v is True else f"{v} {k}" for k, v in evidence.items())
        detail = f"channel opened{', ' + counts if counts else ''}"
        if self.blocked:
            alarm = f"{detail}; the broker blocks publishers: {self.blocked}"
            return Seen(detail=alarm, evidence=evidence, warning=Reason.ALARM)
        return Seen(detail=detail, evidence=evidence)

    async def _queue(self) -> dict[str, Json]:
        """Counts of a queue. One that another connection holds exclusively is there (405)."""
        try:
            answer = await self._expect(QUEUE_DECLARE_OK)
        except Fault as fault:
            if fault.evidence.get("code") != "405":
                raise
            return {"exclusive": True}
        answer.short()
        return {"messages": answer.number("!I"), "consumers": answer.number("!I")}

    async def goodbye(self) -> None:
        """connection.close and its answer; before the login the socket is simply closed.

        Measured on RabbitMQ 3.10.8: a socket closed after connection.start leaves one warning
        ("client unexpectedly closed TCP connection"); connection.close in its place leaves an
        error (handshake_error, "unexpected method in connection state starting"), is never
        answered, and holds the connection for 3 s.
        """
        if self.opened and not self.finished:
            await self._send(CLOSE, struct.pack("!H", 200) + short("bye") + bytes(4))
            await self._expect(CLOSE_OK)

    # -- frames ---------------------------------------------------------------------------------

    async def _send(self, method: tuple[int, int], arguments: bytes, channel: int = 0) -> None:
        payload = struct.pack("!HH", *method) + arguments
        head = struct.pack("!BHI", METHOD, channel, len(payload))
        await self.stream.write(head + payload + bytes([END]))

    async def _expect(self, wanted: tuple[int, int]) -> Reader:
        """The wanted method; a close in its place is told in the broker's words."""
        for _ in range(16):
            method, body = await self._frame()
            if method == wanted:
                return body
            if method in (CLOSE, CHANNEL_CLOSE):
                code, words = body.number("!H"), body.short()
                self.finished = method == CLOSE
                if self.finished:
                    await self._send(CLOSE_OK, b"")
                raise close_fault(code, words)
            if method == BLOCKED:
                self.blocked = body.short()
        raise await self._wrong("the method that should come does not")

    async def _frame(self, begun: bytes = b"") -> tuple[tuple[int, int], Reader]:
        """The next method frame; heartbeats are passed over."""
        while True:
            head = begun + await self.stream.read_exactly(7 - len(begun))
            begun = b""
            kind, _, size = struct.unpack("!BHI", head)
            if kind not in (METHOD, HEARTBEAT) or size > MAX_FRAME:
                raise await self._wrong("this is no AMQP frame")
            payload = await self.stream.read_exactly(size + 1)
            if payload[-1] != END:
                raise await self._wrong("a frame without its end mark")
            if kind == METHOD and size >= 4:
                return _method(payload), Reader(payload[4:-1])

    def _property(self, name: str) -> str:
        return str(self.properties.get(name) or "")

    async def _wrong(self, why: str) -> Fault:
        return await wrong_protocol(self.stream, why)


def _method(payload: bytes) -> tuple[int, int]:
    first, second = struct.unpack_from("!HH", payload)
    return int(first), int(second)
