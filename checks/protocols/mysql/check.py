"""MySQL, MariaDB, Percona Server and what speaks their protocol, client/server protocol 4.1.

Never a bare connect: a handshake that is broken off counts towards max_connect_errors, and error
1129 then locks out every pod behind the node's address. So whatever happens, a greeted server gets
a complete login. What is sent and what the answers mean is in `answers.py`, which travels with this
file.
"""

from __future__ import annotations

import contextlib
import re
import struct
from dataclasses import replace
from typing import ClassVar

from k8sext.agent.check import CheckInfo, Fault, Fingerprint, Key, Login, Seen, WireCheck
from k8sext.agent.net.guess import wrong_protocol
from k8sext.agent.tls.wish import wants_tls
from k8sext.agent.wire import sql
from k8sext.model.result import Json
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason, Stage

from . import answers as read
from .login import CACHING, NATIVE, Methods

MAX_PACKET = 1 << 20
MAX_PACKETS = 2000  # of one connection; reading what is there already lets nobody else run
MAX_STEPS = 8  # of one login
WRONG = b"\0"  # an answer that is complete and opens nothing
NOBODY = "k8sext"  # who logs in, and fails, where there is no login: see `goodbye`
_AFTER_LOGIN = ("1044", "1049")  # the login itself was accepted
ACCESS_DENIED = "1045"
UNDECIDED = (
    "an account with REQUIRE SSL is refused in the same words, and over TLS, which this server "
    "offers, the login could not be tried"
)


class Mysql(WireCheck):
    """Greeting, perhaps TLS, login, three or four questions, COM_QUIT."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="mysql",
        summary="MySQL, MariaDB, Percona Server and what speaks their protocol",
        proves="logged in, the schema is there; role, lag, connections and identity are known",
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
            **sql.EXPECTS,
            "role": Key("primary (takes writes) or replica", choices=("primary", "replica")),
            "identity": Key("server_uuid; MariaDB has none: server_id@hostname:port"),
            "charset": Key("character set of the schema, e.g. utf8mb4"),
        },
        server_speaks_first=True,
        fingerprints=(  # packet 0: greeting 10, or an error
            Fingerprint(product="MySQL or MariaDB", starts="\0\x0a", at=3),
            Fingerprint(product="MySQL or MariaDB", starts="\0\xff", at=3),
        ),
    )
    order: ClassVar[tuple[Stage, ...]] = (Stage.HANDSHAKE, Stage.TLS, Stage.AUTH, Stage.VERIFY)
    sequence = 0
    count = 0  # of the packets read
    greeting: read.Greeting | None = None
    logged_in = False
    said_login = False
    session: Fault | None = None  # why there is none although the login was accepted

    async def handshake(self) -> Seen:
        """The greeting, or the error that stands in its place (1130, 1129, 1040)."""
        packet = await self._packet()
        if packet[:1] == b"\xff":
            raise read.error_of(packet)
        try:
            found = read.parse_greeting(packet)
        except ValueError as error:
            raise await self._wrong(str(error)) from error
        if not found.capabilities & read.PROTOCOL_41:
            text = f"{found.version} is older than protocol 4.1"
            raise Fault(Reason.UNSUPPORTED_VERSION, text, version=found.version)
        self.greeting = found
        if not found.number:
            raise Fault(Reason.WRONG_PRODUCT, "it greets as MySQL does, with an empty version")
        evidence: dict[str, Json] = {"product": found.product, "version": found.number}
        return Seen(detail=found.version, evidence={**evidence, "plugin": found.plugin})

    async def tls(self) -> Seen | None:
        """SSLRequest, where it is asked for; without a mode as clients do: where it is offered."""
        mode = self.target.tls.mode
        offered = bool(self._greeted.capabilities & read.SSL)
        if mode is TlsMode.DISABLE or (mode is None and not offered):
            return None
        if not offered:
            raise Fault(Reason.TLS_NOT_OFFERED, "the greeting offers no TLS")
        # The server keeps these flags for the login, the one that announces a schema too.
        await self._send(self._header(read.SSL | self._with_schema))
        return Seen(evidence=await self.stream.start_tls())

    # -- login ------------------------------------------------------------------------------------

    async def auth(self, login: Login | None) -> Seen | None:
        """Log in, once. Every greeted server is answered: see `goodbye`."""
        if login is None:
            raise Fault(Reason.AUTH_REQUIRED, "the server always asks for a login")
        user = login.get("username", "root")
        await self._send_login(user, login.get("password"))
        try:
            plugin = await self._finish(await self._packet())
            self.logged_in = True
        except Fault as fault:
            if fault.evidence.get("code") not in _AFTER_LOGIN:
                raise await self._by_encryption(fault, login) from fault
            self.session = fault
            plugin = ""
        return Seen(detail=f"user {user}" + (f", {plugin}" if plugin else ""))

    async def _by_encryption(self, fault: Fault, login: Login) -> Fault:
        """TLS_REQUIRED where TLS is what a rejected login lacks.

        Some servers say so, in words of their own. An account with REQUIRE SSL is refused in the
        words of a wrong password (1045, MySQL and MariaDB alike), so that only one more login
        tells: over TLS, where the greeting offers it and the bridge goes without. It is made once
        for a server and user: the runner ends the logins after this one (`counted`).
        """
        if self.stream.encrypted:
            return fault
        if wants_tls(str(fault.evidence.get("words", ""))):
            return Fault(Reason.TLS_REQUIRED, fault.detail, **fault.evidence)
        offered = self._greeted.capabilities & read.SSL
        if not offered or fault.evidence.get("code") != ACCESS_DENIED:
            return fault
        accepted, why = await self._let_in_over_tls(login)
        reason = Reason.TLS_REQUIRED if accepted else fault.reason
        decided = Fault(reason, f"{fault.detail}; {why}", **fault.evidence)
        decided.counted = True
        return decided

    async def _let_in_over_tls(self, login: Login) -> tuple[bool, str]:
        """Whether the same login is accepted over TLS, and what to say of it."""
        from k8sext.agent.tls.target import TargetTls

        # Unverified, as the first login was: the question is only whether encryption decides.
        spec = replace(self.target.tls, mode=TlsMode.REQUIRE, ca_secret="")
        target = replace(self.target, tls=spec)
        try:
            second = await self.stream.again()
        except Fault:
            return False, UNDECIDED
        second.tls = TargetTls(target, None)
        check = Mysql(target, second)
        check.login = login
        try:
            await check.handshake()
            await check.tls()
            await check.auth(login)
        except Fault as other:
            same = other.evidence.get("code") == ACCESS_DENIED
            return False, "over TLS it is refused as well" if same else UNDECIDED
        finally:
            with contextlib.suppress(Fault):
                await check.goodbye()
            await second.close()
        return True, "over TLS the same login is accepted (an account with REQUIRE SSL)"

    @property
    def _schema(self) -> str:
        """The one that the login names, else the one that is expected."""
        expected = str(self.target.expect.get("database", ""))
        return (self.login.get("database") or expected) if self.login else ""

    @property
    def _with_schema(self) -> int:
        return read.WITH_DB if self._schema else 0

    @property
    def _greeted(self) -> read.Greeting:
        assert self.greeting is not None
        return self.greeting

    def _header(self, more: int) -> bytes:
        flags = (
            read.LONG_PASSWORD
            | read.PROTOCOL_41
            | read.TRANSACTIONS
            | read.SECURE
            | read.PLUGIN
            | more
        )
        return struct.pack("<IIB23x", flags, 1 << 24, read.UTF8MB4)

    async def _send_login(self, user: str, password: str) -> None:
        self.said_login = True
        self.methods = Methods(password, encrypted=self.stream.encrypted)
        offered = self._greeted.plugin
        # Where the server's first choice is none of these, an answer to the usual one makes it
        # switch to what the account needs.
        plugin = offered if offered in (CACHING, NATIVE) else NATIVE
        answer = self.methods.first(plugin, self._greeted.salt)
        self.stream.keeps_secret(answer)
        more = self._with_schema | (read.SSL if self.stream.encrypted else 0)
        body = self._header(more) + read.zero(user) + bytes([len(answer)]) + answer
        await self._send(
            body + (read.zero(self._schema) if self._schema else b"") + read.zero(plugin)
        )

    async def _finish(self, packet: bytes) -> str:
        """OK, error, another method, or more of this one. Returns the method that was spoken."""
        plugin, salt = self._greeted.plugin or NATIVE, self._greeted.salt
        refused: Fault | None = None
        for _ in range(MAX_STEPS):
            kind = packet[:1]
            if kind == b"\x00":
                return plugin
            if kind == b"\xff":
                raise refused or self._refusal(read.error_of(packet))
            if kind == b"\xfe":
                plugin, salt = read.switch(packet)
            try:
                answer = WRONG if refused else await self.methods.answer(plugin, salt, packet)
            except Fault as fault:
                if fault.reason is not Reason.AUTH_METHOD_UNSUPPORTED:
                    raise
                # Hanging up now would count towards max_connect_errors; a wrong answer does not.
                refused, answer = fault, WRONG
            if answer is not None:
                self.stream.keeps_secret(b"" if answer is WRONG else answer)
                await self._send(answer)
            try:
                packet = await self._packet()
            except Fault as fault:
                raise refused or fault from fault
        raise refused or await self._wrong("a login without an end")

    def _refusal(self, said: Fault) -> Fault:
        """Access denied in the place of the RSA key is not about the password, which the server has
        not got yet: it has no key (measured on MySQL 9.7), so that this login needs TLS.
        """
        if said.reason is not Reason.AUTH_REJECTED or not self.methods.awaits_key:
            return said
        offered = bool(self._greeted.capabilities & read.SSL)
        text = "the server has no RSA key, without which this login needs TLS"
        text += "" if offered else ", and it offers no TLS"
        reason = Reason.TLS_REQUIRED if offered else Reason.AUTH_METHOD_UNSUPPORTED
        return Fault(reason, f"{text} ({said.detail})", **said.evidence)

    # -- verify -----------------------------------------------------------------------------------

    async def verify(self) -> Seen:
        """Who we are, which server, in which state; then what the bridge expects of them."""
        if self.session:
            raise self.session
        who = (await self._rows(read.WHO) or [{}])[0]
        variables = {
            r.get("variable_name", ""): r.get("value", "")
            for r in await self._optional_rows(read.VARIABLES)
        }
        facts = read.facts_of(self._greeted, who, variables)
        rows = await self._optional_rows(read.STATUS)
        status = {r.get("variable_name", "").lower(): r.get("value", "") for r in rows}
        count = sql.number(status.get("threads_connected", ""))
        facts |= {} if count is None else {"connections": count}
        unwell = read.galera(variables, status)
        if unwell:
            facts["galera"] = unwell[1]
        if unwell and unwell[0] is Reason.UNHEALTHY:
            raise Fault(unwell[0], unwell[1], **facts)
        expect = self.target.expect
        if variables.get("read_only") not in ("OFF", "0") or {"role", "max_lag_s"} & set(expect):
            facts |= await self._replication()
        warning = self._judged(facts)
        schema = facts["database"] or "none"
        said = f"{facts['role']}, schema {schema}{sql.remark(facts, warning)}"
        return Seen(
            detail=f"{said}, {unwell[1]}" if unwell else said,
            evidence=facts,
            warning=warning or (unwell[0] if unwell else None),
        )

    async def _replication(self) -> dict[str, Json]:
        """Role and lag as the server's own threads tell; without the right to ask, unknown."""
        mariadb = self._greeted.product == "mariadb"
        statement = (
            "SHOW SLAVE STATUS" if mariadb or self._before(8, 0, 22) else "SHOW REPLICA STATUS"
        )
        try:
            rows = await self._rows(statement)
        except Fault as fault:
            if "code" not in fault.evidence:
                raise
            return {"no_right": True, "why_no_lag": f"the user may not ask ({fault.detail})"}
        return read.replication_facts(rows[0]) if rows else {"replicates": False}

    def _before(self, *version: int) -> bool:
        have = re.match(r"(\d+)\.(\d+)\.(\d+)", self._greeted.number)
        return not have or tuple(map(int, have.groups())) < version

    def _judged(self, facts: dict[str, Json]) -> Reason | None:
        """A replica is what replicates; read_only alone may also be a primary that is locked."""
        if facts.get("replicates") is False:
            facts["role"] = "primary"
            facts["why_no_lag"] = "it does not replicate from anywhere"
        elif facts.get("replicates"):
            facts["role"] = "replica"
        wanted, charset = self.target.expect.get("charset"), facts["charset"]
        warning = sql.judged(self.target.expect, facts)
        if wanted and wanted != charset:
            text = f"the schema's character set is {charset}, expected is {wanted}"
            raise Fault(Reason.UNEXPECTED, text, **facts)
        stopped = facts.get("replicates") and not facts.get("streaming")
        return Reason.LAGGING if stopped else warning

    # -- goodbye ----------------------------------------------------------------------------------

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
            await self._send_login(NOBODY, "")
            await self._finish(await self._packet())

    # -- packets ----------------------------------------------------------------------------------

    async def _optional_rows(self, statement: str) -> list[dict[str, str]]:
        """The rows of an optional question; none where the server does not answer it."""
        try:
            return await self._rows(statement)
        except Fault as fault:
            if "code" not in fault.evidence:
                raise
            return []

    async def _rows(self, statement: str) -> list[dict[str, str]]:
        """The rows of a text query, by column names in lower case."""
        self.sequence = 0
        await self._send(b"\x03" + statement.encode())
        first = await self._packet()
        if first[:1] == b"\xff":
            raise read.error_of(first)
        if len(first) != 1 or not 0 < first[0] <= 250:
            # 0 is OK without rows, 0xfb a request for a file of ours.
            raise await self._wrong("the answer to a query is no result set")
        names = [read.column_name(await self._packet()) for _ in range(first[0])]
        if (await self._packet())[:1] != b"\xfe":
            raise await self._wrong("column definitions without their end")
        rows: list[dict[str, str]] = []
        while True:
            packet = await self._packet()
            if packet[:1] == b"\xff":
                raise read.error_of(packet)
            if packet[:1] == b"\xfe" and len(packet) < 9:
                return rows
            rows.append(dict(zip(names, read.columns(packet), strict=False)))

    async def _send(self, body: bytes) -> None:
        head = len(body).to_bytes(3, "little") + bytes([self.sequence & 0xFF])
        self.sequence += 1
        await self.stream.write(head + body)

    async def _packet(self) -> bytes:
        self.count += 1
        if self.count > MAX_PACKETS:
            raise Fault(Reason.TOO_MUCH, "more packets than any honest answer has")
        head = await self.stream.read_exactly(4)
        length = int.from_bytes(head[:3], "little")
        if not 0 < length < MAX_PACKET:
            raise await self._wrong(f"a packet of {length} bytes")
        self.sequence = head[3] + 1
        return await self.stream.read_exactly(length)

    async def _wrong(self, why: str) -> Fault:
        return await wrong_protocol(self.stream, why)
