"""What container registries say, read: challenges, realms, images, errors. Pure.

Facts: the OCI distribution specification and docker/distribution 2.8 (docs/spec/api.md,
auth/token.md, auth/jwt.md: challenges, scopes, tokens), and Harbor's answers as its issues show
them (goharbor/harbor#12192: realm at /service/token, service `harbor-registry`).
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from k8sext.agent.wire.http import Response
from k8sext.agent.wire.http_api import mapping, sequence
from k8sext.model.data import dataclass
from k8sext.model.plan import join_address

API_HEADER = "docker-distribution-api-version"
MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_SCHEME = re.compile(r"\s*(?:,\s*)?([A-Za-z]+)\s+")
_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,\s*|$)')
_PORTS = {"http": 80, "https": 443}
# Repositories: lower case, separated by one slash; tags and digests as the specification has them.
_NAME = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*")
_REFERENCE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|[a-z0-9+._-]+:[0-9a-fA-F]{32,}")


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a 401 asks for: `basic` or `bearer`, and where a token is given."""

    scheme: str
    realm: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True)
class Realm:
    """A token service's address."""

    host: str
    port: int
    path: str
    tls: bool

    @property
    def address(self) -> str:
        """host:port."""
        return join_address(self.host, self.port)

    @property
    def header(self) -> str:
        """As clients write it into Host."""
        standard = self.port == _PORTS["https" if self.tls else "http"]
        return self.host if standard and ":" not in self.host else self.address


@dataclass(frozen=True, slots=True)
class Image:
    """What is expected to be there."""

    name: str
    reference: str

    @property
    def path(self) -> str:
        """Where its manifest is."""
        return f"/v2/{quote(self.name)}/manifests/{quote(self.reference, safe=':')}"

    def __str__(self) -> str:
        return f"{self.name}{'@' if ':' in self.reference else ':'}{self.reference}"


def challenges_of(header: str) -> list[Challenge]:
    """The challenges of a WWW-Authenticate header, in their order (RFC 9110, 11.6.1)."""
    found: list[Challenge] = []
    at = 0
    while (scheme := _SCHEME.match(header, at)) and len(found) < 4:
        at = scheme.end()
        named: dict[str, str] = {}
        while parameter := _PARAMETER.match(header, at):
            at = parameter.end()
            plain = re.sub(r"\\(.)", r"\1", parameter[2] or "") or parameter[3] or ""
            named[parameter[1].lower()] = plain
        service = named.get("service", "")
        found.append(Challenge(scheme[1].lower(), named.get("realm", ""), service))
    return found


def challenge_of(header: str) -> Challenge | None:
    """The one that clients take: Bearer before Basic; None where there is neither."""
    known = {c.scheme: c for c in reversed(challenges_of(header))}
    return known.get("bearer") or known.get("basic")


def realm_of(text: str) -> Realm | None:
    """Where a token is asked for; None for what is no HTTP address, or one with a login in it."""
    try:
        parts = urlsplit(text)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    if not parts.hostname or not port or "@" in parts.netloc:
        return None
    path = quote(parts.path or "/", safe="/%:,+@!$'()*~-._")
    query = f"?{quote(parts.query, safe='=&%:,+@!$()*~-._/')}" if parts.query else ""
    return Realm(parts.hostname, port, path + query, parts.scheme == "https")


def token_path(realm: Realm, service: str, image: Image | None) -> str:
    """The question for a token: for the image's repository, else only whether the login is good."""
    asked = {"service": service} if service else {}
    if image:
        asked["scope"] = f"repository:{image.name}:pull"
    query = urlencode(asked)
    return f"{realm.path}{'&' if '?' in realm.path else '?'}{query}" if query else realm.path


def token_of(answer: Response) -> str:
    """The token that a token service gives; "" for none."""
    told = mapping(answer.json())
    token = told.get("token") or told.get("access_token")
    return token if isinstance(token, str) and token.isascii() and token.isprintable() else ""


def image_of(text: str) -> Image:
    """An image as a pod names it: `[HOST/]NAME[:TAG][@DIGEST]`. Raises ValueError."""
    first, slash, rest = text.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        text = rest
    name, at, digest = text.partition("@")
    name, colon, tag = name.partition(":")
    reference = digest if at else tag if colon else "latest"
    if not _NAME.fullmatch(name) or not _REFERENCE.fullmatch(reference):
        raise ValueError(f"expect.image: {text!r} is no image such as shop/web:1.0")
    return Image(name, reference)


def product_of(answer: Response, challenge: Challenge | None) -> str:
    """Who answers, by its challenge and headers; "" for nobody that speaks this protocol."""
    if challenge and "harbor" in challenge.service.lower():
        return "harbor"
    if answer.headers.get(API_HEADER, "").startswith("registry/2"):
        return "registry"
    token = challenge and challenge.scheme == "bearer" and challenge.service
    return "registry" if token and answer.status == 401 else ""


def error_of(answer: Response) -> str:
    """The code and the words of an answer's first error; "" for none."""
    first: Any = next(iter(sequence(mapping(answer.json()).get("errors"))), None)
    told = [mapping(first).get(key) for key in ("code", "message")]
    return ": ".join(t[:200] for t in told if isinstance(t, str) and t)


def components_of(answer: Response) -> list[str]:
    """What Harbor's own health says is not healthy."""
    parts = map(mapping, sequence(mapping(answer.json()).get("components")))
    return [str(p.get("name")) for p in parts if p.get("status") != "healthy"]
