"""`--wait`: look again until the gate passes, for a deployment that is still coming up."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from k8sext.errors import K8sextError
from k8sext.model.report import Report

FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 15.0
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)?")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """`90`, `90s`, `5m` or `1h` in seconds. Raises K8sextError (usage)."""
    found = _DURATION.fullmatch(text.strip())
    if not found or not 0 < float(found[1]) * _UNITS[found[2] or "s"] <= 86400:
        raise K8sextError(
            f"{text!r} is not a duration such as 90s or 5m, up to 24h", where="--wait"
        )
    return float(found[1]) * _UNITS[found[2] or "s"]


def until_it_passes(
    look: Callable[[], Report],
    wait_s: float,
    say: Callable[[str], None],
    *,
    now: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Report:
    """The first report whose exit code is 0, or the last one before `wait_s` seconds are over.

    A rejected login ends the waiting: trying it again could lock the account.
    """
    end, rest = now() + wait_s, FIRST_PAUSE_S
    while True:
        report = look()
        left = end - now()
        if report.exit_code in (0, 130) or left <= 0:
            return report
        if _rejected(report):
            say("a login was rejected, so it is not tried again")
            return report
        say(f"not yet (exit {report.exit_code}); looking again in {min(rest, left):.0f} s")
        pause(min(rest, left))
        rest = min(rest * 1.5, LONGEST_PAUSE_S)


def _rejected(report: Report) -> bool:
    return any(o.login_ended for b in report.bridges for o in b.observations)
