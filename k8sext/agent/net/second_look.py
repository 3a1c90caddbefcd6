"""A second look at a port that hung up on a request in clear text: does it speak TLS?

Elasticsearch, OpenSearch and other Java servers close an HTTPS port without a byte when they are
spoken to in clear (measured: 8.19.21, OpenSearch 2.11.1), exactly as a proxy does whose server is
dead. One ClientHello tells the two apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k8sext.agent.fault import Fault
from k8sext.model.plan import split_address
from k8sext.model.words import Reason

if TYPE_CHECKING:
    from .stream import Stream

_RECORDS = (b"\x16\x03", b"\x15\x03")  # a handshake, or an alert (RFC 8446, 5.1)
_HUNG_UP = (Reason.CLOSED_EARLY, Reason.RESET)


async def explain_hang_up(stream: Stream, fault: Fault) -> Fault:
    """TLS_REQUIRED in place of `fault` where the port hung up without a byte and speaks TLS.

    At most one more connection, within the stage's deadline; does not raise.
    """
    if fault.reason not in _HUNG_UP or stream.encrypted or stream.first_bytes:
        return fault
    try:
        said = await _greeted(stream)
    except (Fault, ValueError):
        return fault
    if said not in _RECORDS:
        return fault
    text = "it closes the connection on a request in clear text, and answers to TLS"
    return Fault(Reason.TLS_REQUIRED, text, first_bytes=said.hex())


async def _greeted(stream: Stream) -> bytes:
    address, port = split_address(stream.peer)
    second = await type(stream).connect(address, port, stream.deadline)
    try:
        await second.write(client_hello())
        return await second.read_exactly(2)
    finally:
        await second.close()


def client_hello() -> bytes:
    """The first record of a TLS handshake, as this Python's library would begin one."""
    import ssl  # here: what a check says of itself is read without it

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    outgoing = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    except ssl.SSLWantReadError:
        pass  # it waits for the answer, which only a real handshake would read
    return outgoing.read()
