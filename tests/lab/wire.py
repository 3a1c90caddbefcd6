"""Sockets inside a host's network, for looking whether a server answers.

A socket belongs to the network namespace in which it was made, whoever uses it afterwards.
So the thread steps into the namespace for one system call and nothing has to be started.
"""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import os
import socket
import ssl
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

from tests.lab.hosts import holder
from tests.lab.place import LabError, Place

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _enter(handle: int) -> None:
    if _libc.setns(handle, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def network_of(place: Place, host: str) -> Generator[None]:
    """The calling thread (no other) is in the host's network inside this block."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        there = os.open(f"/proc/{holder(place, host)}/ns/net", os.O_RDONLY)
        try:
            _enter(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _enter(own)
    finally:
        os.close(own)


def connect(
    place: Place, host: str, address: str, port: int, timeout: float = 2.0
) -> socket.socket:
    """TCP connection from `host` to `address`."""
    with network_of(place, host):
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.settimeout(timeout)
    try:
        made.connect((address, port))
    except OSError:
        made.close()
        raise
    return made


def ask(
    place: Place, host: str, address: str, port: int, say: bytes = b"", timeout: float = 2.0
) -> bytes:
    """Say something to a server (or nothing) and return what it answers first."""
    with connect(place, host, address, port, timeout) as connection:
        if say:
            connection.sendall(say)
        return connection.recv(65536)


@dataclass(frozen=True)
class Reply:
    """What an HTTP server answered."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Names in lower case."""


class _Inside(http.client.HTTPConnection):
    """An HTTP connection over a socket that was opened somewhere else."""

    def __init__(self, opened: socket.socket, name: str) -> None:
        super().__init__(name)
        self.sock = opened


def http_request(
    place: Place,
    host: str,
    address: str,
    port: int,
    path: str = "/",
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    timeout: float = 5.0,
) -> Reply:
    """One HTTP request from `host`."""
    opened = connect(place, host, address, port, timeout)
    if tls is not None:
        opened = tls.wrap_socket(opened, server_hostname=address)
    connection = _Inside(opened, address)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        told = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, response.read(), told)


def say(
    place: Place,
    host: str,
    address: str,
    port: int,
    text: str,
    headers: Mapping[str, str] | None = None,
) -> str:
    """`METHOD /path JSON`, said on `host`: what is answered. LabError for 400 and more."""
    method, _, rest = text.partition(" ")
    path, _, body = rest.partition(" ")
    kind = {"Content-Type": "application/json", **(headers or {})}
    reply = http_request(
        place, host, address, port, path, method=method, body=body.encode() or None, headers=kind
    )
    if reply.status >= 400:
        raise LabError(f"{method} {path}: {reply.status} {reply.body[:300]!r}")
    return reply.body.decode()
