"""What checks of HTTP services have in common: one connection, GET, a login where 401 asks for one.

A check file subclasses `HttpApi`, names the path that is asked `first`, and tells in `recognise`
whether the answer is its product's. What proxies, HTTPS ports and refusals look like is told here,
once (RFC 9110; nginx's and Go's own words).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from k8sext.agent.check import Fault, Key, Login, Seen, WireCheck
from k8sext.agent.net.second_look import explain_hang_up
from k8sext.model.result import Json
from k8sext.model.words import Reason

from .http import HttpConnection, Response, basic
from .refusals import host_words, signature_words

JSON = "application/json"
Headers = Mapping[str, str]
STANDARD_PORTS = (80, 443)
SAFE = "/?&=%:;,+@!$'()*~-._[]"  # in a path as users write it
CREDENTIALS: dict[str, tuple[str, ...]] = {
    "username": ("user",),
    "password": (),
    "token": ("bearer", "bearer-token"),
}
PATH = Key("the path under which the service lies, e.g. /monitoring; default none")
LISTED = 8  # names in a sentence
MAX_TEXT = 1000


class HttpApi(WireCheck):
    """Asks `first`, recognises the product, logs in where that is wanted; the rest is `verify`."""

    first: ClassVar[str] = "/"
    accept: ClassVar[str] = "*/*"  # JSON where proxies and old servers would else choose another
    # Some say 403 to those they do not know; that is looked into where there is a login to send.
    forbids_strangers: ClassVar[bool] = True
    verify_needs_login = False
    authorization = ""
    cookie = ""  # of a session, where a product has a login of its own
    answer = Response(status=0, reason="", headers={}, body=b"")  # the last that was asked for

    @property
    def opening(self) -> str:
        """What is asked first."""
        return self.first

    @property
    def base(self) -> str:
        """The path before all others (`expect.path`); nothing in it can become a header."""
        path = quote(str(self.target.expect.get("path") or ""), safe=SAFE).strip("/")
        return f"/{path}" if path else ""

    @property
    def host(self) -> str:
        """The Host header as an application sends it: the bridge's name. In an Ingress's name, as
        its controller passes it on: without the port that only the cluster knows.
        """
        name = self.target.tls.server_name or next(iter(self.target.tls_names), "")
        known = self.target.port in STANDARD_PORTS or self.target.via.startswith("Ingress/")
        port = "" if known else f":{self.target.port}"
        return f"{name}{port}" if name else self.target.address

    @property
    def login_sent(self) -> bool:
        """A login is sent where one is asked for, not because there is one."""
        return bool(self.authorization or self.cookie)

    async def handshake(self) -> Seen:
        """The first answer: whose is it?"""
        self.http = HttpConnection(self.stream, self.host)
        self.answer = await self.get(self.opening)
        refuse_transport(self.answer)
        if self.wants_login:
            return Seen(detail="asks for a login", evidence=facts_of(self.answer))
        refuse_host(self.answer, self.http.host)
        raise_gateway(self.answer)
        return self.recognise(self.answer)

    def recognise(self, answer: Response) -> Seen:
        """Product and version of the first answer that is no 401. Raises Fault (WRONG_PRODUCT)."""
        return Seen(detail=status_line(answer), evidence=facts_of(answer))

    @property
    def wants_login(self) -> bool:
        """401; and 403 where there is a login to send."""
        if self.answer.status == 403:
            return self.forbids_strangers and self.login is not None
        return self.answer.status == 401

    async def auth(self, login: Login | None) -> Seen | None:
        """Basic authentication or a bearer token, where it is asked for."""
        if not self.wants_login:
            return None
        schemes = self.answer.headers.get("www-authenticate", "").lower()
        if login is None:
            raise Fault(Reason.AUTH_REQUIRED, "401: the service asks for a login")
        self.authorization = authorization(login, schemes)
        self.answer = await self.get(self.opening)
        if self.answer.status == 401:
            raise Fault(Reason.AUTH_REJECTED, f"401 {self.answer.reason}".strip(), code="401")
        return self.logged_in(self.recognise(self.answer))

    def logged_in(self, seen: Seen | None = None) -> Seen:
        """What an accepted login says; a password in clear text is a warning."""
        return Seen(
            detail="; ".join(filter(None, ("login accepted", seen.detail if seen else ""))),
            evidence=seen.evidence if seen else {},
            warning=self.password_in_clear,
        )

    # -- requests -------------------------------------------------------------------------------

    async def get(self, path: str, headers: Headers | None = None) -> Response:
        """The answer to GET, below `base`. Raises Fault only where nothing of HTTP came back."""
        return await self.send("GET", path, headers)

    def own_path(self, location: str) -> str:
        """The path below `base` that a redirection leads to; "" where it leads to another host,
        another scheme or out of `base`: such a redirection is told and not followed.
        """
        try:
            parts = urlsplit(location)
            port = parts.port
        except ValueError:  # a port that is no number
            return ""
        scheme = "https" if self.stream.encrypted else "http"
        if parts.scheme and (parts.scheme != scheme or not self._is_us(parts.hostname, port)):
            return ""
        if (parts.netloc and not parts.scheme) or not parts.path.startswith(f"{self.base}/"):
            return ""
        return quote(parts.path.removeprefix(self.base), safe=SAFE)

    def _is_us(self, host: str | None, port: int | None) -> bool:
        """Whether host and port are those of our own Host header."""
        ours = urlsplit(f"//{self.http.host}")
        same = (host or "").lower() == (ours.hostname or "").lower()
        usual = STANDARD_PORTS[self.stream.encrypted]
        return same and (port or usual) == (ours.port or usual)

    async def send(
        self, method: str, path: str, headers: Headers | None = None, body: bytes = b""
    ) -> Response:
        """Any request; all but GET is for logins and for `--active`: checks read."""
        usual = {"Accept": self.accept}
        if self.authorization:
            usual["Authorization"] = self.authorization
        try:
            return await self.http.request(
                method, f"{self.base}{path}", {**usual, **(headers or {})}, body
            )
        except Fault as fault:
            raise await explain_hang_up(self.stream, fault, own="HTTP") from fault

    async def json(self, path: str, what: str = "") -> Any:
        """The JSON that a path gives. `what` names it in a Fault: anything but 200 and JSON."""
        return self.json_of(await self.get(path, {"Accept": JSON}), path, what)

    async def post(self, path: str, value: Json, headers: Headers | None = None) -> Response:
        """Send JSON. For logins and for `--active` only."""
        named = {"Content-Type": JSON, **(headers or {})}
        return await self.send("POST", path, named, json.dumps(value).encode())

    def json_of(self, answer: Response, path: str, what: str = "") -> Any:
        """The JSON of an answer. Raises Fault for anything but 2xx and JSON."""
        name = what or path
        if answer.status in (401, 403):
            text = f"{status_line(answer)} for {name}"
            unknown = answer.status == 401 and not self.login_sent
            reason = Reason.AUTH_REQUIRED if unknown else Reason.PERMISSION_DENIED
            raise Fault(reason, text, code=str(answer.status))
        if answer.status == 404:
            raise Fault(Reason.OBJECT_MISSING, f"there is no {name} (404)", code="404")
        raise_gateway(answer)
        data = answer.json()
        if not 200 <= answer.status < 300 or data is None:
            text = f"{status_line(answer)} for {name}" + (
                "" if data is not None else ", and no JSON"
            )
            raise Fault(Reason.SERVER_ERROR, text, code=str(answer.status))
        return data


def refuse_transport(answer: Response) -> None:
    """Raises Fault where an HTTP server says that TLS, or a client's certificate, is missing."""
    if answer.wants_tls:
        raise Fault(Reason.TLS_REQUIRED, "the server says that this is its HTTPS port")
    if answer.status == 400 and b"SSL certificate" in answer.body:  # nginx
        text = "the server says that it wants one, or another one"
        words = answer.body.decode("latin-1")
        raise Fault(Reason.CLIENT_CERTIFICATE_REQUIRED, text, words=words)


def refuse_host(answer: Response, host: str) -> None:
    """Raises Fault where the server says that it does not know the name it was called by, or that
    a signature was made for another one.
    """
    signature = signature_words(answer)
    if signature:
        text = f"{status_line(answer)} for Host {host}: {signature}"
        raise Fault(Reason.SIGNED_FOR_ANOTHER_HOST, text, **facts_of(answer))
    words = host_words(answer, host)
    if words:
        text = f"{status_line(answer)} for Host {host}: {words}"
        raise Fault(Reason.HOST_NAME_UNKNOWN, text, **facts_of(answer))


def raise_gateway(answer: Response) -> None:
    """Raises Fault for a proxy's own word that it does not reach its server."""
    if answer.gateway:
        text = f"{status_line(answer)} from {answer.gateway}, a proxy in front of it"
        raise Fault(Reason.UNHEALTHY, f"{text}, which does not reach it", code=str(answer.status))


def status_line(answer: Response) -> str:
    """Status and its words, and where a redirection leads: it is not followed."""
    words = f"{answer.status} {answer.reason}".strip()
    return f"{words} to {answer.redirect}" if answer.redirect else words


def facts_of(answer: Response) -> dict[str, Json]:
    """Status and server of an answer, as evidence."""
    return {"status": answer.status, "server": answer.headers.get("server", "")}


def wrong_product(answer: Response, wanted: str) -> Fault:
    """The Fault for an HTTP server that is not `wanted`."""
    server = answer.headers.get("server", "")
    who = f" by {server}" if server else ""
    if answer.status == 403:
        text = f"HTTP answers ({status_line(answer)}{who}): whether it is {wanted} is not known"
        return Fault(Reason.FORBIDDEN, text, code="403", **facts_of(answer))
    text = f"HTTP answers ({status_line(answer)}{who}), and not as {wanted} does"
    return Fault(Reason.WRONG_PRODUCT, text, **facts_of(answer))


def authorization(login: Login, schemes: str) -> str:
    """The header's value. Raises Fault for schemes that take neither a password nor a token."""
    if login.get("token"):
        return f"Bearer {login.get('token')}"
    if schemes and "basic" not in schemes:
        offered = ", ".join(s for s in ("bearer", "digest", "negotiate", "ntlm") if s in schemes)
        text = f"401: it takes no user and password in the Basic way ({offered or 'unknown'})"
        raise Fault(Reason.AUTH_METHOD_UNSUPPORTED, text)
    return basic(login.get("username"), login.get("password"))


def mapping(value: Any) -> dict[str, Any]:
    """`value` if it is a JSON object, else {}: anything may come back."""
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def sequence(value: Any) -> list[Any]:
    """`value` if it is a JSON array, else []."""
    return value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]


def text_of(value: Any, at_most: int = MAX_TEXT) -> str:
    """`value` if it is text, so many characters of it, else ""."""
    return value[:at_most] if isinstance(value, str) else ""


def some(names: Sequence[str]) -> str:
    """At most LISTED of them, and how many more."""
    rest = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + rest
