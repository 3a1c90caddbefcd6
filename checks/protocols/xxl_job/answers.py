"""Reading the answers of an XXL-JOB admin: pure, and right for any JSON.

Facts: github.com/xuxueli/xxl-job, tags 2.3.0 to v3.4.0 (`ReturnT`, since 3.3 `Response`: code 200
or not, `msg`; job groups with `registryList`; LoginController, SimpleLoginStore), measured with
3.0, 3.2, 3.3 and 3.4. The trigger log is read in `log.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from k8sext.agent.check import Fault, Registered
from k8sext.agent.wire.http import Response
from k8sext.agent.wire.http_api import mapping, sequence
from k8sext.agent.wire.spring import status_word
from k8sext.model.data import dataclass
from k8sext.model.plan import join_address
from k8sext.model.words import Reason

from .log import UP, CallOutcome, rows_of

SHIPPED_USER, SHIPPED_PASSWORD = "admin", "123456"  # doc/db/tables_xxl_job.sql
SHIPPED_KEY = "default_token"  # application.properties from 2.3.1 on; 2.3.0 ships none
UNKNOWN_METHOD = "not found"
_VERSION = re.compile(rb"XXL-JOB</b>\s*([0-9][0-9A-Za-z.-]{0,20})")
_DATABASE = ("jdbc", "sql", "hikari", "mybatis", "communications link")
UP_WORD = "UP"
_NO_SESSION = "not login for path"  # xxl-sso, in place of JSON; pages are redirected
_NO_RIGHT = ("权限", "權限", "permission", "not have role")  # the first three: message_*.properties


@dataclass(frozen=True, slots=True)
class Generation:
    """How people log in. `page` shows the form, `form` takes it; `about` tells the version.

    `one_session`: the admin knows one session for each user (SimpleLoginStore keeps one token), so
    that a login ends the one before, and a logout ends them all.
    """

    page: str
    form: str
    cookie: str
    about: str
    one_session: bool = False


TO_3_1 = Generation("/toLogin", "/login", "XXL_JOB_LOGIN_IDENTITY", "/help")
FROM_3_2 = Generation("/auth/login", "/auth/doLogin", "xxl_job_login_token", "/", one_session=True)
GENERATIONS = (TO_3_1, FROM_3_2)


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


def cookie_of(answer: Response, name: str) -> str:
    """The value of a cookie that an answer sets; "" where it does not come."""
    found = re.search(rf"{name}=([^;,\s]{{1,4096}})", answer.headers.get("set-cookie", ""))
    return found[1] if found else ""


def message(answer: Response) -> tuple[bool, str]:
    """A `ReturnT`: whether it says yes, and its words."""
    data = mapping(answer.json())
    return data.get("code") == 200, str(data.get("msg") or "")[:500]


def no_session(words: str) -> bool:
    """Whether the admin knows no such session (any more)."""
    return _NO_SESSION in words.lower()


def no_right(words: str) -> bool:
    """Whether the user lacks a right, or the role of an administrator."""
    return any(part in words.lower() for part in _NO_RIGHT)


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
    status = status_word(data.get("status")) or str(answer.status)
    if answer.status == 200 and status == UP_WORD:
        return ""
    parts = mapping(data.get("components") or data.get("details"))
    words = {name: status_word(mapping(part).get("status")) for name, part in parts.items()}
    bad = [f"{name} {word}" for name, word in [*words.items()][:16] if word != UP_WORD]
    return f"{status} ({', '.join(bad)})" if bad else status


def groups_of(data: Any) -> list[Group]:
    """The job groups on one page."""
    return [_group(row) for row in rows_of(data)]


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


def where(address: str) -> str:
    """`host:port` of what an executor registered, mostly a URL; the text itself if it is none."""
    try:
        parts = urlsplit(address)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        return address
    return join_address(parts.hostname, port) if parts.hostname and port else address


def registered(groups: Iterable[Group], known: Mapping[str, CallOutcome]) -> tuple[Registered, ...]:
    """Every address that the admin would call, and how it fared."""
    return tuple(_registered(g.app, a, known.get(a)) for g in groups for a in g.addresses)


def _registered(app: str, address: str, outcome: CallOutcome | None) -> Registered:
    if outcome is None:
        return Registered(address=where(address), app=app)
    return Registered(
        address=where(address),
        app=app,
        state=outcome.state,
        error=_of_each(outcome) if outcome.callers else outcome.error,
        callers=outcome.callers,
    )


def _of_each(outcome: CallOutcome) -> str:
    """How each scheduler fares, and the words of the one whose calls fail."""
    arrive = ", ".join(name for name, state in outcome.callers.items() if state == UP)
    return f"calls from {arrive} arrive, calls from {outcome.scheduler} do not: {outcome.error}"
