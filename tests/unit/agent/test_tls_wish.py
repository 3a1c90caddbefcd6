"""Which refusals ask for TLS: words of real servers, and others that only speak of it."""

import pytest

from k8sext.agent.tls.wish import wants_tls


@pytest.mark.parametrize(
    "words",
    [
        "SSL connection is required. Please specify SSL options and retry.",
        "connection is insecure (try using `sslmode=require`)",
        "server requires encryption",
        "node is running secure mode, SSL connection required",
        "SSL required",
        "Secure transport required",
        "Connections using insecure transport are prohibited while --require_secure_transport=ON.",
        "unknown error: Code: UNAVAILABLE\nserver does not allow insecure connections, client must "
        "use SSL/TLS",
        "ProxySQL Error: Access denied for user 'user3' (using password: YES). SSL is required",
    ],
)
def test_they_ask_for_it(words: str) -> None:
    assert wants_tls(words)


@pytest.mark.parametrize(
    "words",
    [
        "Access denied for user 'tls required'@'10.0.0.1' (using password: YES)",
        'password authentication failed for user "ssl"',
        "SSL connection error: SSL is required but the server doesn't support it",  # of a backend
        "connection requires a valid client certificate",
        'no pg_hba.conf entry for host "192.0.2.1", user "shop", database "shop", no encryption',
        'no pg_hba.conf entry for host "192.0.2.1", user "shop", database "shop", SSL off',
        "too many connections",
        "",
    ],
)
def test_they_speak_of_something_else(words: str) -> None:
    assert not wants_tls(words)
