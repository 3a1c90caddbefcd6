"""MySQL and MariaDB by PyMySQL on a socket that we lend it (`connect(sock=…)`).

Greeting, TLS and login are one call. PyMySQL goes on in clear where a server offers no TLS, so that
a context that was never used ends the probe. Error numbers: MySQL error reference.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any, ClassVar

from k8sext.agent.drive.client import ClientInfo, ClientProbe, Dial, Fault, Notes, network_fault
from k8sext.model.words import Reason, Stage

_NUMBERS = {
    1040: Reason.TOO_MANY_CONNECTIONS,
    1203: Reason.TOO_MANY_CONNECTIONS,
    1226: Reason.TOO_MANY_CONNECTIONS,
    1044: Reason.PERMISSION_DENIED,
    1045: Reason.AUTH_REJECTED,
    1698: Reason.AUTH_REJECTED,
    1049: Reason.DATABASE_MISSING,
    1129: Reason.LOCKED_OUT,
    3118: Reason.ACCOUNT_LOCKED,
    4151: Reason.ACCOUNT_LOCKED,
    1130: Reason.HOST_NOT_ALLOWED,
    1820: Reason.PASSWORD_EXPIRED,
    1862: Reason.PASSWORD_EXPIRED,
    3159: Reason.TLS_REQUIRED,
    2006: Reason.CLOSED_EARLY,
    2013: Reason.CLOSED_EARLY,
    2059: Reason.AUTH_METHOD_UNSUPPORTED,
}


class PymysqlClient(ClientProbe):
    """pymysql.Connection, one SELECT, close."""

    info: ClassVar[ClientInfo] = ClientInfo(
        driver="pymysql", package="PyMySQL", protocols=("mysql",), failed_tls_counts=True
    )

    def look(self, dial: Dial, notes: Notes) -> None:
        """Connect ourselves, so that the operating system's own error is seen."""
        import pymysql

        sock = socket.create_connection((dial.host, dial.port), dial.seconds)
        notes.passed(Stage.CONNECT)
        context = dial.context()
        # The stubs know neither a context as `ssl` nor names as bytes, which are what is looked up.
        plugins: Any = {} if context else {b"mysql_clear_password": _NeverInClear}
        tls: Any = context
        connection: Any = pymysql.Connection(
            host=dial.server_name,
            user=dial.get("username", "root"),
            password=dial.get("password"),
            database=dial.get("database") or None,
            connect_timeout=dial.seconds,
            read_timeout=dial.seconds,
            write_timeout=dial.seconds,
            program_name="k8sext",
            ssl=tls,
            ssl_disabled=context is None,
            auth_plugin_map=plugins,
            defer_connect=True,
        )
        with sock:
            connection.connect(sock)
            with contextlib.closing(connection):
                if context is not None and not context.used:
                    raise Fault(Reason.TLS_NOT_OFFERED, "the driver went on without TLS")
                self._ask(connection, context is not None, notes)

    def _ask(self, connection: Any, encrypted: bool, notes: Notes) -> None:
        if not encrypted:
            notes.skipped(Stage.TLS, Reason.NOT_APPLICABLE)
        stages = [Stage.TLS] if encrypted else []
        version = str(connection.get_server_info()).removeprefix("5.5.5-")
        product = "mariadb" if "mariadb" in version.lower() else "mysql"
        notes.passed(*stages, Stage.HANDSHAKE, Stage.AUTH, product=product, version=version)
        with connection.cursor() as cursor:
            cursor.execute("SELECT DATABASE()")
            row = cursor.fetchone()
        notes.passed(Stage.VERIFY, detail=f"schema {(row and row[0]) or 'none'}")

    def fault_for(self, error: Exception) -> Fault | None:
        """By number; what lies below a lost connection says more than the number."""
        import pymysql

        if not isinstance(error, pymysql.MySQLError):
            if isinstance(error, RuntimeError) and "cryptography" in str(error):
                return Fault(Reason.AUTH_METHOD_UNSUPPORTED, str(error), words=str(error))
            return network_fault(error)
        number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        words = str(error.args[1] if len(error.args) > 1 else error)
        reason = _NUMBERS.get(number, Reason.SERVER_ERROR if number else Reason.WRONG_PROTOCOL)
        below = network_fault(error)
        if below and number in (0, 2003, 2006, 2013):
            return below
        return Fault(reason, words, words=words, code=str(number))


class _NeverInClear:
    """Stands for mysql_clear_password where nothing is encrypted: any server could ask for it."""

    def __init__(self, _connection: Any) -> None:
        pass

    def authenticate(self, _packet: Any) -> Any:
        """Refuse."""
        text = "login method mysql_clear_password would send the password in clear"
        raise Fault(Reason.AUTH_METHOD_UNSUPPORTED, text)
