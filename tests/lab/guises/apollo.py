"""Apollo's config service: a stand-in (`tests/lab/standins/apollo.py`), as no registry has it."""

from __future__ import annotations

from typing import Any

from tests.lab import wire
from tests.lab.guise import Guise, Role, application_password
from tests.lab.place import Place
from tests.lab.standins.run import start

_OPTIONS = (
    "apps", "announce", "admin", "database", "silent_s", "clock_s", "admin_role", "base_path",
)  # fmt: skip


def _start(place: Place, guise: Guise) -> None:
    options: dict[str, Any] = {k: v for k, v in guise.options.items() if k in _OPTIONS}
    if guise.options.get("key"):
        options["key"] = application_password(place, "apollo")
    start(place, guise, "apollo", options)


def _ready(place: Place, guise: Guise) -> bool:
    with wire.connect(place, guise.name, guise.address, guise.port):
        return True


def _login(place: Place) -> dict[str, str]:
    return {"access-key": application_password(place, "apollo")}


ROLE = Role(
    name="apollo",
    protocol="apollo",
    port=8080,
    start=_start,
    ready=_ready,
    options={
        "apps": {"type": "mapping"},
        "announce": {"type": "list", "items": {"type": "text"}},
        "admin": {"type": "boolean"},
        "database": {"type": "boolean"},
        "silent_s": {"type": "number"},
        "key": {"type": "boolean"},
        "clock_s": {"type": "number"},
        "admin_role": {"type": "boolean"},
        "base_path": {"type": "text"},
    },
    login=_login,
)
