"""The stand-in's MySQL: whether it is there is asked of a real one, where one is given."""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
import time


class Database:
    """The admin's MySQL: one connection, logged in to the schema, asked before each use.

    The native password only (protocol: dev.mysql.com, page "Protocol::HandshakeV10").
    """

    def __init__(
        self, host: str, port: int, user: str = "", password: str = "", schema: str = "xxl_job"
    ) -> None:
        self.where = (host, port)
        self.user, self.password, self.schema = user, password, schema
        self.socket: socket.socket | None = None
        self.ever = False
        self.lock = threading.Lock()

    def ask(self, wait_s: float) -> None:
        """Raises OSError with the reason where it does not answer. A pool that had a connection
        waits for another one; one that never had any fails at once.
        """
        give_up = time.monotonic() + (wait_s if self.ever else 0)
        while True:
            try:
                with self.lock:
                    return self._ping()
            except OSError:
                self._drop()
                if time.monotonic() >= give_up:
                    raise
            time.sleep(0.2)

    def _ping(self) -> None:
        if self.socket is None:
            self.socket = self._login()
            self.ever = True
        _packet(self.socket, 0, b"\x0e")  # COM_PING
        _read(self.socket)

    def _drop(self) -> None:
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    def _login(self) -> socket.socket:
        made = socket.create_connection(self.where, timeout=2)
        try:
            made.sendall(self._answer(_read(made)))
            switch = _read(made)
            if switch[:1] == b"\xfe":  # another plug-in than the greeting named
                seed = switch.split(b"\0")[1] if b"\0" in switch else b""
                _packet(made, 3, _native(self.password, seed))
                _read(made)
        except BaseException:
            made.close()
            raise
        return made

    def _answer(self, greeting: bytes) -> bytes:
        version_ends = greeting.index(b"\0", 1)
        first = greeting[version_ends + 5 : version_ends + 13]
        second = greeting[version_ends + 13 + 19 : version_ends + 13 + 19 + 12]
        flags = 0x1 | 0x8 | 0x200 | 0x8000 | 0x80000  # long password, schema, 4.1, secure, plug-in
        proof = _native(self.password, first + second)
        said = struct.pack("<IIB23x", flags, 1 << 24, 45) + self.user.encode() + b"\0"
        said += bytes([len(proof)]) + proof + self.schema.encode() + b"\0"
        said += b"mysql_native_password\0"
        return struct.pack("<I", len(said))[:3] + b"\x01" + said


def _native(password: str, seed: bytes) -> bytes:
    if not password:
        return b""
    once = hashlib.sha1(password.encode()).digest()
    twice = hashlib.sha1(once).digest()
    mixed = hashlib.sha1(seed[:20] + twice).digest()
    return bytes(a ^ b for a, b in zip(once, mixed, strict=True))


def _packet(to: socket.socket, number: int, body: bytes) -> None:
    to.sendall(struct.pack("<I", len(body))[:3] + bytes([number]) + body)


def _read(source: socket.socket) -> bytes:
    """One packet of the server's; OSError for its error packet."""
    head = _exactly(source, 4)
    body = _exactly(source, int.from_bytes(head[:3], "little"))
    if body[:1] == b"\xff":
        raise OSError(body[3:].decode("utf-8", "replace").lstrip("#"))
    return body


def _exactly(source: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        some = source.recv(count - len(data))
        if not some:
            raise OSError("the server closed the connection")
        data += some
    return data
