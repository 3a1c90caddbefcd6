"""HTTP and HTTPS services (RFC 9110)."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import quote

from k8sext.agent.check import CheckInfo, Fault, Fingerprint, Login, Seen
from k8sext.agent.expect import Key
from k8sext.agent.wire.http import HttpConnection, Response
from k8sext.agent.wire.http_api import (
    CREDENTIALS,
    SAFE,
    HttpApi,
    raise_gateway,
    refuse_host,
    refuse_transport,
    status_line,
)
from k8sext.agent.wire.refusals import object_store, signature_words
from k8sext.model.result import Json
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason

EXPECTS = {
    "path": Key("what to ask for, default /"),
    "status": Key('the status that must come: 200, "2xx" or a list of them', "words"),
    "body_contains": Key("text that the answer must have in it"),
}
# What a server says to a Host header that it does not know (421: RFC 9110, 15.5.20).
_UNKNOWN_HOST = (400, 403, 404, 421)
# The same, said to no other fault of a GET: then what it says to its own address tells, too.
_BAD_HOST = (400, 421)


class Http(HttpApi):
    """One GET; below 500 passes unless a status is expected."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="http",
        summary="any HTTP service",
        proves="the path answers with the expected status, or at least below 500",
        ports=(80, 8080),
        fingerprints=(Fingerprint(product="HTTP", starts="HTTP/"),),
        port_names=("http", "web"),
        app_protocols=("http",),
        credential_keys=CREDENTIALS,
        expects=EXPECTS,
    )

    @property
    def base(self) -> str:
        """None: `expect.path` is what is asked for, not what lies before it."""
        return ""

    async def handshake(self) -> Seen:
        """The first answer, whatever its status."""
        self.http = HttpConnection(self.stream, self.host)
        self.answer = await self.get(self.opening)
        refuse_transport(self.answer)
        return self.recognise(self.answer)

    @property
    def opening(self) -> str:
        """What is asked for; nothing in it can become a header."""
        path = quote(str(self.target.expect.get("path") or "/"), safe=SAFE)
        return path if path.startswith("/") else f"/{path}"

    def recognise(self, answer: Response) -> Seen:
        """Any server will do."""
        return Seen(detail=status_line(answer), evidence=self._facts())

    async def auth(self, login: Login | None) -> Seen | None:
        """A login, unless the 401 is what is expected."""
        if self._meets() or object_store(self.answer):
            return None
        seen = await super().auth(login)
        return self.logged_in() if seen else None

    async def verify(self) -> Seen:
        """Status and text as expected; without an expectation, no error of the server's."""
        meets = self._meets()
        if not meets:
            await self._other_host()
            refuse_host(self.answer, self.http.host)
            raise_unwell(self.answer, "status" not in self.target.expect)
        if not meets and "status" in self.target.expect:
            wish = " or ".join(map(str, _listed(self.target.expect["status"])))
            text = f"{status_line(self.answer)}, expected is {wish}"
            raise Fault(Reason.UNEXPECTED, text, **self._facts())
        said = f"{self.opening} answers {status_line(self.answer)}"
        wanted = str(self.target.expect.get("body_contains") or "")
        if wanted and wanted.encode() not in self.answer.body:
            raise Fault(Reason.UNEXPECTED, f"{said}, without {wanted!r} in it", **self._facts())
        store = "" if meets else object_store(self.answer)
        if store:
            detail = f"{said}: {store}, which answers signed requests only; none was made"
            return Seen(detail=detail, evidence=self._facts() | {"object_store": store})
        if meets or self.answer.status != 403:
            return Seen(detail=said, evidence=self._facts())
        who = "this login" if self.authorization else "this client"
        return Seen(
            detail=f"{said}: it refuses {who}",
            evidence=self._facts(),
            warning=Reason.PERMISSION_DENIED,
        )

    async def _other_host(self) -> None:
        """Whether another name would be answered: an ExternalName does not change the Host header,
        and a server of many names knows only its own.
        """
        if self.answer.status not in _UNKNOWN_HOST:
            return
        host = self.http.host
        try:
            for other in self._other_hosts():
                self.http.host = other
                answer = await self.get(self.opening)
                if answer.status >= 400 or not self._wanted(answer):
                    continue
                text = (
                    f"{status_line(self.answer)} for Host {host}, "
                    f"and {status_line(answer)} for Host {other}"
                )
                reason = Reason.HOST_NAME_UNKNOWN
                if signature_words(self.answer):
                    reason = Reason.SIGNED_FOR_ANOTHER_HOST
                raise Fault(reason, text, status=self.answer.status, other_host=other)
        finally:
            self.http.host = host

    def _other_hosts(self) -> list[str]:
        """The outside name; where only the Host can be what is bad, its own address and loopback's
        name, too, which most lists of allowed hosts have in them.
        """
        names = (n for n in self.target.tls_names if "." in n and not self._ours(n))
        own = (self.stream.peer, "localhost") if self.answer.status in _BAD_HOST else ()
        others = [*list(names)[:1], *own]
        return [name for name in dict.fromkeys(others) if name and name != self.http.host]

    def _wanted(self, answer: Response) -> bool:
        return self._meets(answer) or "status" not in self.target.expect

    def _ours(self, name: str) -> bool:
        """Whether it is one of the Service's own names: SERVICE.NAMESPACE[.svc[.DOMAIN]]."""
        full = any(other.startswith(f"{name}.svc") for other in self.target.tls_names)
        return full or name.endswith(".svc") or ".svc." in name

    def _facts(self) -> dict[str, Json]:
        facts: dict[str, Json] = {
            "status": self.answer.status,
            "product": self.answer.headers.get("server", ""),
            "host": self.http.host,
            "keep_alive": self.answer.keeps,
        }
        return facts | ({"location": self.answer.redirect} if self.answer.redirect else {})

    def _meets(self, answer: Response | None = None) -> bool:
        """Whether the status is as expected; without an expectation, whether it is no error."""
        status = (answer or self.answer).status
        if "status" not in self.target.expect:
            return status < 400
        return status_in(status, self.target.expect["status"])


def raise_unwell(answer: Response, any_status: bool) -> None:
    """Raises Fault for a proxy that does not reach its server and, where no status is expected,
    for a server's own error.
    """
    raise_gateway(answer)
    if any_status and answer.status >= 500:
        raise Fault(Reason.UNHEALTHY, status_line(answer), code=str(answer.status))


def status_in(status: int, wanted: Json) -> bool:
    """Whether a status is 200, "200", "2xx" or in a list of such. Raises Fault for another wish."""
    if isinstance(wanted, list):
        return max((status_in(status, one) for one in wanted), default=False)  # looks at all
    text = str(wanted).lower()
    if len(text) == 3 and text[0] in "12345" and (text[1:] == "xx" or text.isdecimal()):
        return text in (str(status), f"{status // 100}xx")
    raise Fault(
        Reason.BAD_EXPECTATION, f"expect.status: {wanted!r} is no status such as 200 or 2xx"
    )


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


class Https(Http):
    """The same over TLS."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="https",
        summary="any HTTPS service",
        proves="the certificate holds, and the path answers with the expected status",
        ports=(443, 8443),
        port_names=("https",),
        app_protocols=("https",),
        credential_keys=CREDENTIALS,
        expects=EXPECTS,
    )
    default_tls = TlsMode.VERIFY_FULL
