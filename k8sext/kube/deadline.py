"""Time limits that hold whatever drips in meanwhile.

A socket's own time-out holds for one read: a server that sends a byte a second holds its client
for ever. Here every read and write looks at the limit of the whole request first.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

from k8sext.errors import K8sextError

CONNECT_S = 10.0  # to one address
FIRST_SILENCE_S = 10.0  # of a first try that may be repeated
SILENCE_S = 30.0  # of any other: admission webhooks may take that long
WHOLE_S = 60.0  # of one request with all its tries
DRIP_AFTER_S = 10.0  # since the first byte, then LEAST_RATE counts
LEAST_RATE = 4096  # bytes a second; a slow line has more, a drip has less
PIECE = 1 << 16

Address = tuple[Any, ...]


class Limit:
    """How long one try may take: at most until `until` (monotonic), with no silence longer than
    `silence_s`, and not by dripping.
    """

    def __init__(self, until: float, silence_s: float, *, drips: bool = False) -> None:
        self.until, self.silence_s = until, silence_s
        self._may_drip = drips  # a watch says little for long
        self._head_until = float("inf")
        self._first: float | None = None
        self._got = 0

    def wait_s(self) -> float:
        """How long the next read or write may take. Raises TimeoutError when time is up."""
        now = time.monotonic()
        if now >= min(self.until, self._head_until):
            raise TimeoutError("timed out")
        if self._first is not None and not self._may_drip:
            since = now - self._first
            if since > DRIP_AFTER_S and self._got < since * LEAST_RATE:
                raise TimeoutError("timed out")
        return max(min(self.silence_s, self.until - now, self._head_until - now), 0.001)

    def expect_head(self) -> None:
        """From now on until `head_is_there`: no headers and interim answers (1xx) for ever."""
        self._head_until = time.monotonic() + self.silence_s

    def head_is_there(self) -> None:
        """The body follows."""
        self._head_until = float("inf")

    def got(self, size: int) -> None:
        """Note what has come."""
        self._first = time.monotonic() if self._first is None else self._first
        self._got += size


def within(seconds: float, silence_s: float | None = None) -> Limit:
    """A limit that begins now."""
    return Limit(time.monotonic() + seconds, seconds if silence_s is None else silence_s)


class Guarded:
    """A connected socket as http.client uses one; `limit` is that of the request under way."""

    def __init__(self, made: socket.socket, limit: Limit) -> None:
        self.raw, self.limit = made, limit

    def makefile(self, _mode: str = "rb", *_more: object, **_options: object) -> Any:
        """What answers are read from."""
        return io.BufferedReader(_DeadlineReader(self), PIECE)

    def sendall(self, data: bytes) -> None:
        """Send all of it within the limit. Raises TimeoutError."""
        view = memoryview(data)
        for at in range(0, len(view), PIECE):
            self.raw.settimeout(self.limit.wait_s())
            self.raw.sendall(view[at : at + PIECE])

    def fileno(self) -> int:
        """For poll."""
        return self.raw.fileno()

    def close(self) -> None:
        """Close, once what reads from it has closed too."""
        self.raw.close()


class _DeadlineReader(io.RawIOBase):
    def __init__(self, guarded: Guarded) -> None:
        super().__init__()
        self._guarded = guarded
        self._inner = guarded.raw.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        limit = self._guarded.limit
        self._guarded.raw.settimeout(limit.wait_s())
        size: int | None = self._inner.readinto(buffer)
        limit.got(size or 0)
        return size

    def close(self) -> None:
        self._inner.close()
        super().close()


def connect(host: str, port: int, limit: Limit) -> socket.socket:
    """A connected TCP socket, to the first address that takes it. Raises OSError."""
    error: OSError = OSError(f"no address of {host}")
    for family, kind, number, _, address in _addresses(host, port, limit):
        made = socket.socket(family, kind, number)
        try:
            made.settimeout(min(limit.wait_s(), CONNECT_S))
            made.connect(address)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as refused:
            made.close()
            error = refused
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise error


def _addresses(host: str, port: int, limit: Limit) -> Sequence[tuple[int, int, int, str, Address]]:
    """getaddrinfo, which nothing can interrupt: in a thread that may be left behind."""
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(limit.wait_s())
    if not found:
        raise TimeoutError(f"the name {host} was not resolved in time")
    if isinstance(found[0], UnicodeError):
        raise K8sextError(f"{host!r} is not a host name", exit_code=3)
    if isinstance(found[0], OSError):
        raise found[0]
    return list(found[0])
