"""A minimal HTTP/1.1 client over one Stream (RFC 9112), bounded in every direction."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from k8sext import __version__
from k8sext.model.words import Reason

from .fault import Fault

if TYPE_CHECKING:
    from .stream import Stream

MAX_HEADERS = 100
MAX_BODY = 2 << 20
# Not str.isdigit, which takes "¹" (int does not), and not more digits than int() is safe with.
_NUMBER = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Response:
    """One answer; header names are in lower case."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

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
    """Requests one after another on one connection."""

    def __init__(self, stream: Stream, host: str) -> None:
        self.stream = stream
        self.host = host

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
        lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items()), "", ""]
        await self.stream.write("\r\n".join(lines).encode("latin-1", "replace") + body)
        return await self._response(method)

    async def _response(self, method: str) -> Response:
        status, reason = await self._status_line()
        while status == 100:
            await self._headers()
            status, reason = await self._status_line()
        headers = await self._headers()
        body = b"" if method == "HEAD" or status in (204, 304) else await self._body(headers)
        return Response(status, reason, headers, body)

    async def _status_line(self) -> tuple[int, str]:
        """Anything but `HTTP/1.x NNN` in the first bytes means that something else answers."""
        first = await self.stream.read_exactly(5)
        if first != b"HTTP/":
            raise Fault(
                Reason.WRONG_PROTOCOL,
                "the answer is not HTTP",
                **self.stream.first_bytes_fact(),
            )
        line = (first + await self.stream.read_until(b"\n", 4096)).decode("latin-1").strip()
        words = line.split(" ", 2)
        if len(words) < 2 or not _NUMBER.fullmatch(words[1]):
            raise Fault(
                Reason.WRONG_PROTOCOL, "a status line without a status", **self._first_bytes()
            )
        return int(words[1]), words[2] if len(words) > 2 else ""

    def _first_bytes(self) -> dict[str, Any]:
        return self.stream.first_bytes_fact()

    async def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _ in range(MAX_HEADERS):
            line = (await self.stream.read_until(b"\n", 16384)).decode("latin-1").strip()
            if not line:
                return headers
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        raise Fault(Reason.TOO_MUCH, f"more than {MAX_HEADERS} headers")

    async def _body(self, headers: Mapping[str, str]) -> bytes:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return await self._chunks()
        length = headers.get("content-length", "")
        if _NUMBER.fullmatch(length):
            return await self.stream.read_exactly(_bounded(int(length)))
        body = b""
        while len(body) <= MAX_BODY:
            some = await self.stream.read_some()
            if not some:
                return body
            body += some
        raise Fault(Reason.TOO_MUCH, f"a body of more than {MAX_BODY} bytes")

    async def _chunks(self) -> bytes:
        body = b""
        while True:
            line = await self.stream.read_until(b"\n", 1024)
            try:
                size = int(line.split(b";")[0].strip(), 16)
            except ValueError as error:
                raise Fault(Reason.WRONG_PROTOCOL, "a chunk without a size") from error
            if size < 0:
                raise Fault(Reason.WRONG_PROTOCOL, "a chunk of negative size")
            body += await self.stream.read_exactly(_bounded(size + len(body)) - len(body))
            if size == 0:
                await self._headers()
                return body
            await self.stream.read_until(b"\n", 2)


def _bounded(size: int) -> int:
    if size > MAX_BODY:
        raise Fault(Reason.TOO_MUCH, f"a body of {size} bytes")
    return size
