"""How Eureka's answers are read: pure.

Shapes: Netflix/eureka 2.0.4 (`ApplicationsResource`, `StatusResource`, `StatusUtil`), as Spring
Cloud 2025.0 serves them. `/status` cannot be written as JSON by it (`isHeathly` is null: 500), so
it is asked for XML, of which three elements are read.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

from k8sext.agent.check import Registered
from k8sext.agent.wire.http import Response
from k8sext.agent.wire.http_api import mapping, sequence
from k8sext.model.data import dataclass

UP = "UP"
MOST = 500  # instances that are looked at
TEXT = 200
_LOGIN = re.compile(r"(?<=://)[^/@\s]*@")
_LOOPBACK = re.compile(r"://(localhost|127\.[\d.]+|\[::1\])(:|/|$)")
_ELEMENTS = {
    name: re.compile(rf"<{name}>([^<]{{0,4000}})</{name}>")
    for name in (
        "registered-replicas",
        "available-replicas",
        "unavailable-replicas",
        "app",
        "hostName",
    )
}


@dataclass(frozen=True, slots=True)
class Instance:
    """One registered instance. Times: seconds since 1970 by the server's own clock, 0: unknown."""

    app: str
    id: str
    host: str
    address: str  # what it says its IP address is
    port: int
    status: str
    renewed: float = 0.0
    lease_s: float = 90.0

    @property
    def called(self) -> str:
        """`host:port` as its callers call it: by `hostName` (Spring Cloud's `getHost()`)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def silent_s(self, now: float) -> float:
        """Seconds since its lease should have been renewed; 0 where that is not known.

        `lastRenewalTimestamp` is the lease's end and not its renewal, once it was renewed
        (Netflix/eureka, `Lease.renew`): what is older than one lease is overdue in any case.
        """
        late = now - self.renewed - self.lease_s
        return late if self.renewed and now and late > 0 else 0.0

    def registered(self, now: float) -> Registered:
        """As an address that others call: Eureka itself never does."""
        age = now - self.renewed if self.renewed and now else None
        age_s = max(age, 0.0) if age is not None else None
        return Registered(address=self.called, app=self.app, state="unknown", age_s=age_s)


@dataclass(frozen=True, slots=True)
class Peers:
    """The other servers, by URL and without logins, as one server sees them."""

    own_app: str = ""
    own_host: str = ""
    available: tuple[str, ...] = ()
    unavailable: tuple[str, ...] = ()


def is_registry(answer: Response) -> bool:
    """Whether an answer is a list of applications."""
    found = mapping(mapping(answer.json()).get("applications"))
    return bool(found) and ("apps__hashcode" in found or "application" in found)


def instances_of(value: Any) -> tuple[tuple[Instance, ...], int]:
    """The instances in `/apps`, at most MOST, and how many there are."""
    apps = sequence(mapping(mapping(value).get("applications")).get("application"))
    raw = [i for app in apps for i in _listed(mapping(app).get("instance"))]
    return tuple(instance_of(one) for one in raw[:MOST]), len(raw)


def instance_of(value: Any) -> Instance:
    """One of them, whatever is missing."""
    found = mapping(value)
    lease = mapping(found.get("leaseInfo"))
    return Instance(
        app=_text(found.get("app")),
        id=_text(found.get("instanceId") or found.get("hostName")),
        host=_text(found.get("hostName") or found.get("ipAddr")),
        address=_text(found.get("ipAddr")),
        port=_port(found),
        status=_text(found.get("status")),
        renewed=_number(lease.get("lastRenewalTimestamp")) / 1000,
        lease_s=_number(lease.get("durationInSecs")) or 90.0,
    )


def peers_of(answer: Response) -> Peers | None:
    """What `/status` says as XML; None where it does not."""
    text = answer.body.decode("utf-8", "replace")
    if answer.status != 200 or "-replicas>" not in text:
        return None
    return Peers(
        _element(text, "app"),
        _element(text, "hostName"),
        _urls(_element(text, "available-replicas")),
        _urls(_element(text, "unavailable-replicas")),
    )


def is_at(url: str, host: str) -> bool:
    """Whether a replica's URL leads to a host."""
    return bool(host) and re.search(rf"//\[?{re.escape(host)}\]?(:|/|$)", url) is not None


def is_left_over(url: str) -> bool:
    """Whether a replica is the default of a server that was told no peer: itself, by loopback."""
    return bool(_LOOPBACK.search(url))


def preserves_itself(answer: Response) -> bool | None:
    """Whether the dashboard says that nothing is expired for now; None where there is none."""
    if answer.status != 200 or b"Renews threshold" not in answer.body:
        return None
    return b"INCORRECTLY CLAIMING INSTANCES ARE UP" in answer.body


def clock_of(answer: Response) -> float:
    """The server's own time as seconds since 1970; 0 where it does not say."""
    try:
        there = answer.clock
        return there.timestamp() if there else 0.0
    except (ValueError, OverflowError):
        return 0.0


def _listed(value: Any) -> list[Any]:
    """Jackson writes lists, the older XStream a single one as itself."""
    return [value] if isinstance(value, dict) else sequence(value)


def _port(found: Mapping[str, Any]) -> int:
    """The open one; the secure one where only that is enabled."""
    plain, secure = mapping(found.get("port")), mapping(found.get("securePort"))
    only_secure = _enabled(secure) and not _enabled(plain)
    number = int(_number((secure if only_secure else plain).get("$")))
    return number if 0 < number < 65536 else 0


def _enabled(port: Mapping[str, Any]) -> bool:
    return str(port.get("@enabled")).lower() == "true"


def _number(value: Any) -> float:
    """Numbers come as such or as text; 0 for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return 0.0
    text = str(value)
    return float(text) if re.fullmatch(r"\d{1,15}(\.\d{1,6})?", text) else 0.0


def _text(value: Any) -> str:
    return str(value)[:TEXT] if isinstance(value, str | int | float) else ""


def _element(text: str, name: str) -> str:
    found = _ELEMENTS[name].search(text)
    return html.unescape(found[1]).strip() if found else ""


def _urls(text: str) -> tuple[str, ...]:
    """URLs of replicas may hold the login with which one server writes to the other."""
    return tuple(_LOGIN.sub("", url.strip())[:TEXT] for url in text.split(",") if url.strip())
