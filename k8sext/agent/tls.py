"""TLS of one target: as its TlsSpec asks, with evidence from handshakes that fail, too.

Verification errors are told apart by OpenSSL's X509_V_ERR numbers (openssl-verification-options).
"""

from __future__ import annotations

import asyncio
import ssl
import time

from k8sext.model.plan import Target
from k8sext.model.result import Facts, Json
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason

from .fault import Fault, fault_of
from .stream import Stream

_VERIFY = {
    9: Reason.CERTIFICATE_NOT_YET_VALID,
    10: Reason.CERTIFICATE_EXPIRED,
    62: Reason.CERTIFICATE_NAME_MISMATCH,
    64: Reason.CERTIFICATE_NAME_MISMATCH,
}
_PLAIN = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")


class TargetTls:
    """Encrypts the stream of one target."""

    def __init__(self, target: Target, ca: str | None) -> None:
        self.target = target
        self.ca = ca

    @property
    def server_name(self) -> str:
        """What is sent as SNI and checked: the bridge's own word, else the host that is dialled."""
        return self.target.tls.server_name or next(iter(self.target.tls_names), self.target.host)

    async def start(self, stream: Stream) -> Facts:
        """Upgrade. Raises Fault with the reason and what the certificate said."""
        assert stream.writer is not None
        try:
            async with asyncio.timeout_at(stream.deadline):
                await stream.writer.start_tls(self._context(), server_hostname=self.server_name)
        except ssl.SSLCertVerificationError as error:
            raise self._unverified(error) from error
        except ssl.SSLError as error:
            raise self._failed(error, stream) from error
        except TimeoutError as error:
            raise Fault(Reason.TIMED_OUT, "the TLS handshake is not answered") from error
        except ConnectionResetError as error:
            raise Fault(Reason.TLS_FAILED, "the server resets the TLS handshake") from error
        except OSError as error:
            raise fault_of(error) from error
        return self._evidence(stream)

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.ca)
        # Python 3.13 turns this on: the verdict must not change with the pod's Python.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if self.target.tls.mode is not TlsMode.VERIFY_FULL and not self.ca:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    def _unverified(self, error: ssl.SSLCertVerificationError) -> Fault:
        reason = _VERIFY.get(error.verify_code, Reason.CERTIFICATE_UNTRUSTED)
        return Fault(
            reason,
            f"{error.verify_message} (asked for {self.server_name})",
            words=error.verify_message,
            code=str(error.verify_code),
            server_name=self.server_name,
        )

    def _failed(self, error: ssl.SSLError, stream: Stream) -> Fault:
        name = error.reason or str(error)
        if name in _PLAIN:
            return Fault(
                Reason.TLS_NOT_OFFERED,
                "the answer to the TLS handshake is not TLS",
                words=name,
                **stream.first_bytes_fact(),
            )
        if "CERTIFICATE_REQUIRED" in name:
            return Fault(Reason.CLIENT_CERTIFICATE_REQUIRED, name, words=name)
        return Fault(Reason.TLS_FAILED, name, words=name)

    def _evidence(self, stream: Stream) -> Facts:
        assert stream.writer is not None
        tls = stream.writer.get_extra_info("ssl_object")
        cipher = tls.cipher()
        facts: dict[str, Json] = {
            "tls": tls.version(),
            "cipher": cipher[0] if cipher else "",
            "server_name": self.server_name,
        }
        until = (tls.getpeercert() or {}).get("notAfter")
        if until:
            seconds = ssl.cert_time_to_seconds(until)
            facts["not_after"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
            facts["days_left"] = int((seconds - time.time()) // 86400)
        return facts
