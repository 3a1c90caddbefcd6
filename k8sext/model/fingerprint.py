"""How a product is recognised by the first bytes that it sends."""

from __future__ import annotations

from collections.abc import Sequence

from .data import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What a product says first, or answers to a request that it cannot read.

    `starts`: the bytes as Latin-1 text, which JSON carries; `at`: where they stand, in bytes.
    """

    product: str  # as a sentence names it: "this is PRODUCT"
    starts: str
    at: int = 0

    def fits(self, first_bytes: bytes) -> bool:
        """Whether an answer begins like that."""
        return first_bytes.startswith(self.starts.encode("latin-1"), self.at)


def product_by(first_bytes: bytes, known: Sequence[Fingerprint]) -> str:
    """Whose answer it is, by the fingerprint that reaches furthest into it; "" if none fits."""
    fitting = [f for f in known if f.fits(first_bytes)]
    return max(fitting, key=lambda f: f.at + len(f.starts)).product if fitting else ""
