"""urllib3 within bounds: drivers over it read, and unpack, whatever a server sends."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any

from k8sext.agent.fault import Fault
from k8sext.model.data import dataclass
from k8sext.model.words import Reason

LIMIT = 8 << 20  # of one answer, unpacked; the health and the banner of a cluster are some hundreds


@dataclass(frozen=True, slots=True)
class DriverAnswer:
    """What elastic_transport asks of urllib3's answer."""

    status: int
    headers: Mapping[str, str]
    data: bytes


def urlopen(real: Callable[..., Any], *args: Any, **options: Any) -> DriverAnswer:
    """As the pool's `urlopen`, with a body of at most LIMIT bytes. Raises Fault (TOO_MUCH)."""
    answer = real(*args, preload_content=False, **options)
    try:
        packed: bytes = answer.read(LIMIT + 1, decode_content=False)
        data = _unpacked(packed, str(answer.headers.get("content-encoding") or ""))
        if len(data) > LIMIT:
            raise Fault(Reason.TOO_MUCH, f"an answer of more than {LIMIT >> 20} MiB")
    except BaseException:
        answer.close()
        raise
    answer.release_conn()
    return DriverAnswer(answer.status, answer.headers, data)


def _unpacked(data: bytes, coding: str) -> bytes:
    """Nobody asked for gzip; a proxy may send it all the same."""
    if coding.strip().lower() not in ("gzip", "x-gzip", "deflate") or len(data) > LIMIT:
        return data
    try:
        return zlib.decompressobj(47).decompress(data, LIMIT + 1)  # 47: gzip or zlib, by its header
    except zlib.error as error:
        raise Fault(Reason.WRONG_PROTOCOL, "it says gzip and is none") from error
