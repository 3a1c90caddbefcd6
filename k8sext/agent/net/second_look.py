"""A second look at a port that hung up on a request in clear text: TLS, or another product?

Elasticsearch, OpenSearch and other Java servers close an HTTPS port without a byte when they are
spoken to in clear (measured: 8.19.21, OpenSearch 2.11.1), exactly as a proxy does whose server is
dead. One ClientHello tells the two apart. memcached hangs up on a GET, too, and answers to a line
that it does not know (1.6.18).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k8sext.agent.fault import Fault
from k8sext.model.plan import split_address
from k8sext.model.words import Reason

from .guess import product, read_rest

if TYPE_CHECKING:
    from .stream import Stream

_RECORDS = (b"\x16\x03", b"\x15\x03")  # a handshake, or an alert (RFC 8446, 5.1)
_HUNG_UP = (Reason.CLOSED_EARLY, Reason.RESET)


async def explain_hang_up(stream: Stream, fault: Fault, own: str) -> Fault:
    """TLS_REQUIRED or WRONG_PROTOCOL in place of `fault` where the port hung up without a byte, and
    speaks TLS, or is recognised as another product than the check's `own`.

    At most one more connection, within the stage's deadline; does not raise.
    """
    if fault.reason not in _HUNG_UP or stream.encrypted or stream.first_bytes:
        return fault
    try:
        said = await _greeted(stream)
    except (Fault, ValueError):
        return fault
    if said[:2] in _RECORDS:
        text = "it closes the connection on a request in clear text, and answers to TLS"
        return Fault(Reason.TLS_REQUIRED, text, first_bytes=said[:2].hex())
    name = product(said, stream.fingerprints)
    if name in ("", own):
        return fault
    text = f"it closes the connection on this request; this is {name}"
    return Fault(Reason.WRONG_PROTOCOL, text, first_bytes=said.hex())


async def _greeted(stream: Stream) -> bytes:
    """What a ClientHello is answered with: two bytes of TLS, or what a product is known by."""
    address, port = split_address(stream.peer)
    second = await type(stream).connect(address, port, stream.deadline)
    try:
        await second.write(client_hello())
        begins = await second.read_exactly(2)
        if begins not in _RECORDS:
            await read_rest(second)
        return second.first_bytes
    finally:
        await second.close()


def client_hello() -> bytes:
    """The first record of a TLS handshake, as this Python's library would begin one.

    Servers that read lines answer when they have one: a random byte of it is a line feed.
    """
    while b"\n" not in (hello := _one_hello()):
        pass  # about one in seven has none
    return hello


def _one_hello() -> bytes:
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
