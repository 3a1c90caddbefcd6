"""Who we are to the API server: the login of each request, and a new one after a 401."""

from __future__ import annotations

import base64
import ssl
import threading
import time
from urllib.parse import quote

from k8sext import __version__
from k8sext.errors import K8sextError
from k8sext.model.guard import guard
from k8sext.model.secret import Secret
from k8sext.reading import bounds, files

from . import transport
from .kubeconfig import Access

TOKEN_AGE_S = 60.0  # bound tokens are rotated on disk; client-go re-reads them each minute as well


class ApiLogin:
    """The user of a session. Safe to use from many threads."""

    def __init__(self, access: Access) -> None:
        self._lock = threading.Lock()
        self._token, self._token_read = "", float("-inf")
        self.made = 0  # how often a plug-in made a login: for `again`
        self.access = access
        self.tls: ssl.SSLContext | None = None
        if access.plugin:
            self._renew(0)
        else:
            self.tls = transport.tls_context(access)

    def headers(self, *, gzip: bool, accept: str = "application/json") -> list[tuple[str, str]]:
        """What every request begins with. Raises K8sextError where the login cannot be read."""
        headers = [("Accept", accept), ("User-Agent", f"k8sext/{__version__}")]
        if gzip:
            headers.append(("Accept-Encoding", "gzip"))
        authorization = self._authorization()
        if authorization:
            headers.append(("Authorization", authorization))
        if self.access.as_user:
            headers.append(("Impersonate-User", self.access.as_user))
        headers.extend(("Impersonate-Group", group) for group in self.access.as_groups)
        if self.access.as_uid:
            headers.append(("Impersonate-Uid", self.access.as_uid))
        headers.extend(
            (f"Impersonate-Extra-{quote(key.lower(), safe='')}", value)
            for key, values in self.access.as_extra
            for value in values
        )
        return headers

    def sendable(self, name: str, value: str) -> bytes:
        """A header's value; http.client's own complaint would quote it, login and all."""
        if value.isprintable() or name == "User-Agent":
            return value.encode("utf-8", "replace")
        what = "the login" if name == "Authorization" else f"the value of {name}"
        raise K8sextError(
            f"{what} holds characters that no HTTP header may have",
            where=f"context {self.access.context}",
            fix="look for a line break in the middle of it",
            exit_code=3,
        )

    def again(self, seen: int) -> bool:
        """After a 401: plug-ins run again, token files are read again. False: nothing to renew.

        `seen` is what `made` was when the refused request was sent: of many threads one renews.
        """
        if self.access.plugin:
            self._renew(seen)
            return True
        self._token_read = float("-inf")
        return bool(self.access.token_file)

    @property
    def may_be_refused_twice(self) -> bool:
        """Whether the same login may be sent again after a 401: passwords lock accounts."""
        return not self.access.username

    def _authorization(self) -> str:
        access = self.access
        if access.token_file:
            token = self._file_token(access.token_file)
            guard(Secret(token))
            return f"Bearer {token}"
        guard(access.token, access.password)  # what answers may say them
        if access.token:
            return f"Bearer {access.token.reveal()}"
        if access.username:
            pair = f"{access.username}:{access.password.reveal()}".encode()
            return "Basic " + base64.b64encode(pair).decode()
        return ""

    def _file_token(self, path: str) -> str:
        with self._lock:
            if time.monotonic() - self._token_read > TOKEN_AGE_S:
                self._token = _read_token(path)
                self._token_read = time.monotonic()
            return self._token

    def _renew(self, seen: int) -> None:
        """Run the plug-in, unless another thread has done so since we looked (`seen`)."""
        from . import official

        with self._lock:
            if self.made == seen:
                self.access = official.login(self.access)
                self.tls = transport.tls_context(self.access)
                self.made += 1


def _read_token(path: str) -> str:
    """A token file's token. Raises K8sextError (exit code 3) when there is none."""
    try:
        token = files.text(path).strip()
        why = "" if token else "it is empty"
    except bounds.Unreadable as error:
        token, why = "", error.why
    if not token:
        raise K8sextError("the token file cannot be read", where=path, why=why, exit_code=3)
    return token
