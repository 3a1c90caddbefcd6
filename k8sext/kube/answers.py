"""What the API server answers: read to its end, within bounds; refusals as errors; streams."""

from __future__ import annotations

import http.client
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from k8sext.errors import K8sextError
from k8sext.model.secret import printable

MAX_BYTES = 512 << 20  # of one answer, unpacked; 5,000 Services are 8 MB
MAX_LINE = 4 << 20
BUSY_WAIT_S = 5.0  # the longest Retry-After that is waited for


class ApiError(K8sextError):
    """The API server said no. `status` is the HTTP status, `reason` and `details` its Status."""

    def __init__(
        self, status: int, reason: str, message: str, details: Mapping[str, Any], where: str
    ) -> None:
        self.message = printable(message, 600)
        super().__init__(self.message, where=where, exit_code=3)
        self.status, self.reason = status, printable(reason, 80)
        self.details = details


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, read to its end."""

    response: http.client.HTTPResponse
    data: bytes

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.response.status


def refused(status: int, phrase: str, body: bytes, where: str) -> ApiError:
    """The Status of the API server; of anything else (a gateway's page) only its number."""
    try:
        data: Any = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    said = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    message = said.get("message") or f"HTTP {status} {phrase}".rstrip()
    reason, details = str(said.get("reason") or ""), said.get("details")
    known = cast("dict[str, Any]", details) if isinstance(details, dict) else {}
    return ApiError(status, reason, str(message), known, where)


def asked_to_wait(answer: Answer, method: str) -> float | None:
    """Seconds after which the server asks us to come again; None where it does not, or too late.

    A 429 was not handled at all (API priority and fairness); after a 5xx only reading is safe.
    """
    said = (answer.response.headers.get("Retry-After") or "").strip()
    safe = answer.status == 429 or (answer.status >= 500 and method == "GET")
    if not safe or not (said.isascii() and said.isdigit()):
        return None
    seconds = float(said[:9])
    return seconds if seconds <= BUSY_WAIT_S else None


def body(response: http.client.HTTPResponse) -> bytes:
    """The whole answer, unpacked, of at most MAX_BYTES."""
    data = response.read(MAX_BYTES + 1)
    if (
        response.length and len(data) <= MAX_BYTES
    ):  # read(n) does not tell that the connection ended too early
        raise http.client.IncompleteRead(data, response.length)
    if response.headers.get("Content-Encoding") == "gzip":
        unpack = zlib.decompressobj(31)
        data = unpack.decompress(data, MAX_BYTES + 1)
        if len(data) <= MAX_BYTES and not unpack.eof:
            raise zlib.error("the packed answer is incomplete")
    if len(data) > MAX_BYTES:
        raise OSError(f"the answer is larger than {MAX_BYTES >> 20} MiB")
    return data


def lines(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Lines as they come; a cut or a long silence ends them like an end does."""
    while True:
        try:
            line = response.readline(MAX_LINE)
        except (OSError, http.client.HTTPException, ValueError):
            return
        if not line:
            return
        yield line
