"""Reading the answers of Prometheus and of what speaks its API: pure, and right for any JSON.

Facts: measured with Prometheus 2.42; web/api/v1/api.go of 3.x. Compatible products tell themselves
by the words of `/-/ready` (VictoriaMetrics, issue #1833) or by `data.application` (Mimir).
The build that they tell may be empty (a Thanos that was built without its stamps; VictoriaMetrics
1.77 to 1.95, issue #5370), may be that of the API that they imitate (VictoriaMetrics since:
`{"version":"2.24.0"}` and nothing else, whatever its own version), and may be absent (404:
Prometheus before 2.14, older Cortex).
"""

from __future__ import annotations

import ipaddress
import math
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from k8sext.agent.check import Registered
from k8sext.agent.wire.http import Response
from k8sext.agent.wire.http_api import mapping, sequence, text_of
from k8sext.model.data import dataclass
from k8sext.model.plan import join_address

MAX_PLAIN = 4 << 20  # bytes of one answer, unpacked
MAX_WORDS = 160  # characters of one error
STATES = ("up", "down", "unknown")
_OWN_BUILD = ("revision", "goVersion", "buildDate", "application")  # beside a version of one's own
_VICTORIA = re.compile(
    rb'^vm_app_version\{[^}]{0,400}short_version="v?([0-9.]{1,20})"', re.MULTILINE
)
_READY = re.compile(rb"\s*([A-Za-z][A-Za-z ]{1,40}?) is Ready\.\s*")
_PRODUCTS = {"Prometheus Server": "prometheus", "Prometheus Agent": "prometheus-agent"}
_ASKED = re.compile(r'\A\w+ "[^"]*": ')  # the address with its parameters: they may be secret
_PORTS = {"http": 80, "https": 443}


class AnswerTooLarge(Exception):
    """An answer is larger than what is read of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scraped:
    """One active target."""

    job: str
    pool: str
    address: str  # host:port, IPv6 in brackets
    state: str
    error: str = ""
    age_s: float | None = None  # since it was last scraped; None: never, or not told


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many targets of a job are up, and how many there are."""

    up: int = 0
    all: int = 0

    @property
    def down(self) -> int:
        """Those that are not up."""
        return self.all - self.up


Counts = Mapping[str, Count]


def unpacked(answer: Response, limit: int = MAX_PLAIN) -> Response:
    """The answer without its gzip coding (RFC 9110, 8.4.1.3). Raises TooLarge, and ValueError for
    a body that is no gzip.
    """
    if answer.headers.get("content-encoding", "").lower() != "gzip":
        return answer
    reader = zlib.decompressobj(wbits=31)
    try:
        body = reader.decompress(answer.body, limit)
    except zlib.error as error:
        raise ValueError("it says gzip and is none") from error
    if reader.unconsumed_tail:
        raise AnswerTooLarge
    return replace(answer, body=body)


def data_of(answer: Response) -> Any:
    """`data` of a successful answer of the API; None of any other."""
    told = mapping(answer.json())
    return told.get("data") if answer.status == 200 and told.get("status") == "success" else None


def error_of(answer: Response) -> str:
    """The API's own words for an error; "" where there are none."""
    return words_of(mapping(answer.json()).get("error"))


def is_query_result(answer: Response) -> bool:
    """Whether an answer is one to a query: all that speak the API have that."""
    return "resultType" in mapping(data_of(answer))


def own_version(build: Mapping[str, Any]) -> str:
    """The product's own version; "" where it tells only which version's API it speaks."""
    own = any(text_of(build.get(key)) for key in _OWN_BUILD)
    return text_of(build.get("version")) if own else ""


def victoria_version(metrics: Response | None) -> str:
    """VictoriaMetrics' own version, which only its metrics tell; "" where they do not."""
    found = _VICTORIA.search(metrics.body) if metrics and metrics.status == 200 else None
    return found[1].decode("ascii") if found else ""


def product_of(ready: Response | None, build: Mapping[str, Any]) -> str:
    """Which product it is; "prometheus" where nothing says otherwise."""
    application = text_of(build.get("application"))
    if application:
        return application.lower().replace(" ", "-")
    if ready is None or ready.status != 200:
        return "prometheus-compatible"
    found = _READY.fullmatch(ready.body[:200])
    if found:
        name = found[1].decode("ascii")
        return _PRODUCTS.get(name, name.lower().replace(" ", "-"))
    if ready.body.strip() == b"OK":  # pkg/prober/http.go of Thanos
        return "thanos"
    return "prometheus-compatible"


def counts_of(all_of: Any, down: Any) -> dict[str, Count]:
    """Job to its numbers, from two results of `count by (job) (…)`."""
    every, bad = _by_job(all_of), _by_job(down)
    return {job: Count(up=max(n - bad.get(job, 0), 0), all=n) for job, n in every.items()}


def _by_job(result: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in map(mapping, sequence(mapping(result).get("result"))):
        value = sequence(row.get("value"))
        number = number_of(value[1]) if len(value) == 2 else None
        if number is not None:
            found[text_of(mapping(row.get("metric")).get("job"))] = number
    return found


def numbers_of(result: Any, label: str) -> dict[str, float]:
    """Value of a label to the number beside it, of an instant vector; numbers only."""
    found: dict[str, float] = {}
    for row in map(mapping, sequence(mapping(result).get("result"))):
        value = sequence(row.get("value"))
        try:
            number = float(value[1])
        except (IndexError, TypeError, ValueError):
            continue
        if math.isfinite(number):
            found[text_of(mapping(row.get("metric")).get(label))] = number
    return found


def counted(targets: Iterable[Scraped]) -> dict[str, Count]:
    """The same of targets that were listed one by one; those never scraped yet do not count."""
    found: dict[str, Count] = {}
    for one in targets:
        if one.state == "unknown":
            found.setdefault(one.job, Count())
            continue
        have = found.get(one.job, Count())
        found[one.job] = Count(up=have.up + (one.state == "up"), all=have.all + 1)
    return found


def targets_of(data: Any, now: datetime | None) -> list[Scraped]:
    """The active targets of `/api/v1/targets`."""
    rows = map(mapping, sequence(mapping(data).get("activeTargets")))
    return [one for row in rows if (one := _target(row, now))]


def _target(row: Mapping[str, Any], now: datetime | None) -> Scraped | None:
    pool, state = text_of(row.get("scrapePool")), text_of(row.get("health"))
    address = address_of(text_of(row.get("scrapeUrl")))
    if not address:
        return None
    return Scraped(
        job=text_of(mapping(row.get("labels")).get("job")) or pool,
        pool=pool,
        address=address,
        state=state if state in STATES else "unknown",
        error=words_of(row.get("lastError")),
        age_s=_age(text_of(row.get("lastScrape")), now),
    )


def of_its_host(address: str) -> bool:
    """Whether an address means something on the server's own host only: loopback, or a bare name
    (of a container beside it). That is nothing to compare with this cluster.
    """
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return "." not in host.rstrip(".")


def called(targets: Iterable[Scraped]) -> tuple[Registered, ...]:
    """The targets as addresses that it calls."""
    return tuple(
        Registered(address=t.address, app=t.job, state=t.state, error=t.error, age_s=t.age_s)
        for t in targets
        if not of_its_host(t.address)
    )


def address_of(url: str) -> str:
    """host:port of a URL, without the login it may hold; "" where it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return ""
    return join_address(parts.hostname, port) if parts.hostname and port else ""


def words_of(error: Any) -> str:
    """An error without the address that was asked, whose parameters may be secret."""
    text = " ".join(_ASKED.sub("", text_of(error)).split())
    return text if len(text) <= MAX_WORDS else text[: MAX_WORDS - 1] + "…"


def _age(stamp: str, now: datetime | None) -> float | None:
    try:
        then = datetime.fromisoformat(stamp)
        age = (now - then).total_seconds() if now and then.year > 1 else None
    except (ValueError, TypeError, OverflowError):  # TypeError: one of them has no time zone
        return None
    return None if age is None else round(max(age, 0.0), 1)


def started_s(info: Mapping[str, Any], now: datetime | None) -> float | None:
    """Seconds since the server started, from `/api/v1/status/runtimeinfo`."""
    return _age(text_of(info.get("startTime")), now)


def bad_rules(data: Any) -> tuple[int, list[tuple[str, str]]]:
    """How many rules there are, and those that fail: name and error."""
    number, bad = 0, list[tuple[str, str]]()
    for group in map(mapping, sequence(mapping(data).get("groups"))):
        for rule in map(mapping, sequence(group.get("rules"))):
            number += 1
            if rule.get("health") == "err":
                name = text_of(rule.get("name")) or text_of(group.get("name"))
                bad.append((name, words_of(rule.get("lastError"))))
    return number, bad


def active_alertmanagers(data: Any) -> list[str]:
    """host:port of those that alerts are sent to."""
    rows = map(mapping, sequence(mapping(data).get("activeAlertmanagers")))
    return list(filter(None, (address_of(text_of(row.get("url"))) for row in rows)))


def number_of(value: Any) -> int | None:
    """A whole number of at least 0, as the API writes them ("3"); None for anything else."""
    text = value if isinstance(value, str) else str(value) if isinstance(value, int) else ""
    return int(text) if re.fullmatch(r"[0-9]{1,12}", text) else None
