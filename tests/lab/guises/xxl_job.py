"""A stand-in for the XXL-JOB admin 2.3.0 to 3.4, which is on no registry (tests/lab/standins).

User `shop` of its pages, and an access token; both made for this lab run. With `mysql` it logs
in to that MySQL server as an application does; without, its database is declared to be there.
"""

from __future__ import annotations

import http.client
import json
import sys
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

from tests.lab import wire
from tests.lab.component import spawn, write_private
from tests.lab.guise import Guise, Role, application_password
from tests.lab.place import PROJECT, LabError, Place

_FOLDER = PROJECT / "tests" / "lab" / "standins"
CONTEXT = "/xxl-job-admin"


def _settings(place: Place, guise: Guise) -> dict[str, Any]:
    login = _login(place)
    said: dict[str, Any] = {
        "address": guise.address,
        "port": guise.port,
        "users": {login["username"]: login["password"]},
        "access_token": login["token"],
        "monitor_s": 1,  # the real one: 30; cases do not wait so long
        **guise.options.get("settings", {}),
    }
    database = guise.peers.get("mysql")
    if database is not None:
        own = database.role.login(place)
        said["database"] = {
            "host": database.address,
            "port": database.port,
            "user": own["username"],
            "password": own["password"],
            "schema": own["database"],
        }
    return said


def _start(place: Place, guise: Guise) -> None:
    folder = guise.folder(place)
    file = write_private(folder / "settings.json", json.dumps(_settings(place, guise)))
    argv = [sys.executable, "-S", "-m", "xxl_job_admin", str(file)]
    env = {"PYTHONPATH": str(_FOLDER), "PYTHONDONTWRITEBYTECODE": "1"}
    spawn(place, guise.component_name, guise.name, argv, env=env)


def _number(guise: Guise) -> tuple[int, ...]:
    """Its release; alone this decides where people log in."""
    version = str(guise.options.get("settings", {}).get("version", "2.3.0"))
    return tuple(int(part) for part in version.split("."))


def _context(guise: Guise) -> str:
    usual = "" if _number(guise) >= (3, 4) else CONTEXT
    return str(guise.options.get("settings", {}).get("context", usual))


def _ready(place: Place, guise: Guise) -> bool:
    path = f"{_context(guise)}{'/auth/login' if _number(guise) >= (3, 2) else '/toLogin'}"
    return wire.http_request(place, guise.name, guise.address, guise.port, path).status == 200


def _tell(place: Place, guise: Guise, text: str) -> str:
    """`/path key=value …`, asked as the user of its pages: `/jobinfo/trigger id=1`."""
    path, *words = text.split()
    pairs = (word.partition("=") for word in words)
    form = {key: value for key, _, value in pairs}
    login = _login(place)
    with closing(http.client.HTTPConnection(guise.address, guise.port, timeout=20)) as connection:
        connection.sock = wire.connect(place, guise.name, guise.address, guise.port, 20)
        page = "/auth/doLogin" if _number(guise) >= (3, 2) else "/login"
        cookie = _ask(connection, guise, page, userName=login["username"],
                      password=login["password"])[1]  # fmt: skip
        return _ask(connection, guise, path, cookie, **form)[0]


def _ask(
    connection: http.client.HTTPConnection, guise: Guise, path: str, cookie: str = "", **form: str
) -> tuple[str, str]:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}
    connection.request("POST", f"{_context(guise)}{path}", urlencode(form), headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status != 200:
        raise LabError(f"POST {path}: {answer.status} {text[:300]}")
    return text, answer.headers.get("Set-Cookie", "").partition(";")[0]


def _login(place: Place) -> dict[str, str]:
    return {
        "username": "shop",
        "password": application_password(place, "xxl-job"),
        "token": application_password(place, "xxl-job-token"),
    }


ROLE = Role(
    name="xxl-job",
    protocol="xxl-job",
    port=8080,
    start=_start,
    ready=_ready,
    options={"settings": {"type": "mapping"}, "mysql": {"type": "text"}},
    tell=_tell,
    login=_login,
    leans_on=("mysql",),
    attaches=("mysql",),
)
