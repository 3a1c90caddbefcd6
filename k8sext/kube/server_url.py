"""The address of an API server as people write it: normalised where it can only mean one thing,
refused where it may mean another. Nothing of it is quoted but its scheme: it may hold a login.

client-go (rest/url_utils.go, DefaultServerURL) takes an address without a scheme for https where
the cluster has a certificate authority, else for http; here it is https, which fails where kubectl
would have spoken in clear text.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from k8sext.errors import K8sextError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_BARE = re.compile(
    r"(?!https?(?:[:/]|$))(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?(?:/.*)?", re.I
)
_HOST = re.compile(r"(?!https?$)[a-z0-9][a-z0-9._-]*|[0-9a-f:.]*:[0-9a-f:.]*(?:%[a-z0-9._-]+)?")
_FIX = "write https://HOST:PORT"


def read(text: str, where: str) -> str:
    """`https://host[:port][/path]` or the same with http, without a slash at its end.

    Raises K8sextError (exit code 3) with one sentence.
    """
    url = text.strip()  # blanks, tabs and the line's end of a YAML block
    if not url.isascii() or not url.isprintable() or set(url) & set(' \\"<>'):
        raise _refused("has characters that no URL has", where)
    if "://" not in url and _BARE.fullmatch(url):
        url = f"https://{url}"
    scheme = _SCHEME.match(url)
    parts = _split(url)
    if parts is None or scheme is None:
        raise _refused("is not a URL with a host", where)
    if scheme[1] != "http" and parts.scheme != "https":
        raise _refused(f"begins with {scheme[1][:16]}:// and not with https://", where)
    if "@" in parts.netloc:
        raise _refused(
            "has a login in it", where,
            "put username and password under users; in a URL they end up in logs",
        )  # fmt: skip
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise _refused("has a ? or # in it", where)
    return f"{parts.scheme}://{parts.netloc.removesuffix(':')}{parts.path}".rstrip("/")


def _split(url: str) -> SplitResult | None:
    """The parts of a URL with a host and a port that can be; None of any other."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    bare = parts.netloc.rpartition("@")[2]
    digits = bare.rpartition(":")[2] if not bare.endswith("]") and ":" in bare else ""
    if not _HOST.fullmatch(host) or port == 0 or (digits and not digits.isdigit()):
        return None
    return parts


def _refused(what: str, where: str, fix: str = _FIX) -> K8sextError:
    return K8sextError(f"server {what}", where=where, fix=fix, exit_code=3)
