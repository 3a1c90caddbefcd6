"""What other clients make of an address (`uri`, `jdbc-url`) whose login k8sext can read.

Python's urlsplit takes the last @ for the end of the login and leaves a bad % as it is; so do pika
and redis-py, which use it. Measured with libpq 17: it ends the login at the first @, and refuses a
% that begins no encoding, and spaces. java.net.URI and Go's net/url refuse every character that
RFC 3986 (section 3.2.1) does not allow there; java.net.URI finds no login before two @.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from k8sext.model.data import dataclass

_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NEVER_PLAIN = re.compile(r'[\x00-\x20"<>\\^`{|}\x7f]')


@dataclass(frozen=True, slots=True)
class _Address:
    """The parts of `[jdbc:]scheme://[login@]hosts/…`; `login` ends at the last @, as we read it."""

    key: str
    text: str

    @property
    def scheme(self) -> str:
        return self.text.strip().partition("://")[0].lower()

    @property
    def login(self) -> str:
        rest = self.text.strip().partition("://")[2]
        return re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[0]


# The first that holds is told.
_SENTENCES: tuple[tuple[Callable[[_Address], bool], str], ...] = (
    (
        lambda a: "@" in a.login,
        "has an @ in its login that is not percent-encoded (%40): libpq takes what follows the "
        "first @ for the host, Java finds no login at all",
    ),
    (
        lambda a: bool(_BAD_PERCENT.search(a.login)),
        "has a % in its login that is not percent-encoded (%25): libpq and Go refuse the whole "
        "address",
    ),
    (
        lambda a: bool(_NEVER_PLAIN.search(a.login)),
        "has a space or another character in its login that is not percent-encoded: libpq refuses "
        "spaces, Java and Go refuse all that RFC 3986 does not allow",
    ),
    (
        lambda a: a.scheme == "jdbc:postgresql" and bool(a.login),
        "has a login before the host, which PostgreSQL's JDBC driver takes for a part of the "
        "host's name; it belongs behind a ?, percent-encoded: ?user=…&password=…",
    ),
    (
        lambda a: a.key == "jdbc-url" and bool(a.scheme) and not a.scheme.startswith("jdbc:"),
        "does not begin with jdbc:, so that no JDBC driver takes it (a login in it must be "
        "percent-encoded as well)",
    ),
    (
        lambda a: a.text != a.text.strip() and bool(a.login),
        "ends or begins with white space or a line break, which other clients do not strip "
        "(inside an address it would have to be percent-encoded)",
    ),
)


def misread(key: str, address: str) -> str:
    """Which clients refuse the address or read it otherwise, "" where all agree; no part of it."""
    one = _Address(key, address)
    if "://" not in address:
        return ""
    return next((f"the key {key} {said}" for holds, said in _SENTENCES if holds(one)), "")
