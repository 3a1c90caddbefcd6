"""What a check needs to speak to the bridge that it visits (`WireCheck.visit`)."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

from k8sext.agent.check import Fault, WireCheck
from k8sext.model.words import Reason

from .http import HttpConnection, Response

# What says nothing of a system's state, only that no conversation came about.
_NO_TALK = (
    Reason.TIMED_OUT, Reason.SILENT, Reason.RESET, Reason.CLOSED_EARLY, Reason.WRONG_PROTOCOL,
    Reason.TOO_MUCH,
)  # fmt: skip


class Web:
    """Requests to a visited check of an HTTP service, with the login that it was given."""

    def __init__(self, other: WireCheck, key: str, protocol: str) -> None:
        """Raises Fault where the bridge that `expect` names under `key` is of another protocol."""
        visited: Any = other
        if other.info.name != protocol:
            raise unfit(other, key, protocol)
        self.other, self.where = other, other.target.service
        self.http: HttpConnection = visited.http
        self.authorization: str = visited.authorization

    async def send(self, method: str, path: str) -> Response:
        """One request. Raises Fault (COMPANION_FAILED) where no answer comes."""
        headers = {"Accept": "application/json"}
        if self.authorization:
            headers["Authorization"] = self.authorization
        if method != "GET":
            headers["Content-Length"] = "0"
        with named(self.other):
            return await self.http.request(method, path, headers)

    async def json(self, path: str, what: str) -> Any:
        """The JSON of a GET. Raises Fault for anything but 200 and JSON; `what` names it."""
        answer = await self.send("GET", path)
        said = f"{self.where} answers {answer.status} {answer.reason}".strip()
        if answer.status in (401, 403):
            text = f"{said}: its login may not see {what}"
            raise Fault(Reason.PERMISSION_DENIED, text, code=str(answer.status))
        if answer.status == 404:
            raise Fault(Reason.OBJECT_MISSING, f"{self.where} does not know {what}", code="404")
        data = answer.json()
        if answer.status != 200 or data is None:
            text = f"{said} for {what}" + ("" if data is not None else ", and no JSON")
            raise Fault(Reason.SERVER_ERROR, text, code=str(answer.status))
        return data


def unfit(other: WireCheck, key: str, wanted: str) -> Fault:
    """The Fault for a companion of another protocol."""
    there = f"{other.target.service} is a bridge of {other.target.protocol}, not of {wanted}"
    return Fault(Reason.BAD_EXPECTATION, f"expect.{key}: {there}")


@contextlib.contextmanager
def named(other: WireCheck) -> Generator[None]:
    """A Fault inside this block is the companion's, and says so: the check's own server is not to
    be blamed for one that falls silent.
    """
    try:
        yield
    except Fault as fault:
        reason = Reason.COMPANION_FAILED if fault.reason in _NO_TALK else fault.reason
        words = fault.detail or fault.reason.value.replace("_", " ")
        known = other.target.service in words
        text = words if known else f"{other.target.service}: {words}"
        raise Fault(reason, text, **fault.evidence) from fault
