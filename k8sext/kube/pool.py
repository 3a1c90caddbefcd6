"""Idle connections of a session: kept for the next request, dropped when they are no good."""

from __future__ import annotations

import http.client
import select
import ssl
import threading

from . import transport


class Pool:
    """Connections that wait for their next request. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.idle: list[transport.Connection] = []
        self._closed = False

    def take(self, tls: ssl.SSLContext | None) -> transport.Connection | None:
        """An open connection that was made with this TLS; None where there is none."""
        with self._lock:
            while self.idle:
                connection = self.idle.pop()
                # After a new login a connection still has the old certificate.
                if connection.tls is tls and _is_open(connection):
                    return connection
                connection.close()
        return None

    def give_back(
        self, connection: transport.Connection, response: http.client.HTTPResponse
    ) -> None:
        """Keep a connection whose answer was read to its end, unless that answer closes it."""
        with self._lock:
            kept = not response.will_close and not self._closed
            if kept:
                self.idle.append(connection)
        if not kept:
            connection.close()

    def close(self) -> None:
        """Close what is idle, and from now on whatever is given back."""
        with self._lock:
            idle, self.idle, self._closed = self.idle, [], True
        for connection in idle:
            connection.close()


def _is_open(connection: transport.Connection) -> bool:
    """Whether an idle connection is still good: what can be read on it now is its end."""
    if connection.sock is None:
        return False
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return not poll.poll(0)
