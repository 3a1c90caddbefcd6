"""A TLS client whose handshake can be looked into, whether it succeeds or not.

asyncio throws the SSL object of a failed handshake away, and with it the certificates, the alert
and the bytes that came. A context may name the class of its objects (`sslobject_class`), so ours
keeps them. Public since Python 3.7; the chain of an unverified peer is public since 3.13 and
`_sslobj`'s since 3.10.
"""

from __future__ import annotations

import gc
import itertools
import ssl
from typing import Any

from k8sext.agent.net.stream import FIRST_BYTES

HANDSHAKE, NEW_TICKET, CERTIFICATE_REQUEST = 22, 4, 13  # RFC 8446 section 4
MAX_CHAIN = 16
SWEEP_EACH = 50  # connections
_FORGOTTEN = itertools.count(1)


class LookedInto(ssl.SSLObject):
    """Passes on what arrives and keeps the first bytes of it."""

    def _arrived(self) -> None:
        context = self.context
        assert isinstance(context, TlsContext)
        data = context.arrived.read()
        if data:
            context.first_bytes = (context.first_bytes + data)[:FIRST_BYTES]
            context.passed_on.write(data)

    def do_handshake(self) -> None:
        """As SSLObject's."""
        self._arrived()
        super().do_handshake()

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        """As SSLObject's."""
        self._arrived()
        return super().read(len) if buffer is None else super().read(len, buffer)

    def unwrap(self) -> None:
        """As SSLObject's."""
        self._arrived()
        super().unwrap()


class TlsContext(ssl.SSLContext):
    """For one connection. The same settings on every Python: 3.13's defaults are others."""

    arrived: ssl.MemoryBIO
    passed_on: ssl.MemoryBIO
    handle: ssl.SSLObject | None = None
    first_bytes = b""
    asked_for_certificate = False
    let_in = False  # the server sent a session ticket: it is through with the client's flight

    @classmethod
    def make(cls, ca: str | None, *, verify: bool) -> TlsContext:
        """Trusts `ca` (PEM), else what the system trusts. Raises ssl.SSLError for a bad `ca`."""
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # names.py does, and says which names there are
        context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
        context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # OpenSSL's own list, as libpq and most drivers have it; Python's is narrower.
        context.set_ciphers("DEFAULT:@SECLEVEL=2")
        context.sslobject_class = LookedInto
        # Not public; without it nothing fails, and a sentence says less.
        context._msg_callback = context._message  # type: ignore[attr-defined]
        if ca:
            context.load_verify_locations(cadata=ca)
        elif verify:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return context

    def forget(self) -> None:
        """Let go of the connection, which holds this context in turn, unseen by Python's collector
        (Modules/_ssl.c, PySSL_traverse). asyncio's own circle (SSLProtocol) is left, and the
        collector counts objects where each is nearly a megabyte of authorities.
        """
        self.handle = None
        setattr(self, "_msg_callback", None)  # noqa: B010 - not public, see above
        if next(_FORGOTTEN) % SWEEP_EACH == 0:
            gc.collect()

    def _message(self, connection: Any, direction: str, version: Any, *about: Any) -> None:
        """Every TLS message: content type, message type, bytes."""
        if direction == "read" and about[0] == HANDSHAKE:
            self.asked_for_certificate |= about[1] == CERTIFICATE_REQUEST
            self.let_in |= about[1] == NEW_TICKET

    def wrap_bio(self, incoming: ssl.MemoryBIO, *args: Any, **options: Any) -> ssl.SSLObject:
        """As SSLContext's; what comes in goes through our hands."""
        self.arrived, self.passed_on = incoming, ssl.MemoryBIO()
        self.handle = super().wrap_bio(self.passed_on, *args, **options)
        return self.handle

    def chain(self) -> list[bytes]:
        """The certificates that the server sent, its own first; also after a failure."""
        return _certificates(self.handle, "get_unverified_chain")

    def verified_chain(self) -> list[bytes]:
        """From the server's certificate to the trusted one; [] where nothing was verified."""
        return _certificates(self.handle, "get_verified_chain")


def _certificates(handle: ssl.SSLObject | None, getter: str) -> list[bytes]:
    inner = getattr(handle, "_sslobj", None)
    get = getattr(inner, getter, None)
    if get is None:
        return []
    try:
        found = get() or ()
    except (ValueError, ssl.SSLError):  # the handshake did not get that far
        return []
    return [bytes(c.public_bytes(2)) for c in found[:MAX_CHAIN]]  # 2: _ssl.ENCODING_DER


def is_tls(first: bytes) -> bool:
    """Whether bytes begin as a TLS record does (RFC 8446 section 5.1): type, then version 3.x."""
    return not first or (20 <= first[0] <= 24 and (len(first) < 2 or first[1] == 3))
