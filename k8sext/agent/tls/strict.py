"""What OpenSSL objects to only under X509_V_FLAG_X509_STRICT, which Python 3.13 turns on.

A verified chain is judged here by the same rules (OpenSSL 3.0-3.5, x509_vfy.c, check_extensions;
RFC 5280), because asking OpenSSL would take a second handshake. Not covered: elliptic curves given
by explicit parameters, which Python refuses to build keys of anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import der
from .der import Certificate

Rule = tuple[str, Callable[[Certificate], bool]]


def _critical(oid: bytes) -> Callable[[Certificate], bool]:
    return lambda c: oid in c.extensions and c.extensions[oid].critical


def _uncritical(oid: bytes) -> Callable[[Certificate], bool]:
    return lambda c: oid in c.extensions and not c.extensions[oid].critical


def _signs(certificate: Certificate) -> bool:
    return bool((certificate.key_usage or 0) & der.KEY_CERT_SIGN)


RULES: tuple[Rule, ...] = (
    ("has a path length and is no CA", lambda c: c.path_length is not None and not c.is_ca),
    (
        "has a path length and may not sign certificates",
        lambda c: c.path_length is not None and not _signs(c),
    ),
    (
        "has basic constraints that are not critical",
        lambda c: c.is_ca and _uncritical(der.BASIC)(c),
    ),
    ("is a CA without key usage", lambda c: c.is_ca and c.key_usage is None),
    ("may sign certificates and is no CA", lambda c: _signs(c) and not c.is_ca),
    ("names no issuer", lambda c: not c.issuer_name),
    (
        "has no subject",
        lambda c: not c.subject_name and (c.is_ca or c.alternatives is None),
    ),
    (
        "has neither a subject nor critical alternative names",
        lambda c: not c.subject_name and _uncritical(der.SUBJECT_NAMES)(c),
    ),
    ("has an empty list of alternative names", lambda c: c.alternatives == 0),
    ("names two different signature algorithms", lambda c: not c.signatures_agree),
    ("has a critical authority key identifier", _critical(der.AUTHORITY_KEY)),
    ("has a critical subject key identifier", _critical(der.SUBJECT_KEY)),
    (
        "is a CA without a subject key identifier",
        lambda c: c.version >= 3 and c.is_ca and der.SUBJECT_KEY not in c.extensions,
    ),
    ("has extensions and is not of version 3", lambda c: c.version < 3 and bool(c.extensions)),
)


def faults(chain: Sequence[Certificate]) -> list[str]:
    """What a strict client says of a verified chain (server first, root last); [] for nothing.

    A certificate that is trusted by itself is not judged: the rules need a chain of two.
    """
    if len(chain) < 2:
        return []
    found = []
    for number, certificate in enumerate(chain):
        who = f"the certificate {certificate.subject!r}"
        found += [f"{who} {said}" for said, broken in RULES if broken(certificate)]
        if number + 1 < len(chain) and certificate.version >= 3 and not certificate.authority_key:
            found.append(f"{who} has no authority key identifier")
    return found
