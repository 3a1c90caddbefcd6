"""What things in Kubernetes and DNS may be called. Pure; each takes any text and raises nothing."""

from __future__ import annotations

import ipaddress
import re

# RFC 1123 subdomain as Kubernetes has it (apimachinery, validation.IsDNS1123Subdomain): a label may
# be as long as the whole, and two dots never meet.
_PART = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_PART}(\.{_PART})*")
_KEY = re.compile(r"(?!\.\.)(?!\.\Z)[-._a-zA-Z0-9]{1,253}")  # validation.IsConfigMapKey
# Names that resolvers take, which is more than RFC 1123: an underscore is common in private zones.
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)


def is_secret(text: str) -> bool:
    """Whether a Secret (or another object of that kind of name) can be called so."""
    return _SUBDOMAIN.fullmatch(text) is not None


def is_key(text: str) -> bool:
    """Whether a key of a Secret can be called so."""
    return _KEY.fullmatch(text) is not None


def is_host(text: str) -> bool:
    """Whether it is an IP address or a host name: punycode or with letters beyond ASCII, a dot at
    its end or none. What is all digits and dots must be an address.
    """
    if not text or len(text) > 254:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        pass
    else:
        return True
    try:
        name = text if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        return False
    labels = name.removesuffix(".").split(".")
    numeric = labels[-1].isdigit() or labels[-1].lower().startswith("0x")
    return len(name) <= 254 and not numeric and all(map(_LABEL.fullmatch, labels))
