"""What can be said of a rejected login's values without showing them.

Every sentence is fixed but for our own word of the value: no part of a value, and not its length,
ever gets into one. Pure; the values are sent as they are, whatever is said here.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from k8sext.model.secret import Secret

_PLACEHOLDER = re.compile(
    r"<.*>|\$\{.*\}|\$\(.*\)|\{\{.*\}\}|%\(.*\)s|x{3,}|\*{3,}|\.{3,}"
    r"|(?:please[-_ ]?)?change[-_ ]?(?:me|it|this)?|replace[-_ ]?(?:me|this)?|your[-_ ].*"
    r"|placeholder|todo|tbd|fixme|redacted|example|dummy|secret|passw(?:or)?d|none|null|nil"
    r"|undefined",
    re.IGNORECASE | re.DOTALL,
)
_ASSIGNMENT = re.compile(r"(?:user(?:name)?|pass(?:word|wd)?|pwd|token|api_?key)\s*[=:]", re.I)
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{6,}={0,2}")
_LINE_BREAK = (
    "ends with a line break, which was sent with it (a value made by echo without -n, or pasted); "
    "applications that read it from the Secret send it, too, unless they trim"
)

# What may be wrong with any value: the first that holds is said.
_EDGES: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda v: not v, "is empty"),
    (lambda v: not v.strip(), "is nothing but white space"),
    (lambda v: v.endswith("\r\n"), "ends with a Windows line break, which was sent with it"),
    (lambda v: v.endswith("\n"), _LINE_BREAK),
    (lambda v: v.endswith("\r"), "ends with a carriage return, which was sent with it"),
    (lambda v: v.startswith("\ufeff"), "begins with a byte order mark, which was sent with it"),
    (lambda v: v != v.strip(), "begins or ends with white space, which was sent with it"),
)
# What may be wrong besides; each that holds is said.
_INSIDE: tuple[tuple[Callable[[str], bool], str], ...] = (
    (
        lambda v: len(v) > 1 and v[0] == v[-1] and v[0] in "\"'`",
        "is surrounded by quotes, which are a part of it as it is stored",
    ),
    (
        lambda v: bool(_PLACEHOLDER.fullmatch(v)),
        "looks like a placeholder that nobody has replaced",
    ),
    (
        lambda v: bool(_ASSIGNMENT.match(v)),
        "begins with the name of a setting: the whole line was stored instead of its value",
    ),
    (
        lambda v: encoded(v),
        "reads as base64 of printable text: it may have been encoded twice "
        "(stringData and kubectl --from-literal encode by themselves)",
    ),
    (
        lambda v: bool(_PERCENT.search(v)),
        "has percent-encoding in it, which belongs into an address and not into a plain value",
    ),
    (lambda v: "\ufffd" in v, "is not valid UTF-8 as it is stored"),
    (
        lambda v: not v.isascii() and "\ufffd" not in v and not v.startswith("\ufeff"),
        "has characters outside of ASCII: server and clients may encode them differently",
    ),
    (
        lambda v: any(ord(c) < 32 or ord(c) == 127 for c in v),
        "has a control character or a line break inside",
    ),
)


def hints(values: Mapping[str, Secret]) -> tuple[str, ...]:
    """Sentences about a login's values, by our word for each; () where nothing is odd."""
    found: list[str] = []
    for word, secret in values.items():
        found += [f"the {word} {said}" for said in _of_value(secret.reveal())]
    user = values["username"].reveal() if "username" in values else ""
    if any(c.isspace() for c in user.strip()):
        found.append("the username has white space inside")
    if "password" in values and "username" not in values:
        found.append("no username is given, so the protocol's default was used")
    return tuple(found)


def _of_value(value: str) -> list[str]:
    edge = next((said for holds, said in _EDGES if holds(value)), "")
    bare = value.strip().strip("\ufeff")
    inside = [said for holds, said in _INSIDE if bare and holds(bare)]
    return [edge, *inside] if edge else inside


def encoded(value: str) -> bool:
    """Whether a value is base64 of printable ASCII, with a line break at its end perhaps."""
    if len(value) % 4 or not _BASE64.fullmatch(value):
        return False
    try:
        text = base64.b64decode(value, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return text.rstrip("\r\n").isprintable() and text.rstrip("\r\n") not in ("", value)


def address_hints(key: str, address: str) -> tuple[str, ...]:
    """Sentences about an address (`uri`, `jdbc-url`) that carries a login."""
    address = address.strip().removeprefix("jdbc:")
    try:
        parts = urlsplit(address)
        for host in parts.netloc.rpartition("@")[2].split(","):  # PostgreSQL's may have several
            _ = urlsplit(f"//{host}").port
    except ValueError:
        return (
            f"the {key} cannot be read as an address (special characters in a password must be "
            "percent-encoded there)",
        )
    astray = f"{parts.path}{parts.query}{parts.fragment}"
    if "@" in astray or parts.netloc.count("@") > 1:
        return (
            f"the {key} has an @ where none belongs: special characters in a password must be "
            "percent-encoded there",
        )
    if not parts.scheme or not parts.hostname:
        return (f"the {key} has no scheme or no host",)
    return ()
