"""Connections to the API server: TLS as the kubeconfig says it, proxies, the right server name."""

from __future__ import annotations

import base64
import http.client
import os
import ssl
import tempfile
from urllib.parse import unquote, urlsplit

from k8sext.errors import K8sextError

from .kubeconfig import Access

CONNECT_TIMEOUT_S = 10.0


class Connection(http.client.HTTPConnection):
    """HTTP over TLS with a server name of its own (kubeconfig `tls-server-name`)."""

    def __init__(
        self, host: str, port: int, *, tls: ssl.SSLContext | None, server_name: str, timeout: float
    ) -> None:
        super().__init__(host, port, timeout=timeout)
        self._tls, self._name = tls, server_name

    def connect(self) -> None:
        """Connect, through the proxy where there is one, and encrypt."""
        super().connect()
        if self._tls:
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name)


def tls_context(access: Access) -> ssl.SSLContext | None:
    """The TLS of an access; None for plain http."""
    if not access.server.startswith("https:"):
        return None
    try:
        context = ssl.create_default_context(cadata=access.ca_pem or None)
        # Python 3.13 asks for RFC 5280 to the letter; kubectl does not, nor do many cluster CAs.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if access.insecure:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if access.cert_pem:
            _load_pair(context, access)
    except (ssl.SSLError, ValueError) as error:
        why = getattr(error, "reason", None) or type(error).__name__
        raise K8sextError(
            "a certificate or key of the kubeconfig cannot be used",
            where=f"context {access.context}",
            why=str(why),
            exit_code=3,
        ) from None
    return context


def _load_pair(context: ssl.SSLContext, access: Access) -> None:
    """OpenSSL takes the pair from a file only: a private one, gone at once."""
    number, path = tempfile.mkstemp(prefix="k8sext-")  # mode 0600
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(f"{access.cert_pem}\n{access.key_pem.reveal()}\n")
        context.load_cert_chain(path, password="")
    finally:
        os.unlink(path)


def connection(access: Access, tls: ssl.SSLContext | None, timeout: float) -> Connection:
    """A connection that is not open yet. `timeout` in seconds holds for each read."""
    url = urlsplit(access.server)
    host, port = url.hostname or "", url.port or (443 if tls else 80)
    name = access.server_name or host
    proxy = access.proxy or _environment_proxy(host, url.scheme)
    if not proxy:
        return Connection(host, port, tls=tls, server_name=name, timeout=timeout)
    via = urlsplit(proxy)
    if via.scheme != "http":
        raise K8sextError(
            f"a proxy of kind {via.scheme!r} is not supported",
            where=f"context {access.context}",
            fix="use an http:// proxy",
            exit_code=3,
        )
    made = Connection(
        via.hostname or "", via.port or 80, tls=tls, server_name=name, timeout=timeout
    )
    made.set_tunnel(host, port, _proxy_login(via.username, via.password))
    return made


def _proxy_login(user: str | None, password: str | None) -> dict[str, str]:
    if not user:
        return {}
    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair).decode()}


def _environment_proxy(host: str, scheme: str) -> str:
    """HTTPS_PROXY and NO_PROXY, as kubectl honours them."""
    names = (f"{scheme}_proxy", f"{scheme}_proxy".upper())
    proxy = next((os.environ[n] for n in names if os.environ.get(n)), "")
    if not proxy:
        return ""
    from urllib.request import proxy_bypass

    return "" if host in ("localhost", "127.0.0.1", "::1") or proxy_bypass(host) else proxy
