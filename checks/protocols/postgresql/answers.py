"""What PostgreSQL says: its errors, and its answers to our questions, as facts.

SQLSTATE codes: PostgreSQL documentation, appendix A; who raises them: the routine in the error
message, which no locale translates (src/backend/libpq/auth.c, utils/init/miscinit.c, postmaster).
PgBouncer's words: its src/client.c and src/objects.c; it gives most of its errors as 08P01.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from k8sext.agent.check import Fault
from k8sext.agent.expect import numbers, version_in
from k8sext.agent.wire import sql
from k8sext.model.plan import is_address
from k8sext.model.result import Json
from k8sext.model.words import Reason

CRDB = "CockroachDB CCL "  # stands before the number in crdb_version

# Each of these is asked in one go; what fails or is NULL is unknown and never ends the check.
WHO = (
    "SELECT current_database(), current_setting('transaction_read_only'), "
    "host(inet_client_addr()), pg_backend_pid()"
)
# Replay is behind by no time at all where everything received is replayed and more may come.
STATE = """SELECT pg_is_in_recovery(),
 CASE WHEN pg_is_in_recovery() THEN (SELECT count(pid) FROM pg_stat_wal_receiver) END,
 CASE WHEN pg_is_in_recovery() THEN
  pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) END,
 CASE WHEN pg_is_in_recovery() THEN
  round(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::numeric, 1) END,
 current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
 (SELECT sum(numbackends) FROM pg_stat_database),
 has_function_privilege('pg_control_system()', 'execute'),
 CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END,
 CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() IS NOT NULL END,
 CASE WHEN pg_is_in_recovery() THEN current_setting('restore_command', true) = '' END"""
STATE_BEFORE_10 = """SELECT pg_is_in_recovery(), NULL, NULL,
 CASE WHEN pg_is_in_recovery() THEN
  round(extract(epoch FROM now() - pg_last_xact_replay_timestamp())::numeric, 1) END,
 current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
 (SELECT sum(numbackends) FROM pg_stat_database), false"""
EXTENSIONS = (
    "SELECT string_agg(extname || ' ' || extversion, ', ' ORDER BY extname) FROM pg_extension"
)
IDENTITY = "SELECT system_identifier FROM pg_control_system()"
# Asked where transactions are read-only and the server is no standby: whose setting that is.
READ_ONLY = "SELECT setting, source FROM pg_settings WHERE name = 'default_transaction_read_only'"
_OWN_SETTINGS = {
    "user": "ALTER ROLE",
    "database": "ALTER DATABASE",
    "database user": "ALTER ROLE IN DATABASE",
    "client": "what the connection was opened with",
    "session": "what a pooler has set",
}

_STATES = {
    "28P01": Reason.AUTH_REJECTED,
    "28000": Reason.AUTH_REJECTED,
    "3D000": Reason.DATABASE_MISSING,
    "53300": Reason.TOO_MANY_CONNECTIONS,
    "57P01": Reason.UNHEALTHY,  # terminated by an administrator
    "57P02": Reason.UNHEALTHY,  # another process crashed
    "57P03": Reason.LOADING,
    "57P04": Reason.DATABASE_MISSING,  # dropped just now
    "42501": Reason.PERMISSION_DENIED,
    "25006": Reason.READ_ONLY,
    "0A000": Reason.UNSUPPORTED_VERSION,
}
# (SQLSTATE or any, a piece of the words, reason): what the code alone does not tell.
_WORDS = (
    ("28000", "valid client certificate", Reason.CLIENT_CERTIFICATE_REQUIRED),
    ("57P03", "shutting down", Reason.UNHEALTHY),
    ("57P03", "Hot standby mode is disabled", Reason.UNHEALTHY),
    ("", "no more connections allowed", Reason.TOO_MANY_CONNECTIONS),
    ("", "client connections exceeded", Reason.TOO_MANY_CONNECTIONS),
    ("", "query_wait_timeout", Reason.UNHEALTHY),  # no server, or none of its connections free
    ("", "pgbouncer cannot connect to server", Reason.UNHEALTHY),
    ("", "server login has been failing", Reason.UNHEALTHY),
    ("", "pooler is shutting down", Reason.UNHEALTHY),
    # What the server said to PgBouncer comes with PgBouncer's code.
    ("08P01", "the database system is shutting down", Reason.UNHEALTHY),
    ("08P01", "the database system is", Reason.LOADING),
    ("08P01", "too many clients already", Reason.TOO_MANY_CONNECTIONS),
    ("08P01", "too many connections for", Reason.TOO_MANY_CONNECTIONS),
    ("08P01", "connection slots are reserved", Reason.TOO_MANY_CONNECTIONS),
    ("08P01", '" does not exist', Reason.DATABASE_MISSING),
    ("08P01", "no such database", Reason.DATABASE_MISSING),
    ("08P01", "no such user", Reason.AUTH_REJECTED),
    ("08P01", "authentication failed", Reason.AUTH_REJECTED),
    ("08P01", "auth failed", Reason.AUTH_REJECTED),
    ("08P01", "login rejected", Reason.HOST_NOT_ALLOWED),
    ("08P01", "SSL required", Reason.TLS_REQUIRED),
)  # fmt: skip
_QUOTED = re.compile(r"""["'“„«]([0-9A-Fa-f:.]{2,45})["'“”»]""")


def error_of(body: bytes) -> Fault:
    """An ErrorResponse as a Fault; a host rule's refusal names our address."""
    fields = {f[:1]: f[1:].decode("utf-8", "replace") for f in body.split(b"\0") if f}
    code, words, more, routine = (fields.get(k, "") for k in (b"C", b"M", b"D", b"R"))
    reason = _reason(code, f"{words} {more}", routine)
    seen: dict[str, Json] = {"words": words, "code": code}
    if reason is Reason.HOST_NOT_ALLOWED:
        address = next((a for a in _QUOTED.findall(words) if is_address(a)), "")
        seen |= {"source_seen": address} if address else {}
    return Fault(reason, f"{words} ({more})" if more else words, **seen)


def _reason(code: str, words: str, routine: str) -> Reason:
    if "pg_hba.conf" in words:
        return Reason.HOST_NOT_ALLOWED
    hit = next((r for c, w, r in _WORDS if c in ("", code) and w in words), None)
    if hit is None and code == "28000" and routine == "ClientAuthentication":
        return Reason.HOST_NOT_ALLOWED  # in a language that does not keep the file's name
    return hit or _STATES.get(code, Reason.SERVER_ERROR)


def product_of(parameters: Mapping[str, str]) -> str:
    """Who it is, by what it says of itself when the session begins."""
    version = parameters.get("server_version", "")
    if "crdb_version" in parameters:
        return "cockroachdb"
    if "/bouncer" in version:
        return "pgbouncer"
    return "yugabytedb" if "-YB-" in version else "postgresql"


def questions(product: str, version: str) -> tuple[str, str, str]:
    """Who and where we are, the state of the server, its extensions."""
    if product == "cockroachdb":
        who = "SELECT current_database(), current_setting('transaction_read_only'), NULL, NULL"
        return who, "SELECT false", "SELECT NULL"
    return WHO, STATE if numbers(version)[:1] >= (10,) else STATE_BEFORE_10, EXTENSIONS


def first_facts(parameters: Mapping[str, str], process: int, who: Sequence[str]) -> dict[str, Json]:
    """The facts in the answer to WHO; `process` is the one that the login was told of."""
    database, read_only, address, pid = (*who, "", "", "", "")[:4]
    version = parameters.get("server_version", "")
    facts: dict[str, Json] = {
        "product": product_of(parameters),
        "version": parameters.get("crdb_version", version).removeprefix(CRDB),
        "database": database,
        "read_only": read_only == "on",
        # A standby's transactions are always read-only.
        "role": "unknown" if read_only == "on" else "primary",
    }
    if pid and pid != str(process):
        facts["proxy"] = "a connection pooler such as PgBouncer"  # its process, not the server's
    elif address:
        facts["source_seen"] = address
    return facts


def state_facts(row: Sequence[str]) -> dict[str, Json]:
    """The facts in the answer to STATE; what is NULL there is unknown and not said."""
    filled = (*row, *[""] * 10)
    recovery, streaming, lag_bytes, lag_s, most, used = filled[:6]
    facts: dict[str, Json] = {"role": "standby" if recovery == "t" else "primary"}
    for key, text in (("connections", used), ("max_connections", most), ("lag_bytes", lag_bytes)):
        value = sql.number(text)
        facts |= {} if value is None else {key: value}
    if recovery != "t":
        return facts
    if streaming:
        facts["streaming"] = streaming != "0"
    stalled = _stalled(streaming, *filled[7:10])
    facts |= {"stalled": stalled} if stalled else {}
    seconds = sql.number(lag_s)
    if facts.get("streaming") and facts.get("lag_bytes") == 0:
        facts["lag_s"] = 0  # nobody writes; the last transaction's age says nothing
    elif isinstance(seconds, int | float):
        facts["lag_s"] = max(seconds, 0)
    else:
        facts["why_no_lag"] = "it has replayed no transaction since it started"
    return facts


def _stalled(streaming: str, paused: str, received: str, no_archive: str) -> str:
    """Why a standby stands still; "" where it does not, or where it may be fed from an archive.

    A standby of log shipping has no WAL receiver and is well: it never received anything, and has
    a restore_command (visible from 12 on).
    """
    if paused == "t":
        return "its replay is paused (SELECT pg_wal_replay_resume() lets it go on)"
    if streaming == "0" and "t" in (received, no_archive):
        return "its WAL receiver does not run: it gets nothing from its primary"
    return ""


def own_setting(row: Sequence[str]) -> str:
    """What made this login's transactions read-only, from the answer to READ_ONLY; "" where that
    is the server's configuration.
    """
    setting, source = (*row, "", "")[:2]
    return _OWN_SETTINGS.get(source, "") if setting == "on" else ""


def about_login(words: str, user: str) -> bool:
    """Whether a refusal before any password speaks of the user: 28000 is used for much else."""
    lower = words.lower()
    return user in words or any(w in lower for w in ("role", "user", "login", "authent"))


def missing_extension(wanted: Json, there: str) -> tuple[Reason, str] | None:
    """The first of the expected extensions that is not there, or of another version."""
    have = dict(pair.split(" ", 1) for pair in there.split(", ") if " " in pair)
    for item in wanted if isinstance(wanted, list) else ():
        name, spec = _extension(str(item))
        if name not in have:
            return Reason.OBJECT_MISSING, f"extension {name} is not installed in the database"
        if spec and not version_in(have[name], spec):
            text = f"extension {name} is {have[name]}, expected is {spec}"
            return Reason.UNSUPPORTED_VERSION, text
    return None


def _extension(item: str) -> tuple[str, str]:
    """`timescaledb>=2`, also written `timescaledb[>=2]`: the name and the range. Raises Fault."""
    found = re.fullmatch(r"([\w-]+)\s*\[?\s*([<>=!][^\]]*)?\]?", item.strip())
    try:
        if not found:
            raise ValueError("is not NAME or NAME>=VERSION")
        version_in("1", found[2]) if found[2] else None
    except ValueError as error:
        raise Fault(Reason.BAD_EXPECTATION, f"expect.extension {item} {error}") from error
    return found[1], found[2] or ""
