"""Which protocol an unexpected answer belongs to, for the sentence that says so.

Facts: what each server sends first, or in answer to a request that it cannot read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k8sext.agent.fault import Fault
from k8sext.model.words import Reason

if TYPE_CHECKING:
    from .stream import Stream

LISTEN_S = 0.2  # for the rest of an answer that has begun
ENOUGH = 64  # bytes to tell by

TLS = "TLS"
_BEGINNINGS = (
    (b"HTTP/", "HTTP"),
    (b"AMQP", "AMQP (RabbitMQ)"),
    (b"\x01\x00\x00\x00\x00", "AMQP (RabbitMQ)"),
    (b"SSH-", "SSH"),
    (b"220 ", "SMTP or FTP"),
    (b"INFO {", "NATS"),
    (b"This is not a", "Elasticsearch's transport port (9300), not its HTTP port (9200)"),
    (b"\x15\x03", TLS),
    (b"-ERR", "Redis"),
    (b"-NOAUTH", "Redis"),
    (b"-DENIED", "Redis"),
)


def speaker(said: bytes) -> str:
    """Who speaks like that; "" where it is not known."""
    if said[3:5] in (b"\0\x0a", b"\0\xff"):  # a packet numbered 0: greeting 10, or an error
        return "MySQL or MariaDB"
    if said[:1] == b"E" and said[1:3] == b"\0\0":  # ErrorResponse, length below 64 KiB
        return "PostgreSQL"
    return next((name for start, name in _BEGINNINGS if said.startswith(start)), "")


async def wrong_protocol(stream: Stream, why: str) -> Fault:
    """The Fault for an answer in another protocol: its first bytes, and who speaks like that.

    An alert of TLS (RFC 8446 section 6) means that the port wants TLS: TLS_REQUIRED.
    Waits at most LISTEN_S for more, and never past the stage's deadline; does not raise.
    """
    stage_end = stream.deadline
    stream.deadline = stream.sooner(LISTEN_S)
    try:
        if len(stream.first_bytes) < ENOUGH:
            await stream.read_some(ENOUGH)
    except Fault:
        pass  # what came is all there is
    finally:
        stream.deadline = stage_end
    who = speaker(stream.first_bytes)
    sentence = f"{why}; this is {who}" if who else why
    if who == TLS and not stream.encrypted:
        text = "what was sent in clear text is answered with a TLS alert"
        return Fault(Reason.TLS_REQUIRED, text, **stream.first_bytes_fact())
    return Fault(Reason.WRONG_PROTOCOL, sentence, **stream.first_bytes_fact())
