"""Logins and tokens that are not ours, in what others say: known by where they stand.

`mask` knows the secrets that we have sent. A server may tell those of others: a redirection to an
address with a login in it, a signed URL, an error page that repeats the headers of the request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .mask import mask
from .secret import Secret, printable

MASK = "***"
# `user:password@` may hold a slash that nobody has encoded; `host:8080/path@digest` is no login.
_USER_INFO = re.compile(
    r"(?<=://)"
    r"(?:[^/?#\s\"'<>\\]*@|[^/\s:@\"'<>\[]+:(?!\d{1,5}(?:/|$))[^\s@\"'<>]*@)"
)
_USER_INFO_ENCODED = re.compile(r"(?i)(?<=%3A%2F%2F)[^\s&;\"'<>/]*?%40")
_NAMES = (
    r"(?:[\w.-]*(?:token|passw(?:or)?d|pwd|secret|signature|(?<!;j)session[_-]?id|credential|"
    r"api[_-]?key|access[_-]?key)[\w.-]*|sid|sig|code|ticket|auth|authorization|assertion|"
    r"saml(?:request|response)|x-(?:amz|goog)-[\w-]+)"
)
_PARAMETER = re.compile(
    rf"(?i)((?:[?&;#]|%3F|%26|&amp;){_NAMES}(?:=|%3D))(?!\*\*\*)[^&;#\s\"'<>,)]+"
)
_SCHEME = r"(?:basic|bearer|digest|negotiate|token)\s+"
_HEADER = re.compile(
    rf"(?i)\b((?:proxy-)?authorization\W{{1,4}}(?:{_SCHEME}|(?!{_SCHEME}))|"
    r"(?:set-)?cookie\W{1,4}[^=;\s]{1,80}=|x-[\w-]*(?:token|key|secret)\W{1,4}|"
    r"\b(?:basic|bearer)\s+(?=[\w+/=.-]{16}))(?!\*\*\*)[^\s;,\"'<>\\]+"
)
_SESSION = re.compile(r"(?i)(;j?session_?id=)(?!\*\*\*)[^?&;#\s\"'<>]+")
_JWT = re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")
_PEM = re.compile(r"(?s)(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:-----END|\Z)")
_RULES: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("://", _USER_INFO, f"{MASK}@"),
    ("%", _USER_INFO_ENCODED, f"{MASK}%40"),
    (";", _SESSION, rf"\g<1>{MASK}"),
    ("", _PARAMETER, rf"\g<1>{MASK}"),
    ("", _HEADER, rf"\g<1>{MASK}"),
    ("eyJ", _JWT, MASK),
    ("PRIVATE", _PEM, rf"\g<1>{MASK}"),
)


def shown(text: str, secrets: Iterable[Secret]) -> str:
    """What somebody else said, as it may be shown: no secret of ours or theirs, and printable."""
    return printable(scrub(mask(text, secrets)))


def scrub(text: str) -> str:
    """`text` without the logins of URLs, and without the values of parameters and headers that are
    called like secrets.
    """
    for sign, pattern, instead in _RULES:
        if sign in text:
            text = pattern.sub(instead, text)
    return text
