"""PostgreSQL, frontend/backend protocol 3.0, and what speaks it.

Messages: PostgreSQL documentation, chapter "Frontend/Backend Protocol". What the answers mean is in
`answers.py`.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from k8sext.agent.check import CheckInfo, Fault, Fingerprint, Key, Login, Seen, WireCheck
from k8sext.agent.login import scram
from k8sext.agent.tls.wish import wants_tls
from k8sext.agent.wire import sql
from k8sext.model.plan import Target
from k8sext.model.result import Json
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason

from . import answers as read
from . import wire as pgwire

if TYPE_CHECKING:
    from k8sext.agent.net.stream import Stream

SSL_REQUEST = struct.pack("!II", 8, 80877103)
PROTOCOL = 196608  # 3.0
NOBODY = "k8sext"  # whom we ask for where there is no login: made up
OK, CLEAR, MD5, SASL, SASL_CONTINUE, SASL_FINAL = 0, 3, 5, 10, 11, 12
_METHODS = {2: "Kerberos 5", 6: "SCM", 7: "GSSAPI", 9: "SSPI"}
# At the end of the login: the login itself was accepted.
_AFTER_LOGIN = (
    Reason.DATABASE_MISSING, Reason.PERMISSION_DENIED, Reason.TOO_MANY_CONNECTIONS, Reason.LOADING,
    Reason.UNHEALTHY, Reason.SERVER_ERROR, Reason.UNSUPPORTED_VERSION,
)  # fmt: skip
_UNENCRYPTED = ("no encryption", "SSL off")  # from 12 on; before
_ENCRYPTED = ("SSL encryption", "SSL on")


# PgBouncer lets its clients log in and then waits for its own server (query_wait_timeout).
NO_SESSION = (
    "the login was accepted, and no session came of it in time: a pooler waits for its own "
    "server, or the server hangs"
)
NO_ANSWER = (
    "the login was accepted, and a small question is not answered in time: a pooler has no free "
    "connection to its server (its pool is exhausted), or the server hangs"
)


class Postgresql(WireCheck):
    """SSLRequest, startup, login, questions in two round trips, Terminate."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="postgresql",
        summary="PostgreSQL and what speaks its protocol (TimescaleDB, PgBouncer, CockroachDB)",
        proves="logged in to the database; role, lag, connections and identity are known",
        ports=(5432,),
        fingerprints=(  # ErrorResponse of less than 64 KiB
            Fingerprint(product="PostgreSQL", starts="E\0\0"),
        ),
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
            **sql.EXPECTS,
            "role": Key("primary (takes writes) or standby", choices=("primary", "standby")),
            "identity": Key("system identifier: SELECT system_identifier FROM pg_control_system()"),
            "extension": Key("name or list of names, each with a range: timescaledb>=2", "words"),
        },
    )
    logged_in = False
    turned_away: Fault | None = None  # by rules that spoke of a user we made up
    session: Fault | None = None  # why there is none although the login was accepted
    user = NOBODY
    spoken = ""  # the SASL mechanism, once chosen
    key_pid = 0  # the process that a cancel request would name
    parameters: Mapping[str, str] = MappingProxyType({})

    def __init__(self, target: Target, stream: Stream) -> None:
        super().__init__(target, stream)
        self.messages = pgwire.Messages(stream)

    async def tls(self) -> Seen | None:
        """SSLRequest. Without a mode: as libpq's `prefer`, but on this one connection."""
        mode = self.target.tls.mode
        if mode is TlsMode.DISABLE:
            return None
        await self.stream.write(SSL_REQUEST)
        # One byte and no more: a server that speaks first (MySQL) can begin with any of these.
        answer = await self.stream.read_some()
        if answer == b"S":
            return Seen(evidence=await self.stream.start_tls())
        if not answer:
            raise Fault(Reason.CLOSED_EARLY, "the server closed the connection")
        if answer[:1] == b"E":
            fault = read.error_of(await self.messages.rest(answer[1:]))
            raise (
                fault
                if fault.evidence["code"]
                else await self.messages.wrong("an error without a code")
            )
        if answer != b"N":
            raise await self.messages.wrong("the answer to SSLRequest is none of PostgreSQL's")
        if mode is None:
            return None
        raise Fault(Reason.TLS_NOT_OFFERED, "the server answered SSLRequest with N")

    # -- handshake --------------------------------------------------------------------------------

    async def handshake(self) -> Seen:
        """Startup up to the authentication request."""
        if self.login:
            self.user = self.login.get("username", "postgres")
        expected = str(self.target.expect.get("database", ""))
        database = (self.login.get("database") if self.login else "") or expected or self.user
        words = ("user", self.user, "database", database, "application_name", "k8sext")
        body = struct.pack("!I", PROTOCOL) + b"".join(pgwire.text(w) for w in words) + b"\0"
        await self.messages.send(b"", body)
        kind, answer = await self.messages.read()
        if kind == b"E":
            return await self._refused(read.error_of(answer))
        if kind != b"R" or len(answer) < 4:
            raise await self.messages.wrong(
                "the answer to the startup message is none of PostgreSQL's"
            )
        self.request = answer
        self.method = struct.unpack_from("!I", answer)[0]
        return Seen(detail=self._method_name(), evidence={"user": self.user})

    async def _refused(self, fault: Fault) -> Seen:
        """An error in place of the authentication request: no password was sent yet."""
        fault = self._for_lack_of_tls(fault)
        words = str(fault.evidence["words"])
        if fault.reason is Reason.AUTH_REJECTED and not read.about_login(words, self.user):
            fault = Fault(Reason.SERVER_ERROR, fault.detail, **fault.evidence)
        if fault.reason is Reason.HOST_NOT_ALLOWED:
            fault = await self._by_encryption(fault)
        about_user = (Reason.HOST_NOT_ALLOWED, Reason.AUTH_REJECTED, Reason.DATABASE_MISSING)
        if self.login or fault.reason not in about_user:
            raise fault
        # Rules may speak of users and databases, and ours are made up: that blames nobody.
        self.turned_away = fault
        host = Reason.HOST_NOT_ALLOWED if fault.reason is Reason.HOST_NOT_ALLOWED else None
        return Seen(detail=fault.detail, evidence=fault.evidence, warning=host)

    def _for_lack_of_tls(self, fault: Fault) -> Fault:
        """TLS_REQUIRED where the server's words ask for it: managed ones have words of their own,
        mostly under 28000, as for a rejected login. Those of pg_hba.conf: see `_by_encryption`.
        """
        if self.stream.encrypted or not wants_tls(str(fault.evidence.get("words", ""))):
            return fault
        return Fault(Reason.TLS_REQUIRED, fault.detail, **fault.evidence)

    async def _by_encryption(self, fault: Fault) -> Fault:
        """Whether it is encryption that decides: `hostssl` and `hostnossl` look alike to a client.

        The answer is worth a second connection, which sends no password.
        """
        words = str(fault.evidence["words"])
        if self.stream.encrypted:
            other, known = TlsMode.DISABLE, _ENCRYPTED
        else:
            other, known = TlsMode.REQUIRE, _UNENCRYPTED
        if self.stream.encrypted and not self.login:
            return fault  # rules do not know a made-up user; one line in the log is enough
        if self.stream.encrypted and self.login and self.login.tls:
            return fault  # its owner wants no word of it in clear, the user's name included
        if self.target.tls.mode is None and not self.stream.encrypted:
            return fault  # the server was asked and has no TLS
        if not any(w in words for w in known) or not await self._let_in(other):
            return fault
        if other is TlsMode.REQUIRE:
            text = f"{words}; with TLS it lets this client in"
            return Fault(Reason.TLS_REQUIRED, text, **fault.evidence)
        text = f"{words}; without TLS it lets this client in (k8sext.io/tls=disable)"
        return Fault(fault.reason, text, **fault.evidence)

    async def _let_in(self, mode: TlsMode) -> bool:
        target = replace(self.target, tls=replace(self.target.tls, mode=mode))
        second = await self.stream.again()
        check = _Asking(target, second)
        check.login = self.login
        try:
            await check.tls()
            await check.handshake()
        except Fault:
            return False
        finally:
            await second.close()
        return check.turned_away is None

    # -- login ------------------------------------------------------------------------------------

    async def auth(self, login: Login | None) -> Seen | None:
        """Answer the authentication request, once."""
        if login is None:
            if self.turned_away and self.turned_away.reason is not Reason.HOST_NOT_ALLOWED:
                raise Fault(Reason.AUTH_REQUIRED, self.turned_away.detail)
            if self.turned_away or self.method == OK:
                return None
            raise Fault(Reason.AUTH_REQUIRED, f"the server asks for a login: {self._method_name()}")
        try:
            warning = await self._authenticate(login.get("password"))
        except Fault as fault:
            raise self._for_lack_of_tls(fault) from fault
        try:
            await self._ready()
            self.logged_in = True
        except Fault as fault:
            if fault.reason in (Reason.TIMED_OUT, Reason.SILENT):
                raise Fault(Reason.UNHEALTHY, NO_SESSION, **fault.evidence) from fault
            if fault.reason not in _AFTER_LOGIN:
                raise
            self.session = self._for_lack_of_tls(fault)
        detail = f"user {self.user}, {self.spoken or self._method_name()}"
        unasked: dict[str, Json] = {"password_not_asked": True} if self._never_asked(login) else {}
        return Seen(detail=detail, warning=warning, evidence=unasked)

    def _never_asked(self, login: Login) -> bool:
        """`trust` in pg_hba.conf, or a certificate that logs in in the password's place."""
        return self.method == OK and bool(login.get("password"))

    def _method_name(self) -> str:
        if self.method == SASL:
            offered = [m.decode("ascii", "replace") for m in self.request[4:].split(b"\0") if m]
            return f"SASL: {', '.join(offered)}"
        simple = {OK: "no password asked for", CLEAR: "clear-text password", MD5: "md5"}
        return simple.get(self.method) or _METHODS.get(self.method) or f"method {self.method}"

    async def _authenticate(self, password: str) -> Reason | None:
        if self.method == OK:
            return None
        if self.method == SASL:
            await self._sasl(password)
        elif self.method == MD5:
            salt = self.request[4:8]
            inner = hashlib.md5((password + self.user).encode(), usedforsecurity=False).hexdigest()
            outer = hashlib.md5(inner.encode() + salt, usedforsecurity=False).hexdigest()
            self.stream.keeps_secret(inner, outer)
            await self.messages.send(b"p", b"md5" + outer.encode() + b"\0")
        elif self.method == CLEAR:
            await self.messages.send(b"p", pgwire.text(password))
        else:
            text = f"the server asks for {self._method_name()}"
            raise Fault(Reason.AUTH_METHOD_UNSUPPORTED, text)
        await self._auth_message(OK)
        plain = self.method == CLEAR and not self.stream.encrypted
        return Reason.PASSWORD_IN_CLEAR if plain and self._clear_is_news else None

    @property
    def _clear_is_news(self) -> bool:
        return self.target.tls.mode is not TlsMode.DISABLE

    async def _sasl(self, password: str) -> None:
        """SCRAM, bound to the TLS channel where the server can (as libpq prefers)."""
        offered = self.request[4:].split(b"\0")
        certificate = self.stream.certificate if scram.PLUS.encode() in offered else b""
        bound = scram.end_point(certificate) if certificate else b""
        name = scram.PLUS if bound else scram.PLAIN
        if name.encode() not in offered:
            text = f"the server offers no login that k8sext speaks ({self._method_name()})"
            raise Fault(Reason.AUTH_METHOD_UNSUPPORTED, text)
        # Flag y says "we could have bound": a lie where the offer was there and our hash was not.
        could = self.stream.encrypted and scram.PLUS.encode() not in offered
        self.spoken = name
        talk = scram.Scram(password, encrypted=could, endpoint=bound)
        first = talk.first()
        await self.messages.send(
            b"p", name.encode() + b"\0" + struct.pack("!I", len(first)) + first
        )
        challenge = await self._auth_message(SASL_CONTINUE)
        final = await talk.final(challenge)
        self.stream.keeps_secret(final.rpartition(b",p=")[2])
        await self.messages.send(b"p", final)
        talk.check(await self._auth_message(SASL_FINAL))

    async def _auth_message(self, wanted: int) -> str:
        kind, body = await self.messages.read()
        if kind == b"E":
            raise read.error_of(body)
        if kind != b"R" or struct.unpack_from("!I", body.ljust(4, b"\xff"))[0] != wanted:
            raise await self.messages.wrong("the login's next message is none of PostgreSQL's")
        return body[4:].decode("utf-8", "replace")

    async def _ready(self) -> None:
        """Parameters and the process until ReadyForQuery."""
        parameters: dict[str, str] = {}
        self.parameters = parameters
        while True:
            kind, body = await self.messages.read()
            if kind == b"Z":
                return
            if kind == b"E":
                raise read.error_of(body)
            if kind == b"S":
                key, value = [*body.split(b"\0"), b"", b""][:2]
                parameters[key.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
            elif kind == b"K" and len(body) >= 4:
                self.key_pid = struct.unpack_from("!I", body)[0]

    # -- verify -----------------------------------------------------------------------------------

    async def verify(self) -> Seen:
        """Which database, which server, in which state; then what the bridge expects of them."""
        if self.session:
            raise self.session
        version = self.parameters.get("server_version", "")
        product = read.product_of(self.parameters)
        if product == "pgbouncer":
            text = "PgBouncer's own console, no database"
            raise Fault(Reason.WRONG_PRODUCT, text, product=product, version=version)
        if not version:
            text = "it lets clients in as PostgreSQL does, and does not say its version as all do"
            raise Fault(Reason.WRONG_PRODUCT, text)
        who, state, extensions = await self._facts(product, version)
        if isinstance(who, Fault):
            raise who
        if not who:
            raise Fault(Reason.WRONG_PRODUCT, "a SELECT of one row is answered without one")
        facts = read.first_facts(self.parameters, self.key_pid, who)
        if not isinstance(state, Fault):
            facts |= read.state_facts(state)
            if state[6:7] == ["t"]:
                (identity,) = await self._rows(read.IDENTITY)
                if identity and not isinstance(identity, Fault):
                    facts["identity"] = identity[0]
        if facts["read_only"] and facts["role"] == "primary":
            facts |= await self._whose_setting()
        if not isinstance(extensions, Fault):
            facts["extensions"] = extensions[0] if extensions else ""
        warning = self._judged(facts)
        return Seen(
            detail=f"{facts['role']}, database {facts['database']}{sql.remark(facts, warning)}",
            evidence=facts,
            warning=warning,
        )

    async def _facts(self, product: str, version: str) -> list[list[str] | Fault]:
        """The answers to all questions; each is small, so that none is lost for its size."""
        try:
            return await self._rows(*read.questions(product, version))
        except Fault as fault:
            if fault.reason is not Reason.TIMED_OUT or fault.evidence.get("large_answer"):
                raise
            raise Fault(Reason.UNHEALTHY, NO_ANSWER, **fault.evidence) from fault

    async def _whose_setting(self) -> dict[str, Json]:
        """A login, or a database, that is read-only by its own setting says nothing of the server:
        that takes writes, from others.
        """
        (row,) = await self._rows(read.READ_ONLY)
        own = "" if isinstance(row, Fault) else read.own_setting(row)
        return {"read_only": False, "read_only_login": own} if own else {}

    def _judged(self, facts: Mapping[str, Json]) -> Reason | None:
        """Raises Fault for what is expected and not so; a warning for what is only remarkable."""
        warning = sql.judged(self.target.expect, facts)
        there = str(facts.get("extensions", ""))
        missing = read.missing_extension(self.target.expect.get("extension"), there)
        if missing:
            raise Fault(missing[0], missing[1], **facts)
        return warning

    async def _rows(self, *statements: str) -> list[list[str] | Fault]:
        """The first row of each statement (or its error), all asked in one round trip."""
        await self.messages.ask(*statements)
        return [await self._one_row() for _ in statements]

    async def _one_row(self) -> list[str] | Fault:
        row: list[str] = []
        fault: Fault | None = None
        while True:
            kind, body = await self.messages.read()
            if kind == b"D" and not row:
                row = pgwire.columns(body)
            elif kind == b"E":
                fault = read.error_of(body)
                if fault.reason in (Reason.UNHEALTHY, Reason.TOO_MANY_CONNECTIONS):
                    raise fault  # the session is over; nothing else will come
            elif kind == b"Z":
                return fault or row

    async def goodbye(self) -> None:
        """Terminate, where there is a session, and wait for the server to leave.

        In the middle of a login it would be logged as an error ("expected password response"); a
        client that just leaves is not. A backend frees its slot before it closes its socket, and
        the next login may need that slot (CONNECTION LIMIT 1).
        """
        if self.logged_in:
            await self.messages.send(b"X", b"")
            while await self.stream.read_some():
                pass


class _Asking(Postgresql):
    """Asks whether it would be let in, and asks nobody else."""

    async def _by_encryption(self, fault: Fault) -> Fault:
        return fault
