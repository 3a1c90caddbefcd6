"""PgBouncer before a PostgreSQL server; user `shop` of that server."""

from __future__ import annotations

import struct

from tests.lab.component import spawn, write_private
from tests.lab.guise import Guise, Role, application_password, lines
from tests.lab.place import Place

_USER = "postgres"


def _start(place: Place, guise: Guise) -> None:
    folder = guise.folder(place, _USER)
    back = guise.peers["to"]
    settings: dict[str, object] = {
        "listen_addr": guise.address,
        "listen_port": guise.port,
        "unix_socket_dir": "",
        "auth_type": "plain",
        "auth_file": folder / "users",
        "pool_mode": "transaction",
        "server_connect_timeout": 2,
        "query_wait_timeout": 4,
        "server_login_retry": 1,
    }
    settings |= guise.options.get("settings", {})
    word = application_password(place, "postgresql")
    write_private(folder / "users", f'"shop" "{word}"\n', _USER)
    ini = ["[databases]", f"shop = host={back.address} port={back.port} dbname=shop"]
    text = "\n".join([*ini, "[pgbouncer]", *lines(settings, " = ")]) + "\n"
    config = write_private(folder / "pgbouncer.ini", text, _USER)
    argv = ["pgbouncer", str(config)]
    spawn(place, guise.component_name, guise.name, argv, user=_USER)


def _ready(place: Place, guise: Guise) -> bool:
    words = b"user\0shop\0database\0shop\0\0"
    return guise.ask(place, struct.pack(">II", 8 + len(words), 196608) + words)[:1] in b"RE"


def _login(place: Place) -> dict[str, str]:
    word = application_password(place, "postgresql")
    return {"username": "shop", "password": word, "database": "shop"}


ROLE = Role(
    name="pgbouncer",
    protocol="postgresql",
    port=6432,
    start=_start,
    ready=_ready,
    options={"to": {"type": "text"}, "settings": {"type": "mapping"}},
    login=_login,
    leans_on=("to",),
    attaches=("to",),  # its pool keeps connections open
)
