"""PostgreSQL by psycopg 3 over libpq.

Connect, TLS, handshake and login are one call; its error is a text without SQLSTATE, so that only
messages in English can be told apart (libpq fe-connect.c, fe-protocol3.c; server postinit.c).
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Generator
from typing import Any, ClassVar

from k8sext.agent.drive.client import ClientInfo, ClientProbe, Dial, Fault, Notes
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason, Stage

# First match wins.
_TEXTS = (
    ("password authentication failed", Reason.AUTH_REJECTED),
    ("no password supplied", Reason.AUTH_REQUIRED),
    ("no pg_hba.conf entry", Reason.HOST_NOT_ALLOWED),
    ("pg_hba.conf rejects", Reason.HOST_NOT_ALLOWED),
    ("is not permitted to log in", Reason.AUTH_REJECTED),
    ("authentication failed for user", Reason.AUTH_REJECTED),
    ("permission denied for database", Reason.PERMISSION_DENIED),
    ("too many clients", Reason.TOO_MANY_CONNECTIONS),
    ("connection slots are reserved", Reason.TOO_MANY_CONNECTIONS),
    ("too many connections", Reason.TOO_MANY_CONNECTIONS),
    ("database system is", Reason.LOADING),  # starting up, shutting down, in recovery mode
    ("server does not support SSL", Reason.TLS_NOT_OFFERED),
    ("certificate has expired", Reason.CERTIFICATE_EXPIRED),
    ("certificate is not yet valid", Reason.CERTIFICATE_NOT_YET_VALID),
    ("does not match host name", Reason.CERTIFICATE_NAME_MISMATCH),
    ("certificate verify failed", Reason.CERTIFICATE_UNTRUSTED),
    ("SSL error", Reason.TLS_FAILED),
    ("invalid response to SSL negotiation", Reason.WRONG_PROTOCOL),
    ("expected authentication request", Reason.WRONG_PROTOCOL),
    ("received invalid", Reason.WRONG_PROTOCOL),
    ("lost synchronization", Reason.WRONG_PROTOCOL),
    ("authentication method requirement", Reason.AUTH_METHOD_UNSUPPORTED),
    ("not supported by", Reason.AUTH_METHOD_UNSUPPORTED),
    ("Connection refused", Reason.REFUSED),
    ("No route to host", Reason.NO_ROUTE),
    ("Network is unreachable", Reason.NO_ROUTE),
    ("Operation not permitted", Reason.NOT_PERMITTED),
    ("timeout expired", Reason.TIMED_OUT),
    ("Connection timed out", Reason.TIMED_OUT),
    ("reset by peer", Reason.RESET),
    ("closed the connection unexpectedly", Reason.CLOSED_EARLY),
)
_MISSING = re.compile(r'(database|role) "[^"]*" does not exist')
_PREFIX = re.compile(r"^(?:connection failed: )?connection to server at .*? failed: ", re.DOTALL)


class PsycopgClient(ClientProbe):
    """psycopg.connect, one SELECT, close."""

    info: ClassVar[ClientInfo] = ClientInfo(
        driver="psycopg", package="psycopg", protocols=("postgresql",), presents=False
    )

    def look(self, dial: Dial, notes: Notes) -> None:
        """One connection to one address: `prefer` and a list of hosts would log in twice."""
        import psycopg

        with _trusted(dial) as tls:
            connection = psycopg.connect(
                host=dial.server_name,
                hostaddr=dial.host,
                port=dial.port,
                user=dial.get("username", "postgres"),
                password=dial.get("password") or None,
                dbname=dial.get("database") or _expected(dial) or None,
                passfile=os.devnull,
                connect_timeout=max(2, round(dial.seconds)),
                gssencmode="disable",
                target_session_attrs="any",  # what the environment says is not the bridge's
                application_name="k8sext",
                autocommit=True,
                **tls,
            )
        with contextlib.closing(connection):
            if not connection.pgconn.ssl_in_use:
                notes.skipped(Stage.TLS, Reason.NOT_APPLICABLE)
            encrypted = [Stage.TLS] if connection.pgconn.ssl_in_use else []
            number = connection.info.parameter_status("server_version") or ""
            notes.passed(
                Stage.CONNECT, *encrypted, Stage.HANDSHAKE, Stage.AUTH,
                detail=f"user {connection.info.user}", product="postgresql", version=number,
            )  # fmt: skip
            row = connection.execute("SELECT current_database()").fetchone()
            notes.passed(Stage.VERIFY, detail=f"database {row[0] if row else ''}")

    def fault_for(self, error: Exception) -> Fault | None:
        """By text: libpq hands over no code for a connection that was not made."""
        import psycopg

        if not isinstance(error, psycopg.Error):
            return None
        words = " ".join(_PREFIX.sub("", str(error)).split())
        missing = _MISSING.search(words)
        reason = next((r for text, r in _TEXTS if text in words), Reason.SERVER_ERROR)
        if missing:
            database = missing[1] == "database"
            reason = Reason.DATABASE_MISSING if database else Reason.AUTH_REJECTED
        return Fault(reason, words, words=words)


def _expected(dial: Dial) -> str:
    return str(dial.expect.get("database") or "")


@contextlib.contextmanager
def _trusted(dial: Dial) -> Generator[dict[str, Any], None, None]:
    """libpq's own words for TLS. It reads a CA from a file only."""
    import psycopg

    if dial.tls is TlsMode.DISABLE:
        yield {"sslmode": "disable"}
        return
    # The wire probe shows no client certificate; libpq would take one from the home folder.
    options = {"sslcertmode": "disable"} if psycopg.pq.version() >= 160000 else {}
    mode = "verify-full" if dial.named else "verify-ca"
    if not dial.verified:
        yield {"sslmode": "require", "sslrootcert": "", **options}
    elif dial.ca is None:
        yield {"sslmode": "verify-full", "sslrootcert": "system", **options}
    else:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(dial.ca)
            file.flush()
            yield {"sslmode": mode, "sslrootcert": file.name, **options}
