"""Ed25519 signatures (RFC 8032 section 5.1), for MariaDB's `client_ed25519` and `parsec`.

Plain integers, a few milliseconds a signature, not in constant time: a probe signs one challenge
of a server, once, and nobody measures it.
"""

from __future__ import annotations

import hashlib
from typing import TypeAlias

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
BASE_Y = 4 * pow(5, -1, P) % P
BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202

Point: TypeAlias = tuple[int, int, int, int]  # extended coordinates X, Y, Z, T
BASE: Point = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def sign(message: bytes, expanded: bytes) -> bytes:
    """The signature (64 bytes) of `message`. `expanded` is SHA-512 of the secret: of the 32-byte
    seed in RFC 8032 and in parsec, of the whole password in `client_ed25519`.
    """
    scalar = int.from_bytes(expanded[:32], "little") & ((1 << 254) - 8) | 1 << 254
    public = _encoded(_times(scalar, BASE))
    r = _hashed(expanded[32:], message)
    first = _encoded(_times(r, BASE))
    return first + ((r + _hashed(first, public, message) * scalar) % ORDER).to_bytes(32, "little")


def _hashed(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % ORDER


def _times(scalar: int, point: Point) -> Point:
    total: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = _plus(total, point)
        point = _plus(point, point)
        scalar >>= 1
    return total


def _plus(one: Point, two: Point) -> Point:
    """Addition that also doubles (RFC 8032 section 5.1.4)."""
    a = (one[1] - one[0]) * (two[1] - two[0]) % P
    b = (one[1] + one[0]) * (two[1] + two[0]) % P
    c = 2 * one[3] * two[3] * D % P
    d = 2 * one[2] * two[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _encoded(point: Point) -> bytes:
    inverse = pow(point[2], -1, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")
