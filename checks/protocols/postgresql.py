"""PostgreSQL, frontend/backend protocol 3.0.

Messages: PostgreSQL documentation, chapter "Frontend/Backend Protocol"; SQLSTATE codes: appendix A;
SCRAM-SHA-256: RFC 5802 and RFC 7677.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import struct
from typing import ClassVar

from k8sext.agent.check import CheckInfo, Fault, Login, Seen, WireCheck
from k8sext.agent.expect import version_in
from k8sext.model.result import Json
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason

SSL_REQUEST = struct.pack("!II", 8, 80877103)
PROTOCOL = 196608  # 3.0
MAX_MESSAGE = 1 << 20
OK, CLEAR, MD5, SASL, SASL_CONTINUE, SASL_FINAL = 0, 3, 5, 10, 11, 12
QUERY = (
    "SELECT pg_is_in_recovery(), current_setting('transaction_read_only'), "
    "host(inet_client_addr()), current_database()"
)

_STATES = {
    "28P01": Reason.AUTH_REJECTED,
    "28000": Reason.AUTH_REJECTED,
    "3D000": Reason.DATABASE_MISSING,
    "53300": Reason.TOO_MANY_CONNECTIONS,
    "57P03": Reason.LOADING,
    "42501": Reason.PERMISSION_DENIED,
    "0A000": Reason.UNSUPPORTED_VERSION,
}
_HBA = re.compile(r'pg_hba\.conf.*host "([^"]+)"')


def error_of(body: bytes) -> Fault:
    """An ErrorResponse as a Fault: by SQLSTATE; a host rule's refusal names our address."""
    fields = {f[:1]: f[1:].decode("utf-8", "replace") for f in body.split(b"\0") if f}
    code, words = fields.get(b"C", ""), fields.get(b"M", "")
    host = _HBA.search(words)
    seen: dict[str, Json] = {"source_seen": host[1]} if host else {}
    reason = Reason.HOST_NOT_ALLOWED if "pg_hba.conf" in words else _STATES.get(code)
    return Fault(reason or Reason.SERVER_ERROR, words, words=words, code=code, **seen)


class Scram:
    """The client's side of SCRAM-SHA-256 without channel binding."""

    def __init__(self, password: str) -> None:
        self.password = password.encode()
        self.nonce = base64.b64encode(secrets.token_bytes(18)).decode()
        self.first_bare = f"n=,r={self.nonce}"
        self.server_signature = b""

    def first(self) -> bytes:
        """client-first-message; the user is known from the startup message."""
        return f"n,,{self.first_bare}".encode()

    def final(self, server_first: str) -> bytes:
        """client-final-message. Raises Fault for an answer that is not SCRAM's."""
        try:
            parts = dict(p.split("=", 1) for p in server_first.split(","))
            salt, rounds, nonce = base64.b64decode(parts["s"]), int(parts["i"]), parts["r"]
        except (ValueError, KeyError) as error:
            raise Fault(Reason.WRONG_PROTOCOL, "not a SCRAM challenge") from error
        if not nonce.startswith(self.nonce) or not 1 <= rounds <= 1_000_000:
            raise Fault(Reason.WRONG_PROTOCOL, "a SCRAM challenge that is not an answer to ours")
        salted = hashlib.pbkdf2_hmac("sha256", self.password, salt, rounds)
        without_proof = f"c=biws,r={nonce}"
        message = f"{self.first_bare},{server_first},{without_proof}".encode()
        client_key = _hmac(salted, b"Client Key")
        signature = _hmac(hashlib.sha256(client_key).digest(), message)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self.server_signature = _hmac(_hmac(salted, b"Server Key"), message)
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def check(self, server_final: str) -> None:
        """The server must know the password too. Raises Fault (WRONG_PRODUCT)."""
        expected = "v=" + base64.b64encode(self.server_signature).decode()
        if not hmac.compare_digest(server_final.split(",")[0], expected):
            raise Fault(Reason.WRONG_PRODUCT, "the server does not know the password itself")


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


class Postgresql(WireCheck):
    """SSLRequest, startup, login, one query, Terminate."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="postgresql",
        summary="PostgreSQL and what speaks its protocol (TimescaleDB, PgBouncer, CockroachDB)",
        proves="logged in to the database, asked whether it is a standby and who we are",
        ports=(5432,),
        port_names=("postgresql", "postgres", "pgsql", "pg", "timescaledb"),
        service_names=("postgresql", "postgres", "pgsql", "pg", "timescaledb"),
        app_protocols=("postgresql", "postgres"),
        credential_keys={
            "username": ("user", "POSTGRES_USER", "PGUSER", "spring.datasource.username"),
            "password": (
                "POSTGRES_PASSWORD",
                "PGPASSWORD",
                "postgres-password",
                "spring.datasource.password",
            ),
            "database": ("dbname", "POSTGRES_DB", "PGDATABASE"),
        },
        expects={
            "role": "primary or standby",
            "database": "name",
            "version": "range, e.g. >=12,<17",
        },
    )
    started = False

    async def tls(self) -> Seen | None:
        """SSLRequest. Without a mode: as libpq's `prefer`."""
        mode = self.target.tls.mode
        if mode is TlsMode.DISABLE:
            return None
        await self.stream.write(SSL_REQUEST)
        answer = await self.stream.read_exactly(1)
        if answer == b"S":
            return Seen(evidence=await self.stream.start_tls())
        if answer == b"E":
            raise await self._refusal()
        if answer != b"N":
            raise self._wrong("the answer to SSLRequest is none of PostgreSQL's")
        if mode is None:
            return None
        raise Fault(Reason.TLS_NOT_OFFERED, "the server answered SSLRequest with N")

    async def handshake(self) -> Seen:
        """Startup up to the authentication request."""
        self.user = self.login.get("username", "postgres") if self.login else "k8sext"
        expected = str(self.target.expect.get("database", ""))
        database = (self.login.get("database") if self.login else "") or expected or self.user
        words = ("user", self.user, "database", database, "application_name", "k8sext")
        body = struct.pack("!I", PROTOCOL) + b"".join(w.encode() + b"\0" for w in words) + b"\0"
        await self.stream.write(struct.pack("!I", len(body) + 4) + body)
        kind, answer = await self._message()
        if kind == b"E":
            raise error_of(answer)
        if kind != b"R" or len(answer) < 4:
            raise self._wrong("the answer to the startup message is none of PostgreSQL's")
        self.started = True
        self.request = answer
        self.method = struct.unpack_from("!I", answer)[0]
        return Seen(detail=f"authentication method {self.method}", evidence={"user": self.user})

    async def auth(self, login: Login | None) -> Seen | None:
        """Answer the authentication request, once."""
        if login is None:
            if self.method == OK:
                return None
            raise Fault(Reason.AUTH_REQUIRED, "the server asks for a password")
        warning = await self._authenticate(login.get("password"))
        await self._ready()
        return Seen(detail=f"user {self.user}", warning=warning)

    async def _authenticate(self, password: str) -> Reason | None:
        if self.method == OK:
            return None
        if self.method == SASL:
            await self._scram(password)
            return None
        if self.method == MD5:
            salt = self.request[4:8]
            inner = hashlib.md5((password + self.user).encode(), usedforsecurity=False).hexdigest()
            outer = hashlib.md5(inner.encode() + salt, usedforsecurity=False).hexdigest()
            await self._send(b"p", b"md5" + outer.encode() + b"\0")
            await self._accepted()
            return None
        if self.method == CLEAR:
            await self._send(b"p", password.encode() + b"\0")
            await self._accepted()
            clear = not self.stream.encrypted and self.target.tls.mode is not TlsMode.DISABLE
            return Reason.PASSWORD_IN_CLEAR if clear else None
        text = f"authentication method {self.method} is not one that k8sext speaks"
        raise Fault(Reason.AUTH_METHOD_UNSUPPORTED, text)

    async def _scram(self, password: str) -> None:
        if b"SCRAM-SHA-256\0" not in self.request[4:] + b"\0":
            text = "the server offers no SCRAM-SHA-256 without channel binding"
            raise Fault(Reason.AUTH_METHOD_UNSUPPORTED, text)
        scram = Scram(password)
        first = scram.first()
        await self._send(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(first)) + first)
        challenge = await self._auth_message(SASL_CONTINUE)
        await self._send(b"p", scram.final(challenge))
        scram.check(await self._auth_message(SASL_FINAL))
        await self._accepted()

    async def _auth_message(self, wanted: int) -> str:
        kind, body = await self._message()
        if kind == b"E":
            raise error_of(body)
        if kind != b"R" or struct.unpack_from("!I", body.ljust(4, b"\xff"))[0] != wanted:
            raise self._wrong("the login's next message is none of PostgreSQL's")
        return body[4:].decode("utf-8", "replace")

    async def _accepted(self) -> None:
        await self._auth_message(OK)

    async def _ready(self) -> None:
        """Parameters until ReadyForQuery."""
        self.parameters: dict[str, str] = {}
        while True:
            kind, body = await self._message()
            if kind == b"Z":
                return
            if kind == b"E":
                raise error_of(body)
            if kind == b"S":
                key, value = [*body.split(b"\0"), b"", b""][:2]
                self.parameters[key.decode()] = value.decode("utf-8", "replace")

    async def verify(self) -> Seen:
        """One query: standby or primary, our address as the server sees it, the database."""
        row = await self._row(QUERY)
        standby, read_only, address, database = (*row, "", "", "", "")[:4]
        role = "standby" if standby == "t" else "primary"
        version = self.parameters.get("server_version", "")
        evidence: dict[str, Json] = {
            "product": "postgresql",
            "version": version,
            "role": role,
            "database": database,
            "source_seen": address,
            "read_only": read_only == "on",
        }
        self._expected(role, database, version)
        return Seen(detail=f"{role}, database {database}", evidence=evidence)

    def _expected(self, role: str, database: str, version: str) -> None:
        expect = self.target.expect
        wanted = str(expect.get("role", ""))
        if wanted and wanted != role:
            reason = Reason.READ_ONLY if wanted == "primary" else Reason.WRONG_ROLE
            raise Fault(reason, f"this is a {role}, expected is a {wanted}", role=role)
        if expect.get("database") and expect["database"] != database:
            text = f"the database is {database}, expected is {expect['database']}"
            raise Fault(Reason.UNEXPECTED, text)
        spec = str(expect.get("version", ""))
        if spec and not version_in(version, spec):
            raise Fault(Reason.UNSUPPORTED_VERSION, f"version {version}, expected is {spec}")

    async def _row(self, sql: str) -> list[str]:
        """The first row of a simple query, as text."""
        await self._send(b"Q", sql.encode() + b"\0")
        row: list[str] = []
        fault: Fault | None = None
        while True:
            kind, body = await self._message()
            if kind == b"D" and not row:
                row = _columns(body)
            elif kind == b"E":
                fault = error_of(body)
            elif kind == b"Z":
                if fault:
                    raise fault
                return row

    async def goodbye(self) -> None:
        """Terminate, where a session was begun."""
        if self.started:
            await self._send(b"X", b"")

    async def _send(self, kind: bytes, body: bytes) -> None:
        await self.stream.write(kind + struct.pack("!I", len(body) + 4) + body)

    async def _message(self) -> tuple[bytes, bytes]:
        kind = await self.stream.read_exactly(1)
        if not kind.isalpha():
            raise self._wrong("the first byte is none of PostgreSQL's")
        return kind, await self._body()

    async def _body(self) -> bytes:
        (length,) = struct.unpack("!I", await self.stream.read_exactly(4))
        if not 4 <= length <= MAX_MESSAGE:
            raise self._wrong(f"a message of {length} bytes")
        return await self.stream.read_exactly(length - 4)

    async def _refusal(self) -> Fault:
        """An error in place of the answer to SSLRequest; very old servers send it unframed."""
        return error_of(await self._body())

    def _wrong(self, why: str) -> Fault:
        return Fault(Reason.WRONG_PROTOCOL, why, **self.stream.first_bytes_fact())


def _columns(body: bytes) -> list[str]:
    """DataRow: count, then length and bytes of each; length -1 is NULL."""
    try:
        (count,) = struct.unpack_from("!H", body)
        at, out = 2, list[str]()
        for _ in range(count):
            (length,) = struct.unpack_from("!i", body, at)
            at += 4
            out.append(body[at : at + max(length, 0)].decode("utf-8", "replace"))
            at += max(length, 0)
    except struct.error as error:
        raise Fault(Reason.WRONG_PROTOCOL, "a row that ends early") from error
    return out
