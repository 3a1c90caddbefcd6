"""Throw-away certificates for the self-test, without any tool or library: NEVER for anything else.

Elliptic curve P-256 (SEC 2, FIPS 186-4 appendix D.1.2.3), ECDSA with SHA-256 (FIPS 186-4 section
6.4), X.509 (RFC 5280), written as DER (X.690). Plain integers, not in constant time: whoever can
measure this process can read its memory. The keys live as long as the self-test runs.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from typing import TypeAlias

from k8sext.model.data import dataclass

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
BASE_X = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
BASE_Y = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5
Point: TypeAlias = tuple[int, int, int]  # Jacobian: x / z², y / z³; z = 0 is the neutral point

DAY = 86400
OIDS = {
    "ecPublicKey": "2a8648ce3d0201", "P-256": "2a8648ce3d030107",
    "ecdsa-sha256": "2a8648ce3d040302",
    "commonName": "550403", "subjectAltName": "551d11", "basicConstraints": "551d13",
    "keyUsage": "551d0f", "subjectKey": "551d0e", "authorityKey": "551d23",
}  # fmt: skip


# -- the curve -----------------------------------------------------------------------------------


def _double(a: Point) -> Point:
    x, y, z = a
    square = y * y % P
    s = 4 * x * square % P
    m = 3 * (x - z * z) * (x + z * z) % P  # the curve's a is -3
    x3 = (m * m - 2 * s) % P
    return x3, (m * (s - x3) - 8 * square * square) % P, 2 * y * z % P


def _add(a: Point, b: Point) -> Point:
    if not a[2] or not b[2]:
        return b if not a[2] else a
    z1, z2 = a[2] * a[2] % P, b[2] * b[2] % P
    u, s = a[0] * z2 % P, a[1] * b[2] * z2 % P
    h, r = (b[0] * z1 - u) % P, (b[1] * a[2] * z1 - s) % P
    if not h:
        return (1, 1, 0) if r else _double(a)
    cube, v = h * h * h % P, u * h * h % P
    x3 = (r * r - cube - 2 * v) % P
    return x3, (r * (v - x3) - s * cube) % P, h * a[2] * b[2] % P


def times(scalar: int) -> tuple[int, int]:
    """`scalar` times the base point; its two coordinates."""
    out: Point = (1, 1, 0)
    for bit in f"{scalar:b}":
        out = _double(out)
        if bit == "1":
            out = _add(out, (BASE_X, BASE_Y, 1))
    inverse = pow(out[2], -1, P)
    return out[0] * inverse**2 % P, out[1] * inverse**3 % P


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key and its public point (65 bytes, uncompressed)."""

    number: int
    public: bytes

    @classmethod
    def make(cls) -> KeyPair:
        """A fresh one."""
        number = 1 + secrets.randbelow(ORDER - 1)
        x, y = times(number)
        return cls(number, b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big"))

    def sign(self, data: bytes) -> bytes:
        """An ECDSA signature with SHA-256, in DER."""
        digest = int.from_bytes(hashlib.sha256(data).digest(), "big")
        r = s = 0
        while not r or not s:  # zero comes up once in 2**256
            k = 1 + secrets.randbelow(ORDER - 1)
            r = times(k)[0] % ORDER
            s = pow(k, -1, ORDER) * (digest + r * self.number) % ORDER
        return _sequence(_integer(r), _integer(s))

    @property
    def identifier(self) -> bytes:
        """What certificates call it (RFC 5280 section 4.2.1.2)."""
        return hashlib.sha1(self.public, usedforsecurity=False).digest()

    @property
    def pem(self) -> str:
        """For ssl (RFC 5915)."""
        curve = _tagged(0xA0, _oid("P-256"))
        public = _tagged(0xA1, _bits(self.public))
        secret = _tagged(4, self.number.to_bytes(32, "big"))
        return _pem("EC PRIVATE KEY", _sequence(_integer(1), secret, curve, public))


# -- certificates --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA of its own: `pem` is what makes a client trust it."""

    name: str
    key: KeyPair
    pem: str

    @classmethod
    def make(cls, name: str) -> Authority:
        """Signed by itself, valid for a day on either side of now."""
        key = KeyPair.make()
        extensions = (
            _extension("basicConstraints", _sequence(_tagged(1, b"\xff")), critical=True),
            _extension("keyUsage", b"\x03\x02\x01\x06", critical=True),  # signs certificates, CRLs
            _extension("subjectKey", _tagged(4, key.identifier)),
        )
        body = _body(name, name, key, (-1, 1), extensions)
        return cls(name, key, _pem("CERTIFICATE", _signed(body, key)))

    def issue(self, key: KeyPair, alternative: str, begins: float = -1, ends: float = 365) -> str:
        """A server's certificate (PEM) for one DNS name, valid from and to days from now."""
        extensions = (
            _extension("subjectAltName", _sequence(_tagged(0x82, alternative.encode("ascii")))),
            _extension("subjectKey", _tagged(4, key.identifier)),
            _extension("authorityKey", _sequence(_tagged(0x80, self.key.identifier))),
        )
        body = _body("a stand-in of k8sext selftest", self.name, key, (begins, ends), extensions)
        return _pem("CERTIFICATE", _signed(body, self.key))


def _body(
    subject: str,
    issuer: str,
    key: KeyPair,
    days: tuple[float, float],
    extensions: tuple[bytes, ...],
) -> bytes:
    algorithm = _sequence(_oid("ecPublicKey"), _oid("P-256"))
    return _sequence(
        _tagged(0xA0, _integer(2)),  # version 3
        _integer(secrets.randbits(120) + 1),
        _sequence(_oid("ecdsa-sha256")),
        _name(issuer),
        _sequence(*map(_time, days)),
        _name(subject),
        _sequence(algorithm, _bits(key.public)),
        _tagged(0xA3, _sequence(*extensions)),
    )


def _signed(body: bytes, key: KeyPair) -> bytes:
    return _sequence(body, _sequence(_oid("ecdsa-sha256")), _bits(key.sign(body)))


def _extension(name: str, value: bytes, *, critical: bool = False) -> bytes:
    flag = _tagged(1, b"\xff") if critical else b""
    return _sequence(_oid(name), flag, _tagged(4, value))


def _name(common: str) -> bytes:
    return _sequence(_tagged(0x31, _sequence(_oid("commonName"), _tagged(0x0C, common.encode()))))


def _time(days: float) -> bytes:
    """GeneralizedTime from 2050 on, UTCTime before (RFC 5280 section 4.1.2.5)."""
    moment = time.gmtime(time.time() + days * DAY)
    text = time.strftime("%Y%m%d%H%M%SZ", moment)
    return (
        _tagged(0x18, text.encode()) if moment.tm_year >= 2050 else _tagged(0x17, text[2:].encode())
    )


# -- DER -----------------------------------------------------------------------------------------


def _tagged(tag: int, data: bytes) -> bytes:
    if len(data) < 0x80:
        return bytes([tag, len(data)]) + data
    size = len(data).to_bytes((len(data).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + data


def _sequence(*parts: bytes) -> bytes:
    return _tagged(0x30, b"".join(parts))


def _integer(value: int) -> bytes:
    return _tagged(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))  # never looks negative


def _bits(data: bytes) -> bytes:
    return _tagged(3, b"\0" + data)


def _oid(name: str) -> bytes:
    return _tagged(6, bytes.fromhex(OIDS[name]))


def _pem(kind: str, data: bytes) -> str:
    lines = base64.encodebytes(data).decode()
    return f"-----BEGIN {kind}-----\n{lines}-----END {kind}-----\n"
