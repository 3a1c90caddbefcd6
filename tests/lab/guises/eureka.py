"""Eureka server of Spring Cloud 2025 (Netflix Eureka 2), alone or as one of two peers."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.lab import spring, wire
from tests.lab.building import java
from tests.lab.guise import Guise, Role, application_password
from tests.lab.place import Place


def _url(place: Place, guise: Guise) -> str:
    """Where peers and clients find it, with the login if it wants one."""
    login = f"shop:{application_password(place, 'eureka')}@" if guise.options.get("login") else ""
    return f"http://{login}{guise.address}:{guise.port}/eureka/"


def _peers(place: Place, guise: Guise) -> Path:
    return guise.folder(place) / "peers"


def _start(place: Place, guise: Guise) -> None:
    """The second of two peers tells the first one where it is."""
    if "peer" in guise.peers:
        other = guise.peers["peer"]
        spring.write(_peers(place, guise), _url(place, other))
        spring.write(_peers(place, other), _url(place, guise))
    settings = {
        "eureka.instance.hostname": guise.address,
        "eureka.instance.instance-id": f"{guise.address}:{guise.port}",
        "lab.peers": _peers(place, guise),
        "lab.login": bool(guise.options.get("login")),
    }
    spring.start(place, guise, settings, application_password(place, "eureka"))


def _ready(place: Place, guise: Guise) -> bool:
    """It answers; of two peers, each says that the other one is available."""
    other = guise.peers.get("peer")
    if other is None:
        return _ask(place, guise, "apps").status == 200 and bool(_ask(place, guise, "status").body)
    return _knows(place, guise, other) and _knows(place, other, guise)


def _knows(place: Place, one: Guise, other: Guise) -> bool:
    status = _ask(place, one, "status").body
    available = status.partition(b"<available-replicas>")[2].partition(b"<")[0]
    return f"{other.address}:{other.port}/".encode() in available


def _ask(place: Place, guise: Guise, what: str) -> wire.Reply:
    base = guise.options.get("settings", {}).get("server.servlet.context-path", "")
    return spring.ask(place, guise, f"{base}/eureka/{what}", application_password(place, "eureka"))


def _login(place: Place) -> dict[str, str]:
    return {"username": "shop", "password": application_password(place, "eureka")}


def _tell(place: Place, guise: Guise, text: str) -> str:
    """`METHOD /path JSON`, as `shop`."""
    return spring.tell(place, guise, text, application_password(place, "eureka"))


ROLE = Role(
    name="eureka",
    protocol="eureka",
    port=10001,
    start=_start,
    ready=_ready,
    options={
        "settings": {"type": "mapping"},
        "login": {"type": "boolean"},
        "peer": {"type": "text"},
    },
    tell=_tell,
    login=_login,
    leans_on=("peer",),
    attaches=("peer",),
    grace=8,
    starting_s=240,
    build=partial(java.build, "eureka"),
)
