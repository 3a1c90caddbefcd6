"""What the checks of SQL servers judge alike: facts of a server against what a bridge expects."""

from __future__ import annotations

import math

from k8sext.agent.check import Fault, Key
from k8sext.agent.expect import Declared, version_in
from k8sext.model.plan import OUR_CONNECTIONS
from k8sext.model.result import Facts, Json
from k8sext.model.words import Reason

MAX_DIGITS = 20
NEARLY_ALL = 0.9  # of the connections a server allows

EXPECTS: Declared = {
    "database": Key("its name"),
    "version": Key("range, e.g. >=12,<17", "version"),
    "max_lag_s": Key("seconds that a standby or replica may be behind", "number"),
}


def judged(expect: Facts, facts: Facts) -> Reason | None:
    """A warning for what is remarkable. Raises Fault for what is expected and not so.

    Of `facts` it knows: role (primary, another word for what follows one, or unknown), database,
    version, identity, read_only, lag_s, why_no_lag, no_right (to ask for the lag), connections and
    max_connections, stalled (why a standby stands still), read_only_login (by which setting of its
    own the login, and not the server, is read-only).
    """
    _same(expect, facts, "database")
    _same(expect, facts, "identity")
    _role(expect, facts)
    version, spec = str(facts.get("version", "")), str(expect.get("version", ""))
    if spec and not version_in(version, spec):
        text = f"version {version}, expected is {spec}"
        raise Fault(Reason.UNSUPPORTED_VERSION, text, **facts)
    _lag(expect, facts)
    if "max_lag_s" in expect and facts.get("no_right"):
        return Reason.PERMISSION_DENIED
    if facts.get("role") == "primary" and facts.get("read_only"):
        return Reason.READ_ONLY
    if facts.get("stalled"):
        return Reason.LAGGING
    return Reason.NEARLY_FULL if _nearly_full(facts) else None


def remark(facts: Facts, warning: Reason | None) -> str:
    """What a warning adds to the stage's sentence."""
    if warning is Reason.LAGGING and facts.get("stalled"):
        return f", {facts['stalled']}"
    if warning in (Reason.PERMISSION_DENIED, Reason.LAGGING):
        return f", {facts.get('why_no_lag') or 'its replication does not run'}"
    if warning is Reason.NEARLY_FULL:
        return f", {facts['connections']} of {facts['max_connections']} connections in use"
    if warning is None and facts.get("read_only_login"):
        return f"; this login's transactions are read-only by {facts['read_only_login']}"
    return ", and it takes no writes" if warning is Reason.READ_ONLY else ""


def _same(expect: Facts, facts: Facts, key: str) -> None:
    wanted = expect.get(key)
    if wanted and wanted != facts.get(key):
        text = f"the {key} is {facts.get(key) or 'not told'}, expected is {wanted}"
        raise Fault(Reason.UNEXPECTED, text, **facts)


def _role(expect: Facts, facts: Facts) -> None:
    wanted, role = expect.get("role"), facts.get("role")
    if not wanted:
        return
    if role == "unknown":
        raise Fault(Reason.UNEXPECTED, f"the role is not told, expected is {wanted}", **facts)
    if wanted != role:
        reason = Reason.READ_ONLY if wanted == "primary" else Reason.WRONG_ROLE
        raise Fault(reason, f"this is a {role}, expected is a {wanted}", **facts)
    if wanted == "primary" and facts.get("read_only"):
        raise Fault(Reason.READ_ONLY, "a primary that takes no writes", **facts)


def _lag(expect: Facts, facts: Facts) -> None:
    most, lag = expect.get("max_lag_s"), facts.get("lag_s")
    if not isinstance(most, int | float) or facts.get("role") == "primary" or facts.get("no_right"):
        return
    if not isinstance(lag, int | float):
        why = facts.get("why_no_lag") or "the server does not say"
        raise Fault(Reason.LAGGING, f"how far it is behind cannot be told: {why}", **facts)
    if lag > most:
        link = "" if facts.get("streaming", True) else ", and it receives nothing from its primary"
        raise Fault(
            Reason.LAGGING, f"{lag:g} s behind, expected is at most {most:g}{link}", **facts
        )


def _nearly_full(facts: Facts) -> bool:
    used, most = facts.get("connections"), facts.get("max_connections")
    if not isinstance(used, int) or not isinstance(most, int):
        return False
    # A server of a handful of connections is filled by our own probes alone.
    return 0 < most * NEARLY_ALL <= used and used - OUR_CONNECTIONS >= most / 2


def number(text: str) -> Json:
    """A whole number or a decimal one; None for anything else (NULL, words)."""
    if len(text) > MAX_DIGITS:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
