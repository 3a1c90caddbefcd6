"""What the API server answers: read to its end, within bounds; refusals as errors; streams."""

from __future__ import annotations

import http.client
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from k8sext.errors import K8sextError
from k8sext.model.data import dataclass
from k8sext.model.secret import printable

MAX_BYTES = 128 << 20  # of one answer, unpacked; 5,000 Services are 8 MB
MAX_LINE = 4 << 20
LIGHT = 8 << 20  # an answer that is not weighed: 5,000 Services
MAX_WEIGHT = 768 << 20


class ApiError(K8sextError):
    """The API server said no. `status` is the HTTP status, `reason` and `details` its Status.

    `genuine`: it was a Status of the API server, not a page of something in between. `after_s`:
    the seconds after which it asks to come again, where it does.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        details: Mapping[str, Any],
        where: str,
        *,
        fix: str = "",
        genuine: bool = True,
        after_s: float | None = None,
    ) -> None:
        super().__init__(printable(message, 600), where=where, fix=fix, exit_code=3)
        self.message = self.what  # without what this process has sent
        self.status, self.reason = status, printable(reason, 80)
        self.details, self.genuine, self.after_s = details, genuine, after_s

    def placed(self, where: str, fix: str) -> ApiError:
        """The same refusal for people: where it stopped us, and what would help."""
        said = self.status, self.reason, self.message, self.details
        genuine, after_s = self.genuine, self.after_s
        return ApiError(*said, where, fix=fix, genuine=genuine, after_s=after_s)


class Lost(K8sextError):
    """No answer came. `sent`: the request may have arrived; `passing`: it may go better soon."""

    def __init__(self, where: str, error: Exception, *, sent: bool, passing: bool) -> None:
        self.timed_out = isinstance(error, TimeoutError)
        why = "timed out" if self.timed_out else str(error) or type(error).__name__
        super().__init__(
            "the API server cannot be reached",
            where=where,
            why=printable(why),
            fix="kubectl cluster-info with the same context should answer",
            exit_code=3,
        )
        self.sent, self.passing = sent, passing


class Misread(K8sextError):
    """What answers says what no API server says."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"what answers is no Kubernetes API server ({printable(why, 200)})",
            where=where,
            fix="look for a proxy or a login page between here and it",
            exit_code=3,
        )


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """One answer, read to its end."""

    response: http.client.HTTPResponse
    data: bytes

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.response.status

    @property
    def content_type(self) -> str:
        """What it says that it is."""
        return printable(self.response.headers.get("Content-Type") or "no type", 80)


def refused(
    status: int, phrase: str, body: bytes, where: str, after_s: float | None = None
) -> ApiError:
    """The Status of the API server; of anything else (a gateway's page) only its number."""
    try:
        said = decoded(body)
    except ValueError:
        said = {}
    message, details = said.get("message"), said.get("details")
    known = cast("dict[str, Any]", details) if isinstance(details, dict) else {}
    reason = said.get("reason")
    return ApiError(
        status,
        reason if isinstance(reason, str) else "",
        message if message and isinstance(message, str) else f"HTTP {status} {phrase}".rstrip(),
        known,
        where,
        genuine=said.get("kind") == "Status" or isinstance(message, str),
        after_s=after_s,
    )


def decoded(data: bytes | str) -> dict[str, Any]:
    """The JSON object in `data`. Raises ValueError where there is none."""
    if len(data) > LIGHT and _weight(data) > MAX_WEIGHT:
        raise ValueError("more values than any list of objects has")
    try:
        found: Any = json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    if b"\\ud" in data if isinstance(data, bytes) else "\\ud" in data:
        found = _without_surrogates(found)
    return cast("dict[str, Any]", found)


def _weight(data: bytes | str) -> int:
    """Bytes of memory that the values of a JSON text may take, roughly: `{},{},…` takes thirty
    times its own length, the objects of Kubernetes four times.
    """
    text = data if isinstance(data, bytes) else data.encode("utf-8", "replace")
    return 72 * (text.count(b"{") + text.count(b"[")) + 40 * text.count(b",")


def _without_surrogates(found: Any) -> Any:
    """Half a character cannot be written anywhere: no report could hold it."""
    if isinstance(found, str):
        return found.encode("utf-8", "replace").decode() if not _encodes(found) else found
    if isinstance(found, list):
        return [_without_surrogates(v) for v in found]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(found, dict):
        pairs = cast("dict[str, Any]", found).items()
        return {_without_surrogates(k): _without_surrogates(v) for k, v in pairs}
    return found


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def body(response: http.client.HTTPResponse) -> bytes:
    """The whole answer, unpacked, of at most MAX_BYTES."""
    try:
        data = response.read(MAX_BYTES + 1)
    except ValueError as error:  # a chunk of negative length: http.client relies on better
        raise http.client.HTTPException("the answer is garbled") from error
    if (
        response.length and len(data) <= MAX_BYTES
    ):  # read(n) does not tell that the connection ended too early
        raise http.client.IncompleteRead(data, response.length)
    if (response.headers.get("Content-Encoding") or "").strip().lower() in ("gzip", "x-gzip"):
        unpack = zlib.decompressobj(31)
        data = unpack.decompress(data, MAX_BYTES + 1)
        if len(data) <= MAX_BYTES and not unpack.eof:
            raise zlib.error("the packed answer is incomplete")
    if len(data) > MAX_BYTES:
        raise TooLarge(f"the answer is larger than {MAX_BYTES >> 20} MiB")
    return data


class TooLarge(OSError):
    """More than is read."""


def lines(
    response: http.client.HTTPResponse, begin: Callable[[], None] = lambda: None
) -> Iterator[bytes]:
    """Lines as they come; a cut or a long silence ends them like an end does.

    `begin` is called before each: a line has a time limit of its own, or a drip would hold it.
    """
    while True:
        begin()
        try:
            line = response.readline(MAX_LINE)
        except (OSError, http.client.HTTPException, ValueError):
            return
        if not line:
            return
        yield line
