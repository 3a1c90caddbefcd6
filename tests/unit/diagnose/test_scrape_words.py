"""Prometheus's words for a target that is down."""

import pytest

from k8sext.diagnose.scrape_words import reason_of
from k8sext.model.words import Reason

GET = 'Get "http://198.51.100.4:31208/metrics": '
TLS_GET = 'Get "https://198.51.100.4:31208/metrics": '
# Said by Prometheus 2.42.0 (Debian 12), made on a machine: address and port are others here.
MEASURED = [
    ("server returned HTTP status 404 Not Found", Reason.UNHEALTHY),
    ("server returned HTTP status 503 Service Unavailable", Reason.UNHEALTHY),
    ("server returned HTTP status 401 Unauthorized", Reason.AUTH_REQUIRED),
    ('Get "/metrics": stopped after 10 redirects', Reason.UNHEALTHY),
    (GET + "dial tcp 198.51.100.4:31208: connect: connection refused", Reason.REFUSED),
    (GET + "context deadline exceeded", Reason.TIMED_OUT),
    (GET + "EOF", Reason.CLOSED_EARLY),
    ("unexpected EOF", Reason.CLOSED_EARLY),
    (
        GET + "read tcp 198.51.100.9:51254->198.51.100.4:31208: read: connection reset by peer",
        Reason.RESET,
    ),
    (
        'Get "http://shop.example:80/metrics": dial tcp: lookup shop.example on 198.51.100.53:53: '
        "no such host",
        Reason.NAME_NOT_FOUND,
    ),
    (
        GET + "proxyconnect tcp: dial tcp 198.51.100.9:3128: connect: connection refused",
        Reason.UNHEALTHY,
    ),
    (TLS_GET + "http: server gave HTTP response to HTTPS client", Reason.TLS_NOT_OFFERED),
    (TLS_GET + "tls: first record does not look like a TLS handshake", Reason.TLS_NOT_OFFERED),
    (TLS_GET + "remote error: tls: certificate required", Reason.CLIENT_CERTIFICATE_REQUIRED),
    (
        TLS_GET + "x509: certificate has expired or is not yet valid: current time "
        "2026-11-24T13:14:08Z is after 2021-01-01T00:00:00Z",
        Reason.CERTIFICATE_EXPIRED,
    ),
    (
        TLS_GET + "x509: certificate is valid for foo.example, not bar.example",
        Reason.CERTIFICATE_NAME_MISMATCH,
    ),
    (
        TLS_GET + "x509: cannot validate certificate for 198.51.100.4 because it doesn't contain "
        "any IP SANs",
        Reason.CERTIFICATE_NAME_MISMATCH,
    ),
    (
        GET + 'net/http: HTTP/1.x transport connection broken: malformed HTTP response "\\x15\\x03'
        '\\x01\\x00\\x02\\x02F"',
        Reason.TLS_REQUIRED,
    ),
    (
        GET + "net/http: HTTP/1.x transport connection broken: malformed HTTP status code "
        '"unknown"',
        Reason.WRONG_PROTOCOL,
    ),
    ('"INVALID" is not a valid start token', Reason.WRONG_PROTOCOL),
    ('expected label name, got "INVALID"', Reason.WRONG_PROTOCOL),
    ("data does not end with # EOF", Reason.WRONG_PROTOCOL),
    ("sample limit exceeded", Reason.TOO_MUCH),
    ("body size limit exceeded", Reason.TOO_MUCH),
    (
        GET + "unable to read basic auth password file /nonexistent: open /nonexistent: no such "
        "file or directory",
        Reason.SERVER_ERROR,
    ),
]
# From the sources of Prometheus 3.x and Go.
FROM_SOURCES = [
    ("server returned HTTP status 403 Forbidden", Reason.AUTH_REQUIRED),
    (GET + "dial tcp 198.51.100.4:31208: i/o timeout", Reason.TIMED_OUT),
    (GET + "dial tcp 198.51.100.4:31208: connect: connection timed out", Reason.TIMED_OUT),
    (GET + "dial tcp 198.51.100.4:31208: connect: no route to host", Reason.NO_ROUTE),
    (GET + "dial tcp 198.51.100.4:31208: connect: network is unreachable", Reason.NO_ROUTE),
    (GET + "dial tcp 198.51.100.4:31208: connect: operation not permitted", Reason.NOT_PERMITTED),
    (
        GET + "dial tcp: lookup shop.example on 198.51.100.53:53: server misbehaving",
        Reason.DNS_SERVER_FAILURE,
    ),
    (
        GET + "dial tcp: lookup shop.example on 198.51.100.53:53: read udp 198.51.100.9:4000->"
        "198.51.100.53:53: i/o timeout",
        Reason.DNS_TIMED_OUT,
    ),
    (
        TLS_GET + "tls: failed to verify certificate: x509: certificate signed by unknown "
        "authority",
        Reason.CERTIFICATE_UNTRUSTED,
    ),
    (TLS_GET + "x509: certificate signed by unknown authority", Reason.CERTIFICATE_UNTRUSTED),
    (
        TLS_GET + "tls: failed to verify certificate: x509: certificate has expired or is not yet "
        "valid: current time 2026-11-24T13:14:08Z is before 2027-01-01T00:00:00Z",
        Reason.CERTIFICATE_NOT_YET_VALID,
    ),
    (
        TLS_GET + "x509: certificate relies on legacy Common Name field, use SANs instead",
        Reason.CERTIFICATE_NAME_MISMATCH,
    ),
    (TLS_GET + "remote error: tls: handshake failure", Reason.TLS_FAILED),
    (TLS_GET + "net/http: TLS handshake timeout", Reason.TIMED_OUT),
    (
        'expected a valid start token, got "<" ("INVALID") while parsing: "<"',
        Reason.WRONG_PROTOCOL,
    ),
    (
        'received unsupported Content-Type "text/html" and no fallback_scrape_protocol specified '
        "for target",
        Reason.WRONG_PROTOCOL,
    ),
    (
        "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol "
        "specified for target",
        Reason.WRONG_PROTOCOL,
    ),
    (
        "label_limit exceeded (metric: x, number of labels: 40, limit: 30)",
        Reason.TOO_MUCH,
    ),
    ("oauth2: cannot fetch token: 401 Unauthorized", Reason.AUTH_REJECTED),
]


@pytest.mark.parametrize(("text", "reason"), [*MEASURED, *FROM_SOURCES])
def test_words(text: str, reason: Reason) -> None:
    assert reason_of(text) is reason


def test_a_name_in_the_address_is_no_cause() -> None:
    """Words are looked for behind the address, where a host may be called anything."""
    text = 'Get "http://lookup x:80/i/o timeout x509: tls: ": dial tcp 198.51.100.4:80: connect: '
    assert reason_of(text + "connection refused") is Reason.REFUSED


@pytest.mark.parametrize("text", ["", "something new", "x" * 10**6, "lookup" * 10**5])
def test_anything_ends_in_a_reason(text: str) -> None:
    assert reason_of(text) is Reason.SERVER_ERROR
