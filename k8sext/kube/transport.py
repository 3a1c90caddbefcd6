"""Connections to the API server: TLS as the kubeconfig says it, proxies, the right server name."""

from __future__ import annotations

import base64
import http.client
import ipaddress
import os
import ssl
import tempfile
from typing import Any
from urllib.parse import unquote, urlsplit

from k8sext.errors import K8sextError
from k8sext.model.data import dataclass
from k8sext.model.guard import guard
from k8sext.model.secret import Secret

from .deadline import Guarded, Limit, connect
from .kubeconfig import Access


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; `login` is its header's value."""

    host: str
    port: int
    login: Secret


class Connection(http.client.HTTPConnection):
    """HTTP over TLS with a server name of its own (kubeconfig `tls-server-name`)."""

    def __init__(
        self, host: str, port: int, *, tls: ssl.SSLContext | None, server_name: str, limit: Limit
    ) -> None:
        super().__init__(host, port)
        self.tls, self._name, self._limit = tls, server_name, limit
        self.proxy: Proxy | None = None
        self._guarded: Guarded | None = None  # also once http.client has let go of it

    @property
    def limit(self) -> Limit:
        """The time limit of the request under way."""
        return self._limit

    @limit.setter
    def limit(self, limit: Limit) -> None:
        self._limit = limit
        if self._guarded is not None:
            self._guarded.limit = limit

    def connect(self) -> None:
        """Connect, through the proxy where there is one, and encrypt, all within the limit."""
        via = self.proxy
        made = connect(via.host if via else self.host, via.port if via else self.port, self._limit)
        self.sock: Any = Guarded(made, self._limit)
        self._guarded = self.sock
        if via:
            _through(self.sock, via, self.host, self.port)
        if self.tls:
            made.settimeout(self._limit.wait_s())  # for the whole of the handshake (_ssl.c)
            secured = self.tls.wrap_socket(made, server_hostname=self._name)
            self.sock = self._guarded = Guarded(secured, self._limit)


def _through(sock: Any, via: Proxy, host: str, port: int) -> None:
    """Ask a proxy for a tunnel (RFC 9110, 9.3.6). Raises OSError where it gives none."""
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    login = via.login.reveal()
    headers = f"Host: {place}\r\n" + (f"Proxy-Authorization: {login}\r\n" if login else "")
    sock.sendall(f"CONNECT {place} HTTP/1.1\r\n{headers}\r\n".encode())
    response = http.client.HTTPResponse(sock, method="CONNECT")
    try:
        response.begin()
        if response.status != 200:
            raise OSError(f"the proxy gives no way: {response.status} {response.reason}")
    finally:
        response.close()


def refuse_clear_text(access: Access) -> None:
    """Raises K8sextError (exit code 3) where a login would go to the API server in clear text.

    A client certificate does not: it takes part in TLS only.
    """
    if access.server.startswith("http://") and _has_login(access):
        raise K8sextError(
            "the login would go to the API server in clear text",
            where=f"context {access.context}",
            why="its server is http://",
            fix="write https://, or give --insecure-clear-text if everybody on the way may have it",
            exit_code=3,
        )


def _has_login(access: Access) -> bool:
    known = access.token or access.password or access.username or access.token_file
    return bool(known) or access.plugin


def cautions(access: Access) -> tuple[str, ...]:
    """What a reader must know of the way to the API server, one sentence each."""
    if access.server.startswith("http://"):
        login = ", login included" if _has_login(access) else ""
        host = urlsplit(access.server).hostname or ""
        if _is_loopback(host) and not login:  # `kubectl proxy`
            return ()
        return (
            f"the API server is spoken to in clear text{login}: anybody on the way can read it",
        )
    if access.insecure:
        return (
            "the certificate of the API server is not verified (insecure-skip-tls-verify): "
            "somebody else may have answered",
        )
    return ()


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


def connection(access: Access, tls: ssl.SSLContext | None, limit: Limit) -> Connection:
    """A connection that is not open yet."""
    host, port, scheme = _target(access.server, access, "server")
    name = server_name(access)
    proxy = access.proxy or _environment_proxy(host, scheme)
    if not proxy:
        return Connection(host, port, tls=tls, server_name=name, limit=limit)
    via_host, via_port, via_scheme = _target(proxy, access, "proxy-url")
    if via_scheme != "http":
        raise K8sextError(
            f"a proxy of kind {via_scheme!r} is not supported",
            where=f"context {access.context}",
            fix="use an http:// proxy",
            exit_code=3,
        )
    made = Connection(host, port, tls=tls, server_name=name, limit=limit)
    via = urlsplit(proxy)
    made.proxy = Proxy(via_host, via_port, _proxy_login(via.username, via.password))
    return made


def server_name(access: Access) -> str:
    """The name that the server's certificate must carry."""
    return access.server_name or _target(access.server, access, "server")[0]


def _target(url: str, access: Access, word: str) -> tuple[str, int, str]:
    """Host, port and scheme of a URL; a wrong one is not quoted, it may hold a login."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if not host or not host.isprintable():
        raise K8sextError(
            f"{word} is not a URL with a host", where=f"context {access.context}", exit_code=3
        )
    return host, port or (443 if parts.scheme == "https" else 80), parts.scheme


def _proxy_login(user: str | None, password: str | None) -> Secret:
    if not user:
        return Secret("")
    guard(Secret(unquote(password or "")))
    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return Secret("Basic " + base64.b64encode(pair).decode())


def _environment_proxy(host: str, scheme: str) -> str:
    """HTTPS_PROXY and NO_PROXY, as kubectl honours them (golang.org/x/net/http/httpproxy)."""
    names = (f"{scheme}_proxy", f"{scheme}_proxy".upper())
    proxy = next((os.environ[n] for n in names if os.environ.get(n)), "")
    if not proxy or _is_loopback(host) or _in_no_proxy_network(host):
        return ""
    from urllib.request import proxy_bypass

    if proxy_bypass(host):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _in_no_proxy_network(host: str) -> bool:
    """`10.0.0.0/8` in NO_PROXY: kubectl knows networks, the standard library does not."""
    address = _address(host)
    for word in (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").split(","):
        try:
            if address is not None and address in ipaddress.ip_network(word.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False
