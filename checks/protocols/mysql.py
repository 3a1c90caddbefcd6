"""MySQL, MariaDB, Percona Server and what speaks their protocol, client/server protocol 4.1.

Packets: MySQL internals "Client/Server Protocol", MariaDB documentation
"Clientserver protocol"; error numbers: the error references of both. Never a bare connect: a
handshake that is broken off counts towards max_connect_errors, and error 1129 then locks out every
pod behind the node's address. So whatever happens, a greeted server gets a complete login.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from k8sext.agent import sql
from k8sext.agent.check import CheckInfo, Fault, Key, Login, Seen, WireCheck
from k8sext.agent.guess import wrong_protocol
from k8sext.agent.mysql_login import CACHING, ED25519, NATIVE, PARSEC, Methods
from k8sext.model.result import Json
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason, Stage

LONG_PASSWORD, WITH_DB, PROTOCOL_41, SSL, SECURE, PLUGIN = 1, 8, 512, 2048, 32768, 1 << 19
TRANSACTIONS = 8192
UTF8MB4 = 45
MAX_PACKET = 1 << 20
MAX_PACKETS = 2000  # of one connection; reading what is there already lets nobody else run
MAX_STEPS = 8  # of one login
MAX_COLUMNS = 256
WRONG = b"\0"  # an answer that is complete and opens nothing
NOBODY = "k8sext"  # who logs in, and fails, where there is no login: see `goodbye`

WHO = "SELECT USER() AS user, CURRENT_USER() AS account, DATABASE() AS db, CONNECTION_ID() AS id"
# Lists and never fails, whatever a version lacks.
VARIABLES = (
    "SHOW VARIABLES WHERE Variable_name IN ('version', 'version_comment', 'read_only', "
    "'super_read_only', 'innodb_read_only', 'server_uuid', 'server_id', 'hostname', 'port', "
    "'max_connections', 'max_connect_errors', 'character_set_database', 'collation_database', "
    "'aurora_version', 'require_secure_transport', 'wsrep_on', 'wsrep_cluster_name', "
    "'group_replication_group_name')"
)
USED = "SHOW GLOBAL STATUS LIKE 'Threads_connected'"

_ERRORS = {
    1040: Reason.TOO_MANY_CONNECTIONS,
    1044: Reason.PERMISSION_DENIED,
    1045: Reason.AUTH_REJECTED,
    1049: Reason.DATABASE_MISSING,
    1053: Reason.UNHEALTHY,  # shutting down
    1129: Reason.LOCKED_OUT,
    1130: Reason.HOST_NOT_ALLOWED,
    1142: Reason.PERMISSION_DENIED,
    1203: Reason.TOO_MANY_CONNECTIONS,
    1226: Reason.TOO_MANY_CONNECTIONS,  # this user's own limit
    1227: Reason.PERMISSION_DENIED,
    1251: Reason.AUTH_METHOD_UNSUPPORTED,
    1275: Reason.AUTH_REJECTED,  # a password in the format of before 4.1
    1290: Reason.READ_ONLY,
    1524: Reason.AUTH_METHOD_UNSUPPORTED,  # the account's plug-in is not loaded
    1698: Reason.AUTH_REJECTED,  # an account without a password (unix_socket)
    1820: Reason.PASSWORD_EXPIRED,
    1862: Reason.PASSWORD_EXPIRED,
    3118: Reason.ACCOUNT_LOCKED,
    3159: Reason.TLS_REQUIRED,
    3168: Reason.UNHEALTHY,  # server isn't available
    3955: Reason.ACCOUNT_LOCKED,  # MySQL: after FAILED_LOGIN_ATTEMPTS
    4150: Reason.ACCOUNT_LOCKED,  # MariaDB: after max_password_errors
    4151: Reason.ACCOUNT_LOCKED,
    9001: Reason.UNHEALTHY,  # ProxySQL reaches no server
}
_AFTER_LOGIN = ("1044", "1049")  # the login itself was accepted
_HOST = re.compile(r"(?:Host|host) '([^']+)'|@'([^']+)'")
_PROXIES = ("proxysql", "maxscale")


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the server says first (HandshakeV10)."""

    version: str
    thread: int
    capabilities: int
    salt: bytes
    plugin: str

    @property
    def product(self) -> str:
        """mariadb, tidb or mysql; Percona and Aurora name themselves in variables only."""
        words = self.version.lower()
        return next((p for p in ("mariadb", "tidb") if p in words), "mysql")

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
    end = packet.find(b"\0", 1)
    rest = packet[end + 1 :]
    if end < 0 or len(rest) < 31:
        raise ValueError("a greeting that ends early")
    thread = int.from_bytes(rest[:4], "little")
    low, _, _, high, length = struct.unpack_from("<HBHHB", rest, 13)
    capabilities = low | high << 16
    second = rest[31 : 31 + max(13, length - 8)]
    plugin = rest[31 + len(second) :].split(b"\0")[0] if capabilities & PLUGIN else b""
    version = packet[1:end].decode("utf-8", "replace")
    salt = rest[4:12] + second[:12]
    return Greeting(version, thread, capabilities, salt, plugin.decode("ascii", "replace"))


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
    )
    order: ClassVar[tuple[Stage, ...]] = (Stage.HANDSHAKE, Stage.TLS, Stage.AUTH, Stage.VERIFY)
    sequence = 0
    count = 0  # of the packets read
    greeting: Greeting | None = None
    logged_in = False
    said_login = False
    session: Fault | None = None  # why there is none although the login was accepted

    async def handshake(self) -> Seen:
        """The greeting, or the error that stands in its place (1130, 1129, 1040)."""
        packet = await self._packet()
        if packet[:1] == b"\xff":
            raise error_of(packet)
        try:
            found = parse_greeting(packet)
        except ValueError as error:
            raise await self._wrong(str(error)) from error
        if not found.capabilities & PROTOCOL_41:
            text = f"{found.version} is older than protocol 4.1"
            raise Fault(Reason.UNSUPPORTED_VERSION, text, version=found.version)
        self.greeting = found
        evidence: dict[str, Json] = {"product": found.product, "version": found.number}
        return Seen(detail=found.version, evidence={**evidence, "plugin": found.plugin})

    async def tls(self) -> Seen | None:
        """SSLRequest, where it is asked for; without a mode as clients do: where it is offered."""
        mode = self.target.tls.mode
        offered = bool(self._greeted.capabilities & SSL)
        if mode is TlsMode.DISABLE or (mode is None and not offered):
            return None
        if not offered:
            raise Fault(Reason.TLS_NOT_OFFERED, "the greeting offers no TLS")
        # The server keeps these flags for the login, the one that announces a schema too.
        await self._send(self._header(SSL | self._with_schema))
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
                raise
            self.session = fault
            plugin = ""
        return Seen(detail=f"user {user}" + (f", {plugin}" if plugin else ""))

    @property
    def _schema(self) -> str:
        """The one that the login names, else the one that is expected."""
        expected = str(self.target.expect.get("database", ""))
        return (self.login.get("database") or expected) if self.login else ""

    @property
    def _with_schema(self) -> int:
        return WITH_DB if self._schema else 0

    @property
    def _greeted(self) -> Greeting:
        assert self.greeting is not None
        return self.greeting

    def _header(self, more: int) -> bytes:
        flags = LONG_PASSWORD | PROTOCOL_41 | TRANSACTIONS | SECURE | PLUGIN | more
        return struct.pack("<IIB23x", flags, 1 << 24, UTF8MB4)

    async def _send_login(self, user: str, password: str) -> None:
        self.said_login = True
        self.methods = Methods(password, encrypted=self.stream.encrypted)
        offered = self._greeted.plugin
        # Where the server's first choice is none of these, an answer to the usual one makes it
        # switch to what the account needs.
        plugin = offered if offered in (CACHING, NATIVE) else NATIVE
        answer = self.methods.first(plugin, self._greeted.salt)
        more = self._with_schema | (SSL if self.stream.encrypted else 0)
        body = self._header(more) + _zero(user) + bytes([len(answer)]) + answer
        await self._send(body + (_zero(self._schema) if self._schema else b"") + _zero(plugin))

    async def _finish(self, packet: bytes) -> str:
        """OK, error, another method, or more of this one. Returns the method that was spoken."""
        plugin, salt = self._greeted.plugin or NATIVE, self._greeted.salt
        refused: Fault | None = None
        for _ in range(MAX_STEPS):
            kind = packet[:1]
            if kind == b"\x00":
                return plugin
            if kind == b"\xff":
                raise refused or error_of(packet)
            if kind == b"\xfe":
                plugin, salt = _switch(packet)
            try:
                answer = WRONG if refused else await self.methods.answer(plugin, salt, packet)
            except Fault as fault:
                if fault.reason is not Reason.AUTH_METHOD_UNSUPPORTED:
                    raise
                # Hanging up now would count towards max_connect_errors; a wrong answer does not.
                refused, answer = fault, WRONG
            if answer is not None:
                await self._send(answer)
            try:
                packet = await self._packet()
            except Fault as fault:
                raise refused or fault from fault
        raise refused or await self._wrong("a login without an end")

    # -- verify -----------------------------------------------------------------------------------

    async def verify(self) -> Seen:
        """Who we are, which server, in which state; then what the bridge expects of them."""
        if self.session:
            raise self.session
        who = (await self._rows(WHO) or [{}])[0]
        variables = {
            r.get("variable_name", ""): r.get("value", "") for r in await self._asked(VARIABLES)
        }
        facts = self._facts(who, variables)
        used = await self._asked(USED)
        count = sql.number(used[0].get("value", "")) if used else None
        facts |= {} if count is None else {"connections": count}
        expect = self.target.expect
        if variables.get("read_only") not in ("OFF", "0") or {"role", "max_lag_s"} & set(expect):
            facts |= await self._replication()
        warning = self._judged(facts)
        schema = facts["database"] or "none"
        return Seen(
            detail=f"{facts['role']}, schema {schema}{sql.remark(facts, warning)}",
            evidence=facts,
            warning=warning,
        )

    def _facts(self, who: Mapping[str, str], told: Mapping[str, str]) -> dict[str, Json]:
        found = self._greeted
        words = f"{found.version} {told.get('version_comment', '')}".lower()
        locked = any(
            told.get(k, "OFF") not in ("OFF", "0")
            for k in ("read_only", "super_read_only", "innodb_read_only")
        )
        facts: dict[str, Json] = {
            "product": _product(found.product, told),
            "version": told.get("version", found.number),
            "comment": told.get("version_comment", ""),
            "role": "replica" if locked else "primary",
            "read_only": locked,
            "account": who.get("account", ""),
            "database": who.get("db", ""),
            "charset": told.get("character_set_database", ""),
            "collation": told.get("collation_database", ""),
            "identity": told.get("server_uuid") or _own_identity(told),
        }
        system = _system(told)
        facts |= {"system": system} if system else {}
        for key in ("max_connections", "max_connect_errors"):
            value = sql.number(told.get(key, ""))
            facts |= {} if value is None else {key: value}
        proxy = next((p for p in _PROXIES if p in words), "")
        if proxy or who.get("id", "") not in ("", str(found.thread)):
            facts["proxy"] = proxy or "something between that has its own connections"
        else:
            facts["source_seen"] = who.get("user", "").rpartition("@")[2]
        return facts

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
        return replication_facts(rows[0]) if rows else {"replicates": False}

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

    async def _asked(self, statement: str) -> list[dict[str, str]]:
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
            raise error_of(first)
        if len(first) != 1 or not 0 < first[0] <= 250:
            # 0 is OK without rows, 0xfb a request for a file of ours.
            raise await self._wrong("the answer to a query is no result set")
        names = [_column_name(await self._packet()) for _ in range(first[0])]
        if (await self._packet())[:1] != b"\xfe":
            raise await self._wrong("column definitions without their end")
        rows: list[dict[str, str]] = []
        while True:
            packet = await self._packet()
            if packet[:1] == b"\xff":
                raise error_of(packet)
            if packet[:1] == b"\xfe" and len(packet) < 9:
                return rows
            rows.append(dict(zip(names, columns(packet), strict=False)))

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


def replication_facts(row: Mapping[str, str]) -> dict[str, Json]:
    """The facts in SHOW REPLICA STATUS, by the names of before and after MySQL 8.0.22."""

    def field(new: str, old: str) -> str:
        return row.get(new, "") or row.get(old, "")

    reads = field("replica_io_running", "slave_io_running")
    applies = field("replica_sql_running", "slave_sql_running")
    facts: dict[str, Json] = {"replicates": True, "streaming": (reads, applies) == ("Yes", "Yes")}
    source = field("source_uuid", "master_uuid") or row.get("master_server_id", "")
    facts |= {"source_identity": source} if source else {}
    lag = sql.number(field("seconds_behind_source", "seconds_behind_master"))
    error = row.get("last_sql_error") or row.get("last_io_error") or ""
    if lag is not None:
        facts["lag_s"] = lag
    else:
        threads = f"replication does not run (receives: {reads}, applies: {applies})"
        facts["why_no_lag"] = f"{threads} {error}".strip()
    return facts


def _product(product: str, told: Mapping[str, str]) -> str:
    """Percona and Aurora call themselves MySQL in the greeting."""
    if "aurora_version" in told:
        return "aurora"
    return "percona" if "percona" in told.get("version_comment", "").lower() else product


def _system(told: Mapping[str, str]) -> str:
    """What the servers of a Galera cluster or of a replication group share."""
    if told.get("wsrep_on", "OFF") in ("ON", "1"):
        return f"galera:{told.get('wsrep_cluster_name', '')}"
    group = told.get("group_replication_group_name", "")
    return f"group:{group}" if group else ""


def _own_identity(told: Mapping[str, str]) -> str:
    """MariaDB has no server_uuid: what replication and people tell its servers apart by."""
    if "hostname" not in told:
        return ""
    return f"{told.get('server_id', '')}@{told['hostname']}:{told.get('port', '')}"


def _switch(packet: bytes) -> tuple[str, bytes]:
    """AuthSwitchRequest: the method, and its salt, which a zero may follow."""
    name, _, salt = packet[1:].partition(b"\0")
    plugin = name.decode("ascii", "replace")
    return plugin, salt[: 32 if plugin in (ED25519, PARSEC) else 20]


def _zero(word: str) -> bytes:
    return word.replace("\0", "").encode("utf-8", "replace") + b"\0"


def _column_name(packet: bytes) -> str:
    """The alias in a column definition: the fifth of its strings (catalog, schema, two tables)."""
    found = columns(packet, 5)
    return found[4].lower() if len(found) == 5 else ""


def columns(row: bytes, most: int = MAX_COLUMNS) -> list[str]:
    """Length-encoded strings; 0xfb is NULL. Long forms: 0xfc two bytes, 0xfd three, 0xfe eight."""
    out: list[str] = []
    at = 0
    while at < len(row) and len(out) < most:
        size, at = row[at], at + 1
        if size == 0xFB:
            out.append("")
            continue
        if size > 0xFB:
            width = {0xFC: 2, 0xFD: 3}.get(size, 8)
            size, at = int.from_bytes(row[at : at + width], "little"), at + width
        out.append(row[at : at + size].decode("utf-8", "replace"))
        at += size
    return out
