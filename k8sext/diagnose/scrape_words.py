"""What Prometheus says of a target that is down (`lastError`), as a Reason. Pure.

Measured with Prometheus 2.42 (Go 1.19); what 3.x and later Go versions say otherwise is from their
sources: scrape/scrape.go, model/textparse/interface.go, crypto/tls and crypto/x509. The first row
that fits wins: the words of a cause stand behind those of what it broke (`Get "…": dial tcp …`).
"""

from __future__ import annotations

import re

from k8sext.model.words import Reason

MAX_READ = 4096  # characters of one text that are looked at

_TABLE: tuple[tuple[str, Reason], ...] = (
    # Prometheus's own: a status is all it tells of an answer
    (r"server returned HTTP status 40[13]\b", Reason.AUTH_REQUIRED),
    (r"server returned HTTP status 407\b", Reason.AUTH_REQUIRED),
    (r"server returned HTTP status \d", Reason.UNHEALTHY),
    (r"stopped after \d+ redirects", Reason.UNHEALTHY),
    (r"oauth2: cannot fetch token", Reason.AUTH_REJECTED),
    (r"(limit|_limit) exceeded\b", Reason.TOO_MUCH),
    # a proxy between the two (`proxy_url`) is not the target
    (r"proxyconnect |socks connect ", Reason.UNHEALTHY),
    # names, before the time-outs of the network that their servers are reached by
    (r"no such host", Reason.NAME_NOT_FOUND),
    (r"\blookup \S+( on \S+)?: .*(i/o timeout|deadline exceeded)", Reason.DNS_TIMED_OUT),
    (r"\blookup \S+( on \S+)?: |emporary failure in name", Reason.DNS_SERVER_FAILURE),
    # network
    (r"connection refused", Reason.REFUSED),
    (r"no route to host|network is unreachable|cannot assign requested", Reason.NO_ROUTE),
    (r"connect: (operation not permitted|permission denied)", Reason.NOT_PERMITTED),
    # certificates: Go 1.20 and later say "tls: failed to verify certificate" before it
    (r"x509: .*\bis before\b", Reason.CERTIFICATE_NOT_YET_VALID),
    (r"x509: .*has expired", Reason.CERTIFICATE_EXPIRED),
    (
        r"x509: .*(is valid for|not valid for any names|any IP SANs|legacy Common Name)",
        Reason.CERTIFICATE_NAME_MISMATCH,
    ),
    (r"x509: ", Reason.CERTIFICATE_UNTRUSTED),
    # tls
    (
        r"remote error: tls: (certificate required|bad certificate|unknown certificate)",
        Reason.CLIENT_CERTIFICATE_REQUIRED,
    ),
    (r"server gave HTTP response to HTTPS client", Reason.TLS_NOT_OFFERED),
    (r"first record does not look like a TLS handshake", Reason.TLS_NOT_OFFERED),
    (r'malformed HTTP response "\\x15\\x03', Reason.TLS_REQUIRED),
    (r"TLS handshake timeout", Reason.TIMED_OUT),
    (r"\btls: ", Reason.TLS_FAILED),
    # time and ends
    (r"deadline exceeded|i/o timeout|connection timed out|timeout", Reason.TIMED_OUT),
    (r"connection reset by peer|broken pipe", Reason.RESET),
    (r"(?<!# )\bEOF$|server closed idle connection|GOAWAY", Reason.CLOSED_EARLY),
    # what was answered is no metrics
    (r"malformed HTTP|transport connection broken", Reason.WRONG_PROTOCOL),
    (r"Content-Type", Reason.WRONG_PROTOCOL),
    (r"valid start token|\"INVALID\"|while parsing:|# EOF", Reason.WRONG_PROTOCOL),
    (r"strconv\.|unsupported character|invalid (metric|UTF-8|help|exemplar)|missing metric name",
     Reason.WRONG_PROTOCOL),
    (r"expected [a-z ]+, got |expected text in|^proto: |gzip: ", Reason.WRONG_PROTOCOL),
)  # fmt: skip
_ASKED = re.compile(r'\A\w+ "[^"]*": ')  # the address, in which any word may stand
_ROWS = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), reason) for pattern, reason in _TABLE
)


def reason_of(text: str) -> Reason:
    """Why a scrape failed; SERVER_ERROR for words that are not known."""
    text = _ASKED.sub("", text[:MAX_READ].strip())
    return next((reason for row, reason in _ROWS if row.search(text)), Reason.SERVER_ERROR)
