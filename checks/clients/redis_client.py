"""Redis and Valkey by redis-py.

Its errors lose the server's code (`WRONGPASS`, `NOAUTH`), so classes and words tell; its own
retries reach 11 connections to a server that closes, so they are off.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any, ClassVar

from k8sext.agent.drive.client import ClientInfo, ClientProbe, Dial, Fault, Notes, network_fault
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason, Stage

_TEXTS = (
    ("WRONGPASS", Reason.AUTH_REJECTED),
    ("invalid username-password", Reason.AUTH_REJECTED),
    ("invalid password", Reason.AUTH_REJECTED),
    ("without any password configured", Reason.AUTH_REJECTED),
    ("no password is set", Reason.AUTH_REJECTED),
    ("Authentication required", Reason.AUTH_REQUIRED),
    ("NOAUTH", Reason.AUTH_REQUIRED),
    ("DENIED", Reason.PROTECTED_MODE),
    ("max number of clients", Reason.TOO_MANY_CONNECTIONS),
    ("MASTERDOWN", Reason.UNHEALTHY),
    ("MISCONF", Reason.UNHEALTHY),
    ("DB index", Reason.DATABASE_MISSING),
    ("loading the dataset", Reason.LOADING),
    ("Timeout", Reason.TIMED_OUT),
    ("closed by server", Reason.CLOSED_EARLY),
    ("Protocol Error", Reason.WRONG_PROTOCOL),
)


class RedisClient(ClientProbe):
    """redis.Redis, PING, close."""

    info: ClassVar[ClientInfo] = ClientInfo(
        driver="redis", package="redis", protocols=("redis",), presents=False
    )

    def look(self, dial: Dial, notes: Notes) -> None:
        """PING over one connection of a pool of one."""
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        pool = redis.ConnectionPool(
            connection_class=_connection(dial, notes),
            max_connections=1,
            host=dial.server_name,
            port=dial.port,
            db=_database(dial),
            username=dial.get("username") or None,
            password=dial.get("password") or None,
            socket_timeout=dial.seconds,
            socket_connect_timeout=dial.seconds,
            retry=Retry(NoBackoff(), 0),
            retry_on_error=[],
            **_tls(dial),
        )
        client = redis.Redis(connection_pool=pool)
        with contextlib.closing(client), contextlib.closing(pool):
            client.ping()
            if dial.tls is TlsMode.DISABLE:
                notes.skipped(Stage.TLS, Reason.NOT_APPLICABLE)
            notes.passed(Stage.HANDSHAKE, Stage.AUTH)
            notes.passed(Stage.VERIFY, detail="PONG")
            with contextlib.suppress(redis.RedisError):
                client.client_setname("k8sext")

    def fault_for(self, error: Exception) -> Fault | None:
        """By class, then by what lies below, then by words."""
        from redis import exceptions as errors

        if not isinstance(error, errors.RedisError):
            return network_fault(error)
        words = str(error)
        if isinstance(error, errors.NoPermissionError):
            return Fault(Reason.PERMISSION_DENIED, words, words=words)
        if isinstance(error, errors.ReadOnlyError):
            return Fault(Reason.READ_ONLY, words, words=words)
        reason = next((r for text, r in _TEXTS if text in words), None)
        if reason is None or reason in (Reason.TIMED_OUT, Reason.CLOSED_EARLY):
            below = network_fault(error)
            if below:
                return below
        return Fault(reason or Reason.SERVER_ERROR, words, words=words)


def _database(dial: Dial) -> int:
    """The one that is expected, else the login's; a word that is no number is the wire probe's."""
    word = str(dial.expect.get("database") or dial.get("database"))
    return int(word) if word.isascii() and word.isdigit() and len(word) < 6 else 0


def _connection(dial: Dial, notes: Notes) -> Any:
    """redis-py's connection, dialling our address while it keeps the server's name for TLS."""
    import redis

    class Dialled(redis.Connection):
        def _connect(self) -> Any:
            sock = socket.create_connection((dial.host, dial.port), dial.seconds)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            notes.passed(Stage.CONNECT)
            return sock

    class DialledTls(redis.SSLConnection, Dialled):
        def _connect(self) -> Any:
            sock = super()._connect()  # type: ignore[no-untyped-call]
            notes.passed(Stage.TLS)
            return sock

    return Dialled if dial.tls is TlsMode.DISABLE else DialledTls


def _tls(dial: Dial) -> dict[str, Any]:
    if dial.tls is TlsMode.DISABLE:
        return {}
    words = "required" if dial.verified else "none"
    options = {"ssl_cert_reqs": words, "ssl_check_hostname": dial.named}
    return {**options, "ssl_ca_data": dial.ca} if dial.ca else options
