"""Which product an unexpected answer comes from, for the sentence that says so.

What each product says is declared by its check (`CheckInfo.fingerprints`) and comes with the plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from k8sext.agent.fault import Fault
from k8sext.model.fingerprint import Fingerprint, product_by
from k8sext.model.words import Reason

if TYPE_CHECKING:
    from .stream import Stream

LISTEN_S = 0.2  # for the rest of an answer that has begun
ENOUGH = 64  # bytes to tell by

TLS = Fingerprint(product="TLS", starts="\x15\x03")  # an alert


def product(first_bytes: bytes, known: Sequence[Fingerprint]) -> str:
    """Whose first bytes these are; "" where it is not known."""
    return product_by(first_bytes, (TLS, *known))


def with_product(why: str, first_bytes: bytes, known: Sequence[Fingerprint]) -> str:
    """The sentence, and whose first bytes these are."""
    name = product(first_bytes, known)
    return f"{why}; this is {name}" if name else why


async def read_rest(stream: Stream) -> None:
    """Let the rest of an answer that has begun become first bytes, as far as one can tell by them.

    Waits at most LISTEN_S, and never past the stage's deadline; does not raise.
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


async def wrong_protocol(stream: Stream, why: str) -> Fault:
    """The Fault for an answer in another protocol: its first bytes, and the product's name.

    An alert of TLS (RFC 8446 section 6) means that the port wants TLS: TLS_REQUIRED.
    Waits as `read_rest` does; does not raise.
    """
    await read_rest(stream)
    if TLS.fits(stream.first_bytes) and not stream.encrypted:
        text = "what was sent in clear text is answered with a TLS alert"
        return Fault(Reason.TLS_REQUIRED, text, **stream.first_bytes_fact())
    sentence = with_product(why, stream.first_bytes, stream.fingerprints)
    return Fault(Reason.WRONG_PROTOCOL, sentence, **stream.first_bytes_fact())
