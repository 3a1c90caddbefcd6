"""What the HTTP stand-ins of the lab share: a small server, run as a program of its own."""

from __future__ import annotations

import json
import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    """What a client asked; header names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    target: str
    """Path and query as they were sent."""


@dataclass(frozen=True)
class Answer:
    """What it gets; a body that is no text and no bytes is sent as JSON."""

    status: int = 200
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def encoded(self) -> tuple[bytes, str]:
        """The body, and its type."""
        if isinstance(self.body, bytes):
            return self.body, "application/octet-stream"
        if isinstance(self.body, str):
            return self.body.encode(), "text/html; charset=utf-8"
        return json.dumps(self.body).encode(), "application/json; charset=utf-8"


Handler = Callable[[Request], Answer]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is none."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def server(
    address: str, port: int, handler: Handler, pair: tuple[str, str] | None = None
) -> ThreadingHTTPServer:
    """A server that is bound and not yet served; `pair` is certificate and key."""

    class Talk(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            parts = urlsplit(self.path)
            asked = Request(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query, keep_blank_values=True)),
                {k.lower(): v for k, v in self.headers.items()},
                self.rfile.read(length),
                self.path,
            )
            answer = handler(asked)
            body, kind = answer.encoded()
            self.send_response(answer.status)
            for name, value in {"Content-Type": kind, **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

        def version_string(self) -> str:
            """No stand-in says that it is Python."""
            return ""

        def log_message(self, format: str, *args: Any) -> None:
            sys.stderr.write(f"{self.command} {self.path} {args}\n")

        def send_response(self, code: int, message: str | None = None) -> None:
            self.send_response_only(code, message)
            self.send_header("Date", self.date_time_string())
            self.log_request(code)

    made = _Server((address, port), Talk)
    if pair:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        made.socket = context.wrap_socket(made.socket, server_side=True)
    return made


def main(make: Callable[[Mapping[str, Any]], Handler]) -> None:
    """`python -m tests.lab.standins.NAME FILE`: options in JSON, with address, port and pair."""
    options: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text())
    pair = options.get("pair")
    made = server(options["address"], options["port"], make(options), tuple(pair) if pair else None)
    made.serve_forever()
