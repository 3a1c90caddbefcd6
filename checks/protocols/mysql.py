"""MySQL, MariaDB and Percona Server, client/server protocol 4.1.

Packets: MySQL internals "Client/Server Protocol", MariaDB knowledge base "Clientserver protocol";
error numbers: MySQL error reference. Never a bare connect: a handshake that is broken off counts
towards max_connect_errors and error 1129 locks out every pod behind the node's address.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass
from typing import ClassVar

from k8sext.agent.check import CheckInfo, Fault, Login, Seen, WireCheck
from k8sext.agent.expect import version_in
from k8sext.agent.rsa import encrypt_oaep
from k8sext.model.result import Json
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason, Stage

LONG_PASSWORD, WITH_DB, PROTOCOL_41, SSL, SECURE, PLUGIN = 1, 8, 512, 2048, 32768, 1 << 19
TRANSACTIONS = 8192
UTF8MB4 = 45
QUERY = "SELECT @@version, @@read_only, USER(), DATABASE(), @@character_set_server"
UUID = "SELECT @@server_uuid"  # MySQL and Percona; MariaDB has none

_ERRORS = {
    1040: Reason.TOO_MANY_CONNECTIONS,
    1203: Reason.TOO_MANY_CONNECTIONS,
    1044: Reason.PERMISSION_DENIED,
    1045: Reason.AUTH_REJECTED,
    1049: Reason.DATABASE_MISSING,
    1129: Reason.LOCKED_OUT,
    1130: Reason.HOST_NOT_ALLOWED,
    1226: Reason.TOO_MANY_CONNECTIONS,
    1820: Reason.PASSWORD_EXPIRED,
    1862: Reason.PASSWORD_EXPIRED,
    3118: Reason.LOCKED_OUT,
    3159: Reason.TLS_REQUIRED,
    4151: Reason.LOCKED_OUT,
}
_HOST = re.compile(r"(?:Host|host) '([^']+)'|@'([^']+)'")


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the server says first (HandshakeV10)."""

    version: str
    capabilities: int
    salt: bytes
    plugin: str

    @property
    def product(self) -> str:
        """mariadb or mysql; Percona names itself in version_comment only."""
        return "mariadb" if "mariadb" in self.version.lower() else "mysql"

    @property
    def number(self) -> str:
        """The version without the prefix that MariaDB shows to old replicas."""
        return self.version.removeprefix("5.5.5-")


def error_of(packet: bytes) -> Fault:
    """An error packet (0xff, number, perhaps #SQLSTATE, words) as a Fault."""
    number = int.from_bytes(packet[1:3], "little")
    text = packet[3:].decode("utf-8", "replace")
    words = text[6:] if text.startswith("#") else text
    host = _HOST.search(words)
    seen: dict[str, Json] = {"source_seen": host[1] or host[2]} if host else {}
    reason = _ERRORS.get(number, Reason.SERVER_ERROR)
    return Fault(reason, words, words=words, code=str(number), **seen)


def parse_greeting(packet: bytes) -> Greeting:
    """HandshakeV10. Raises ValueError for anything else."""
    if packet[:1] != b"\x0a":
        raise ValueError("not a greeting of protocol 10")
    end = packet.index(b"\0", 1)
    rest = packet[end + 1 :]
    if len(rest) < 31:
        raise ValueError("a greeting that ends early")
    low, _, _, high, length = struct.unpack_from("<HBHHB", rest, 13)
    capabilities = low | high << 16
    second = rest[31 : 31 + max(13, length - 8)]
    plugin = rest[31 + len(second) :].split(b"\0")[0] if capabilities & PLUGIN else b""
    salt = rest[4:12] + second[:12]
    return Greeting(
        packet[1:end].decode("utf-8", "replace"),
        capabilities,
        salt,
        plugin.decode("ascii", "replace"),
    )


def native_password(password: str, salt: bytes) -> bytes:
    """mysql_native_password: SHA1(p) xor SHA1(salt + SHA1(SHA1(p)))."""
    if not password:
        return b""
    first = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    twice = hashlib.sha1(first, usedforsecurity=False).digest()
    mixed = hashlib.sha1(salt + twice, usedforsecurity=False).digest()
    return bytes(a ^ b for a, b in zip(first, mixed, strict=True))


def sha2_password(password: str, salt: bytes) -> bytes:
    """caching_sha2_password, fast path: SHA256(p) xor SHA256(SHA256(SHA256(p)) + salt)."""
    if not password:
        return b""
    first = hashlib.sha256(password.encode()).digest()
    mixed = hashlib.sha256(hashlib.sha256(first).digest() + salt).digest()
    return bytes(a ^ b for a, b in zip(first, mixed, strict=True))


class Mysql(WireCheck):
    """Greeting, perhaps TLS, login, two queries, COM_QUIT."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="mysql",
        summary="MySQL, MariaDB and Percona Server",
        proves="logged in, the schema is there, version and read_only are known",
        ports=(3306,),
        port_names=("mysql", "mariadb", "percona"),
        service_names=("mysql", "mariadb", "percona"),
        app_protocols=("mysql", "mariadb"),
        credential_keys={
            "username": ("user", "MYSQL_USER", "MARIADB_USER", "spring.datasource.username"),
            "password": (
                "MYSQL_PASSWORD",
                "MARIADB_PASSWORD",
                "mysql-password",
                "mariadb-password",
                "spring.datasource.password",
            ),
            "database": ("schema", "MYSQL_DATABASE", "MARIADB_DATABASE"),
        },
        expects={
            "role": "primary or replica (read_only)",
            "database": "name",
            "version": "range, e.g. >=10.6",
        },
        server_speaks_first=True,
    )
    order: ClassVar[tuple[Stage, ...]] = (Stage.HANDSHAKE, Stage.TLS, Stage.AUTH, Stage.VERIFY)
    sequence = 0
    greeting: Greeting | None = None
    logged_in = False
    said_login = False

    async def handshake(self) -> Seen:
        """The greeting, or the error that stands in its place (1130, 1129, 1040)."""
        packet = await self._packet()
        if packet[:1] == b"\xff":
            raise error_of(packet)
        try:
            self.greeting = parse_greeting(packet)
        except ValueError as error:
            raise self._wrong(str(error)) from error
        found = self.greeting
        evidence: dict[str, Json] = {"product": found.product, "version": found.number}
        return Seen(detail=found.version, evidence={**evidence, "plugin": found.plugin})

    async def tls(self) -> Seen | None:
        """SSLRequest, where it is asked for."""
        if self.tls_mode is TlsMode.DISABLE:
            return None
        if not self._greeted.capabilities & SSL:
            raise Fault(Reason.TLS_NOT_OFFERED, "the greeting offers no TLS")
        await self._send(self._header(SSL))
        return Seen(evidence=await self.stream.start_tls())

    async def auth(self, login: Login | None) -> Seen | None:
        """Log in, once. Every greeted server is answered: see `goodbye`."""
        if login is None:
            raise Fault(Reason.AUTH_REQUIRED, "the server always asks for a login")
        self.password = login.get("password")
        await self._send_login(login.get("username", "root"), login.get("database"))
        warning = await self._finish(await self._packet())
        self.logged_in = True
        return Seen(detail=f"user {login.get('username', 'root')}", warning=warning)

    async def verify(self) -> Seen:
        """Version, read_only, who we are, the schema."""
        row = await self._row(QUERY)
        version, read_only, user, database, charset = (*row, "", "", "", "", "")[:5]
        found = self._greeted
        role = "replica" if read_only not in ("0", "OFF") else "primary"
        evidence: dict[str, Json] = {
            "product": found.product,
            "version": version,
            "role": role,
            "source_seen": user.rpartition("@")[2],
            "database": database,
            "charset": charset,
        }
        if found.product == "mysql":
            evidence["identity"] = (await self._row(UUID))[0]
        self._expected(role, database, version)
        return Seen(detail=f"{role}, schema {database or 'none'}", evidence=evidence)

    def _expected(self, role: str, database: str, version: str) -> None:
        expect = self.target.expect
        wanted = str(expect.get("role", ""))
        if wanted and wanted != role:
            reason = Reason.READ_ONLY if wanted == "primary" else Reason.WRONG_ROLE
            raise Fault(reason, f"the server is a {role}, expected is a {wanted}", role=role)
        if expect.get("database") and expect["database"] != database:
            text = f"the schema is {database or 'none'}, expected is {expect['database']}"
            raise Fault(Reason.UNEXPECTED, text)
        spec = str(expect.get("version", ""))
        if spec and not version_in(version, spec):
            raise Fault(Reason.UNSUPPORTED_VERSION, f"version {version}, expected is {spec}")

    async def goodbye(self) -> None:
        """COM_QUIT; a greeted server that got no login gets a failing one first.

        A connection that ends between greeting and login counts towards max_connect_errors; a
        rejected login does not (MySQL manual, host cache).
        """
        if self.logged_in:
            self.sequence = 0
            await self._send(b"\x01")
            await self.stream.read_some()
        elif self.greeting and not self.said_login:
            self.password = ""
            await self._send_login("k8sext", "")
            await self._packet()

    # -- login ----------------------------------------------------------------------------------

    @property
    def _greeted(self) -> Greeting:
        assert self.greeting is not None
        return self.greeting

    def _header(self, more: int) -> bytes:
        flags = LONG_PASSWORD | PROTOCOL_41 | TRANSACTIONS | SECURE | PLUGIN | more
        return struct.pack("<IIB23x", flags, 1 << 24, UTF8MB4)

    async def _send_login(self, user: str, database: str) -> None:
        self.said_login = True
        plugin = self._greeted.plugin or "mysql_native_password"
        answer = self._answer(plugin, self._greeted.salt)
        more = (WITH_DB if database else 0) | (SSL if self.stream.encrypted else 0)
        body = self._header(more) + user.encode() + b"\0" + bytes([len(answer)]) + answer
        body += database.encode() + b"\0" if database else b""
        await self._send(body + plugin.encode() + b"\0")

    def _answer(self, plugin: str, salt: bytes) -> bytes:
        if plugin == "caching_sha2_password":
            return sha2_password(self.password, salt)
        if plugin == "mysql_native_password":
            return native_password(self.password, salt)
        if plugin == "mysql_clear_password" and self.stream.encrypted:
            return self.password.encode() + b"\0"
        if plugin == "sha256_password":
            return b"\x01"  # asks for the public key; see _more
        return b""

    async def _finish(self, packet: bytes) -> Reason | None:
        """OK, error, another method, or more of this one."""
        plugin = self._greeted.plugin
        salt = self._greeted.salt
        for _ in range(6):
            kind = packet[:1]
            if kind == b"\x00":
                return None
            if kind == b"\xff":
                raise error_of(packet)
            if kind == b"\xfe":
                name, _, more = packet[1:].partition(b"\0")
                plugin, salt = name.decode("ascii", "replace"), more[:20]
                await self._send(self._switched(plugin, salt))
            elif kind == b"\x01":
                await self._more(plugin, packet[1:], salt)
            else:
                raise self._wrong("the answer to the login is none of MySQL's")
            packet = await self._packet()
        raise self._wrong("a login without an end")

    def _switched(self, plugin: str, salt: bytes) -> bytes:
        known = ("caching_sha2_password", "mysql_native_password", "sha256_password")
        clear = plugin == "mysql_clear_password"
        if plugin in known or (clear and self.stream.encrypted):
            return self._answer(plugin, salt)
        why = "would send the password in clear" if clear else "is not one that k8sext speaks"
        raise Fault(Reason.AUTH_METHOD_UNSUPPORTED, f"login method {plugin} {why}", plugin=plugin)

    async def _more(self, plugin: str, data: bytes, salt: bytes) -> None:
        """caching_sha2 full authentication: in clear inside TLS, else by the server's RSA key."""
        if data == b"\x03":
            return
        if data.startswith(b"-----BEGIN PUBLIC KEY"):
            secret = self.password.encode() + b"\0"
            mixed = bytes(c ^ salt[i % len(salt)] for i, c in enumerate(secret))
            try:
                await self._send(encrypt_oaep(data.decode("ascii", "replace"), mixed))
            except ValueError as error:
                raise self._wrong(f"a public key that is none: {error}") from error
        elif self.stream.encrypted:
            await self._send(self.password.encode() + b"\0")
        else:
            await self._send(b"\x02" if plugin == "caching_sha2_password" else b"\x01")

    # -- packets --------------------------------------------------------------------------------

    async def _row(self, sql: str) -> list[str]:
        """The first row of a text query."""
        self.sequence = 0
        await self._send(b"\x03" + sql.encode())
        first = await self._packet()
        if first[:1] == b"\xff":
            raise error_of(first)
        for _ in range(first[0] + 1):
            await self._packet()  # column definitions and their end
        row = await self._packet()
        if row[:1] == b"\xff":
            raise error_of(row)
        columns = [] if row[:1] == b"\xfe" else _columns(row)
        while row[:1] != b"\xfe":
            row = await self._packet()
        return columns

    async def _send(self, body: bytes) -> None:
        head = len(body).to_bytes(3, "little") + bytes([self.sequence & 0xFF])
        self.sequence += 1
        await self.stream.write(head + body)

    async def _packet(self) -> bytes:
        head = await self.stream.read_exactly(4)
        length = int.from_bytes(head[:3], "little")
        if not 0 < length < 1 << 20:
            raise self._wrong(f"a packet of {length} bytes")
        self.sequence = head[3] + 1
        return await self.stream.read_exactly(length)

    def _wrong(self, why: str) -> Fault:
        return Fault(Reason.WRONG_PROTOCOL, why, **self.stream.first_bytes_fact())


def _columns(row: bytes) -> list[str]:
    """Length-encoded strings; 0xfb is NULL. Long forms: 0xfc two bytes, 0xfd three."""
    out: list[str] = []
    at = 0
    while at < len(row):
        size, at = row[at], at + 1
        if size == 0xFB:
            out.append("")
            continue
        if size > 0xFB:
            width = 2 if size == 0xFC else 3
            size, at = int.from_bytes(row[at : at + width], "little"), at + width
        out.append(row[at : at + size].decode("utf-8", "replace"))
        at += size
    return out
