"""Grafana: a stand-in (`tests/lab/standins/grafana.py`), as no registry has the real one."""

from __future__ import annotations

from typing import Any

from tests.lab import wire
from tests.lab.guise import Guise, Role, application_password
from tests.lab.place import Place
from tests.lab.standins.run import start

_OPTIONS = ("version", "database", "base_path", "viewer", "hide_version", "silent")


def _start(place: Place, guise: Guise) -> None:
    options: dict[str, Any] = {k: v for k, v in guise.options.items() if k in _OPTIONS}
    names = guise.options.get("to", [])
    names = [names] if isinstance(names, str) else names
    peers = [guise.peers.get(f"to{n}", guise.peers.get("to")) for n in range(len(names))]
    options["sources"] = {
        name: f"http://{peer.address}:{peer.port}"
        for name, peer in zip(names, peers, strict=True)
        if peer
    }
    if not guise.options.get("default_login"):
        options |= {"user": "shop", "password": application_password(place, "grafana")}
    start(place, guise, "grafana", options)


def _ready(place: Place, guise: Guise) -> bool:
    with wire.connect(place, guise.name, guise.address, guise.port):
        return True


def _login(place: Place) -> dict[str, str]:
    return {"username": "shop", "password": application_password(place, "grafana")}


ROLE = Role(
    name="grafana",
    protocol="grafana",
    port=3000,
    start=_start,
    ready=_ready,
    options={
        "version": {"type": "text"},
        "database": {"type": "text"},
        "to": {"type": ["text", "list"], "items": {"type": "text"}},
        "base_path": {"type": "text"},
        "viewer": {"type": "boolean"},
        "hide_version": {"type": "boolean"},
        "silent": {"type": "list", "items": {"type": "text"}},
        "default_login": {"type": "boolean"},
    },
    login=_login,
    leans_on=("to",),
)
