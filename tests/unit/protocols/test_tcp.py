import asyncio

import pytest

from k8sext.model.words import Reason, Stage, Status
from tests.support.converse import against
from tests.support.loopback import Handler


def speaking(greeting: bytes, heard: list[bytes]) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()
        heard.append(await reader.read())

    return handle


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "says SSH"),
        (b"220 mail ESMTP\r\n", "says SMTP or FTP"),
        (b"+OK ready\r\n", "says POP3"),
        (b"\x4a\x00\x00\x00\x0a8.0.36\x00", "says MySQL or MariaDB (annotate"),
        (b"\x01\x02\x03", "says 3 bytes that tell no protocol"),
        (b"", ""),
    ],
)
def test_it_listens_and_never_sends(greeting: bytes, words: str) -> None:
    heard: list[bytes] = []
    seen = against(speaking(greeting, heard), "tcp", "tcp")
    assert seen.status is Status.PASS
    stage = seen.stage(Stage.HANDSHAKE)
    assert stage is not None
    assert stage.detail.startswith(words)
    assert (stage.status is Status.SKIP) == (not words)  # silence proves no more than a connection
    assert heard in ([], [b""])


def test_the_banner_is_kept_where_it_can_be_read() -> None:
    seen = against(speaking(b"SSH-2.0-x\r\n", []), "tcp", "tcp")
    assert seen.fact("words") == "SSH-2.0-x"


def test_accepted_and_closed() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        return

    ended = against(handle, "tcp", "tcp").ended_by
    assert ended is not None
    assert ended.reason is Reason.CLOSED_EARLY
