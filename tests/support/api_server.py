"""A stand-in of the API server on loopback: HTTPS, told what to answer, records what it was sent.

It stands in for transport and logins only; what the real one decides is tested in the lab.
"""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


@dataclass(frozen=True)
class Pki:
    """An authority, a server for 127.0.0.1 and api.test, a client called `ada`."""

    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / name

    def text(self, name: str) -> str:
        return self.path(name).read_text(encoding="utf-8")

    def data(self, name: str) -> str:
        """As a kubeconfig's `…-data` holds it."""
        return base64.b64encode(self.path(name).read_bytes()).decode()


def make_pki(folder: Path) -> Pki:
    """Elliptic keys, so that it takes a fraction of a second."""
    usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign", "-subj", "/CN=test-ca"]
    _openssl(folder, "req", "-x509", *_KEY, "-keyout", "ca.key", "-out", "ca.crt", *usage)
    for name, names in (("server", "IP:127.0.0.1,DNS:api.test"), ("ada", "DNS:ada")):
        extensions = folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names}\nauthorityKeyIdentifier=keyid\n")
        out = ["-keyout", f"{name}.key", "-out", f"{name}.csr"]
        _openssl(folder, "req", *_KEY, *out, "-subj", f"/CN={name}")
        signer = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
        files = ["-in", f"{name}.csr", "-out", f"{name}.crt", "-extfile", extensions.name]
        _openssl(folder, "x509", "-req", *files, *signer)
    return Pki(folder)


def _openssl(folder: Path, *argv: str) -> None:
    subprocess.run(["openssl", *argv], cwd=folder, check=True, capture_output=True)


@dataclass(frozen=True)
class Request:
    """What arrived."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    sni: str | None
    client: str  # common name of the client's certificate
    connection: int  # which connection it came over

    def all(self, name: str) -> list[str]:
        return [v for k, v in self.headers if k.lower() == name.lower()]

    def header(self, name: str) -> str:
        return next(iter(self.all(name)), "")

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What is answered. `hang_up`: close without an answer, after the request was read."""

    status: int = 200
    body: Any = field(default_factory=dict[str, Any])  # bytes go out as they are
    headers: tuple[tuple[str, str], ...] = ()
    hang_up: bool = False
    close: bool = False  # answer, then close the connection without saying so
    length: int | None = None  # a Content-Length that is not true

    def bytes(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Answers = Callable[[Request], Reply]


class ApiServer:
    """Answers in order (the last one again and again), or by a function."""

    def __init__(self, pki: Pki, *replies: Reply, answers: Answers | None = None) -> None:
        self.pki = pki
        self.requests: list[Request] = []
        self.replies: list[Reply] = list(replies) or [Reply()]
        self.answers = answers
        self.connections = 0
        self._lock = threading.Lock()
        self._names: dict[int, str | None] = {}
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._http.socket = self._tls().wrap_socket(
            self._http.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = int(self._http.server_address[1])
        self.url = f"https://127.0.0.1:{self.port}"

    def _tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pki.path("server.crt"), self.pki.path("server.key"))
        context.load_verify_locations(self.pki.path("ca.crt"))
        context.verify_mode = ssl.CERT_OPTIONAL
        context.sni_callback = self._note_name
        return context

    def _note_name(self, sock: Any, name: str | None, _context: object) -> None:
        self._names[id(sock)] = name

    def answer(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            if self.answers:
                return self.answers(request)
            return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            disable_nagle_algorithm = True

            def setup(self) -> None:
                with server._lock:
                    server.connections += 1
                    self.number = server.connections
                super().setup()

            def handle(self) -> None:
                try:
                    super().handle()
                except OSError:
                    return  # clients of these tests go away in the middle on purpose

            def _do(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                sock: Any = self.connection
                peer = sock.getpeercert() or {}
                names = {k: v for part in peer.get("subject", ()) for k, v in part}
                request = Request(
                    method=self.command,
                    path=self.path,
                    headers=tuple(self.headers.items()),
                    body=self.rfile.read(length),
                    sni=server._names.get(id(sock)),
                    client=names.get("commonName", ""),
                    connection=self.number,
                )
                reply = server.answer(request)
                if reply.hang_up:
                    self.close_connection = True
                    return
                self._send(reply)

            def _send(self, reply: Reply) -> None:
                data = reply.bytes()
                self.send_response(reply.status)
                for name, value in reply.headers:
                    self.send_header(name, value)
                length = len(data) if reply.length is None else reply.length
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(data)
                self.wfile.flush()
                self.close_connection = reply.close or reply.length is not None

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _do

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing on the terminal."""

        return Handler

    @contextmanager
    def running(self) -> Generator[ApiServer]:
        thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            self._http.server_close()
            thread.join(5)


class ConnectProxy:
    """An HTTP proxy that knows CONNECT and, where it has one, asks for a login."""

    def __init__(self, login: str = "") -> None:
        self.login = login
        self.asked: list[tuple[str, str]] = []  # (target, Proxy-Authorization)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                given = self.headers.get("Proxy-Authorization") or ""
                proxy.asked.append((self.path, given))
                wanted = "Basic " + base64.b64encode(proxy.login.encode()).decode()
                if proxy.login and given != wanted:
                    self.send_error(407)
                    return
                self.send_response(200)
                self.end_headers()
                _pipe(self.connection, self.path)
                self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing on the terminal."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port = int(self._http.server_address[1])

    @contextmanager
    def running(self) -> Generator[ConnectProxy]:
        thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            self._http.server_close()
            thread.join(5)


def _pipe(client: Any, target: str) -> None:
    """Bytes both ways until one side ends."""
    import select
    import socket

    url = urlsplit(f"//{target}")
    with socket.create_connection((str(url.hostname), int(url.port or 443)), 5) as server:
        other = {client: server, server: client}
        while True:
            for ready in select.select(list(other), [], [], 5)[0] or [None]:
                data = ready.recv(65536) if ready is not None else b""
                if not data:
                    return
                other[ready].sendall(data)


def kubeconfig(
    server: str,
    *,
    cluster: Mapping[str, Any] | None = None,
    user: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
    name: str = "test",
    current: str | None = "test",
) -> dict[str, Any]:
    """A kubeconfig of one context."""
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": name, "user": dict(user or {})}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, **(context or {})}}],
    }
    if current is not None:
        body["current-context"] = current
    return body


def write(folder: Path, config: Mapping[str, Any], name: str = "config") -> Path:
    """Write a kubeconfig (JSON is YAML)."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(config), encoding="utf-8")
    return file


def plugin(folder: Path, script: str, name: str = "login-plugin") -> Path:
    """An exec plug-in: a shell script that counts its runs in `runs`."""
    file = folder / name
    file.write_text(f"#!/bin/sh\necho run >> {folder}/runs\n{script}\n", encoding="utf-8")
    file.chmod(0o700)
    return file


def runs(folder: Path) -> int:
    """How often the plug-in ran."""
    file = folder / "runs"
    return len(file.read_text().splitlines()) if file.exists() else 0


def exec_user(command: Path | str, **more: Any) -> dict[str, Any]:
    """A user of a kubeconfig who has an exec plug-in."""
    version = "client.authentication.k8s.io/v1"
    given = {"apiVersion": version, "command": str(command), "interactiveMode": "Never"}
    return {"exec": {**given, **more}}


def credential(**status: Any) -> str:
    """What an exec plug-in prints."""
    version = "client.authentication.k8s.io/v1"
    return json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status})


def paths(requests: Sequence[Request]) -> list[str]:
    """`METHOD PATH` of each request."""
    return [f"{r.method} {r.path}" for r in requests]
