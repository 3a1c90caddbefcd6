"""The net under what this process says: secrets that it has sent are masked wherever they come up.

`stages.py` masks what a server says with what that server was sent. What an API server, a proxy or
an error of ours repeats has no such place, so whoever sends a secret also hands it in here. Only
what can be no word of ours is masked in this way: eight characters, and not letters alone.
"""

from __future__ import annotations

from .secret import Secret

LEAST = 8
AT_MOST = 256  # of the youngest: tokens are renewed
_known: dict[str, Secret] = {}


def guard(*secrets: Secret) -> None:
    """These were sent by this process."""
    for secret in secrets:
        value = secret.reveal().strip()
        if len(value) >= LEAST and not value.isalpha() and value not in _known:
            _known[value] = Secret(value)
    while len(_known) > AT_MOST:
        del _known[next(iter(_known))]


def guarded(text: str) -> str:
    """`text` without them."""
    if not _known:
        return text
    from .mask import mask

    return mask(text, _known.values())
