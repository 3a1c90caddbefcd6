"""HTTP and HTTPS services (RFC 9110)."""

from __future__ import annotations

from typing import ClassVar

from k8sext.agent.check import CheckInfo, Fault, Login, Seen, WireCheck
from k8sext.agent.http import HttpConnection, Response, basic
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason

EXPECTS = {"path": "what to ask for, default /", "status": "the status that must come"}
CREDENTIALS: dict[str, tuple[str, ...]] = {"username": ("user",), "password": ()}


class Http(WireCheck):
    """One GET; below 500 passes unless a status is expected."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="http",
        summary="any HTTP service",
        proves="the path answers with the expected status, or at least below 500",
        ports=(80, 8080),
        port_names=("http", "web"),
        app_protocols=("http",),
        credential_keys=CREDENTIALS,
        expects=EXPECTS,
    )
    verify_needs_login = False
    authorization = ""

    async def handshake(self) -> Seen:
        """The first answer, whatever its status."""
        name = self.target.tls.server_name or next(iter(self.target.tls_names), "")
        self.http = HttpConnection(self.stream, name or self.target.address)
        self.answer = await self._get()
        if self.answer.status == 400:
            self._refused_for_tls(self.answer.body)
        server = self.answer.headers.get("server", "")
        return Seen(
            detail=f"{self.answer.status} {self.answer.reason}",
            evidence={"status": self.answer.status, "product": server},
        )

    @staticmethod
    def _refused_for_tls(body: bytes) -> None:
        """The words of nginx and of Go's net/http for what no TLS alert can say."""
        if b"HTTPS port" in body or b"HTTP request to an HTTPS server" in body:
            raise Fault(Reason.TLS_REQUIRED, "the server says that this is its HTTPS port")
        if b"SSL certificate" in body:
            text = "the server says that it wants one, or another one"
            raise Fault(Reason.CLIENT_CERTIFICATE_REQUIRED, text, words=body.decode("latin-1"))

    async def auth(self, login: Login | None) -> Seen | None:
        """Basic authentication, where it is asked for."""
        if self.answer.status != 401 or self._wanted() == 401:
            return None
        if login is None:
            raise Fault(Reason.AUTH_REQUIRED, "401: the service asks for a login")
        self.authorization = basic(login.get("username"), login.get("password"))
        self.answer = await self._get()
        if self.answer.status == 401:
            raise Fault(Reason.AUTH_REJECTED, f"401 {self.answer.reason}", code="401")
        clear = not self.stream.encrypted and self.target.tls.mode is not TlsMode.DISABLE
        return Seen(detail="login accepted", warning=Reason.PASSWORD_IN_CLEAR if clear else None)

    async def verify(self) -> Seen:
        """The status."""
        status, wanted = self.answer.status, self._wanted()
        if wanted and status != wanted:
            raise Fault(Reason.UNEXPECTED, f"status {status}, expected is {wanted}")
        if not wanted and status >= 500:
            text = f"{status} {self.answer.reason}"
            raise Fault(Reason.UNHEALTHY, text, code=str(status))
        return Seen(detail=f"{self._path()} answers {status}", evidence={"status": status})

    async def _get(self) -> Response:
        headers = {"Authorization": self.authorization} if self.authorization else {}
        return await self.http.request("GET", self._path(), headers)

    def _path(self) -> str:
        return str(self.target.expect.get("path") or "/")

    def _wanted(self) -> int:
        value = self.target.expect.get("status")
        return value if isinstance(value, int) else 0


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
