"""Reading the answers of an XXL-JOB admin: pure, and right for any JSON.

Facts: github.com/xuxueli/xxl-job, tags 2.3.0 to 3.1.0 (`ReturnT`: code 200 or not, `msg`; job
groups with `registryList`; the trigger log, whose `triggerMsg` names each address that was called,
its code and why: XxlJobTrigger, ExecutorRouteFailover, XxlJobRemotingUtil).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from k8sext.agent.check import Fault, Registered
from k8sext.agent.http import Response
from k8sext.agent.http_api import mapping, sequence
from k8sext.model.plan import join_address
from k8sext.model.words import Reason

COOKIE = "XXL_JOB_LOGIN_IDENTITY"
SHIPPED_USER, SHIPPED_PASSWORD = "admin", "123456"  # doc/db/tables_xxl_job.sql
SHIPPED_KEY = "default_token"  # application.properties from 2.3.1 on; 2.3.0 ships none
WRONG_TOKEN, UNKNOWN_METHOD = "access token is wrong", "not found"
_VERSION = re.compile(rb"XXL-JOB</b>\s*([0-9][0-9A-Za-z.-]{0,20})")
_COOKIE = re.compile(rf"{COOKIE}=([^;,\s]{{1,4096}})")
_CALLED = re.compile(r"address：(.{1,200}?)<br>code：(\d{1,6})<br>msg：(.{0,400}?)(?=<br>|$)", re.S)
_DATABASE = ("jdbc", "sql", "hikari", "mybatis", "communications link")
_NOT_REACHED, _LATE = "remoting error", "Read timed out"  # no answer of HTTP came
LATE_S = 30.0


@dataclass(frozen=True, slots=True)
class Group:
    """An application as the admin knows it: a job group, and the addresses it would call."""

    id: int
    app: str
    addresses: tuple[str, ...]
    by_hand: bool = False


def is_login_page(answer: Response) -> bool:
    """Whether it is the login page, in any of its languages."""
    body = answer.body
    return answer.status == 200 and b"JOB" in body and b'name="userName"' in body


def version_of(answer: Response) -> str:
    """The version in the foot of a page; "" where it has none."""
    found = _VERSION.search(answer.body)
    return found[1].decode("latin-1") if found else ""


def cookie_of(answer: Response) -> str:
    """The login's cookie; "" where none came."""
    found = _COOKIE.search(answer.headers.get("set-cookie", ""))
    return found[1] if found else ""


def message(answer: Response) -> tuple[bool, str]:
    """A `ReturnT`: whether it says yes, and its words."""
    data = mapping(answer.json())
    return data.get("code") == 200, str(data.get("msg") or "")[:500]


def database_fault(words: str) -> Fault | None:
    """The Fault for an exception that comes from the admin's own database."""
    if not any(part in words.lower() for part in _DATABASE):
        return None
    cause = words.split("<br/>")[0].rsplit("nested exception is ", 1)[-1].strip()
    text = f"the admin does not reach its database (schema xxl_job): {cause[:200]}"
    return Fault(Reason.UNHEALTHY, text, words=words[:300])


def unwell(answer: Response) -> str:
    """What Spring Boot's health says that is not UP, as `DOWN (db DOWN)`; "" for UP."""
    data = mapping(answer.json())
    status = str(data.get("status") or answer.status)
    if answer.status == 200 and status == "UP":
        return ""
    parts = mapping(data.get("components") or data.get("details"))
    bad = [
        f"{name} {mapping(part).get('status')}"
        for name, part in [*parts.items()][:16]
        if mapping(part).get("status") != "UP"
    ]
    return f"{status} ({', '.join(bad)})" if bad else status


def groups_of(data: Any) -> list[Group]:
    """The job groups on one page."""
    return [_group(mapping(row)) for row in sequence(mapping(data).get("data")) if mapping(row)]


def _group(row: Mapping[str, Any]) -> Group:
    found = row.get("registryList")
    if not isinstance(found, list):
        found = str(row.get("addressList") or "").split(",")
    addresses = tuple(dict.fromkeys(a.strip() for a in map(str, sequence(found)) if a.strip()))
    number = row.get("id")
    app = str(row.get("appname") or row.get("appName") or "")
    return Group(
        number if isinstance(number, int) else 0, app, addresses, row.get("addressType") == 1
    )


def why_in_use(group: Group, jobs: list[Any]) -> str:
    """Why an application is none that may be registered under for a test; "" if it is one.

    Its job is run once, at the address of the probe alone; what follows of a failure (another try,
    which would go to any executor, a mail) or of a schedule must not be possible.
    """
    if group.addresses:
        return f"it has executors ({', '.join(group.addresses[:4])})"
    if not jobs:
        return "it has no job that could be run"
    job = mapping(jobs[0])
    if len(jobs) > 1:
        return f"it has {len(jobs)} jobs, and one is wanted"
    if job.get("triggerStatus") != 0:
        return "its job is started: it must be stopped"
    if job.get("executorFailRetryCount"):
        return "its job is tried again after a failure"
    return "its job sends mails" if job.get("alarmEmail") else ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call of an address ended: `up`, `unwell` or `down`, and the admin's own words."""

    state: str
    error: str = ""
    when: float = 0.0  # Unix time


def outcomes(pages: Iterable[Any]) -> dict[str, Outcome]:
    """The latest outcome for each address in the trigger log, newest lines first.

    An executor that was reached shortly before its last, failed call was late, or is busy; it is
    not out of reach.
    """
    found: dict[str, Outcome] = {}
    for row in (mapping(r) for page in pages for r in sequence(mapping(page).get("data"))):
        when = _seconds(row.get("triggerTime"))
        calls = _CALLED.findall(str(row.get("triggerMsg") or "")[:20_000])
        for address, code, said in calls[::-1]:  # a run stands after its heartbeat
            one = _outcome(code, said, when)
            last = found.setdefault(address.strip(), one)
            if last.state != "up" and one.state == "up" and when > max(last.when - LATE_S, 0):
                found[address.strip()] = one
    return found


def _outcome(code: str, said: str, when: float) -> Outcome:
    """An executor that answered was reached, whatever it says of the job."""
    if code == "200":
        return Outcome("up", when=when)
    if _NOT_REACHED in said:
        return Outcome("unwell" if _LATE in said else "down", said, when)
    refused = WRONG_TOKEN in said or said.startswith("xxl-rpc remoting")  # a status, or no JSON
    return Outcome("unwell", said, when) if refused else Outcome("up", when=when)


def _seconds(value: Any) -> float:
    """A time as Spring Boot writes it, `2021-11-04T05:44:05.000+00:00`, or in milliseconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return min(max(value / 1000, 0.0), 1e11)
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0


def where(address: str) -> str:
    """`host:port` of what an executor registered, mostly a URL; the text itself if it is none."""
    try:
        parts = urlsplit(address)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        return address
    return join_address(parts.hostname, port) if parts.hostname and port else address


def registered(groups: Iterable[Group], known: Mapping[str, Outcome]) -> tuple[Registered, ...]:
    """Every address that the admin would call, and how it fared."""
    return tuple(_registered(g.app, a, known.get(a)) for g in groups for a in g.addresses)


def _registered(app: str, address: str, outcome: Outcome | None) -> Registered:
    state, error = (outcome.state, outcome.error) if outcome else ("unknown", "")
    return Registered(address=where(address), app=app, state=state, error=error)
