"""What Sentinel's dashboard says of applications and their machines, read. Pure.

Answers are `{"success", "code", "msg", "data"}` (0.1.1 leaves `success` out). A machine's last sign
of life has had three names: `version`, a number (0.1), `timestamp` (0.2 to 1.4) and `lastHeartbeat`
(since 1.5). Sources: alibaba/Sentinel, sentinel-dashboard, `AppInfo`, `MachineInfo` and `Result` of
0.1.1, 1.4.0, 1.6.0 and 1.8.8.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from k8sext.agent.check import Fault, Registered
from k8sext.agent.wire.http_api import mapping, sequence, some, text_of
from k8sext.model.data import dataclass
from k8sext.model.plan import join_address
from k8sext.model.result import Json
from k8sext.model.words import Reason

OWN_APP = "sentinel-dashboard"  # as which the dashboard watches itself, where it is told to
FRESH_S = 60.0  # clients send a heartbeat every 10 s; after 60 s a dashboard calls them dead
MAX_TEXT = 255
_DATE = re.compile(r"\w{3}, (\d\d) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT")  # RFC 9110, 5.6.7
_MONTHS: Sequence[str] = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_COOKIE = re.compile(r"(?:^|, )([^=;,\s]+=[^;,\s]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One instance of an application, as the dashboard was told of it."""

    app: str
    host: str
    port: int
    age_s: float | None  # since its last heartbeat; None: not told
    healthy: bool  # the dashboard's own word
    version: str = ""  # of its Sentinel client

    @property
    def address(self) -> str:
        """Where the dashboard calls it."""
        return join_address(self.host, self.port)

    @property
    def fresh(self) -> bool:
        """Whether it lives: a dashboard keeps those that have gone, old ones for ever."""
        return self.healthy if self.age_s is None else self.age_s <= FRESH_S

    def registered(self, state: str, error: str = "") -> Registered:
        """As an address that is called back."""
        return Registered(
            address=self.address, app=self.app, state=state, error=error, age_s=self.age_s
        )


def data_of(answer: Any, what: str) -> Any:
    """What an answer carries. Raises Fault for a refusal, and for what is no answer of its kind."""
    result = mapping(answer)
    if "code" not in result or "data" not in result:
        raise Fault(Reason.SERVER_ERROR, f"{what}: no answer of a Sentinel dashboard")
    if result.get("success") is False:
        raise Fault(
            Reason.SERVER_ERROR, f"{what}: {text_of(result.get('msg'), MAX_TEXT) or 'refused'}"
        )
    return result["data"]


def machines_of(data: Any, now_s: float) -> list[Machine]:
    """The machines of all applications; `now_s` is the dashboard's clock (Unix time)."""
    apps = ((text_of(app.get("app"), MAX_TEXT), app) for app in map(mapping, sequence(data)))
    rows = ((name, mapping(row)) for name, app in apps for row in sequence(app.get("machines")))
    return [found for name, row in rows if name and (found := _machine(row, name, now_s))]


def _machine(row: Mapping[str, Any], app: str, now_s: float) -> Machine | None:
    host, port = text_of(row.get("ip"), MAX_TEXT), row.get("port")
    if not host or not isinstance(port, int) or isinstance(port, bool):
        return None
    version = row.get("version")
    beats = (row.get("lastHeartbeat"), row.get("timestamp"), version)
    beat = next((b for b in beats if isinstance(b, int) and not isinstance(b, bool)), None)
    return Machine(
        app=app,
        host=host,
        port=port,
        age_s=None if beat is None else max(now_s - beat / 1000, 0.0),
        healthy=row.get("healthy") is not False,
        version=version if isinstance(version, str) else "",
    )


def means_the_caller(host: str) -> bool:
    """Whether an address leads whoever calls it to itself. The dashboard has a command centre of
    its own, mostly on the usual port: it would take its own numbers for the application's.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
    return address.is_loopback or address.is_unspecified


def in_turn(machines: Sequence[Machine]) -> list[Machine]:
    """The first of each application, then the second of each: none is left out for another."""
    seen: dict[str, int] = {}
    ranked: list[tuple[int, Machine]] = []
    for machine in machines:
        seen[machine.app] = seen.get(machine.app, -1) + 1
        ranked.append((seen[machine.app], machine))
    return [machine for _, machine in sorted(ranked, key=lambda pair: pair[0])]


def lacking(wanted: Iterable[str], count: int, machines: Sequence[Machine]) -> str:
    """Which wanted application has fewer than `count` machines that live, and why; "" if none."""
    said: list[str] = []
    for app in wanted:
        mine = [m for m in machines if m.app == app]
        fresh = sum(m.fresh for m in mine)
        ages = [m.age_s for m in mine if m.age_s is not None]
        if not mine:
            said.append(f"{app} has not registered")
        elif not fresh:
            age = f" {min(ages):.0f} s ago" if ages else ""
            said.append(f"{app} has gone silent, its last heartbeat came{age or ' long ago'}")
        elif fresh < count:
            there = some(sorted(m.address for m in mine if m.fresh))
            said.append(f"{app} has {fresh} of {count} machines ({there})")
    return "; ".join(said)


def summary(machines: Sequence[Machine], states: Mapping[str, str]) -> str:
    """All in one sentence; `states` by address, of those that the dashboard was asked about."""
    fresh = [m for m in machines if m.fresh]
    if not fresh:
        return "no application is registered" if not machines else "no application lives"
    apps = sorted({m.app for m in fresh})
    up = sum(state == "up" for state in states.values())
    asked = f", of {len(states)} asked the dashboard reaches {up}" if states else ""
    many = "machine" if len(fresh) == 1 else "machines"
    return f"{some(apps)}: {len(fresh)} {many}{asked}"


def facts(machines: Sequence[Machine]) -> dict[str, Json]:
    """Counts by application, as evidence."""
    apps = sorted({m.app for m in machines})
    count: dict[str, Json] = {
        app: sum(m.fresh for m in machines if m.app == app) for app in apps[:32]
    }
    versions = sorted({m.version for m in machines if m.version})
    return {
        "applications": count,
        "silent": sum(not m.fresh for m in machines),
        "client_versions": [*versions[:8]],
    }


def seconds_of(date: str, otherwise: float) -> float:
    """Unix time of an HTTP Date; `otherwise` where it is none."""
    found = _DATE.fullmatch(date.strip())
    if not found or found[2] not in _MONTHS:
        return otherwise
    day, year, hour, minute, second = (int(found[n]) for n in (1, 3, 4, 5, 6))
    month = _MONTHS.index(str(found[2])) + 1
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return otherwise
    return moment.timestamp()


def cookies_of(header: str) -> str:
    """The Cookie header for what Set-Cookie gave (several are joined by a comma)."""
    return "; ".join(dict.fromkeys(_COOKIE.findall(header)))
