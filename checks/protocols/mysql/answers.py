"""What MySQL and MariaDB say: greeting, errors, rows, and the facts in their answers.

Packets: MySQL internals "Client/Server Protocol", MariaDB documentation "Clientserver protocol";
error numbers: the error references of both.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping

from k8sext.agent.check import Fault
from k8sext.agent.wire import sql
from k8sext.model.data import dataclass
from k8sext.model.result import Json
from k8sext.model.words import Reason

from .login import ED25519, PARSEC

LONG_PASSWORD, WITH_DB, PROTOCOL_41, SSL, SECURE, PLUGIN = 1, 8, 512, 2048, 32768, 1 << 19
TRANSACTIONS = 8192
UTF8MB4 = 45
MAX_COLUMNS = 256

WHO = "SELECT USER() AS user, CURRENT_USER() AS account, DATABASE() AS db, CONNECTION_ID() AS id"
# Lists and never fails, whatever a version lacks.
VARIABLES = (
    "SHOW VARIABLES WHERE Variable_name IN ('version', 'version_comment', 'read_only', "
    "'super_read_only', 'innodb_read_only', 'server_uuid', 'server_id', 'hostname', 'port', "
    "'max_connections', 'max_connect_errors', 'character_set_database', 'collation_database', "
    "'aurora_version', 'require_secure_transport', 'wsrep_on', 'wsrep_cluster_name', "
    "'group_replication_group_name')"
)
STATUS = (
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected', 'wsrep_cluster_status', "
    "'wsrep_local_state_comment', 'wsrep_ready')"
)

_ERRORS = {
    1040: Reason.TOO_MANY_CONNECTIONS,
    1044: Reason.PERMISSION_DENIED,
    1045: Reason.AUTH_REJECTED,
    1047: Reason.UNHEALTHY,  # Galera: WSREP has not yet prepared node for application use
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
    3032: Reason.UNHEALTHY,  # the server is in offline mode
    3118: Reason.ACCOUNT_LOCKED,
    3159: Reason.TLS_REQUIRED,
    3168: Reason.UNHEALTHY,  # server isn't available
    3955: Reason.ACCOUNT_LOCKED,  # MySQL: after FAILED_LOGIN_ATTEMPTS
    4150: Reason.ACCOUNT_LOCKED,  # MariaDB: after max_password_errors
    4151: Reason.ACCOUNT_LOCKED,
    9001: Reason.UNHEALTHY,  # ProxySQL reaches no server
    9002: Reason.TLS_REQUIRED,  # Azure Database for MySQL
}
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


def facts_of(found: Greeting, who: Mapping[str, str], told: Mapping[str, str]) -> dict[str, Json]:
    """The facts in the answers to WHO and VARIABLES."""
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


def galera(told: Mapping[str, str], status: Mapping[str, str]) -> tuple[Reason, str] | None:
    """What a node of a Galera cluster says of itself that is not well; None for all others.

    https://galeracluster.com/library/documentation/galera-status-variables.html: outside of the
    primary component, or not ready, a node refuses every query (1047); a donor lags.
    """
    if told.get("wsrep_on", "OFF") not in ("ON", "1"):
        return None
    part, state = status.get("wsrep_cluster_status"), status.get("wsrep_local_state_comment")
    if part and part.lower() != "primary":
        text = f"this Galera node is not in the primary component ({part}): it serves no queries"
        return Reason.UNHEALTHY, text
    if status.get("wsrep_ready", "ON") == "OFF":
        return Reason.UNHEALTHY, f"this Galera node is not ready ({state}): it serves no queries"
    if state and state != "Synced":
        return Reason.DEGRADED, f"this Galera node is not synced ({state})"
    return None


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


def switch(packet: bytes) -> tuple[str, bytes]:
    """AuthSwitchRequest: the method, and its salt, which a zero may follow."""
    name, _, salt = packet[1:].partition(b"\0")
    plugin = name.decode("ascii", "replace")
    return plugin, salt[: 32 if plugin in (ED25519, PARSEC) else 20]


def zero(word: str) -> bytes:
    """A word and the zero that ends it."""
    return word.replace("\0", "").encode("utf-8", "replace") + b"\0"


def column_name(packet: bytes) -> str:
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
