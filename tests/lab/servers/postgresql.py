"""PostgreSQL 15 with database and user `shop`."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

from tests.lab import wire
from tests.lab.component import Component, folder_for, password, spawn, write_private
from tests.lab.hosts import DATABASE, NEAR_NET, NODES_NET, inside
from tests.lab.place import Place

PORT = 5432
_USER = "postgres"
_PROGRAMS = Path("/usr/lib/postgresql/15/bin")


def _settings(folder: Path) -> str:
    return f"""
listen_addresses = '{DATABASE.address}'
port = {PORT}
unix_socket_directories = '{folder}'
password_encryption = 'scram-sha-256'
fsync = off
shared_buffers = 32MB
max_connections = 50
log_connections = on
timezone = 'UTC'
"""


def _access() -> str:
    """Nodes (pods come with their addresses), the laptop beside them, and neighbours."""
    return f"""
local all all peer
host all all {NODES_NET}.0/24 scram-sha-256
host all all {NEAR_NET}.0/24 scram-sha-256
"""


def _initialise(place: Place, folder: Path) -> None:
    """Make the cluster; role and database by single-user mode, before anyone can connect.

    It gets its name when it is complete: an `up` that was killed leaves no half a cluster.
    """
    data = folder / "data.new"
    shutil.rmtree(data, ignore_errors=True)
    options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    secret = write_private(folder / "initial", password(place, "postgresql-admin"), _USER)
    program = str(_PROGRAMS / "initdb")
    argv = [program, f"--pgdata={data}", f"--pwfile={secret}", *options]
    inside(place, DATABASE.name, argv, user=_USER)
    secret.unlink()
    (data / "pg_hba.conf").write_text(_access())
    with (data / "postgresql.conf").open("a") as config:
        config.write(_settings(folder))
    statements = f"""CREATE ROLE shop LOGIN PASSWORD '{password(place, "postgresql")}'
CREATE DATABASE shop OWNER shop
"""
    single = [str(_PROGRAMS / "postgres"), "--single", "-D", str(data), "postgres"]
    inside(place, DATABASE.name, single, script=statements, user=_USER)
    data.rename(folder / "data")


def _start(place: Place) -> None:
    folder = folder_for(place, "postgresql", _USER)
    if not (folder / "data").exists():
        _initialise(place, folder)
    (folder / "data" / "postmaster.pid").unlink(missing_ok=True)
    argv = [str(_PROGRAMS / "postgres"), "-D", str(folder / "data")]
    spawn(place, "postgresql", DATABASE.name, argv, user=_USER)


def _ready(place: Place) -> bool:
    """A login is asked for a password (`R`), where a server that still starts says `E`."""
    words = b"user\0shop\0database\0shop\0\0"
    hello = struct.pack(">II", 8 + len(words), 196608) + words
    return wire.ask(place, DATABASE.name, DATABASE.address, PORT, hello)[:1] == b"R"


COMPONENT = Component("postgresql", DATABASE.name, _start, _ready)
