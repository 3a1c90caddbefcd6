"""The trigger log of XXL-JOB: how the admin's calls of each executor ended, and who made them.

Facts: github.com/xuxueli/xxl-job, tags 2.3.0 to v3.4.0. A line's `triggerMsg` begins with
`TYPE：…<br>SCHEDULER：ADDRESS<br>…`, with labels in one of three languages (message_*.properties),
so the scheduler is found by its position. Each call that it names ends with
`<br>address：URL<br>code：N<br>msg：WORDS`; since 3.3 a call that arrived is `success` alone, and
its address stands in the column `executorAddress`. Words of a call without an answer:
`xxl-rpc remoting error(…)` to 2.4.0, `xxl-job remoting error(…)` to 3.2, `Http Request Error (…)`
since 3.3; of an answer that is none of an executor: `remoting fail, StatusCode(404) invalid`,
`response content invalid`, `Http Request fail, statusCode(404)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime
from typing import Any

from k8sext.agent.wire.http_api import mapping, sequence
from k8sext.model.data import dataclass

WRONG_TOKEN = "access token is wrong"  # noqa: S105 - a server's words
UP, UNWELL, DOWN = "up", "unwell", "down"
LATE_S = 30.0
LEAST = 2  # calls that failed in a row, with another scheduler's in between that arrived; and one
# more for a scheduler that has reached the address before: executors come and go
MOST = 20_000  # characters of a line
_CALLED = re.compile(
    r"address：([^<]{1,200})<br>code：(\d{1,6})<br>msg：(.{0,400}?)(?=<br>|$)", re.S
)
_UNANSWERED = ("remoting error", "http request error")
_NO_EXECUTOR = ("remoting fail", "response content invalid", "http request fail", WRONG_TOKEN)
_READ_LATE, _LATE = "read timed out", "timed out"


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How a call of an address ended: `up`, `unwell` or `down`, and the admin's own words.

    `callers`: where outcomes differ by scheduler, how each fares.
    """

    state: str
    error: str = ""
    when: float = 0.0  # Unix time, where the admin tells its zone
    scheduler: str = ""
    callers: Mapping[str, str] = field(default_factory=dict[str, str])


def rows_of(page: Any) -> list[dict[str, Any]]:
    """The rows of a table: at `data`, or since 3.3 at `data.data`."""
    data = mapping(page).get("data")
    inner = data if isinstance(data, list) else mapping(data).get("data")
    return [mapping(row) for row in sequence(inner) if mapping(row)]


def outcomes(pages: Iterable[Any]) -> dict[str, CallOutcome]:
    """How each address fares, from pages of the log with the newest lines first."""
    calls: dict[str, list[CallOutcome]] = {}
    for row in (row for page in pages for row in rows_of(page)):
        for address, outcome in _calls(row):
            calls.setdefault(address, []).append(outcome)
    return {address: _weighed(those) for address, those in calls.items()}


def schedulers(pages: Iterable[Any]) -> list[str]:
    """The admins that have written the log, those of the newest lines first."""
    texts = (str(row.get("triggerMsg") or "") for page in pages for row in rows_of(page))
    return list(dict.fromkeys(filter(None, (scheduler_of(text[:MOST]) for text in texts))))


def _calls(row: Mapping[str, Any]) -> list[tuple[str, CallOutcome]]:
    """The calls of one line, the latest first: a run stands after its heartbeat."""
    text = str(row.get("triggerMsg") or "")[:MOST]
    when, by = _seconds(row.get("triggerTime")), scheduler_of(text)
    named = _CALLED.findall(text)[::-1]
    own = str(row.get("executorAddress") or "").strip()
    code = row.get("triggerCode")
    if own and code and own not in {address.strip() for address, _, _ in named}:
        remark = text.rpartition("：")[2].removeprefix("error, ").split("\n")[0]
        named.insert(0, (own, code, remark))
    return [(address.strip(), _outcome(str(n), said, when, by)) for address, n, said in named]


def scheduler_of(text: str) -> str:
    """Which admin made a call: the second label's value; "" where there is none."""
    labels = text.split("<br>", 2)
    return labels[1].partition("：")[2].strip()[:64] if len(labels) > 2 else ""


def _outcome(code: str, said: str, when: float, scheduler: str) -> CallOutcome:
    """An executor that answered was reached, whatever it says of the job."""
    words = said.lower()
    if code == "200":
        return CallOutcome(UP, when=when, scheduler=scheduler)
    if any(part in words for part in _UNANSWERED):
        state = UNWELL if _READ_LATE in words else DOWN
    else:
        state = UNWELL if any(part in words for part in _NO_EXECUTOR) else UP
    return CallOutcome(state, said if state != UP else "", when, scheduler)


def _weighed(calls: Sequence[CallOutcome]) -> CallOutcome:
    """One outcome of many, newest first: the last one's, unless schedulers differ.

    An executor that was reached shortly before a call that was not answered in time was busy, or
    one of many calls was lost. One that refuses has nobody who listens: that is never excused.
    """
    differing = _differing(calls)
    if differing:
        return differing
    last = calls[0]
    if last.state == UP or _LATE not in last.error.lower():
        return last
    earliest = max(last.when - LATE_S, 0)
    return next((c for c in calls if c.state == UP and c.when > earliest), last)


def _differing(calls: Sequence[CallOutcome]) -> CallOutcome | None:
    """The outcome where one scheduler's calls arrive and another's do not; None where it is none.

    It takes calls that failed in a row, and between the first and the last of them another one's
    that arrived, and none of that one's that failed: an executor that was restarted fails for all.
    """
    names = {call.scheduler for call in calls if call.scheduler}
    for name in sorted(names) if len(names) > 1 else ():
        failed = _latest_failures(calls, name)
        if len(failed) < LEAST + any(c.state == UP for c in calls if c.scheduler == name):
            continue
        between = calls[failed[0] : failed[-1]]
        others = [other for other in names - {name} if _all_up(between, other)]
        if others:
            fares = {**dict.fromkeys(sorted(others), UP), name: calls[failed[0]].state}
            return replace(calls[failed[0]], state=DOWN, callers=fares)
    return None


def _latest_failures(calls: Sequence[CallOutcome], scheduler: str) -> list[int]:
    """Places of a scheduler's latest calls, up to the last one that arrived."""
    found: list[int] = []
    for place, call in enumerate(calls):
        if call.scheduler != scheduler:
            continue
        if call.state == UP:
            break
        if _READ_LATE not in call.error.lower():  # it was reached
            found.append(place)
    return found


def _all_up(calls: Sequence[CallOutcome], scheduler: str) -> bool:
    states = {call.state for call in calls if call.scheduler == scheduler}
    return states == {UP}


def _seconds(value: Any) -> float:
    """A time as Jackson writes it, `2021-11-04T05:44:05.000+00:00` or with `Z`; `2026-11-30
    12:18:30` (3.4), whose zone nobody tells and which is compared with its like only; or in ms.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return min(max(value / 1000, 0.0), 1e11)
    try:
        found = datetime.fromisoformat(str(value))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0
