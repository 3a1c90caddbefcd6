"""Stand-ins: as much of five servers as a client needs to log in and to ask what they are.

None is the real thing, and their versions say so ("…-stand-in"). They check what they are sent, so
that a login that is wrong is refused. Where each message is described: the check of its protocol.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import struct
from collections.abc import Mapping
from dataclasses import field

from k8sext.model.data import dataclass

from .servers import Peer, Talk

USER, PASSWORD = "shop", "correct-horse-4711"
ROUNDS = 4096


# -- PostgreSQL ----------------------------------------------------------------------------------


def pg(kind: bytes, body: bytes = b"") -> bytes:
    """One message."""
    return kind + struct.pack("!I", len(body) + 4) + body


def pg_error(code: str, words: str, more: str = "") -> bytes:
    """ErrorResponse."""
    fields = {"S": "FATAL", "C": code, "M": words, "D": more}
    return pg(b"E", b"".join(f"{k}{v}\0".encode() for k, v in fields.items() if v) + b"\0")


def pg_parameters() -> bytes:
    """What a session begins with: AuthenticationOk, a version, ReadyForQuery."""
    version = pg(b"S", b"server_version\x0017.0-stand-in\0")
    return pg(b"R", bytes(4)) + version + pg(b"K", struct.pack("!II", 42, 0)) + pg(b"Z", b"I")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresqlTalk:
    """A PostgreSQL that asks for SCRAM-SHA-256. `instead` is said in place of asking."""

    instead: Talk | None = None
    standby: bool = False

    async def __call__(self, peer: Peer) -> None:
        """One session."""
        startup = await self._startup(peer)
        if startup == struct.pack("!I", 80877103):  # SSLRequest
            await peer.send(b"S" if peer.tls else b"N")
            if peer.tls:
                await peer.start_tls()
            await self._startup(peer)
        if self.instead:
            return await self.instead(peer)
        if not await self._log_in(peer):
            return await peer.send(
                pg_error("28P01", f'password authentication failed for "{USER}"')
            )
        await peer.send(pg_parameters())
        while (await peer.exactly(1)) == b"Q":
            (length,) = struct.unpack("!I", await peer.exactly(4))
            await peer.send(self._answer((await peer.exactly(length - 4)).decode()))

    async def _startup(self, peer: Peer) -> bytes:
        (length,) = struct.unpack("!I", await peer.exactly(4))
        return await peer.exactly(length - 4)

    async def _log_in(self, peer: Peer) -> bool:
        """RFC 5802, the server's side; the client's nonce is continued by ours."""
        await peer.send(pg(b"R", struct.pack("!I", 10) + b"SCRAM-SHA-256\0\0"))
        first = (await self._login_message(peer)).partition(b"n=")[2].decode()
        salt = secrets.token_bytes(16)
        nonce = first.partition("r=")[2] + secrets.token_hex(9)
        challenge = f"r={nonce},s={base64.b64encode(salt).decode()},i={ROUNDS}"
        await peer.send(pg(b"R", struct.pack("!I", 11) + challenge.encode()))
        bare, _, proof = (await self._login_message(peer)).decode().rpartition(",p=")
        salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt, ROUNDS)
        said = f"n={first},{challenge},{bare}".encode()
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), said, "sha256")
        if base64.b64decode(proof) != bytes(a ^ b for a, b in zip(key, signature, strict=True)):
            return False
        ours = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), said, "sha256")
        await peer.send(pg(b"R", struct.pack("!I", 12) + b"v=" + base64.b64encode(ours)))
        return True

    async def _login_message(self, peer: Peer) -> bytes:
        """The body of the client's next login message."""
        await peer.exactly(1)
        return await self._startup(peer)

    def _answer(self, question: str) -> bytes:
        recovery, only = ("t", "on") if self.standby else ("f", "off")
        row = ["k8sext stand-in 1.0"] if "pg_extension" in question else [USER]
        if "transaction_read_only" in question:
            row = [USER, only, "127.0.0.1", "42"]
        elif "pg_is_in_recovery" in question:
            lag = ["1", "0", "0.0"] if self.standby else ["", "", ""]
            row = [recovery, *lag, "100", "1", "t"]
        elif "system_identifier" in question:
            row = ["7000000000000000001"]
        cells = b"".join(struct.pack("!i", len(c) if c else -1) + c.encode() for c in row)
        count = struct.pack("!H", len(row))
        column = b"column\0" + struct.pack("!IhIhih", 0, 0, 25, -1, -1, 0)  # of type text
        data = pg(b"T", count + column * len(row)) + pg(b"D", count + cells)
        return data + pg(b"C", b"SELECT 1\0") + pg(b"Z", b"I")


# -- MySQL ---------------------------------------------------------------------------------------

SALT = b"abcdefgh" + b"ijklmnopqrst"
MY_OK = b"\0\0\0\2\0\0\0"


def my(body: bytes, number: int = 0) -> bytes:
    """One packet."""
    return len(body).to_bytes(3, "little") + bytes([number & 0xFF]) + body


def my_error(code: int, words: str, state: str = "HY000") -> bytes:
    """An error's packet, without its head."""
    return b"\xff" + code.to_bytes(2, "little") + f"#{state}{words}".encode()


def my_greeting(*, tls: bool) -> bytes:
    """HandshakeV10 by caching_sha2_password."""
    flags = 1 | 8 | 512 | 8192 | 32768 | 1 << 19 | (2048 if tls else 0)
    low, high = flags & 0xFFFF, flags >> 16
    body = b"\x0a8.0-stand-in\0" + struct.pack("<I", 42) + SALT[:8] + b"\0"
    body += struct.pack("<HBHHB", low, 45, 2, high, 21) + bytes(10)
    return my(body + SALT[8:] + b"\0caching_sha2_password\0")


def my_rows(names: tuple[str, ...], *rows: tuple[str, ...]) -> bytes:
    """A result set, packets numbered from 1."""

    def text(value: str) -> bytes:
        return bytes([len(value.encode())]) + value.encode()

    end = b"\xfe\0\0\2\0"
    kind = struct.pack("<BHIBHBH", 12, 45, 255, 253, 0, 0, 0)  # VAR_STRING in utf8mb4
    columns = [b"\3def" + bytes(3) + text(n) + b"\0" + kind for n in names]
    values = [b"".join(map(text, row)) for row in rows]
    bodies = [bytes([len(names)]), *columns, end, *values, end]
    return b"".join(my(body, number) for number, body in enumerate(bodies, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class MysqlTalk:
    """A MySQL 8 by caching_sha2_password's fast path. `refusal` answers every login."""

    refusal: bytes = b""
    read_only: bool = False
    rows: int = 1  # of the answer to who we are

    async def __call__(self, peer: Peer) -> None:
        """One session."""
        await peer.send(my_greeting(tls=bool(peer.tls)))
        number, login = await self._packet(peer)
        if len(login) == 32:  # SSLRequest: a login's first 32 bytes
            await peer.start_tls()
            number, login = await self._packet(peer)
        await peer.send(self._judged(login, number + 1))
        while (command := (await self._packet(peer))[1]) and command[0] == 3:
            await peer.send(self._answer(command[1:].decode()))

    async def _packet(self, peer: Peer) -> tuple[int, bytes]:
        head = await peer.exactly(4)
        return head[3], await peer.exactly(int.from_bytes(head[:3], "little"))

    def _judged(self, login: bytes, number: int) -> bytes:
        user, _, rest = login[32:].partition(b"\0")
        answer = rest[1 : 1 + rest[0]]
        first = hashlib.sha256(PASSWORD.encode()).digest()
        mix = hashlib.sha256(hashlib.sha256(first).digest() + SALT).digest()
        good = bytes(a ^ b for a, b in zip(first, mix, strict=True))
        if self.refusal:
            return my(self.refusal, number)
        if user != USER.encode() or answer != good:
            words = f"Access denied for user '{user.decode()}'@'127.0.0.1' (using password: YES)"
            return my(my_error(1045, words, "28000"), number)
        return my(b"\1\3", number) + my(MY_OK, number + 1)

    def _answer(self, question: str) -> bytes:
        if question.startswith("SET"):
            return my(MY_OK, 1)
        if question.startswith("SHOW VARIABLES"):
            values = {
                "version": "8.0-stand-in", "version_comment": "k8sext self-test",
                "read_only": "ON" if self.read_only else "OFF", "max_connections": "151",
                "server_uuid": "00000000-0000-0000-0000-000000004711",
                "character_set_database": "utf8mb4",
            }  # fmt: skip
            return my_rows(("Variable_name", "Value"), *values.items())
        if question.startswith("SHOW GLOBAL STATUS"):
            return my_rows(("Variable_name", "Value"), ("Threads_connected", "1"))
        if question.startswith("SHOW REPLICA"):
            names = ("Replica_IO_Running", "Replica_SQL_Running", "Seconds_Behind_Source")
            return my_rows(names, *([("Yes", "Yes", "0")] if self.read_only else []))
        if "USER" not in question:
            return my_rows(("DATABASE()",), (USER,))
        who = (f"{USER}@127.0.0.1", f"{USER}@127.0.0.%", USER, "42")
        return my_rows(("user", "account", "db", "id"), *[who] * self.rows)


# -- Redis ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisTalk:
    """A Redis 7 server. `error` answers every command but QUIT."""

    password: str = PASSWORD
    error: str = ""
    info: Mapping[str, str] = field(default_factory=dict[str, str])

    async def __call__(self, peer: Peer) -> None:
        """One session."""
        welcome = not self.password
        while True:
            words = await self._command(peer)
            if words[0] == "QUIT":
                return await peer.send(b"+OK\r\n")
            if "AUTH" in words:  # a command, or a part of HELLO
                *user, password = words[words.index("AUTH") + 1 :][:2]
                welcome = password == self.password and user in ([], [USER], ["default"])
            await peer.send(self._reply(words, welcome))

    async def _command(self, peer: Peer) -> list[str]:
        words: list[str] = []
        for _ in range(int((await peer.until())[1:])):
            size = int((await peer.until())[1:])
            words.append((await peer.exactly(size + 2))[:-2].decode())
        return words

    def _reply(self, words: list[str], welcome: bool) -> bytes:
        command = words[0]
        if self.error:
            return f"-{self.error}\r\n".encode()
        if "AUTH" in words and not welcome:
            return b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
        if not welcome:
            return b"-NOAUTH Authentication required.\r\n"
        if command == "PING":
            return b"+PONG\r\n"
        if command == "HELLO":
            said = ("server", "redis", "version", "7.4-stand-in", "mode", "standalone")
            return b"%3\r\n" + b"".join(f"+{word}\r\n".encode() for word in said)
        return self._info() if command == "INFO" else b"+OK\r\n"

    def _info(self) -> bytes:
        fields = {
            "redis_version": "7.4-stand-in", "redis_mode": "standalone", "role": "master",
            "run_id": "4711" * 10, "master_replid": "4712" * 10, "loading": "0",
            "maxclients": "10000", "connected_clients": "1", **self.info,
        }  # fmt: skip
        text = "".join(f"{key}:{value}\r\n" for key, value in fields.items()).encode()
        return b"$%d\r\n%s\r\n" % (len(text), text)


# -- RabbitMQ ------------------------------------------------------------------------------------


def short(text: str) -> bytes:
    """A short string."""
    return bytes([len(text.encode())]) + text.encode()


def long(data: bytes) -> bytes:
    """A long string."""
    return struct.pack("!I", len(data)) + data


def amqp(method: tuple[int, int], arguments: bytes = b"", channel: int = 0) -> bytes:
    """One method's frame."""
    payload = struct.pack("!HH", *method) + arguments
    return struct.pack("!BHI", 1, channel, len(payload)) + payload + b"\xce"


def amqp_close(code: int, words: str, channel: int = 0) -> bytes:
    """connection.close or, on a channel, channel.close."""
    method = (20, 40) if channel else (10, 50)
    return amqp(method, struct.pack("!H", code) + short(words) + bytes(4), channel)


def amqp_start() -> bytes:
    """connection.start."""
    about = {"product": "RabbitMQ", "version": "4.0-stand-in", "cluster_name": "stand-in"}
    table = b"".join(short(k) + b"S" + long(v.encode()) for k, v in about.items())
    return amqp((10, 10), b"\0\x09" + long(table) + long(b"PLAIN") + long(b"en_US"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RabbitmqTalk:
    """A RabbitMQ with any exchange and the queue `orders`. `refusal` answers every login."""

    refusal: bytes = b""
    vhost: str = "/"
    consumers: int = 1
    blocked: str = ""

    async def __call__(self, peer: Peer) -> None:
        """One session."""
        await peer.exactly(8)
        await peer.send(amqp_start())
        response = await self._method(peer)
        if self.refusal or f"\0{USER}\0{PASSWORD}".encode() not in response:
            words = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN."
            return await self._closed(peer, self.refusal or amqp_close(403, words))
        await peer.send(amqp((10, 30), struct.pack("!HIH", 2047, 131072, 60)))
        await self._method(peer)  # tune-ok
        asked = await self._method(peer)
        if short(self.vhost) != asked[4 : 5 + asked[4]]:
            return await self._closed(peer, amqp_close(530, "NOT_ALLOWED - vhost not found"))
        await peer.send(amqp((10, 41), b"\0"))
        if self.blocked:
            await peer.send(amqp((10, 60), short(self.blocked)))
        while (asked := await self._method(peer))[:4] != struct.pack("!HH", 10, 50):
            await peer.send(self._answer(asked))
        await peer.send(amqp((10, 51)))

    async def _method(self, peer: Peer) -> bytes:
        """Class, method and arguments of the client's next frame."""
        _, _, size = struct.unpack("!BHI", await peer.exactly(7))
        return (await peer.exactly(size + 1))[:-1]

    async def _closed(self, peer: Peer, why: bytes) -> None:
        await peer.send(why)
        await peer.until_gone()

    def _answer(self, asked: bytes) -> bytes:
        if asked[:4] == struct.pack("!HH", 20, 10):
            return amqp((20, 11), long(b""), 1)
        if asked[:4] == struct.pack("!HH", 20, 40):
            return amqp((20, 41), b"", 1)
        name = asked[7 : 7 + asked[6]].decode()
        if asked[:4] == struct.pack("!HH", 40, 10):
            return amqp((40, 11), b"", 1)
        if name != "orders":
            return amqp_close(404, f"NOT_FOUND - no queue '{name}' in vhost '/'", 1)
        return amqp((50, 11), short(name) + struct.pack("!II", 0, self.consumers), 1)
