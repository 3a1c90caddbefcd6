"""What is said of TLS: alerts, verification errors and certificates in sentences.

Alerts: RFC 8446 section 6 under OpenSSL's names. Verification errors: X509_V_ERR numbers
(openssl-verification-options).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from k8sext.model.words import Reason

from .der import Certificate

DAY = 86400
SOON_DAYS = 30
MAX_NAMES = 20

VERIFY = {
    9: Reason.CERTIFICATE_NOT_YET_VALID,
    10: Reason.CERTIFICATE_EXPIRED,
}
# What we say ourselves when the server's hello does not suit, and what servers say of ours.
ALERTS = {
    "ALERT_PROTOCOL_VERSION": "the server speaks none of the TLS versions 1.2 and 1.3",
    "UNSUPPORTED_PROTOCOL": "the server speaks only TLS older than 1.2",
    "WRONG_SSL_VERSION": "the server speaks only TLS older than 1.2",
    "ALERT_INSUFFICIENT_SECURITY": "the server finds the offered ciphers too weak",
    "NO_SHARED_CIPHER": "there is no cipher that both sides accept",
    "WRONG_CIPHER_RETURNED": "the server chose a cipher that was not offered",
    "DH_KEY_TOO_SMALL": "the server's Diffie-Hellman key is too small to be accepted",
    "UNRECOGNIZED_NAME": "the server (or a proxy before it) does not serve the name {name}",
    "ALERT_HANDSHAKE_FAILURE": "the server accepts none of the ciphers or parameters offered",
    "ALERT_NO_APPLICATION_PROTOCOL": "the server wants an application protocol (ALPN)",
    "ALERT_INTERNAL_ERROR": "the server reports an internal error, often: no certificate set up",
    "ALERT_DECODE_ERROR": "the server could not read the handshake",
    "LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED": "the server signs with an outdated algorithm",
    "UNSAFE_LEGACY_RENEGOTIATION_DISABLED": "the server lacks secure renegotiation (RFC 5746)",
}
# Alerts with which servers answer a certificate that is missing or that they do not accept.
ABOUT_OURS = {
    "ALERT_CERTIFICATE_REQUIRED": "none was given",
    "ALERT_BAD_CERTIFICATE": "bad certificate",
    "ALERT_UNSUPPORTED_CERTIFICATE": "a certificate of a kind it does not accept",
    "ALERT_CERTIFICATE_REVOKED": "it is revoked",
    "ALERT_CERTIFICATE_EXPIRED": "it has expired",
    "ALERT_CERTIFICATE_UNKNOWN": "it is not accepted",
    "ALERT_UNKNOWN_CA": "its CA is not one that the server trusts",
    "ALERT_ACCESS_DENIED": "its holder may not come in",
}


def about_ours(openssl: str) -> str:
    """What the alert says of the client's certificate; "" if it is about something else."""
    return next((said for end, said in ABOUT_OURS.items() if openssl.endswith(end)), "")


def alert(openssl: str, name: str) -> str:
    """The sentence for OpenSSL's word, which stays readable where there is none."""
    said = next((said for end, said in ALERTS.items() if openssl.endswith(end)), "")
    plain = openssl.lower().replace("_", " ")
    return f"{said.format(name=name)} ({plain})" if said else plain


def day(seconds: int) -> str:
    """A date, as in `2026-11-24`; certificates are judged by days."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def stamp(seconds: int) -> str:
    """A time, as in `2026-11-24T10:00:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def days(seconds: float) -> str:
    """A span in days, in words."""
    count = int(abs(seconds) // DAY)
    return "1 day" if count == 1 else f"{count} days" if count else "less than a day"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence, bounded."""
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def expiry(certificate: Certificate, now: float) -> str:
    """When the certificate ends or ended."""
    left = certificate.not_after - now
    if left < 0:
        return f"it ended on {day(certificate.not_after)}, {days(left)} ago"
    return f"it ends on {day(certificate.not_after)}, {days(left)} from now"


def unverified(code: int, words: str, chain: Sequence[Certificate], trusted: str) -> str:
    """The sentence for a verification that failed."""
    if not chain:
        return words
    if code in (9, 10):
        return _of_time(code, chain, time.time())
    last = chain[-1]
    where = f"; trusted here: {trusted}" if trusted else ""
    if code == 18:
        return f"it is self-signed: no CA stands behind it{where}"
    if code == 19:
        return f"it leads to the root {last.subject!r}, which is not trusted here{where}"
    if code == 2:
        said = "what is trusted here was itself issued by a CA that is not trusted here"
        return f"{said} (Java, Go and Python 3.13 put up with that, OpenSSL does not){where}"
    if code in (20, 21):
        alone = "" if len(chain) > 1 else ": an unknown CA, or the server holds back a part of it"
        said = f"its chain ends at {last.issuer!r}, which is not trusted here{alone}"
        return f"{said}{where}"
    return f"{words}{where}"


def _of_time(code: int, chain: Sequence[Certificate], now: float) -> str:
    clock = f"the clock here says {stamp(int(now))}"
    for number, certificate in enumerate(chain):
        whose = "" if number == 0 else f"not the server's own but its CA {certificate.subject!r}: "
        if code == 10 and certificate.not_after < now:
            return f"{whose}{expiry(certificate, now)}; {clock}"
        if code == 9 and certificate.not_before > now:
            begins = certificate.not_before
            return f"{whose}it begins on {stamp(begins)}, {days(begins - now)} from now; {clock}"
    word = "has expired" if code == 10 else "is not valid yet"
    return f"not the server's own: a CA that is trusted here {word}; {clock}"
