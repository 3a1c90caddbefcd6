"""A stand-in for Sentinel's dashboard of 1.6 and later (`tests/lab/standins/sentinel.py`).

It shows only what the real 0.1.1 (`sentinel`) has not: the login, its cookie, `/version`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.lab import wire
from tests.lab.component import spawn
from tests.lab.guise import Guise, Role, application_password
from tests.lab.place import Place
from tests.lab.standins import sentinel

_PASSED_ON = ("version", "login", "replicas")


def _start(place: Place, guise: Guise) -> None:
    options = {word: guise.options[word] for word in _PASSED_ON if word in guise.options}
    if not guise.options.get("default_login"):
        options |= _login(place)
    program = str(Path(sentinel.__file__))
    argv = [sys.executable, "-S", "-E", program, guise.address, str(guise.port)]
    told = {sentinel.OPTIONS: json.dumps(options)}
    spawn(place, guise.component_name, guise.name, argv, env=told)


def _ready(place: Place, guise: Guise) -> bool:
    return wire.http_request(place, guise.name, guise.address, guise.port).status == 200


def _login(place: Place) -> dict[str, str]:
    return {"username": "shop", "password": application_password(place, "sentinel-standin")}


ROLE = Role(
    name="sentinel-standin",
    protocol="sentinel",
    port=8858,
    start=_start,
    ready=_ready,
    options={
        "version": {"type": "text"},
        "login": {"type": "boolean"},
        "default_login": {"type": "boolean"},
        "replicas": {"type": "number"},
    },
    login=_login,
)
