"""What checks over AMQP 0-9-1 have in common: login, channel, passive declares, one publish.

Frames, classes and methods: AMQP 0-9-1 specification; authentication_failure_close: RabbitMQ
documentation "Access Control"; confirm.select, basic.nack and basic.return: "Publisher Confirms".

What AMQP does not tell without writing, measured on RabbitMQ 3.10.8: an exchange's type (a passive
declare ignores it), a binding, and an alarm (connection.blocked comes to those that publish). The
management port tells all three.
"""

from __future__ import annotations

import contextlib
import re
import struct

from k8sext import __version__
from k8sext.agent.check import Fault, Login, Seen, WireCheck
from k8sext.agent.expect import version_in
from k8sext.agent.net.guess import wrong_protocol
from k8sext.model.result import Json
from k8sext.model.words import Reason

from .amqp import ArgumentReader, Message, frame, long, short

HEADER = b"AMQP\x00\x00\x09\x01"
METHOD, HEADER_FRAME, BODY_FRAME, HEARTBEAT, END = 1, 2, 3, 8, 0xCE
START, START_OK, TUNE, TUNE_OK = (10, 10), (10, 11), (10, 30), (10, 31)
OPEN, OPEN_OK, CLOSE, CLOSE_OK = (10, 40), (10, 41), (10, 50), (10, 51)
BLOCKED, UNBLOCKED = (10, 60), (10, 61)
CHANNEL_OPEN, CHANNEL_OPEN_OK, CHANNEL_CLOSE = (20, 10), (20, 11), (20, 40)
EXCHANGE_DECLARE, EXCHANGE_DECLARE_OK = (40, 10), (40, 11)
QUEUE_DECLARE, QUEUE_DECLARE_OK = (50, 10), (50, 11)
RETURN, ACK, NACK = (60, 50), (60, 80), (60, 120)
SELECT, SELECT_OK = (85, 10), (85, 11)
CHANNEL = 1  # the only one that is opened
MAX_FRAME = 128 << 10
CREDENTIALS: dict[str, tuple[str, ...]] = {
    "username": ("user", "RABBITMQ_DEFAULT_USER", "spring.rabbitmq.username"),
    "password": ("RABBITMQ_DEFAULT_PASS", "rabbitmq-password", "spring.rabbitmq.password"),
    "vhost": ("virtual-host", "RABBITMQ_DEFAULT_VHOST", "spring.rabbitmq.virtual-host"),
}


def client_properties() -> bytes:
    """Who we are, and that a refused login is to be told, not only felt."""
    able = ("authentication_failure_close", "connection.blocked", "basic.nack")
    capability = b"".join(short(name) + b"t\x01" for name in able)
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


_CODES = {
    320: Reason.UNHEALTHY,  # CONNECTION_FORCED: the broker shuts down, or an operator closed it
    402: Reason.VHOST_MISSING,  # INVALID_PATH
    403: Reason.AUTH_REJECTED,
    404: Reason.OBJECT_MISSING,
    530: Reason.PERMISSION_DENIED,  # NOT_ALLOWED: what of, its words say
}
# By words that the broker puts behind the code (rabbit_reader.erl, rabbit_channel.erl,
# rabbit_auth_backend_internal.erl, rabbit_amqqueue.erl); first one that occurs.
_WORDS = (
    ("via localhost", Reason.LOOPBACK_ONLY_USER),
    ("loopback", Reason.LOOPBACK_ONLY_USER),
    # Of the vhost, the user, the node, or of channels.
    ("limit (", Reason.TOO_MANY_CONNECTIONS),
    ("limit of", Reason.TOO_MANY_CONNECTIONS),
    ("user is limited to", Reason.TOO_MANY_CONNECTIONS),
    ("reached the maximum", Reason.TOO_MANY_CONNECTIONS),
    ("' is down", Reason.UNHEALTHY),  # a vhost whose processes failed
    ("is down or inaccessible", Reason.UNHEALTHY),  # 404 for a queue whose node is gone
    ("is stopped by supervisor", Reason.UNHEALTHY),
    ("access to ", Reason.PERMISSION_DENIED),  # "access to queue 'q' in vhost '/' refused for …"
)
_NAMES = re.compile(r"'[^']*'")  # of vhosts, users and queues: they may be called anything


def close_fault(code: int, words: str) -> Fault:
    """connection.close or channel.close as a Fault."""
    lower = _NAMES.sub("''", words.lower())
    by_words = next((r for part, r in _WORDS if part in lower), None)
    reason = by_words or _CODES.get(code, Reason.SERVER_ERROR)
    if code == 530 and lower.startswith("not_allowed - vhost") and "not found" in lower:
        reason = Reason.VHOST_MISSING
    return Fault(reason, words, words=words, code=str(code))


# Other protocols of AMQP's name, by the header that a server sends when it does not speak 0-9-1.
_HEADERS = {
    b"\x00\x01\x00\x00": "AMQP 1.0 only",
    b"\x03\x01\x00\x00": "AMQP 1.0 only (login first)",
    b"\x02\x01\x00\x00": "AMQP 1.0 only, over TLS",
    b"\x01\x01\x00\x09": "AMQP 0-9 only",
    b"\x01\x01\x08\x00": "AMQP 0-8 only",
    b"\x01\x01\x00\x0a": "AMQP 0-10 only",
}
# These are protocols of their own that share a name with 0-9-1: no release of the broker helps.
_OTHER_PROTOCOLS = ("AMQP 1.0", "AMQP 0-10")


def _other_amqp(header: bytes) -> tuple[Reason, str]:
    """What a server's own protocol header (its last four bytes) says against it."""
    name = _HEADERS.get(header, f"another AMQP ({header.hex()})")
    text = f"the broker speaks {name}"
    if name.startswith(_OTHER_PROTOCOLS):
        clients = "clients of RabbitMQ speak 0-9-1, which is another protocol"
        return Reason.WRONG_PRODUCT, f"{text} (as Qpid, Artemis or Azure Service Bus); {clients}"
    return Reason.UNSUPPORTED_VERSION, text


# Ports of RabbitMQ that are silent, or close, when AMQP is spoken to them.
_DOORS = {
    1883: "MQTT", 4369: "epmd", 5552: "the stream protocol", 15672: "the management API (HTTP)",
    15674: "STOMP over WebSockets", 25672: "the brokers among themselves", 61613: "STOMP",
}  # fmt: skip
LAST_WORD_S = 0.2
_GUEST = (
    "; guest may log in from the broker's own host only unless loopback_users says otherwise, and "
    "the broker has the same words for that and for a wrong password"
)


class AmqpCheck(WireCheck):
    """Protocol header, PLAIN login, virtual host, connection.close; what more is asked, subclasses
    say.
    """

    opened = False
    finished = False
    frame_max = 4096  # what every broker takes, until more is agreed
    blocked = ""  # why the broker takes no messages, if it said so
    channel = False  # whether it is open
    published = 0

    async def handshake(self) -> Seen:
        """connection.start, or the broker's own header where it speaks another version."""
        await self.stream.write(HEADER)
        first = await self._first_bytes()
        if first == b"AMQP":
            other = await self.stream.read_exactly(4)
            reason, text = _other_amqp(other)
            raise Fault(reason, text, **self.stream.first_bytes_fact())
        method, body = await self._frame(first)
        if method != START:
            raise await self._wrong("the first method is not connection.start")
        body.take(2)
        self.properties = body.table()
        self.mechanisms = body.long().decode("ascii", "replace").split()
        if not self._property("product"):
            text = "it greets as an AMQP broker does, and names no product, as all brokers do"
            raise Fault(Reason.WRONG_PRODUCT, text)
        return Seen(
            detail=f"{self._property('product')} {self._property('version')}",
            evidence={
                "product": self._property("product").lower(),
                "version": self._property("version"),
                "identity": self._property("cluster_name"),
                "cluster_name": self._property("cluster_name"),
                "platform": self._property("platform"),
                "mechanisms": [*self.mechanisms[:16]],
            },
        )

    async def _first_bytes(self) -> bytes:
        """The first four. Whoever stays silent gets an empty line at the very end: HTTP answers."""
        try:
            return await self.stream.read_exactly(4)
        except Fault as fault:
            if fault.reason is Reason.SILENT:
                self.stream.give(LAST_WORD_S)
                await self.stream.write(b"\r\n\r\n")
                with contextlib.suppress(Fault):
                    return await self.stream.read_exactly(4)
            if self.target.port in _DOORS and not self.stream.received:
                fault.detail += f"; {self.target.port} is usually {_DOORS[self.target.port]}"
            raise fault from None

    async def auth(self, login: Login | None) -> Seen | None:
        """PLAIN or AMQPLAIN, once, and the virtual host; the broker's own words say why not."""
        if login is None:
            raise Fault(Reason.AUTH_REQUIRED, "the broker always asks for a login")
        mechanism = next((m for m in ("PLAIN", "AMQPLAIN") if m in self.mechanisms), "")
        if not mechanism:
            offered = ", ".join(self.mechanisms[:16])
            wanted = " (a client certificate)" if "EXTERNAL" in self.mechanisms else ""
            text = f"the broker offers {offered or 'no way to log in'} only{wanted}"
            raise Fault(Reason.AUTH_METHOD_UNSUPPORTED, text)
        user, vhost = login.get("username", "guest"), login.get("vhost") or "/"
        response = sasl(mechanism, user.encode(), login.get("password").encode())
        arguments = client_properties() + short(mechanism) + long(response) + short("en_US")
        await self._send(START_OK, arguments)
        tuned = await self._tune(user)
        await self._open(vhost)
        return Seen(
            detail=f"user {user}, vhost {vhost}",
            warning=self.password_in_clear,
            evidence={"mechanism": mechanism, **tuned},
        )

    async def _tune(self, user: str) -> dict[str, Json]:
        """The broker's limits, agreed to: frames no larger than ours, heartbeats as it likes."""
        try:
            tune = await self._expect(TUNE)
        except Fault as fault:
            if fault.reason in (Reason.CLOSED_EARLY, Reason.RESET):
                # Without authentication_failure_close a broker just hangs up (RabbitMQ before 3.2).
                text = "the broker closes at the login, which most likely rejects it"
                raise Fault(Reason.AUTH_REJECTED, text) from fault
            if fault.reason is Reason.AUTH_REJECTED and user == "guest" and not self._loopback():
                fault.detail += _GUEST
            raise
        channels, most, heartbeat = (tune.number("!H"), tune.number("!I"), tune.number("!H"))
        agreed = min(most or MAX_FRAME, MAX_FRAME)
        await self._send(TUNE_OK, struct.pack("!HIH", channels, agreed, heartbeat))
        self.frame_max = max(agreed, self.frame_max)
        return {"channel_max": channels, "frame_max": most, "heartbeat": heartbeat}

    def shipped_login(self, login: Login) -> bool:
        """From the broker's own host guest is what every broker has, and lets nobody else in."""
        return super().shipped_login(login) and not self._loopback()

    def _loopback(self) -> bool:
        return self.stream.peer.startswith(("127.", "[::1]"))

    async def _open(self, vhost: str) -> None:
        await self._send(OPEN, short(vhost) + short("") + b"\0")
        await self._expect(OPEN_OK)
        self.opened = True

    # -- what may be asked behind the login -----------------------------------------------------

    def expected(self) -> None:
        """Raises Fault where version or identity is not what the bridge expects."""
        version, spec = self._property("version"), str(self.target.expect.get("version", ""))
        if spec and not version_in(version, spec):
            raise Fault(Reason.UNSUPPORTED_VERSION, f"version {version}, expected is {spec}")
        name, wanted = self._property("cluster_name"), self.target.expect.get("identity")
        if wanted and name not in (wanted if isinstance(wanted, list) else [wanted]):
            raise Fault(Reason.UNEXPECTED, f"this is the cluster {name}", identity=name)

    async def open_channel(self) -> None:
        """The one channel; nothing happens where it is open already."""
        if not self.channel:
            await self._send(CHANNEL_OPEN, short(""), CHANNEL)
            await self._expect(CHANNEL_OPEN_OK)
            self.channel = True

    async def exchange_is_there(self, name: str) -> None:
        """A passive declare, which creates nothing. Raises Fault (OBJECT_MISSING)."""
        passive = struct.pack("!H", 0) + short(name) + short("") + b"\x01" + long(b"")
        await self._send(EXCHANGE_DECLARE, passive, CHANNEL)
        await self._expect(EXCHANGE_DECLARE_OK)

    async def queue_counts(self, name: str) -> tuple[int, int] | None:
        """Ready messages and consumers; None: another connection holds it exclusively (405)."""
        passive = struct.pack("!H", 0) + short(name) + b"\x01" + long(b"")
        await self._send(QUEUE_DECLARE, passive, CHANNEL)
        try:
            answer = await self._expect(QUEUE_DECLARE_OK)
        except Fault as fault:
            if fault.evidence.get("code") != "405":
                raise
            return None
        answer.short()
        return answer.number("!I"), answer.number("!I")

    async def publish(self, message: Message) -> None:
        """One message, mandatory and confirmed: only for `--active`.

        Raises Fault: OBJECT_MISSING where no queue takes it or the exchange is not there, ALARM
        where the broker blocks publishers, UNHEALTHY where it does not keep the message.
        """
        self._refuse_blocked()
        if not self.published:
            await self._send(SELECT, b"\0", CHANNEL)
            await self._expect(SELECT_OK)
        self.published += 1
        await self.stream.write(message.frames(CHANNEL, self.frame_max))
        await self._confirmed()

    async def _confirmed(self) -> None:
        """The broker's answer to what was published last; a returned message comes before it."""
        back: Fault | None = None
        while True:
            kind, payload = await self._any_frame()
            if kind != METHOD:
                continue  # the content of what came back
            method, body = _method(payload)
            self._look_out(method, body)
            await self._raise_closed(method, body)
            self._refuse_blocked()
            if method == RETURN:
                back = returned(body)
            if method in (ACK, NACK) and body.number("!Q") in (0, self.published):
                break
        if back:
            raise back
        if method == NACK:
            text = "the broker did not keep the message (basic.nack): the queue may be full"
            raise Fault(Reason.UNHEALTHY, text)

    def _refuse_blocked(self) -> None:
        if self.blocked:
            raise Fault(Reason.ALARM, f"the broker blocks publishers: {self.blocked}")

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
        await self.stream.write(frame(METHOD, channel, payload))

    async def _expect(self, wanted: tuple[int, int]) -> ArgumentReader:
        """The wanted method; a close in its place is told in the broker's words."""
        for _ in range(16):
            method, body = await self._frame()
            if method == wanted:
                return body
            await self._raise_closed(method, body)
            self._look_out(method, body)
        raise await self._wrong("the method that should come does not")

    async def _raise_closed(self, method: tuple[int, int], body: ArgumentReader) -> None:
        """Raises Fault where the broker closes connection or channel, in its words."""
        if method not in (CLOSE, CHANNEL_CLOSE):
            return
        code, words = body.number("!H"), body.short()
        self.finished = method == CLOSE
        if self.finished:
            await self._send(CLOSE_OK, b"")
        raise close_fault(code, words)

    def _look_out(self, method: tuple[int, int], body: ArgumentReader) -> None:
        """What the broker says of alarms, whenever it says it."""
        if method in (BLOCKED, UNBLOCKED):
            self.blocked = (body.short() or "an alarm") if method == BLOCKED else ""

    async def _frame(self, begun: bytes = b"") -> tuple[tuple[int, int], ArgumentReader]:
        """The next method frame; heartbeats are passed over."""
        while True:
            kind, payload = await self._any_frame(begun)
            begun = b""
            if kind in (HEADER_FRAME, BODY_FRAME):
                raise await self._wrong("content where a method must come")
            if kind == METHOD:
                return _method(payload)

    async def _any_frame(self, begun: bytes = b"") -> tuple[int, bytes]:
        """The next frame's kind and payload; of a method at least its number."""
        head = begun + await self.stream.read_exactly(7 - len(begun))
        kind, _, size = struct.unpack("!BHI", head)
        if kind not in (METHOD, HEADER_FRAME, BODY_FRAME, HEARTBEAT) or size > MAX_FRAME:
            raise await self._wrong("this is no AMQP frame")
        payload = await self.stream.read_exactly(size + 1)
        if payload[-1] != END:
            raise await self._wrong("a frame without its end mark")
        if kind == METHOD and size < 4:
            return HEARTBEAT, b""  # no method has fewer; passed over
        return kind, payload[:-1]

    def _property(self, name: str) -> str:
        return str(self.properties.get(name) or "")

    async def _wrong(self, why: str) -> Fault:
        return await wrong_protocol(self.stream, why)


def _method(payload: bytes) -> tuple[tuple[int, int], ArgumentReader]:
    first, second = struct.unpack_from("!HH", payload)
    return (int(first), int(second)), ArgumentReader(payload[4:])


def returned(body: ArgumentReader) -> Fault:
    """basic.return as a Fault: 312 NO_ROUTE, 313 NO_CONSUMERS."""
    code, words, exchange, key = body.number("!H"), body.short(), body.short(), body.short()
    where = f"exchange {exchange}" if exchange else "the default exchange"
    text = f"no queue takes what is published to {where} with key {key} ({code} {words})"
    return Fault(Reason.OBJECT_MISSING, text, words=words, code=str(code))
