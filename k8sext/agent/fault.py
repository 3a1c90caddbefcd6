"""Why a stage cannot go on."""

from __future__ import annotations

import errno
import traceback

from k8sext.model.result import Json
from k8sext.model.secret import printable
from k8sext.model.words import Reason

from .seen import Callbacks


class Fault(Exception):
    """A stage cannot go on, and why. `detail` is one sentence; `evidence` as in StageResult.

    `callbacks` as in `Seen`: what a verify step has found out may be why it fails.
    """

    callbacks: Callbacks | None = None
    counted = False  # the server has counted this login as a failed one: none follows with it

    def __init__(self, reason: Reason, detail: str = "", **evidence: Json) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = printable(detail)
        self.evidence: dict[str, Json] = dict(evidence)


_BY_ERRNO = {
    errno.ECONNREFUSED: Reason.REFUSED,
    errno.ETIMEDOUT: Reason.TIMED_OUT,
    errno.EHOSTUNREACH: Reason.NO_ROUTE,
    errno.ENETUNREACH: Reason.NO_ROUTE,
    errno.EADDRNOTAVAIL: Reason.NO_ROUTE,
    errno.EPERM: Reason.NOT_PERMITTED,
    errno.EACCES: Reason.NOT_PERMITTED,
    errno.ECONNRESET: Reason.RESET,
    errno.ECONNABORTED: Reason.RESET,
    errno.EPIPE: Reason.RESET,
}


def raised(error: BaseException) -> str:
    """Which error, and the file and line that raised it: what is told of a defect of ours."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {where.filename.rsplit('/', 1)[-1]}:{where.lineno}"


def fault_of(error: OSError) -> Fault:
    """An operating-system error as a Fault: by errno, never by words."""
    number = error.errno or 0
    if number not in _BY_ERRNO and isinstance(error, ConnectionError):
        number = errno.ECONNRESET  # asyncio raises its own, without a number, after the first
    name = errno.errorcode.get(number, "")
    return Fault(_BY_ERRNO.get(number, Reason.NO_ROUTE), name, errno=name)
