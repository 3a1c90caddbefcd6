"""Whether a request that went wrong is sent once more, and when: pure, but for the jitter.

Only what may be done twice is repeated blindly: reading, deleting, server-side apply, and reviews
of rights, which leave nothing behind. A 429 was not handled at all (API priority and fairness), so
it may be repeated whatever it asked for.
"""

from __future__ import annotations

import random
import time
from email.utils import parsedate_to_datetime

from k8sext.errors import K8sextError

from .answers import ApiError, Lost, Misread
from .calls import ApiCall

TRIES = 4
FIRST_PAUSE_S = 0.1
GROWTH = 3.0
LONGEST_WAIT_S = 10.0  # a later Retry-After is not waited for
# A Status of the API server with one of these may be another the next time. 408 and 425 come from
# gateways, 409 from a write that lost a race, 410 from a state that etcd has dropped (a list that
# continues begins anew: see lists.py).
_PASSING = frozenset((408, 409, 425, 429))


def repeatable(call: ApiCall) -> bool:
    """Whether it may be sent twice although nobody knows whether it was done."""
    if call.method == "PATCH":
        return call.content_type.startswith("application/apply-patch")
    return call.method in ("GET", "DELETE") or call.path.startswith("/apis/authorization.k8s.io/")


def pause(error: K8sextError, call: ApiCall, tries: int, left_s: float) -> float | None:
    """Seconds until the next try after `tries` of them; None where there is none."""
    if tries >= TRIES or not _may_pass(error, call, tries):
        return None
    asked = getattr(error, "after_s", None)
    if asked is not None:
        seconds = asked if asked <= LONGEST_WAIT_S else None
    else:
        seconds = FIRST_PAUSE_S * GROWTH ** (tries - 1) * random.uniform(0.5, 1.5)  # noqa: S311
    return seconds if seconds is not None and seconds < left_s else None


def _may_pass(error: K8sextError, call: ApiCall, tries: int) -> bool:
    if isinstance(error, Lost):
        # One that was waited for in vain is waited for once more, and longer.
        again = error.passing and (not error.timed_out or tries == 1)
        return again and (repeatable(call) or not error.sent)
    if isinstance(error, Misread):
        return repeatable(call)
    if not isinstance(error, ApiError):
        return False
    if error.status == 429:
        return True
    if not repeatable(call):
        return False
    if error.status == 401:
        return False  # the session's own business: it makes a new login first
    if error.status == 409 and call.method == "PATCH":
        return False  # another manager has the field: that stays so
    # What is not in the API server's words is a gateway's, which may be starting.
    return error.status >= 500 or error.status in _PASSING or not error.genuine


def after_s(header: str) -> float | None:
    """Seconds that `Retry-After` asks for: a number or a date (RFC 9110, 10.2.3); None without."""
    said = header.strip()
    if said.isascii() and said.isdigit():
        return float(said[:9])
    try:
        return max(parsedate_to_datetime(said).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError, OSError):
        return None
