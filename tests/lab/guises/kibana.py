"""Kibana: a stand-in (`tests/lab/standins/kibana.py`), as no registry has the real one."""

from __future__ import annotations

from typing import Any

from tests.lab import wire
from tests.lab.guise import Guise, Role, application_password
from tests.lab.place import Place
from tests.lab.standins.run import start

_OPTIONS = ("version", "base_path", "rewrite", "starting", "plugins")


def _start(place: Place, guise: Guise) -> None:
    options: dict[str, Any] = {k: v for k, v in guise.options.items() if k in _OPTIONS}
    if "elasticsearch" in guise.peers:
        back = guise.peers["elasticsearch"]
        options["elasticsearch"] = f"http://{back.address}:{back.port}"
    if guise.options.get("login"):
        options["login"] = f"shop:{application_password(place, 'kibana')}"
    start(place, guise, "kibana", options)


def _ready(place: Place, guise: Guise) -> bool:
    with wire.connect(place, guise.name, guise.address, guise.port):
        return True


def _login(place: Place) -> dict[str, str]:
    return {"username": "shop", "password": application_password(place, "kibana")}


ROLE = Role(
    name="kibana",
    protocol="kibana",
    port=5601,
    start=_start,
    ready=_ready,
    options={
        "version": {"type": "text"},
        "elasticsearch": {"type": "text"},
        "base_path": {"type": "text"},
        "rewrite": {"type": "boolean"},
        "starting": {"type": "boolean"},
        "login": {"type": "boolean"},
        "plugins": {"type": "mapping"},
    },
    login=_login,
    leans_on=("elasticsearch",),
)
