"""A DNS server on loopback that answers as a test tells it, over UDP and TCP on one port."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from k8sext.agent.net.resolver import AAAA, CNAME, A, Config

Record = tuple[str, int, bytes]  # owner, type, data
_END = b"end"


@dataclass(frozen=True)
class Asked:
    """One question."""

    name: str
    kind: int
    tcp: bool
    packet: bytes

    def reply(
        self,
        *records: Record,
        rcode: int = 0,
        truncated: bool = False,
        number: int | None = None,
        question: bytes | None = None,
    ) -> bytes:
        """A response to it."""
        own = int.from_bytes(self.packet[:2]) if number is None else number
        flags = 0x8180 | rcode | (0x0200 if truncated else 0)
        asked = self.packet[12:] if question is None else question
        head = struct.pack("!6H", own, flags, 1, len(records), 0, 0)
        return head + asked + b"".join(_record(*r) for r in records)


Script = Callable[[Asked], list[bytes]]


@dataclass
class Nameserver:
    """What it was asked, in order, and how to reach it."""

    port: int
    asked: list[tuple[str, int, bool]] = field(default_factory=list[tuple[str, int, bool]])

    def config(self, *search: str, ndots: int = 1, timeout_s: float = 5.0) -> Config:
        """A resolver's configuration that leads here."""
        return Config(("127.0.0.1",), search, ndots, timeout_s, (), self.port)

    def names(self) -> list[str]:
        """The names that were asked for, each once, in order."""
        return list(dict.fromkeys(name for name, _, _ in self.asked))


def name(text: str) -> bytes:
    """A name as it goes over the wire."""
    return b"".join(bytes([len(x)]) + x.encode() for x in text.split(".") if x) + b"\0"


def a(owner: str, address: str) -> Record:
    """An address record, of either family."""
    if ":" in address:
        return owner, AAAA, socket.inet_pton(socket.AF_INET6, address)
    return owner, A, socket.inet_aton(address)


def cname(owner: str, target: str) -> Record:
    """An alias."""
    return owner, CNAME, name(target)


def _record(owner: str, kind: int, data: bytes) -> bytes:
    return name(owner) + struct.pack("!HHIH", kind, 1, 30, len(data)) + data


@contextmanager
def serve(script: Script, address: str = "127.0.0.1", port: int = 0) -> Generator[Nameserver]:
    """Run it; the script gives the packets that go back to each question."""
    udp, listener = _sockets(address, port)
    here = Nameserver(int(udp.getsockname()[1]))
    with udp, listener:
        threads = [
            threading.Thread(target=work, args=(here, on, script), daemon=True)
            for work, on in ((_over_udp, udp), (_over_tcp, listener))
        ]
        for thread in threads:
            thread.start()
        try:
            yield here
        finally:
            udp.sendto(_END, (address, here.port))
            socket.create_connection((address, here.port)).close()
            for thread in threads:
                thread.join(5)


def _sockets(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Both on one port: one that is free for TCP may be taken for UDP."""
    for _ in range(20):
        listener = socket.create_server((address, port))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(listener.getsockname())
            return udp, listener
        except OSError:
            udp.close()
            listener.close()
    raise AssertionError("no port is free for both")


def _over_udp(here: Nameserver, udp: socket.socket, script: Script) -> None:
    while True:
        packet, peer = udp.recvfrom(4096)
        if packet == _END:
            return
        for answer in script(_read(here, packet, tcp=False)):
            udp.sendto(answer, peer)


def _over_tcp(here: Nameserver, listener: socket.socket, script: Script) -> None:
    while True:
        connection, _ = listener.accept()
        with connection:
            packet = connection.recv(4096)[2:]
            if not packet:
                return
            for answer in script(_read(here, packet, tcp=True)):
                connection.sendall(struct.pack("!H", len(answer)) + answer)


def _read(here: Nameserver, packet: bytes, *, tcp: bool) -> Asked:
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1 : at + 1 + packet[at]].decode())
        at += 1 + packet[at]
    asked = Asked(".".join(labels), int.from_bytes(packet[at + 1 : at + 3]), tcp, packet)
    here.asked.append((asked.name, asked.kind, tcp))
    return asked
