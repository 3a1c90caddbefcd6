"""Client certificates: a pair from a Secret, loaded without leaving a key on any disk."""

from __future__ import annotations

import os
import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from k8sext.model.data import dataclass
from k8sext.model.secret import Secret

# kubernetes.io/tls Secrets, and the Service Binding specification's well-known entries.
KEYS = (("tls.crt", "tls.key"), ("certificates", "private-key"))
_ERRORS = {
    "KEY_VALUES_MISMATCH": "{key} is not the key of {certificate}",
    "KEY_TYPE_MISMATCH": "{key} is not the key of {certificate}",
    "EE_KEY_TOO_SMALL": "the key of {certificate} is too small to be accepted",
}


@dataclass(frozen=True, slots=True)
class ClientPair:
    """A certificate chain and its key, PEM, and where they are from."""

    secret: str
    names: tuple[str, str]
    certificate: Secret
    key: Secret

    def load(self, context: ssl.SSLContext) -> str:
        """Present it from now on. "" or what is wrong with it; nothing is raised."""
        certificate, key = self.names
        if "ENCRYPTED" in self.key.reveal()[:2048]:  # would ask for a password at a terminal
            return f"{key} is encrypted"
        try:
            with _file(self.certificate.reveal() + "\n" + self.key.reveal()) as path:
                context.load_cert_chain(path)
        except ssl.SSLError as error:
            text = _ERRORS.get(error.reason or "", "{certificate} or {key} is not PEM")
            return text.format(certificate=certificate, key=key)
        except (OSError, ValueError) as error:
            return f"{certificate} and {key} cannot be loaded ({type(error).__name__})"
        return ""


def pair_of(secret: str, values: Mapping[str, Secret]) -> ClientPair | None:
    """The pair that a Secret holds, if it does."""
    for names in KEYS:
        if names[0] in values and names[1] in values:
            return ClientPair(secret, names, values[names[0]], values[names[1]])
    return None


@contextmanager
def _file(text: str) -> Generator[str]:
    """A path to `text`, which OpenSSL insists on: in memory, else a file that only we can read.

    The pod's root file system is read-only; memory files need none (Linux).
    """
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("pair", os.MFD_CLOEXEC)
        path = f"/proc/self/fd/{handle}"
        try:
            os.write(handle, text.encode())
            yield path
        finally:
            os.close(handle)
        return
    import tempfile

    handle, path = tempfile.mkstemp()  # mode 0600
    try:
        os.write(handle, text.encode())
        yield path
    finally:
        os.close(handle)
        os.unlink(path)
