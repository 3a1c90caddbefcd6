"""A small session with the API server: plain HTTPS, JSON in and out, kept-alive connections.

Standard library rather than httpx: importing it takes 0.59 s here, http.client + ssl + json 0.05 s.
"""

from __future__ import annotations

import http.client
import json
import logging
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

from k8sext.errors import K8sextError
from k8sext.model.secret import printable

from . import kubeconfig as config
from . import transport
from .answers import Answer, ApiError, asked_to_wait, body, lines, refused
from .kubeconfig import Access
from .login import Login
from .pool import Pool

__all__ = ["ApiError", "Session", "Upgrade"]

LOG = logging.getLogger("k8sext.api")  # INFO: what -v tells; DEBUG: each request, for --debug
READ_TIMEOUT_S = 30.0
STREAM_SILENCE_S = 300.0
MAX_WARNINGS = 50
BUSY_TRIES = 3
_LOST = (http.client.HTTPException, ConnectionError, ssl.SSLEOFError)
_HTTP_ERRORS = (OSError, http.client.HTTPException, zlib.error)


# Kubernetes API concepts, "Receiving resources as metadata only".
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


@dataclass(frozen=True, slots=True)
class _Call:
    """One request as asked for."""

    method: str
    path: str
    params: Mapping[str, object]
    body: object = None
    content_type: str = "application/json"
    accept: str = "application/json"


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What another protocol over HTTP (WebSocket) begins with. The socket is connected, through
    the proxy where there is one, and not encrypted yet.
    """

    url: str
    socket: socket.socket
    tls: ssl.SSLContext | None
    server_name: str
    headers: Sequence[tuple[str, str]]


class Session:
    """One user at one API server. Safe to use from many threads."""

    def __init__(self, access: Access, *, clear_text: bool = False) -> None:
        """`clear_text`: the user allows that a login goes out in clear text (http://)."""
        self._lock = threading.Lock()
        self._pool = Pool()
        if not clear_text:
            transport.refuse_clear_text(access)
        self.server, self.context, self.namespace = access.server, access.context, access.namespace
        self.warnings: list[str] = []  # of `Warning:` headers, each once
        self._login = Login(access)
        LOG.info("context %s, API server %s", printable(self.context), printable(self.server))

    @classmethod
    def load(
        cls,
        kubeconfig: Path | None = None,
        context: str | None = None,
        as_user: str | None = None,
        as_groups: Sequence[str] = (),
        *,
        clear_text: bool = False,
    ) -> Session:
        """The session of a context. Raises K8sextError (exit code 3) when there is none."""
        from dataclasses import replace

        access = config.load(kubeconfig, context)
        if as_user:
            # Another person: what the kubeconfig says of the first does not hold for this one.
            access = replace(access, as_user=as_user, as_groups=tuple(as_groups))
            access = replace(access, as_uid="", as_extra=())
        elif as_groups:
            access = replace(access, as_groups=tuple(as_groups))
        if as_groups and not access.as_user:
            raise K8sextError("--as-group needs --as", where="--as-group")
        if (access.as_groups or access.as_uid or access.as_extra) and not access.as_user:
            raise K8sextError(
                "the kubeconfig impersonates groups, an uid or extras, and no user (`as`)",
                where=f"context {access.context}",
                exit_code=3,
            )
        return cls(access, clear_text=clear_text)

    @property
    def cautions(self) -> tuple[str, ...]:
        """What a reader of a report must know of the way to the API server."""
        return transport.cautions(self._login.access)

    # -- verbs ----------------------------------------------------------------------------------

    def get(self, path: str, /, **params: object) -> dict[str, Any]:
        """GET an object or a list. Raises ApiError, or K8sextError when nothing answers."""
        return self._request("GET", path, params)

    def get_metadata(self, path: str, /) -> dict[str, Any]:
        """The metadata of one object: what else it holds stays at the API server."""
        return self._sent(_Call("GET", path, {}, accept=METADATA_ONLY))

    def post(self, path: str, body: object, /, **params: object) -> dict[str, Any]:
        """Create an object."""
        return self._request("POST", path, params, body)

    def put(self, path: str, body: object, /, **params: object) -> dict[str, Any]:
        """Replace an object."""
        return self._request("PUT", path, params, body)

    def patch(
        self,
        path: str,
        body: object,
        content_type: str = "application/merge-patch+json",
        /,
        **params: object,
    ) -> dict[str, Any]:
        """Patch an object; server-side apply is `application/apply-patch+yaml` (JSON is YAML)."""
        return self._request("PATCH", path, params, body, content_type)

    def delete(self, path: str, body: object = None, /, **params: object) -> dict[str, Any]:
        """Delete an object; `body` are DeleteOptions."""
        return self._request("DELETE", path, params, body)

    @contextmanager
    def open(
        self, path: str, /, *, silence_s: float = STREAM_SILENCE_S, **params: object
    ) -> Generator[Iterator[bytes]]:
        """Lines of a streaming answer (log, watch), over a connection of its own.

        The lines end where the stream ends, is cut, or is silent for `silence_s` seconds: whoever
        follows asks again. Raises ApiError when the server refuses.
        """
        connection, response = self._stream(_Call("GET", path, params))
        try:
            if connection.sock is not None:
                connection.sock.settimeout(silence_s)
            yield lines(response)
        finally:
            connection.close()

    def upgrade(self, path: str, /, **params: object) -> Upgrade:
        """What a WebSocket to `path` needs. Raises K8sextError when nothing answers."""
        connection = transport.connection(self._login.access, None, READ_TIMEOUT_S)
        # With `Accept: application/json` the kubelet's upgrade is "not acceptable" (406).
        wanted = [(n, v) for n, v in self._login.headers(gzip=False) if n != "Accept"]
        headers = [(n, self._login.sendable(n, v).decode()) for n, v in wanted]
        try:
            connection.connect()
        except _HTTP_ERRORS as error:
            connection.close()
            raise self._unreachable(error) from None
        made = connection.sock
        made.settimeout(None)
        _, _, address = self.server.partition("://")
        host = address.partition("/")[0]
        scheme = "wss" if self._login.tls else "ws"
        url = f"{scheme}://{host}{_base(self.server)}{path}?{urlencode(params)}"
        name = transport.server_name(self._login.access)
        return Upgrade(url, made, self._login.tls, name, headers)

    def refusal(self, status: int, body: bytes, path: str) -> ApiError:
        """What the API server said to an upgrade."""
        return refused(status, "", body, f"{self.server}{path}")

    @property
    def logins(self) -> int:
        """How often a login was made: for `login_again`."""
        return self._login.made

    def login_again(self, seen: int) -> bool:
        """After a 401 of an upgrade: whether there is a new login to try."""
        return self._login.again(seen)

    def _stream(self, call: _Call) -> tuple[transport.Connection, http.client.HTTPResponse]:
        """A connection of its own on which the answer has begun; after a 401 a second try."""
        logins = self._login.made
        status, connection, response = self._begin(call)
        if status == 401 and self._login.again(logins):
            status, connection, response = self._begin(call)
        if isinstance(response, Answer):
            raise self._error(response, call.path)
        return connection, response

    def _begin(
        self, call: _Call
    ) -> tuple[int, transport.Connection, http.client.HTTPResponse | Answer]:
        """One try of a stream: the open answer, or the whole of a refusal."""
        connection = self._connection()
        try:
            response = self._exchange(connection, call, gzip=False)
            if response.status < 300:
                return response.status, connection, response
            answer = Answer(response, body(response))
        except _HTTP_ERRORS as error:
            connection.close()
            raise self._unreachable(error) from None
        except BaseException:
            connection.close()
            raise
        connection.close()
        return response.status, connection, answer

    # -- one request ----------------------------------------------------------------------------

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, object],
        body: object = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        return self._sent(_Call(method, path, params, body, content_type or "application/json"))

    def _sent(self, call: _Call) -> dict[str, Any]:
        logins = self._login.made
        answer = self._round_trip(call)
        if answer.status == 401 and self._login.again(logins):
            answer = self._round_trip(call)
        for _ in range(BUSY_TRIES):
            pause = asked_to_wait(answer, call.method)
            if pause is None:
                break
            time.sleep(pause)
            answer = self._round_trip(call)
        if answer.status >= 300:
            raise self._error(answer, call.path)
        return self._object(answer, call.path) if answer.data else {}

    def _object(self, answer: Answer, path: str) -> dict[str, Any]:
        """The JSON object of an answer; login pages of gateways are 200 as well."""
        try:
            data: Any = json.loads(answer.data)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            kind = printable(answer.response.headers.get("Content-Type") or "no type", 80)
            raise K8sextError(
                f"what answers is no Kubernetes API server ({kind} instead of a JSON object)",
                where=f"{self.server}{path}",
                exit_code=3,
            )
        return cast("dict[str, Any]", data)

    def _round_trip(self, call: _Call) -> Answer:
        idle = self._pool.take(self._login.tls)
        fresh, connection = idle is None, idle or self._connection()
        try:
            try:
                response = self._exchange(connection, call)
            except _LOST:
                # The server closed an idle connection. What may be done twice is sent once more
                # over a fresh one; of a POST nobody knows whether it arrived.
                connection.close()
                if fresh or call.method == "POST":
                    raise
                connection = self._connection()
                response = self._exchange(connection, call)
            answer = Answer(response, body(response))
        except _HTTP_ERRORS as error:
            connection.close()
            raise self._unreachable(error) from None
        except BaseException:
            connection.close()  # half-used: an answer of the past must not meet another request
            raise
        self._pool.give_back(connection, response)
        return answer

    def _connection(self) -> transport.Connection:
        return transport.connection(self._login.access, self._login.tls, READ_TIMEOUT_S)

    def _exchange(
        self,
        connection: transport.Connection,
        call: _Call,
        *,
        gzip: bool = True,
    ) -> http.client.HTTPResponse:
        headers = self._login.headers(gzip=gzip, accept=call.accept)
        payload = None
        if call.body is not None:
            payload = json.dumps(call.body).encode()
            headers.append(("Content-Type", call.content_type))
            headers.append(("Content-Length", str(len(payload))))
        elif call.method == "POST":
            headers.append(("Content-Length", "0"))
        given = {k: v for k, v in call.params.items() if v is not None}
        query = f"?{urlencode(given, doseq=True)}" if given else ""
        url = f"{_base(self.server)}{call.path}{query}"
        connection.putrequest(call.method, url, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, self._login.sendable(name, value))
        connection.endheaders(payload)
        began = time.monotonic()
        response = connection.getresponse()
        took = time.monotonic() - began
        LOG.debug("%s %s -> %d in %.3f s", call.method, url, response.status, took)
        self._note_warnings(response)
        return response

    # -- words ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()

    def _note_warnings(self, response: http.client.HTTPResponse) -> None:
        """`Warning: 299 - "text"` (RFC 7234 5.5; how Kubernetes tells of deprecations)."""
        for value in response.headers.get_all("Warning") or []:
            text = printable(value.partition('"')[2].rpartition('"')[0] or value)
            with self._lock:
                if text in self.warnings or len(self.warnings) >= MAX_WARNINGS:
                    continue
                self.warnings.append(text)
            LOG.info("the API server warns: %s", text)

    def _error(self, answer: Answer, path: str) -> ApiError:
        """The Status of the API server; of anything else (a gateway's page) only its number."""
        response = answer.response
        return refused(response.status, response.reason, answer.data, f"{self.server}{path}")

    def _unreachable(self, error: Exception) -> K8sextError:
        why = "timed out" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        return K8sextError(
            "the API server cannot be reached",
            where=self.server,
            why=printable(why),
            fix="kubectl cluster-info with the same context should answer",
            exit_code=3,
        )


def _base(server: str) -> str:
    """The path of the server's URL (Rancher and others have one), without a slash at its end."""
    _, _, rest = server.partition("://")
    _, slash, path = rest.partition("/")
    return slash + path
