"""Scripted servers on loopback for drivers, which block: threads, not asyncio. None is real."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Generator, Mapping

Talk = Callable[[socket.socket], None]
Page = tuple[int, object]


@contextlib.contextmanager
def serving(
    talk: Talk, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> Generator[int, None, None]:
    """A port where each connection is handed to `talk`; its errors end that connection only."""
    with socket.create_server((host, 0)) as server:

        def each(conn: socket.socket) -> None:
            with contextlib.suppress(OSError), conn:
                conn.settimeout(30)
                wrapped = context.wrap_socket(conn, server_side=True) if context else conn
                with wrapped:
                    talk(wrapped)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    conn, _ = server.accept()
                    threading.Thread(target=each, args=(conn,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield int(server.getsockname()[1])
        finally:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)


def silent(until: threading.Event) -> Talk:
    """Accepts and says nothing."""
    return lambda _conn: _wait(until)


def _wait(until: threading.Event) -> None:
    until.wait(30)


def dripping(start: bytes, until: threading.Event) -> Talk:
    """Says `start`, then one byte at a time for as long as it is let."""

    def talk(conn: socket.socket) -> None:
        conn.sendall(start)
        for _ in range(300):
            if until.wait(0.1):
                return
            conn.sendall(b"\x01")

    return talk


def says(answer: bytes, unasked: bool = False) -> Talk:
    """Waits for the first bytes of the client where it is not to speak first, answers, closes."""

    def talk(conn: socket.socket) -> None:
        if not unasked:
            conn.recv(4096)
        conn.sendall(answer)

    return talk


def http(
    pages: Mapping[str, Page],
    login: str = "",
    headers: Mapping[str, str] | None = None,
    heads: list[str] | None = None,
) -> Talk:
    """A page for each path, whatever its query; with `login`, 401 for any other Authorization.

    `heads` are kept.
    """

    def talk(conn: socket.socket) -> None:
        reader = conn.makefile("rb")
        while True:
            lines: list[bytes] = []
            while (line := reader.readline()).strip():
                lines.append(line)
            if not lines:
                return
            head = b"".join(lines).decode("latin-1")
            if heads is not None:
                heads.append(head)
            path = head.split(" ")[1]
            status, body = pages.get(path, pages.get(path.partition("?")[0], (404, {})))
            if login and f"authorization: {login}\r\n".lower() not in head.lower():
                status, body = 401, {"error": {"reason": "missing credentials"}, "status": 401}
            conn.sendall(_page(status, body, headers or {}))

    return talk


def _page(status: int, body: object, headers: Mapping[str, str]) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}
    head = "".join(f"{k}: {v}\r\n" for k, v in fields.items())
    return f"HTTP/1.1 {status} x\r\n{head}\r\n".encode() + data
