"""Servers that mean harm, each made from a seed: the same seed is the same server.

They begin as the self-test's stand-ins do, so that what is broken lies behind every step of a
protocol and not only in its first bytes.
"""

from __future__ import annotations

import asyncio
import functools
import random
import ssl
import zlib
from collections.abc import Callable, Sequence

from k8sext import registry
from k8sext.model.words import Status
from k8sext.selftest.case import SelftestCase
from k8sext.selftest.cases import CASES
from k8sext.selftest.servers import CHUNK, ESCAPES, Peer, Talk

EDGES = (0, 1, 0x0A, 0x0D, 0x1B, 0x7F, 0x80, 0x9B, 0xFB, 0xFE, 0xFF)
WORDS = (
    b"\x00" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"-1", b"1e999",
    b"NaN", b"null", b"[" * 3000, b"{}", b'"\\ud800"', b"\r\n\r\n", b"$-2\r\n", b"9" * 5000,
    ESCAPES.encode(), "\u2028\u202e\ufeff".encode(), b"%s%n", b"\xc3\x28",
)  # fmt: skip
LENGTHS = (b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\xff\xff\xff")
SQUEEZED = 64 << 20  # bytes that a bomb becomes, at least four times what any check reads


def good(protocol: str) -> list[SelftestCase]:
    """The stand-ins of a protocol that are well: what is broken begins with one of them."""
    fine = (Status.PASS, Status.WARN)
    return [c for c in CASES if c.protocol == protocol and c.want.status in fine and c.talk]


def protocols() -> list[str]:
    """Those that have a stand-in to begin with."""
    return [name for name in registry.wire_checks() if good(name)]


def broken(dice: random.Random, whole: bytes) -> bytes:
    """Bytes cut, doubled, flipped, grown by words that parsers trip over, or quite others."""
    data = bytearray(whole)
    kind = dice.randrange(7)
    if kind == 0 or not data:
        return dice.randbytes(dice.randrange(300))
    at = dice.randrange(len(data))
    if kind == 1:
        return bytes(data[:at])
    if kind == 2:
        return bytes(data[:at] + data[dice.randrange(len(data)) :])
    if kind == 3:
        return bytes(data[:at]) + dice.choice(WORDS) + bytes(data[at:])
    if kind == 4:
        word = dice.choice(WORDS)
        return bytes(data[:at]) + word + bytes(data[at + len(word) :])
    if kind == 5:
        return bytes(data) + bytes(data[at:]) * dice.randrange(1, 40)
    for _ in range(dice.randrange(1, 9)):
        byte = dice.choice((*EDGES, dice.randrange(256)))
        data[dice.randrange(len(data))] = byte
    return bytes(data)


def _wrapped(talk: Talk, change: Callable[[bytes], bytes]) -> Talk:
    """A stand-in all of whose words are changed."""

    async def changed(peer: Peer) -> None:
        send = peer.send

        async def other(data: bytes) -> None:
            await send(change(data))

        peer.send = other  # type: ignore[method-assign]
        try:
            await talk(peer)
        except (ValueError, LookupError, TypeError, AssertionError, ArithmeticError):
            pass  # the client answered what it was not asked: the stand-in is lost as well

    return changed


def mutant(case: SelftestCase, seed: int) -> Talk:
    """Each thing that it says is broken, or not: so some are broken early, and some late."""
    dice = random.Random(seed)
    share = dice.choice((0.05, 0.2, 0.5, 1.0))
    assert case.talk
    return _wrapped(case.talk, lambda d: broken(dice, d) if dice.random() < share else d)


# -- floods, drips, bombs -------------------------------------------------------------------------


def heavy(case: SelftestCase, seed: int) -> Talk:
    """One that sends without an end, byte by byte, or little that becomes much."""
    dice = random.Random(seed)
    kinds = (_flood, _drip, _length, _bomb, _heads, _chunks)
    assert case.talk
    return kinds[seed % len(kinds)](case.talk, dice)


def _after_some(talk: Talk, count: int, then: Callable[[Peer, bytes], object]) -> Talk:
    """The stand-in, and from its `count`th word on `then`."""

    async def changed(peer: Peer) -> None:
        send, left = peer.send, [count]

        async def other(data: bytes) -> None:
            if left[0] <= 0:
                await then(peer, data)  # type: ignore[misc]
                raise EOFError
            left[0] -= 1
            await send(data)

        peer.send = other  # type: ignore[method-assign]
        peer.raw = send  # type: ignore[attr-defined]
        await talk(peer)

    return changed


def _flood(talk: Talk, dice: random.Random) -> Talk:
    again = dice.choice((b"A", b"\n", b"x: y\r\n", b"\x00", dice.randbytes(7), ESCAPES.encode()))

    async def then(peer: Peer, data: bytes) -> None:
        await peer.raw(data[: dice.randrange(len(data) + 1)])  # type: ignore[attr-defined]
        chunk = again * (CHUNK // len(again))
        while True:
            await peer.raw(chunk)  # type: ignore[attr-defined]

    return _after_some(talk, dice.randrange(4), then)


def _drip(talk: Talk, dice: random.Random) -> Talk:
    async def then(peer: Peer, data: bytes) -> None:
        for byte in data * 20:
            await peer.raw(bytes([byte]))  # type: ignore[attr-defined]
            await asyncio.sleep(0.02)

    return _after_some(talk, dice.randrange(3), then)


def _length(talk: Talk, dice: random.Random) -> Talk:
    """Somewhere a length says that gigabytes follow, and then they do."""

    async def then(peer: Peer, data: bytes) -> None:
        changed = bytearray(data)
        at = dice.randrange(max(1, len(changed) - 4))
        changed[at : at + 4] = dice.choice(LENGTHS)
        await peer.raw(bytes(changed))  # type: ignore[attr-defined]
        while True:
            await peer.raw(dice.randbytes(CHUNK))  # type: ignore[attr-defined]

    return _after_some(talk, dice.randrange(4), then)


def _answer(head: bytes, body: bytes) -> Talk:
    """HTTP: the same answer to every request of a connection."""

    async def talk(peer: Peer) -> None:
        while True:
            await peer.until(b"\r\n\r\n")
            await peer.send(head + body)

    return talk


@functools.cache
def _squeezed(word: bytes, name: str) -> bytes:
    """Bit by bit: it is ourselves whose memory is looked at."""
    squeeze = zlib.compressobj(1, zlib.DEFLATED, 31 if name == "gzip" else 15)
    part = word * ((1 << 20) // len(word))
    parts = [squeeze.compress(part) for _ in range(SQUEEZED >> 20)]
    return b"".join((*parts, squeeze.flush()))


def _bomb(_talk: Talk, dice: random.Random) -> Talk:
    word = dice.choice((b"0", b"[", b'{"a":', b" ", b"\x1b[2J"))
    name = dice.choice(("gzip", "deflate"))
    body = _squeezed(word, name)
    kind = dice.choice(("application/json", "text/html", "text/plain"))
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Encoding: {name}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return _answer(head.encode(), body)


def _heads(_talk: Talk, dice: random.Random) -> Talk:
    """Heads without an end: of lines, of one line, of answers that come before the answer."""
    line = dice.choice((b"X-A: b\r\n", b"X-" + b"a" * 999, b"HTTP/1.1 100 Continue\r\n\r\n"))

    async def talk(peer: Peer) -> None:
        await peer.some()
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await peer.send(line * (CHUNK // len(line)))

    return talk


def _chunks(_talk: Talk, dice: random.Random) -> Talk:
    """Chunks without an end, or of sizes that nobody can mean."""
    size = dice.choice((b"1", b"-1", b"ffffffffffffffff", b"0x10", b"1;" + b"e" * 5000, b"\xff"))

    async def talk(peer: Peer) -> None:
        await peer.some()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await peer.send((size + b"\r\nA\r\n") * 1000)

    return talk


# -- ends of TLS ----------------------------------------------------------------------------------


def hostile_tls(seed: int, context: ssl.SSLContext, before: bytes = b"") -> Talk:
    """A server whose TLS goes wrong after the client's first words; `before` agrees to TLS."""
    dice = random.Random(seed)
    kinds = (_alert, _broken_flight, _noise, _stops, _records, _then_broken)
    kind = kinds[seed % len(kinds)]

    async def talk(peer: Peer) -> None:
        hello = await peer.some()
        if before:
            await peer.send(before)
            hello = await peer.some()
        await kind(peer, dice, hello, context)
        await peer.until_gone()

    return talk


async def _alert(peer: Peer, dice: random.Random, *_: object) -> None:
    level, what = dice.choice((1, 2, 0, 255)), dice.randrange(256)
    await peer.send(bytes((21, 3, dice.choice((0, 1, 3, 9)), 0, 2, level, what)))


def _flight(context: ssl.SSLContext, hello: bytes) -> tuple[bytes, ssl.SSLObject, ssl.MemoryBIO]:
    """What a real server answers to a ClientHello."""
    come, go = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(come, go, server_side=True)
    come.write(hello)
    try:
        server.do_handshake()
    except ssl.SSLError:
        pass  # it wants more, or does not like what it got
    return go.read(), server, come


async def _broken_flight(
    peer: Peer, dice: random.Random, hello: bytes, context: ssl.SSLContext
) -> None:
    await peer.send(broken(dice, _flight(context, hello)[0]))


async def _noise(peer: Peer, dice: random.Random, *_: object) -> None:
    plain = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    await peer.send(dice.choice((dice.randbytes(900), plain, b"\n" * 99)))


async def _stops(peer: Peer, dice: random.Random, hello: bytes, context: ssl.SSLContext) -> None:
    flight = _flight(context, hello)[0]
    await peer.send(flight[: dice.randrange(len(flight) + 1)])
    if dice.random() < 0.5:
        peer.reset()
    else:
        peer.writer.write_eof()


async def _records(peer: Peer, dice: random.Random, *_: object) -> None:
    """Records of a handshake without an end, each as long as it may be, or longer."""
    length = dice.choice((0, 1, 16384, 16640, 65535))
    record = bytes((dice.choice((22, 23, 20, 24)), 3, 3)) + length.to_bytes(2, "big")
    body = dice.choice((bytes(length), b"\x0b\xff\xff\xff" + bytes(max(length - 4, 0))))
    while True:
        await peer.send((record + body) * 4)


async def _then_broken(
    peer: Peer, dice: random.Random, hello: bytes, context: ssl.SSLContext
) -> None:
    """The handshake is good, and what follows is not."""
    flight, _, _ = _flight(context, hello)
    await peer.send(flight)
    await peer.some()
    await peer.send(bytes((23, 3, 3)) + (400).to_bytes(2, "big") + dice.randbytes(400))


BEFORE: dict[str, bytes] = {"postgresql": b"S"}
# Where TLS is asked for within the protocol in more words than one, it is begun at once here.
TLS_PROTOCOLS: Sequence[str] = (
    "https", "redis", "rabbitmq", "elasticsearch", "postgresql", "grafana",
)  # fmt: skip
