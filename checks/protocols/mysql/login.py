"""The login methods of MySQL and MariaDB, the client's side.

Facts: MySQL internals "Authentication Method", MariaDB documentation of client_ed25519 and PARSEC.
"""

from __future__ import annotations

import hashlib
import secrets

from k8sext.agent.fault import Fault
from k8sext.agent.login.rsa import TooLong, encrypt_oaep
from k8sext.model.words import Reason

from . import ed25519

NATIVE, CACHING, SHA256, CLEAR, DIALOG, ED25519, PARSEC = (
    "mysql_native_password", "caching_sha2_password", "sha256_password", "mysql_clear_password",
    "dialog", "client_ed25519", "parsec",
)  # fmt: skip


class Methods:
    """What to say to a server that asks for `password` by one method or another."""

    def __init__(self, password: str, *, encrypted: bool) -> None:
        self.password = password.replace("\0", "").encode("utf-8", "replace")
        self.encrypted = encrypted
        self.awaits_key = False  # the server's RSA key was asked for, the password not sent yet

    @property
    def _clear(self) -> bytes:
        return self.password + b"\0"

    def first(self, plugin: str, salt: bytes) -> bytes:
        """The answer that goes with the login itself: by `caching_sha2_password` or the native
        method.
        """
        mix = sha2_password if plugin == CACHING else native_password
        return mix(self.password, salt)

    async def answer(self, plugin: str, salt: bytes, packet: bytes) -> bytes | None:
        """The answer to a switch to `plugin`, or to more of it; None: only wait.

        Raises Fault: AUTH_METHOD_UNSUPPORTED, or WRONG_PROTOCOL for what the method never says.
        """
        switched = packet[:1] == b"\xfe"
        self.awaits_key = False
        if not switched and packet[:1] != b"\x01" and plugin not in (PARSEC, DIALOG):
            raise Fault(Reason.WRONG_PROTOCOL, "the answer to the login is none of MySQL's")
        if plugin == NATIVE and switched:
            return native_password(self.password, salt)
        if plugin == CACHING:
            return sha2_password(self.password, salt) if switched else self._full(packet[1:], salt)
        if plugin == SHA256:
            return self._sha256() if switched else self._by_key(packet[1:], salt)
        if plugin == ED25519 and switched:
            return ed25519_password(self.password, salt)
        if plugin == PARSEC:
            return b"" if switched else await self._parsec(salt, packet.removeprefix(b"\x01"))
        if plugin in (CLEAR, DIALOG) and self.encrypted:
            return self._clear
        clear = plugin in (CLEAR, DIALOG)
        why = "would send the password in clear" if clear else "is not one that k8sext speaks"
        text = f"login method {plugin or 'mysql_old_password'} {why}"
        raise Fault(Reason.AUTH_METHOD_UNSUPPORTED, text, plugin=plugin)

    def _full(self, data: bytes, salt: bytes) -> bytes | None:
        """caching_sha2: 3 the fast way worked, 4 in full: in clear inside TLS, else by RSA."""
        if data == b"\x03":
            return None
        if data == b"\x04":
            return self._clear if self.encrypted else self._key_please(b"\x02")
        return self._by_key(data, salt)

    def _sha256(self) -> bytes:
        """In clear inside TLS, else a request for the server's key; no password: none."""
        known = self.encrypted or not self.password
        return self._clear if known else self._key_please(b"\x01")

    def _key_please(self, request: bytes) -> bytes:
        self.awaits_key = True
        return request

    def _by_key(self, data: bytes, salt: bytes) -> bytes:
        secret = self._clear
        mixed = bytes(c ^ salt[i % len(salt)] for i, c in enumerate(secret)) if salt else secret
        try:
            return encrypt_oaep(data.decode("ascii", "replace"), mixed)
        except TooLong as error:
            text = f"the password does not fit the server's RSA key ({error}): only TLS can send it"
            raise Fault(Reason.AUTH_METHOD_UNSUPPORTED, text) from error
        except ValueError as error:
            raise Fault(Reason.WRONG_PROTOCOL, f"a public key that is none: {error}") from error

    async def _parsec(self, salt: bytes, extended: bytes) -> bytes:
        try:
            import asyncio  # not needed to list the checks

            return await asyncio.to_thread(parsec_password, self.password, salt, extended)
        except ValueError as error:
            raise Fault(Reason.WRONG_PROTOCOL, str(error)) from error


def native_password(password: bytes, salt: bytes) -> bytes:
    """mysql_native_password: SHA1(p) xor SHA1(salt + SHA1(SHA1(p)))."""
    first = hashlib.sha1(password, usedforsecurity=False).digest()
    twice = hashlib.sha1(first, usedforsecurity=False).digest()
    mixed = hashlib.sha1(salt + twice, usedforsecurity=False).digest()
    return _xor(first, mixed) if password else b""


def sha2_password(password: bytes, salt: bytes) -> bytes:
    """caching_sha2_password, fast path: SHA256(p) xor SHA256(SHA256(SHA256(p)) + salt)."""
    first = hashlib.sha256(password).digest()
    mixed = hashlib.sha256(hashlib.sha256(first).digest() + salt).digest()
    return _xor(first, mixed) if password else b""


def ed25519_password(password: bytes, salt: bytes) -> bytes:
    """client_ed25519: the salt signed with SHA512(password) in the place of the expanded seed."""
    return ed25519.sign(salt, hashlib.sha512(password).digest())


def parsec_password(password: bytes, salt: bytes, extended: bytes) -> bytes:
    """parsec: both sides' salts signed with the key that PBKDF2 makes of the password.

    `extended` is 'P', the iterations' exponent above 10 and 18 bytes. Raises ValueError.
    """
    if len(extended) != 20 or extended[:1] != b"P" or extended[1] > 3 or len(salt) != 32:
        raise ValueError("no extended salt of parsec")
    rounds = 1024 << extended[1]
    seed = hashlib.pbkdf2_hmac("sha512", password, extended[2:], rounds, 32)
    ours = secrets.token_bytes(32)
    return ours + ed25519.sign(salt + ours, hashlib.sha512(seed).digest())


def _xor(one: bytes, two: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, two, strict=True))
