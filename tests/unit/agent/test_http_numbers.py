import asyncio

import pytest

from k8sext.agent.check import Fault
from k8sext.agent.wire.http import HttpConnection, Response
from k8sext.model.words import Reason
from tests.support.converse import fed


def answer(data: bytes) -> Response:
    async def read() -> Response:
        return await HttpConnection(fed(data), "h")._response("GET")  # pyright: ignore[reportPrivateUsage]

    return asyncio.run(read())


@pytest.mark.parametrize("length", ["11\xb9", "9" * 5000, "-1"])
def test_a_length_that_is_no_number_is_not_believed(length: str) -> None:
    data = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nbody".encode("latin-1")
    assert answer(data).body == b"body"


def test_a_status_that_is_no_number() -> None:
    with pytest.raises(Fault) as raised:
        answer("HTTP/1.1 20\xb2 OK\r\n\r\n".encode("latin-1"))
    assert raised.value.reason is Reason.WRONG_PROTOCOL


def test_json_nested_without_end_is_no_json() -> None:
    assert answer(b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 200_000).json() is None
