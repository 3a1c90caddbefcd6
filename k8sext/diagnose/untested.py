"""What of a bridge nobody has looked at, a sentence each: silence would look like health; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from k8sext.diagnose.codes.row import Row
from k8sext.diagnose.codes.rows import OURS
from k8sext.model.bridge import Bridge, Kind
from k8sext.model.diagnosis import Diagnosis
from k8sext.model.result import Observation
from k8sext.model.words import NO_SUCH_SERVER, Severity, Stage

from .case import Case, answered, connected, failed
from .codes import rows_untested as rows
from .saying import say_without

PLACES = "PORT/PROTOCOL"
GUESSED_FROM = {
    "service name": "from the Service's name",
    "annotation": "what {protocol} usually has",
}


def judge(
    bridge: Bridge, mine: Sequence[Observation], said: Sequence[Diagnosis]
) -> Iterator[Diagnosis]:
    """A note for each port that was not looked at. A Service that failed says enough."""
    for port in bridge.ports:
        if port.transport != "TCP":
            words = {"port": f"{port.port}/{port.transport}", "transport": port.transport}
            yield _say(bridge, rows.TRANSPORT, **words)
    if any(d.severity in (Severity.FAIL, Severity.INCONCLUSIVE) for d in said):
        return
    if not bridge.ports:
        yield _say(bridge, rows.NO_PORT)
    elif bridge.tcp_ports and not mine and bridge.kind is not Kind.EXTERNAL_NAME:
        yield _say(bridge, rows.NOT_FROM_HERE)


def judge_guess(case: Case) -> Diagnosis | None:
    """A port that nobody named blames nobody: a note, unless its protocol answers there."""
    probes = [o for o in (case.by_name, *case.endpoints) if o is not None]
    if not case.port.guessed or not failed(probes) or any(_recognised(o) for o in probes):
        return None
    ended = next(o.ended_by for o in probes if o.ended_by)
    if any(o.ended_by and o.ended_by.stage is Stage.RESOLVE for o in probes):
        return None
    detail = ended.detail or str(ended.reason).replace("_", " ")
    where = GUESSED_FROM.get(case.port.protocol_source, "").format(protocol=case.port.protocol)
    facts = {"port": str(case.port.port), "protocol": case.port.protocol, "detail": detail}
    return _say(case.bridge, rows.GUESS, guessed_from=where, **facts)


def _recognised(seen: Observation) -> bool:
    """Whether the protocol's own server has answered, or we have not come to an end with it."""
    ended = seen.ended_by
    if ended is None or ended.reason in OURS or answered(seen):
        return True
    return connected(seen) and ended.reason not in NO_SUCH_SERVER


def nothing_but_names(own: Sequence[Observation], said: Sequence[Diagnosis]) -> bool:
    """Whether no server was looked at: the name leads somewhere, and nobody knows more."""
    if any(d.code == rows.GUESS.code for d in said):
        return not any(_recognised(o) for o in own)
    return all(o.ended_by is None and o.depth in (None, Stage.RESOLVE) for o in own)


def reason(said: Sequence[Diagnosis]) -> str:
    """Why a bridge was skipped."""
    return "; ".join(d.summary for d in said if d.not_tested)


def _say(bridge: Bridge, row: Row, **more: str) -> Diagnosis:
    example = f"PORT/{more['protocol']}" if "protocol" in more else PLACES
    facts = {"service": bridge.service, "namespace": bridge.namespace, "example": example, **more}
    return say_without(row, f"Service/{bridge.ref}", facts)
