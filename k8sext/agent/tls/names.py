"""Which names a certificate is good for (RFC 9525 section 6; RFC 6125 before it)."""

from __future__ import annotations

import ipaddress

from .der import Certificate


def fits(certificate: Certificate, name: str) -> bool:
    """Whether a client that asks for `name` accepts the certificate: never by its common name."""
    address = _address(name)
    if address:
        return address in certificate.addresses
    wanted = _labels(name)
    return any(_covers(_labels(pattern), wanted) for pattern in certificate.names)


def only_by_common_name(certificate: Certificate, name: str) -> bool:
    """The common name would match, where the certificate gives no alternative names at all.

    Clients up to about 2017 took that; Go, Python, Java and browsers no longer do.
    """
    if certificate.alternatives or _address(name):
        return False
    return _covers(_labels(certificate.common_name), _labels(name))


def _covers(pattern: list[str], wanted: list[str]) -> bool:
    """`*` stands for the whole leftmost label, and only above two more (as OpenSSL has it)."""
    if not all(wanted) or len(pattern) != len(wanted):
        return False
    if pattern == wanted:
        return True
    return pattern[0] == "*" and len(pattern) > 2 and pattern[1:] == wanted[1:]


def _labels(name: str) -> list[str]:
    try:
        encoded = name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        return [""]
    return encoded.removesuffix(".").lower().split(".")


def _address(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return ""
