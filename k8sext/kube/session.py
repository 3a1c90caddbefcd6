"""A small session with the API server: plain HTTPS, JSON in and out, kept-alive connections.

Standard library rather than httpx: importing it takes 0.59 s here, http.client + ssl + json 0.05 s.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import threading
import time
import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

from k8sext import __version__
from k8sext.errors import K8sextError
from k8sext.model.secret import printable

from . import kubeconfig as config
from . import transport
from .kubeconfig import Access

READ_TIMEOUT_S = 30.0
STREAM_SILENCE_S = 300.0
TOKEN_AGE_S = 60.0  # bound tokens are rotated on disk; client-go re-reads them each minute as well
_LOST = (http.client.HTTPException, ConnectionError, BrokenPipeError, ssl.SSLEOFError)


class ApiError(K8sextError):
    """The API server said no. `status` is the HTTP status, `reason` and `details` its Status."""

    def __init__(
        self, status: int, reason: str, message: str, details: Mapping[str, Any], where: str
    ) -> None:
        super().__init__(printable(message, 600), where=where, exit_code=3)
        self.status, self.reason, self.message = status, reason, message
        self.details = details


class Session:
    """One user at one API server. Safe to use from many threads."""

    def __init__(self, access: Access) -> None:
        self._lock = threading.Lock()
        self._idle: list[transport.Connection] = []
        self._token, self._token_read = "", float("-inf")
        self._logins = 0
        self.access = access
        self.server, self.context, self.namespace = access.server, access.context, access.namespace
        self.warnings: list[str] = []  # of `Warning:` headers, each once
        if access.plugin:
            self._login(0)
        self._tls = transport.tls_context(self.access)

    @classmethod
    def load(
        cls,
        kubeconfig: Path | None = None,
        context: str | None = None,
        as_user: str | None = None,
        as_groups: Sequence[str] = (),
    ) -> Session:
        """The session of a context. Raises K8sextError (exit code 3) when there is none."""
        from dataclasses import replace

        access = config.load(kubeconfig, context)
        if as_user:
            access = replace(access, as_user=as_user, as_groups=tuple(as_groups))
        elif as_groups:
            access = replace(access, as_groups=tuple(as_groups))
        if access.as_groups and not access.as_user:
            raise K8sextError("--as-group needs --as", where="--as-group")
        return cls(access)

    # -- verbs ----------------------------------------------------------------------------------

    def get(self, path: str, /, **params: object) -> dict[str, Any]:
        """GET an object or a list. Raises ApiError, or K8sextError when nothing answers."""
        return self._request("GET", path, params)

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
        connection = transport.connection(self.access, self._tls, READ_TIMEOUT_S)
        try:
            response = self._exchange(connection, "GET", path, params, None, "", gzip=False)
            if response.status >= 400:
                raise self._error(response, path, response.read())
            if connection.sock is not None:
                connection.sock.settimeout(silence_s)
            yield _lines(response)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None
        finally:
            connection.close()

    # -- one request ----------------------------------------------------------------------------

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, object],
        body: object = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        logins = self._logins
        status, answer, response = self._round_trip(method, path, params, body, content_type)
        if status == 401 and self._login_again(logins):
            status, answer, response = self._round_trip(method, path, params, body, content_type)
        if status >= 400:
            raise self._error(response, path, answer)
        return cast("dict[str, Any]", json.loads(answer)) if answer else {}

    def _round_trip(
        self,
        method: str,
        path: str,
        params: Mapping[str, object],
        body: object,
        content_type: str,
    ) -> tuple[int, bytes, http.client.HTTPResponse]:
        connection, fresh = self._take()
        try:
            try:
                response = self._exchange(connection, method, path, params, body, content_type)
            except _LOST:
                # The server closed an idle connection: nothing was answered. A fresh one decides.
                connection.close()
                if fresh:
                    raise
                connection = transport.connection(self.access, self._tls, READ_TIMEOUT_S)
                response = self._exchange(connection, method, path, params, body, content_type)
            answer = _body(response)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._unreachable(error) from None
        self._give_back(connection, response)
        return response.status, answer, response

    def _exchange(
        self,
        connection: transport.Connection,
        method: str,
        path: str,
        params: Mapping[str, object],
        body: object,
        content_type: str,
        *,
        gzip: bool = True,
    ) -> http.client.HTTPResponse:
        headers = self._headers(gzip)
        payload = None
        if body is not None:
            payload = json.dumps(body).encode()
            headers.append(("Content-Type", content_type or "application/json"))
            headers.append(("Content-Length", str(len(payload))))
        elif method == "POST":
            headers.append(("Content-Length", "0"))
        given = {k: v for k, v in params.items() if v is not None}
        url = f"{_base(self.server)}{path}" + (f"?{urlencode(given, doseq=True)}" if given else "")
        connection.putrequest(method, url, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders(payload)
        response = connection.getresponse()
        self._note_warnings(response)
        return response

    def _headers(self, gzip: bool) -> list[tuple[str, str]]:
        headers = [("Accept", "application/json"), ("User-Agent", f"k8sext/{__version__}")]
        if gzip:
            headers.append(("Accept-Encoding", "gzip"))
        authorization = self._authorization()
        if authorization:
            headers.append(("Authorization", authorization))
        if self.access.as_user:
            headers.append(("Impersonate-User", self.access.as_user))
        headers.extend(("Impersonate-Group", group) for group in self.access.as_groups)
        return headers

    def _authorization(self) -> str:
        access = self.access
        if access.token_file:
            return f"Bearer {self._file_token(access.token_file)}"
        if access.token:
            return f"Bearer {access.token.reveal()}"
        if access.username:
            pair = f"{access.username}:{access.password.reveal()}".encode()
            return "Basic " + base64.b64encode(pair).decode()
        return ""

    def _file_token(self, path: str) -> str:
        with self._lock:
            if time.monotonic() - self._token_read > TOKEN_AGE_S:
                try:
                    self._token = Path(path).read_text(encoding="utf-8").strip()
                except OSError as error:
                    why = str(error.strerror)
                    raise K8sextError(
                        "the token file cannot be read", where=path, why=why, exit_code=3
                    ) from None
                self._token_read = time.monotonic()
            return self._token

    # -- logins, connections, words -------------------------------------------------------------

    def _login(self, seen: int) -> None:
        """Run the plug-in, unless another thread has done so since we looked (`seen`)."""
        from . import official

        with self._lock:
            if self._logins == seen:
                self.access = official.login(self.access)
                self._tls = transport.tls_context(self.access)
                self._idle.clear()
                self._logins += 1

    def _login_again(self, seen: int) -> bool:
        """After a 401: plug-ins run again, token files are read again. False: nothing to renew."""
        if self.access.plugin:
            self._login(seen)
            return True
        self._token_read = float("-inf")
        return bool(self.access.token_file)

    def _take(self) -> tuple[transport.Connection, bool]:
        with self._lock:
            if self._idle:
                return self._idle.pop(), False
        return transport.connection(self.access, self._tls, READ_TIMEOUT_S), True

    def _give_back(
        self, connection: transport.Connection, response: http.client.HTTPResponse
    ) -> None:
        if response.will_close:
            connection.close()
            return
        with self._lock:
            self._idle.append(connection)

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _note_warnings(self, response: http.client.HTTPResponse) -> None:
        """`Warning: 299 - "text"` (RFC 7234 5.5; how Kubernetes tells of deprecations)."""
        for value in response.headers.get_all("Warning") or []:
            text = printable(value.partition('"')[2].rpartition('"')[0] or value)
            with self._lock:
                if text not in self.warnings:
                    self.warnings.append(text)

    def _error(self, response: http.client.HTTPResponse, path: str, answer: bytes) -> ApiError:
        try:
            data: Any = json.loads(answer)
        except ValueError:
            data = None
        said = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
        message = said.get("message") or f"HTTP {response.status} {response.reason}"
        reason, details = said.get("reason") or "", said.get("details") or {}
        return ApiError(response.status, reason, str(message), details, f"{self.server}{path}")

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


def _body(response: http.client.HTTPResponse) -> bytes:
    data = response.read()
    return zlib.decompress(data, 31) if response.headers.get("Content-Encoding") == "gzip" else data


def _lines(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Lines as they come; a cut or a long silence ends them like an end does."""
    while True:
        try:
            line = response.readline()
        except (OSError, http.client.HTTPException, ValueError):
            return
        if not line:
            return
        yield line
