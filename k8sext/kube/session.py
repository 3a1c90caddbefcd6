"""A small session with the API server: plain HTTPS, JSON in and out, kept-alive connections.

Standard library rather than httpx: importing it takes 0.59 s here, http.client + ssl + json 0.05 s.
One passing error costs nothing: what may be sent twice is (retry.py), within one deadline
(deadline.py), and what answers must have the shape of what was asked for (shapes.py).
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from k8sext.errors import K8sextError
from k8sext.model.data import dataclass
from k8sext.model.secret import printable

from . import deadline, retry, shapes, transport
from . import kubeconfig as config
from .answers import ApiAnswer, ApiError, Misread, decoded, lines, refused
from .calls import METADATA_ONLY, ApiCall
from .deadline import Limit
from .exchange import LOG, Exchange
from .kubeconfig import Access

__all__ = ["ApiError", "Session", "Upgrade"]

STREAM_SILENCE_S = 300.0


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
        if not clear_text:
            transport.refuse_clear_text(access)
        self.server, self.context, self.namespace = access.server, access.context, access.namespace
        self._exchange = Exchange(access)
        self.warnings = self._exchange.warnings  # of `Warning:` headers, each once
        self._until = float("inf")
        self.slowest_s = 0.0  # of the requests that were answered
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
        return transport.cautions(self._exchange.login.access)

    # -- verbs ----------------------------------------------------------------------------------

    def get(self, path: str, /, **params: object) -> dict[str, Any]:
        """GET an object or a list. Raises ApiError, or K8sextError when nothing answers."""
        return self._request("GET", path, params)

    def get_metadata(self, path: str, /) -> dict[str, Any]:
        """The metadata of one object: what else it holds stays at the API server."""
        return self._sent(ApiCall("GET", path, {}, accept=METADATA_ONLY))

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
        limit = self._limit(deadline.SILENCE_S)
        connection, response = self._stream(ApiCall("GET", path, params), limit)

        def each_line() -> None:
            until = min(time.monotonic() + silence_s, self._until)
            connection.limit = Limit(until, silence_s, drips=True)

        try:
            yield lines(response, each_line)
        finally:
            connection.close()
            response.close()

    def upgrade(self, path: str, /, **params: object) -> Upgrade:
        """What a WebSocket to `path` needs. Raises K8sextError when nothing answers."""
        login = self._exchange.login
        # With `Accept: application/json` the kubelet's upgrade is "not acceptable" (406).
        wanted = [(n, v) for n, v in login.headers(gzip=False) if n != "Accept"]
        headers = [(n, login.sendable(n, v).decode()) for n, v in wanted]
        made = self._exchange.connected(self._limit(deadline.SILENCE_S))
        _, _, address = self.server.partition("://")
        host = address.partition("/")[0]
        scheme = "wss" if login.tls else "ws"
        url = f"{scheme}://{host}{self._exchange.base}{path}?{urlencode(params)}"
        name = transport.server_name(login.access)
        return Upgrade(url, made, login.tls, name, headers)

    def refusal(self, status: int, body: bytes, path: str) -> ApiError:
        """What the API server said to an upgrade."""
        return refused(status, "", body, f"{self.server}{path}")

    @property
    def logins(self) -> int:
        """How often a login was made: for `login_again`."""
        return self._exchange.login.made

    def login_again(self, seen: int) -> bool:
        """After a 401 of an upgrade: whether there is a new login to try."""
        return self._exchange.login.again(seen)

    def hurry(self, seconds: float) -> None:
        """From now on every request ends within `seconds`: the run was interrupted."""
        self._until = min(self._until, time.monotonic() + seconds)

    def close(self) -> None:
        """Close the idle connections."""
        self._exchange.pool.close()

    # -- one request ----------------------------------------------------------------------------

    def _limit(self, silence_s: float, until: float = float("inf")) -> Limit:
        whole = time.monotonic() + deadline.WHOLE_S
        return Limit(min(whole, until, self._until), silence_s)

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, object],
        body: object = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        return self._sent(ApiCall(method, path, params, body, content_type or "application/json"))

    def _sent(self, call: ApiCall) -> dict[str, Any]:
        """The answer, after as many tries as may help before the deadline."""
        until, tries = min(time.monotonic() + deadline.WHOLE_S, self._until), 0
        renewed = False
        while True:
            tries += 1
            logins = self.logins
            first = tries == 1 and retry.repeatable(call)
            silence_s = deadline.FIRST_SILENCE_S if first else deadline.SILENCE_S
            try:
                return self._tried(call, self._limit(silence_s, until))
            except K8sextError as error:
                if not renewed and self._has_new_login(error, call, logins):
                    renewed = True
                    continue
                pause = retry.pause(error, call, tries, until - time.monotonic())
                if pause is None:
                    raise
                LOG.debug("%s %s: %s; again in %.2f s", call.method, call.path, error.what, pause)
            time.sleep(pause)

    def _has_new_login(self, error: K8sextError, call: ApiCall, logins: int) -> bool:
        """After a 401: whether to try once more. Where there is no other login the same one may do,
        for who judges logins (a webhook) has bad moments too; but no password is sent twice.
        """
        if not isinstance(error, ApiError) or error.status != 401:
            return False
        again = self._exchange.login.may_be_refused_twice and retry.repeatable(call)
        return self.login_again(logins) or again

    def _tried(self, call: ApiCall, limit: Limit) -> dict[str, Any]:
        """One try. Raises ApiError, Lost or Misread."""
        began = time.monotonic()
        answer = self._exchange.round_trip(call, limit)
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        if not 200 <= answer.status < 300:
            raise self._error(answer, call.path)
        where = f"{self.server}{call.path}"
        try:
            data = decoded(answer.data) if answer.data or call.method == "GET" else {}
        except ValueError:
            said = f"{answer.content_type} instead of a JSON object"
            raise Misread(where, said) from None
        try:
            shapes.check(call, data)
        except shapes.Misshapen as error:
            raise Misread(where, str(error)) from None
        return data

    def _stream(
        self, call: ApiCall, limit: Limit
    ) -> tuple[transport.Connection, http.client.HTTPResponse]:
        """A connection of its own on which the answer has begun; after a 401 a second try."""
        logins = self.logins
        connection, response = self._exchange.begin(call, limit)
        if isinstance(response, ApiAnswer) and response.status == 401 and self.login_again(logins):
            connection, response = self._exchange.begin(call, limit)
        if isinstance(response, ApiAnswer):
            raise self._error(response, call.path)
        return connection, response

    def _error(self, answer: ApiAnswer, path: str) -> ApiError:
        """The Status of the API server; of anything else (a gateway's page) only its number."""
        response = answer.response
        asked = retry.after_s(response.headers.get("Retry-After") or "")
        where = f"{self.server}{path}"
        return refused(response.status, response.reason, answer.data, where, asked)
