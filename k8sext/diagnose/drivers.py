"""A driver beside the wire probe of the same target: where they differ, that is the diagnosis."""

from __future__ import annotations

from collections.abc import Sequence

from k8sext.diagnose.codes.row import Row
from k8sext.model.data import dataclass
from k8sext.model.result import Observation, StageResult
from k8sext.model.words import Reason, Stage, Status

from .codes import rows

# What a driver decides by itself, whatever the server's health.
BY_DESIGN = (Reason.UNSUPPORTED_VERSION, Reason.AUTH_METHOD_UNSUPPORTED)
UNFINISHED = (Reason.TIMED_OUT, Reason.SILENT, Reason.OUT_OF_TIME)
# What only the wire probe asks: expectations of the user and the server's state. No driver that
# gets through contradicts it.
NOT_ASKED = (
    Reason.UNEXPECTED, Reason.OBJECT_MISSING, Reason.READ_ONLY, Reason.WRONG_ROLE,
    Reason.UNSUPPORTED_VERSION, Reason.DEGRADED, Reason.UNHEALTHY, Reason.ALARM, Reason.LOADING,
    Reason.PERMISSION_DENIED, Reason.AUTH_REQUIRED, Reason.OUT_OF_TIME,
    Reason.ANNOUNCED_UNREACHABLE, Reason.NO_CONSUMER, Reason.NEARLY_FULL, Reason.LAGGING,
    Reason.BAD_EXPECTATION, Reason.OTHER_BROKER, Reason.COMPANION_FAILED, Reason.QUEUE_GROWS,
    Reason.NOT_ARRIVED, Reason.DEFAULT_LOGIN, Reason.LOGIN_SWITCHED_OFF, Reason.INSTANCE_DOWN,
    Reason.NOT_REGISTERED, Reason.TARGET_DOWN, Reason.CONFIG_REFUSED, Reason.RULE_FAILING,
    Reason.NOTIFICATIONS_FAIL, Reason.SOURCE_FAILING, Reason.PASSWORD_IN_CLEAR, Reason.PLAIN_HTTP,
    Reason.REALM_ELSEWHERE, Reason.SESSION_OF_A_PERSON, Reason.FORBIDDEN,
)  # fmt: skip
# Libraries word these differently for one and the same fault.
NETWORK = (
    Reason.REFUSED, Reason.TIMED_OUT, Reason.NO_ROUTE, Reason.NO_FAMILY,
    Reason.NOT_PERMITTED, Reason.RESET,
    Reason.CLOSED_EARLY, Reason.SILENT,
)  # fmt: skip
FAMILIES = (
    frozenset(r for r in Reason if r.value.startswith(("name_", "dns_"))),
    frozenset(NETWORK),
    frozenset(r for r in Reason if r.value.startswith(("tls_", "certificate_", "client_cert"))),
    frozenset({
        Reason.WRONG_PROTOCOL, Reason.WRONG_PRODUCT, Reason.WRONG_ROLE, Reason.TOO_MUCH,
        Reason.UNSUPPORTED_VERSION, Reason.CLOSED_EARLY, Reason.SILENT, Reason.TIMED_OUT,
        Reason.RESET, Reason.TLS_REQUIRED, Reason.TLS_NOT_OFFERED,
    }),
    frozenset({Reason.UNHEALTHY, Reason.DEGRADED, Reason.LOADING, Reason.ALARM}),
)  # fmt: skip
VAGUE = (Reason.SERVER_ERROR, Reason.UNEXPECTED, Reason.INTERNAL_ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What there is to say; `ended` is the stage of the driver's probe that it hangs on."""

    row: Row
    ended: StageResult
    detail: str
    why: str
    because: tuple[str, ...]


def compare(client: Observation, wire: Sequence[Observation]) -> Difference | None:
    """The difference between a driver and the wire probe of its target; None where they agree."""
    beside = next((o for o in wire if (o.route, o.target) == (client.route, client.target)), None)
    ended = client.ended_by
    if client.status is Status.SKIP:
        return _not_tried(client)
    if beside is None:
        return None
    theirs = beside.ended_by
    row = _alone(ended) if theirs is None else _both(ended, theirs, beside)
    if row is None:
        return None
    shown = ended or next(s for s in reversed(client.stages) if s.status is not Status.SKIP)
    told = ended or theirs
    return Difference(
        row=row,
        ended=shown,
        detail=_words(told) if told else "",
        why=f"k8sext: {_end(beside)}; {client.client}: {_end(client)}",
        because=(f"{client.id}/{shown.stage}", f"{beside.id}/{_last(beside)}"),
    )


def _not_tried(client: Observation) -> Difference | None:
    """A skip shows in the reports; only a missing driver can be put right."""
    first = client.stages[0]
    if first.reason is not Reason.DRIVER_MISSING:
        return None
    because = (f"{client.id}/{first.stage}",)
    return Difference(
        row=rows.NO_DRIVER, ended=first, detail=first.detail, why=first.detail, because=because
    )


def _alone(ended: StageResult | None) -> Row | None:
    """The wire probe passed."""
    if ended is None:
        return None
    if ended.status is Status.INCONCLUSIVE or ended.reason in UNFINISHED:
        return rows.CLIENT_UNFINISHED
    return rows.CLIENT_REFUSES if ended.reason in BY_DESIGN else rows.CLIENT_FAILS


def _both(ended: StageResult | None, theirs: StageResult, wire: Observation) -> Row | None:
    """The wire probe did not pass."""
    if ended is None:
        return None if theirs.reason in NOT_ASKED else rows.WIRE_IN_DOUBT
    if ended.status is Status.INCONCLUSIVE or theirs.status is Status.INCONCLUSIVE:
        return None
    return None if _alike(ended.reason, theirs.reason) else rows.CLIENT_DIFFERS


def _alike(one: Reason | None, other: Reason | None) -> bool:
    if one == other or one in VAGUE or other in VAGUE:
        return True
    return any(one in family and other in family for family in FAMILIES)


def _end(seen: Observation) -> str:
    ended = seen.ended_by
    if ended is None:
        return f"works to {seen.depth}"
    return f"{ended.stage}: {str(ended.reason or 'failed').replace('_', ' ')} ({_words(ended)})"


def _words(ended: StageResult) -> str:
    """Its own words; they were masked and bounded where they were noted."""
    return ended.detail or str(ended.reason or "no reason given").replace("_", " ")


def _last(seen: Observation) -> Stage:
    ended = seen.ended_by
    return ended.stage if ended else seen.depth or Stage.RESOLVE
