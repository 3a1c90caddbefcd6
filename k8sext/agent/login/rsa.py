"""RSA encryption with a public key in PEM form: all that a MySQL login without TLS needs.

OAEP: RFC 8017 section 7.1.1 with SHA-1 and MGF1; SubjectPublicKeyInfo: RFC 5280 section 4.1.
"""

from __future__ import annotations

import base64
import hashlib
import secrets


class TooLong(ValueError):
    """The message has more bytes than the key can encrypt; the text has neither."""


def encrypt_oaep(pem: str, message: bytes) -> bytes:
    """`message` for the key's holder. Raises ValueError for a key or size that does not fit."""
    modulus, exponent = read_key(pem)
    size = (modulus.bit_length() + 7) // 8
    block = _pad(message, size)
    return pow(int.from_bytes(block), exponent, modulus).to_bytes(size)


def read_key(pem: str) -> tuple[int, int]:
    """Modulus and exponent of a `PUBLIC KEY` block."""
    lines = [x.strip() for x in pem.splitlines() if x.strip() and "-----" not in x]
    outer = der_inside(base64.b64decode("".join(lines), validate=True), 0x30)[0]
    _, rest = der_inside(outer, 0x30)
    bits, _ = der_inside(rest, 0x03)
    key, _ = der_inside(bits[1:], 0x30)
    modulus, rest = der_inside(key, 0x02)
    exponent, _ = der_inside(rest, 0x02)
    n, e = int.from_bytes(modulus), int.from_bytes(exponent)
    if not 512 <= n.bit_length() <= 16384 or not 2 < e < 1 << 33:
        raise ValueError("not an RSA key of a usual size")
    return n, e


def der_inside(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """The content of one DER element, and what follows it."""
    if len(data) < 2 or data[0] != tag:
        raise ValueError("not the expected DER element")
    length, at = data[1], 2
    if length & 0x80:
        width = length & 0x7F
        length, at = int.from_bytes(data[2 : 2 + width]), 2 + width
    return data[at : at + length], data[at + length :]


def _pad(message: bytes, size: int) -> bytes:
    empty = hashlib.sha1(b"", usedforsecurity=False).digest()
    room = size - 2 * len(empty) - 2
    if len(message) > room:
        raise TooLong(f"{room} bytes at most")
    body = empty + b"\0" * (room - len(message)) + b"\x01" + message
    seed = secrets.token_bytes(len(empty))
    masked = _xor(body, _mask(seed, len(body)))
    return b"\0" + _xor(seed, _mask(masked, len(seed))) + masked


def _mask(seed: bytes, length: int) -> bytes:
    out = b""
    counter = 0
    while len(out) < length:
        out += hashlib.sha1(seed + counter.to_bytes(4), usedforsecurity=False).digest()
        counter += 1
    return out[:length]


def _xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))
