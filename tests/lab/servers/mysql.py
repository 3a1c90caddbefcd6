"""MariaDB 10.11, which speaks MySQL's protocol, with database and user `shop`."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.lab import wire
from tests.lab.component import Component, folder_for, password, spawn, write_private
from tests.lab.hosts import DATABASE, inside
from tests.lab.place import Place

PORT = 3306
_USER = "mysql"


def _settings(folder: Path) -> str:
    return f"""[mysqld]
user = {_USER}
datadir = {folder}/data
socket = {folder}/mysqld.sock
pid-file = {folder}/mysqld.pid
bind-address = {DATABASE.address}
port = {PORT}
init-file = {folder}/init.sql
skip-name-resolve
innodb-buffer-pool-size = 32M
innodb-log-file-size = 8M
innodb-flush-log-at-trx-commit = 0
innodb-flush-method = nosync
character-set-server = utf8mb4
"""


def _statements(place: Place) -> str:
    """Run at every start, before the first connection is accepted."""
    secret = password(place, "mysql")
    return f"""CREATE DATABASE IF NOT EXISTS shop;
CREATE USER IF NOT EXISTS shop@'%' IDENTIFIED BY '{secret}';
GRANT ALL ON shop.* TO shop@'%';
"""


def _initialise(place: Place, config: Path, folder: Path) -> None:
    """Make the system tables; they get their name when they are complete."""
    new = folder / "data.new"
    shutil.rmtree(new, ignore_errors=True)
    # The init file names tables that are only being made.
    options = [f"--datadir={new}", "--skip-test-db", "--skip-name-resolve", "--init-file="]
    install = ["mariadb-install-db", f"--defaults-file={config}", *options]
    inside(place, DATABASE.name, install)
    new.rename(folder / "data")


def _start(place: Place) -> None:
    folder = folder_for(place, "mysql", _USER)
    config = folder / "my.cnf"
    config.write_text(_settings(folder))
    write_private(folder / "init.sql", _statements(place), _USER)
    if not (folder / "data").exists():
        _initialise(place, config, folder)
    spawn(place, "mysql", DATABASE.name, ["mariadbd", f"--defaults-file={config}"], user=_USER)


def _ready(place: Place) -> bool:
    """The server speaks first: protocol version 10 after four bytes of packet header."""
    return wire.ask(place, DATABASE.name, DATABASE.address, PORT)[4:5] == b"\x0a"


COMPONENT = Component("mysql", DATABASE.name, _start, _ready)
