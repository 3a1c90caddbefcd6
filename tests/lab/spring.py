"""Spring Boot applications on hosts: started, asked and told alike."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.lab import wire
from tests.lab.building import java
from tests.lab.component import spawn
from tests.lab.guise import Guise
from tests.lab.place import LabError, Place


def start(
    place: Place,
    guise: Guise,
    settings: Mapping[str, Any],
    secret: str,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run the app called like the role; the case's `settings` win. Secrets: by environment."""
    folder = guise.folder(place)
    given: Mapping[str, Any] = guise.options.get("settings", {})
    everything = {
        "server.address": guise.address,
        "server.port": guise.port,
        "server.tomcat.basedir": folder / "tomcat",
        **settings,
        **given,
    }
    argv = java.command(guise.role.name, everything, [f"-Djava.io.tmpdir={folder}"])
    hidden = {"SPRING_SECURITY_USER_PASSWORD": secret, **(environment or {})}
    spawn(place, guise.component_name, guise.name, argv, env=hidden)


def ask(
    place: Place, guise: Guise, path: str, secret: str, method: str = "GET", body: str = ""
) -> wire.Reply:
    """One request from its own host, as `shop`."""
    login = base64.b64encode(f"shop:{secret}".encode()).decode()
    headers = {"Authorization": f"Basic {login}"}
    if body:
        headers["Content-Type"] = "application/json"
    return wire.http_request(
        place,
        guise.name,
        guise.address,
        guise.port,
        path,
        method=method,
        body=body.encode() or None,
        headers=headers,
    )


def tell(place: Place, guise: Guise, text: str, secret: str) -> str:
    """`METHOD /path JSON`; what it answered."""
    method, _, rest = text.partition(" ")
    path, _, body = rest.partition(" ")
    reply = ask(place, guise, path, secret, method, body)
    if reply.status >= 400:
        raise LabError(f"{method} {path}: {reply.status} {reply.body[:300]!r}")
    return reply.body.decode()


def write(file: Path, text: str) -> None:
    """At once or not at all: the app reads it every half second; root only, it may hold a login."""
    new = file.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(text)
    os.replace(new, file)
