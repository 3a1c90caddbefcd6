"""Whether a server's refusal says that it wants TLS, in whatever words and under whatever code.

Seen: "SSL connection is required" (Azure, 28000 and 9002), "connection is insecure (try using
`sslmode=require`)" (Neon), "server requires encryption" and "node is running secure mode, SSL
connection required" (CockroachDB), "SSL required" (PgBouncer), "Connections using insecure
transport are prohibited" (MySQL 3159, TiDB), "server does not allow insecure connections, client
must use SSL/TLS" (Vitess, PlanetScale), "… (using password: YES). SSL is required" (ProxySQL).
"""

from __future__ import annotations

import re

_TLS = r"\b(?:ssl|tls|encryption|encrypted|secure transport|secure connections?|sslmode)\b"
_WISHES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_TLS}[^.;]*\b(?:is |are )?(?:required|mandatory|enforced)\b",
        rf"\b(?:requires?|must|only|mandates?|try)\b[^.;]*{_TLS}",
        r"\binsecure (?:transport|connections?)\b",
        r"\bconnection is insecure\b",
        r"\b(?:unencrypted|plain-?text|non-ssl|non-tls) connections?\b",
    )
)
# A proxy's word about the server behind it, a client's certificate, and names of people.
_OTHERS = re.compile(r"support|certificate")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


def wants_tls(words: str) -> bool:
    """True where the words, of a server that was spoken to in clear, ask for TLS."""
    plain = _QUOTED.sub("", words.lower())
    return not _OTHERS.search(plain) and any(wish.search(plain) for wish in _WISHES)
