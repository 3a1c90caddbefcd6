"""SCRAM-SHA-256, the client's side, with and without channel binding.

RFC 5802, RFC 7677; `tls-server-end-point`: RFC 5929 section 4; passwords: RFC 4013 (SASLprep).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from k8sext.agent.fault import Fault
from k8sext.model.words import Reason

from .rsa import der_inside

PLAIN, PLUS = "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"
MAX_ROUNDS = 600_000  # about half a second; PostgreSQL's own default is 4096
QUICK_ROUNDS = 20_000  # more are computed beside the event loop

# The hash of a certificate's signature algorithm by the OID's DER bytes (RFC 8017 appendix C,
# RFC 5758 section 3.2). MD5 and SHA-1 become SHA-256 (RFC 5929).
_RSA = "2a864886f70d0101"
_ECDSA = "2a8648ce3d04"
_HASHES = {
    f"{_RSA}04": "sha256", f"{_RSA}05": "sha256", f"{_RSA}0e": "sha224", f"{_RSA}0b": "sha256",
    f"{_RSA}0c": "sha384", f"{_RSA}0d": "sha512", f"{_ECDSA}01": "sha256",
    f"{_ECDSA}0301": "sha224", f"{_ECDSA}0302": "sha256", f"{_ECDSA}0303": "sha384",
    f"{_ECDSA}0304": "sha512",
}  # fmt: skip


class Scram:
    """One login. `endpoint` is the `tls-server-end-point` value and makes it a bound one.

    `encrypted` without `endpoint` says that binding was possible and not offered (flag `y`), so
    that a server which did offer it notices who took the offer away.
    """

    def __init__(self, password: str, *, encrypted: bool = False, endpoint: bytes = b"") -> None:
        self.password = prepared(password).encode()
        self.nonce = base64.b64encode(secrets.token_bytes(18)).decode()
        self.header = "p=tls-server-end-point,," if endpoint else "y,," if encrypted else "n,,"
        self.binding = base64.b64encode(self.header.encode() + endpoint).decode()
        self.first_bare = f"n=,r={self.nonce}"
        self.server_signature = b""

    def first(self) -> bytes:
        """client-first-message; the user is known from elsewhere."""
        return f"{self.header}{self.first_bare}".encode()

    async def final(self, server_first: str) -> bytes:
        """client-final-message. Raises Fault for an answer that is not SCRAM's."""
        salt, rounds, nonce = self._challenge(server_first)
        args = ("sha256", self.password, salt, rounds)
        if rounds > QUICK_ROUNDS:
            import asyncio  # not needed to list the checks

            salted = await asyncio.to_thread(hashlib.pbkdf2_hmac, *args)
        else:
            salted = hashlib.pbkdf2_hmac(*args)
        without_proof = f"c={self.binding},r={nonce}"
        message = f"{self.first_bare},{server_first},{without_proof}".encode()
        client_key = _hmac(salted, b"Client Key")
        signature = _hmac(hashlib.sha256(client_key).digest(), message)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self.server_signature = _hmac(_hmac(salted, b"Server Key"), message)
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def _challenge(self, server_first: str) -> tuple[bytes, int, str]:
        try:
            parts = dict(p.split("=", 1) for p in server_first.split(","))
            salt, rounds, nonce = (
                base64.b64decode(parts["s"], validate=True),
                int(parts["i"]),
                parts["r"],
            )
        except (ValueError, KeyError) as error:
            raise Fault(Reason.WRONG_PROTOCOL, "not a SCRAM challenge") from error
        if not nonce.startswith(self.nonce) or not 1 <= rounds <= MAX_ROUNDS:
            raise Fault(Reason.WRONG_PROTOCOL, "a SCRAM challenge that is not an answer to ours")
        return salt, rounds, nonce

    def check(self, server_final: str) -> None:
        """The server must know the password too. Raises Fault (WRONG_PRODUCT)."""
        expected = "v=" + base64.b64encode(self.server_signature).decode()
        given = server_final.split(",")[0]
        if not hmac.compare_digest(given.encode(errors="replace"), expected.encode()):
            raise Fault(Reason.WRONG_PRODUCT, "the server does not know the password itself")


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def end_point(certificate: bytes) -> bytes:
    """The `tls-server-end-point` value of a certificate (DER); b"" where its signature algorithm
    has no hash of its own (Ed25519, RSA-PSS), so that no binding is possible.
    """
    try:
        outer, _ = der_inside(certificate, 0x30)
        _, rest = der_inside(outer, 0x30)  # what is signed
        algorithm, _ = der_inside(rest, 0x30)
        oid, _ = der_inside(algorithm, 0x06)
    except ValueError:
        return b""
    name = _HASHES.get(oid.hex())
    return hashlib.new(name, certificate).digest() if name else b""


def prepared(password: str) -> str:
    """SASLprep; the password as it is where that forbids it (as PostgreSQL does on both sides)."""
    if password.isascii():
        return password
    # Rarely needed, and 0.3 MB of tables on a slim image.
    import stringprep as table
    import unicodedata

    mapped = "".join(
        " " if table.in_table_c12(c) else c for c in password if not table.in_table_b1(c)
    )
    text = unicodedata.normalize("NFKC", mapped)
    forbidden = (
        table.in_table_c12, table.in_table_c21_c22, table.in_table_c3, table.in_table_c4,
        table.in_table_c5, table.in_table_c6, table.in_table_c7, table.in_table_c8,
        table.in_table_c9, table.in_table_a1,
    )  # fmt: skip
    if not text or any(check(c) for c in text for check in forbidden):
        return password
    right_to_left = [table.in_table_d1(c) for c in text]
    if any(right_to_left):
        mixed = any(table.in_table_d2(c) for c in text)
        if mixed or not (right_to_left[0] and right_to_left[-1]):
            return password
    return text
