"""A minimal HTTP/1.1 client over one Stream (RFC 9112), bounded in every direction."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from k8sext import __version__
from k8sext.agent.fault import Fault
from k8sext.agent.net.guess import wrong_protocol
from k8sext.model.data import dataclass
from k8sext.model.words import Reason

if TYPE_CHECKING:
    from k8sext.agent.net.stream import Stream

MAX_HEADERS = 100
MAX_BODY = 2 << 20
ONE_PACKET = 1200  # bytes that pass wherever anything does (IPv6's least MTU is 1280)
# Not str.isdigit, which takes "¹" (int does not), and not more digits than int() is safe with.
_NUMBER = re.compile(r"[0-9]{1,12}")
_CREDENTIALS = ("Authorization", "Cookie")
_VALUES = re.compile(r"(?:^|[ =])([^\s=;,]+=*)")
_UNSENDABLE = re.compile(r"[\r\n\0]")  # would begin another header
_HEXADECIMAL = re.compile(rb"[0-9a-fA-F]{1,12}")


# What servers answer to a request in clear text on their HTTPS port: nginx, Go, Apache httpd.
_HTTPS_PORT = (b"HTTPS port", b"HTTP request to an HTTPS server", b"SSL-enabled server port")
_GATEWAYS = (502, 503, 504)
_SEVERAL = ("www-authenticate", "set-cookie")  # one line for each scheme, for each cookie


@dataclass(frozen=True, slots=True)
class Response:
    """One answer; header names are in lower case, repeated ones joined by a comma."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    keeps: bool = True  # whether the server keeps the connection open (RFC 9112, 9.3)

    @property
    def wants_tls(self) -> bool:
        """Whether it says that this is its HTTPS port."""
        return self.status == 400 and any(words in self.body for words in _HTTPS_PORT)

    @property
    def gateway(self) -> str:
        """Who says, in place of the server, that the server cannot be reached; "" if nobody does.

        A proxy's own error page is not JSON; a server's or an application's error mostly is.
        """
        if self.status not in _GATEWAYS or self.json() is not None:
            return ""
        name = self.headers.get("server", "").split("/")[0]
        return name or "a proxy without a name"

    @property
    def redirect(self) -> str:
        """Where it sends the client; "" if nowhere."""
        return self.headers.get("location", "") if 300 <= self.status < 400 else ""

    @property
    def clock(self) -> datetime | None:
        """The server's own time, to the second (RFC 9110, 6.6.1); None where it does not say."""
        from email.utils import parsedate_to_datetime  # large, and hardly ever needed

        try:
            when = parsedate_to_datetime(self.headers.get("date", ""))
            return when.replace(tzinfo=when.tzinfo or UTC)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None

    def json(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):  # the latter: brackets nested without end
            return None


def basic(username: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


class HttpConnection:
    """Requests one after another on one connection; on a new one after the server closed it."""

    def __init__(self, stream: Stream, host: str) -> None:
        self.stream = stream
        self.host = host
        self.kept = True

    async def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Response:
        """Send a request and read its answer. Raises Fault (WRONG_PROTOCOL, …)."""
        fields = {
            "Host": self.host,
            "User-Agent": f"k8sext/{__version__}",
            "Accept": "*/*",
            **(headers or {}),
        }
        if body:
            fields["Content-Length"] = str(len(body))
        if _UNSENDABLE.search(fields.get("Authorization", "")):
            text = "the login was not sent: it has a line break in it, which no header may have"
            raise Fault(Reason.AUTH_REJECTED, text)
        fields = {name: _UNSENDABLE.sub("", value) for name, value in fields.items()}
        self.stream.keeps_secret(*_tokens(*(fields.get(n, "") for n in _CREDENTIALS)))
        if not self.kept:
            await self.stream.reconnect()
            self.kept = True
        lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items()), "", ""]
        await self.stream.write("\r\n".join(lines).encode("latin-1", "replace") + body)
        return await self._response(method)

    async def _response(self, method: str) -> Response:
        version, status, reason = await self._status_line()
        while 100 <= status < 200:  # interim answers: 100 Continue, 103 Early Hints
            await self._headers()
            version, status, reason = await self._status_line()
        try:
            return await self._rest(method, version, status, reason)
        except Fault as fault:
            raise _half_an_answer(fault) from fault

    async def _rest(self, method: str, version: str, status: int, reason: str) -> Response:
        """Headers and body, once there is a status line."""
        headers = await self._headers()
        bare = method == "HEAD" or status in (204, 304)
        body, framed = (b"", True) if bare else await self._body(headers)
        wish = headers.get("connection", "").lower()
        self.kept = framed and "close" not in wish and (version != "HTTP/1.0" or "keep" in wish)
        return Response(status, reason, headers, body, self.kept)

    async def _status_line(self) -> tuple[str, int, str]:
        """Anything but `HTTP/1.x NNN` in the first bytes means that something else answers."""
        first = await self.stream.read_exactly(5)
        if first != b"HTTP/":
            raise await wrong_protocol(self.stream, "the answer is not HTTP")
        try:
            line = (first + await self.stream.read_until(b"\n", 4096)).decode("latin-1").strip()
        except Fault as fault:
            raise _half_an_answer(fault) from fault
        words = line.split(" ", 2)
        if len(words) < 2 or not _NUMBER.fullmatch(words[1]):
            raise Fault(
                Reason.WRONG_PROTOCOL,
                "a status line without a status",
                **self.stream.first_bytes_fact(),
            )
        return words[0], int(words[1]), words[2] if len(words) > 2 else ""

    async def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _ in range(MAX_HEADERS):
            line = (await self.stream.read_until(b"\n", 16384)).decode("latin-1").strip()
            if not line:
                return headers
            name, _, value = line.partition(":")
            name, value = name.strip().lower(), value.strip()
            again = name in _SEVERAL and name in headers
            headers[name] = f"{headers[name]}, {value}" if again else value
            if name == "set-cookie":
                self.stream.keeps_secret(*_tokens(value.partition(";")[0]))
        raise Fault(Reason.TOO_MUCH, f"more than {MAX_HEADERS} headers")

    async def _body(self, headers: Mapping[str, str]) -> tuple[bytes, bool]:
        """The body, and whether it ended before the connection did."""
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return await self._chunks(), True
        length = headers.get("content-length", "")
        if _NUMBER.fullmatch(length):
            return await self._exactly(_bounded(int(length))), True
        body = bytearray()
        while len(body) <= MAX_BODY:
            some = await self.stream.read_some()
            if not some:
                return bytes(body), False
            body += some
        raise Fault(Reason.TOO_MUCH, f"a body of more than {MAX_BODY} bytes")

    async def _exactly(self, length: int) -> bytes:
        """A body of a known length; one that is too large for one packet may be lost for that."""
        try:
            return await self.stream.read_exactly(length)
        except Fault as fault:
            if fault.reason is Reason.TIMED_OUT and length > ONE_PACKET:
                fault.evidence["large_answer"] = True
            raise

    async def _chunks(self) -> bytes:
        body = bytearray()
        while True:
            line = await self.stream.read_until(b"\n", 1024)
            digits = line.split(b";")[0].strip()
            if not _HEXADECIMAL.fullmatch(digits):
                raise Fault(Reason.WRONG_PROTOCOL, "a chunk without a size")
            size = int(digits, 16)
            body += await self.stream.read_exactly(_bounded(size + len(body)) - len(body))
            if size == 0:
                await self._headers()
                return bytes(body)
            await self.stream.read_until(b"\n", 2)


def _tokens(*headers: str) -> list[str]:
    """The values in credentials and cookies."""
    return _VALUES.findall(" ".join(headers))


def _half_an_answer(fault: Fault) -> Fault:
    """An answer that began and does not end is the server's, whatever stands on the way; one that
    stalls may be too large for the path.
    """
    if fault.reason in (Reason.CLOSED_EARLY, Reason.RESET):
        text = "it breaks off in the middle of its answer"
    elif fault.reason is Reason.TIMED_OUT and not fault.evidence.get("large_answer"):
        text = "its answer begins and does not end"
    else:
        return fault
    return Fault(Reason.UNHEALTHY, text, **fault.evidence)


def _bounded(size: int) -> int:
    if size > MAX_BODY:
        raise Fault(Reason.TOO_MUCH, f"a body of {size} bytes")
    return size
