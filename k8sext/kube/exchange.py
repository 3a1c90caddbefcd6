"""One try of a request: sent over a connection, its answer read, within a time limit."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import ssl
import threading
import time
import zlib

from k8sext.model.secret import printable

from . import transport
from .answers import ApiAnswer, Lost, TooLarge, body
from .calls import ApiCall
from .deadline import Limit
from .kubeconfig import Access
from .login import ApiLogin
from .pool import Pool

LOG = logging.getLogger("k8sext.api")  # INFO: what -v tells; DEBUG: each request, for --debug
MAX_WARNINGS = 50
_LOST = (http.client.HTTPException, ConnectionError, ssl.SSLEOFError)
_HTTP_ERRORS = (OSError, http.client.HTTPException, zlib.error)


class Exchange:
    """The connections of one user to one API server. Safe to use from many threads."""

    def __init__(self, access: Access) -> None:
        self.login, self.pool = ApiLogin(access), Pool()
        self.server = access.server
        self.warnings: list[str] = []  # of `Warning:` headers, each once
        self._lock = threading.Lock()

    def round_trip(self, call: ApiCall, limit: Limit) -> ApiAnswer:
        """Send it and read the whole answer. Raises Lost."""
        idle = self.pool.take(self.login.tls)
        connection = idle or self.connection(limit)
        connection.limit = limit
        sent, response = False, None
        try:
            try:
                self._open(connection)
                sent = True
                response = self._send(connection, call)
            except _LOST:
                # The server closed an idle connection. What may be done twice is sent once more
                # over a fresh one; of a POST nobody knows whether it arrived.
                connection.close()
                if idle is None or call.method == "POST":
                    raise
                connection = self.connection(limit)
                response = self._send(connection, call)
            answer = ApiAnswer(response, body(response))
        except _HTTP_ERRORS as error:
            _drop(connection, response)
            raise self.lost(error, sent=sent) from None
        except BaseException:
            _drop(connection, response)  # an answer of the past must not meet another request
            raise
        self.pool.give_back(connection, response)
        return answer

    def begin(
        self, call: ApiCall, limit: Limit
    ) -> tuple[transport.Connection, http.client.HTTPResponse | ApiAnswer]:
        """One try of a stream, over a connection of its own: the open answer, or the whole of a
        refusal (the connection is closed then). Raises Lost.
        """
        connection, response = self.connection(limit), None
        try:
            response = self._send(connection, call, gzip=False)
            if 200 <= response.status < 300:
                return connection, response
            answer = ApiAnswer(response, body(response))
        except _HTTP_ERRORS as error:
            _drop(connection, response)
            raise self.lost(error) from None
        except BaseException:
            _drop(connection, response)
            raise
        _drop(connection, response)
        return connection, answer

    def connected(self, limit: Limit) -> socket.socket:
        """A connected socket, through the proxy where there is one, without TLS. Raises Lost."""
        connection = transport.connection(self.login.access, None, limit)
        try:
            connection.connect()
        except _HTTP_ERRORS as error:
            connection.close()
            raise self.lost(error) from None
        made: socket.socket = connection.sock.raw
        made.settimeout(None)
        return made

    def connection(self, limit: Limit) -> transport.Connection:
        """A connection that is not open yet."""
        return transport.connection(self.login.access, self.login.tls, limit)

    def lost(self, error: Exception, *, sent: bool = True) -> Lost:
        """What the error of a connection means."""
        return Lost(self.server, error, sent=sent, passing=_is_passing(error))

    @property
    def base(self) -> str:
        """The path of the server's URL (Rancher and others have one), with no slash at its end."""
        _, _, rest = self.server.partition("://")
        _, slash, path = rest.partition("/")
        return slash + path

    @staticmethod
    def _open(connection: transport.Connection) -> None:
        if connection.sock is None:
            connection.connect()

    def _send(
        self, connection: transport.Connection, call: ApiCall, *, gzip: bool = True
    ) -> http.client.HTTPResponse:
        headers = self.login.headers(gzip=gzip, accept=call.accept)
        payload = None
        if call.body is not None:
            payload = json.dumps(call.body).encode()
            headers.append(("Content-Type", call.content_type))
            headers.append(("Content-Length", str(len(payload))))
        elif call.method == "POST":
            headers.append(("Content-Length", "0"))
        url = f"{self.base}{call.target}"
        connection.putrequest(call.method, url, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, self.login.sendable(name, value))
        connection.endheaders(payload)
        began = time.monotonic()
        limit = connection.limit
        limit.expect_head()
        try:
            response = connection.getresponse()
        except ValueError as error:
            raise http.client.HTTPException("the answer is garbled") from error
        limit.head_is_there()
        took = time.monotonic() - began
        LOG.debug("%s %s -> %d in %.3f s", call.method, url, response.status, took)
        self._note_warnings(response)
        return response

    def _note_warnings(self, response: http.client.HTTPResponse) -> None:
        """`Warning: 299 - "text"` (RFC 7234 5.5; how Kubernetes tells of deprecations)."""
        for value in response.headers.get_all("Warning") or []:
            text = printable(value.partition('"')[2].rpartition('"')[0] or value)
            with self._lock:
                if text in self.warnings or len(self.warnings) >= MAX_WARNINGS:
                    continue
                self.warnings.append(text)
            LOG.info("the API server warns: %s", text)


def _drop(connection: transport.Connection, response: http.client.HTTPResponse | None) -> None:
    """Close both: each holds the socket."""
    connection.close()
    if response is not None:
        response.close()


def _is_passing(error: Exception) -> bool:
    """Whether the next try may go better: a name that does not exist or a certificate that nobody
    vouches for stays what it is.
    """
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_AGAIN
    return not isinstance(error, ssl.SSLCertVerificationError | TooLarge)
