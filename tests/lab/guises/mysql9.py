"""Real MySQL (9 in Debian sid today), with database and user `shop` by caching_sha2_password."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.lab.building import mysql9
from tests.lab.component import alone, give, spawn, write_private
from tests.lab.guise import Guise, Role, application_password
from tests.lab.guises.mysql import ready, tell
from tests.lab.hosts import inside, ours
from tests.lab.place import Place

_USER = mysql9.USER
_PLUGINS = ("caching_sha2_password", "sha256_password")
"""How `shop` logs in; mysql_native_password is gone in MySQL 9."""


def _options(place: Place, guise: Guise) -> list[str]:
    """Paths are those that the server sees: its folder is HOME."""
    home = mysql9.HOME
    settings: dict[str, object] = {
        "socket": f"{home}/mysqld.sock",
        "pid-file": f"{home}/mysqld.pid",
        "bind-address": guise.address,
        "port": guise.port,
        "init-file": f"{home}/init.sql",
        "skip-name-resolve": "ON",
        "require-secure-transport": "OFF",
    }
    if guise.encrypted:
        pair = guise.certificate(place, _USER)
        settings |= {"ssl-cert": f"{home}/tls/{pair.certificate.name}"}
        settings |= {"ssl-key": f"{home}/tls/{pair.key.name}"}
    settings |= guise.options.get("settings", {})
    return [*mysql9.settings(), *(f"--{key}={value}" for key, value in settings.items())]


def _statements(place: Place, guise: Guise) -> str:
    """Run at every start, before the first connection is accepted."""
    secret = application_password(place, "mysql9")
    plugin = guise.options.get("plugin", _PLUGINS[0])
    return f"""CREATE DATABASE IF NOT EXISTS shop;
CREATE USER IF NOT EXISTS shop@'%' IDENTIFIED WITH {plugin} BY '{secret}';
GRANT ALL ON shop.* TO shop@'%';
"""


def _template(place: Place, guise: Guise) -> Path:
    """The system tables, made once for each lab and copied for each server."""
    folder = place.state / "guises-mysql9"
    folder.mkdir(mode=0o755, exist_ok=True)
    give(folder, _USER)
    done = folder / "data"
    with alone(folder):
        if not done.exists():
            work = folder / "work"
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            give(work, _USER)
            options = [*mysql9.settings(), "--initialize-insecure"]
            inside(place, guise.name, mysql9.argv(work, options))
            # With it every copy would be the same server, by server_uuid.
            (work / "data" / "auto.cnf").unlink()
            (work / "data").rename(done)
    return done


def _start(place: Place, guise: Guise) -> None:
    folder = guise.folder(place, _USER)
    write_private(folder / "init.sql", _statements(place, guise), _USER)
    data = folder / "data"
    if not data.exists():
        new = folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        copy = ["cp", "-a", str(_template(place, guise)), str(new)]
        subprocess.run([*ours(place), *copy], check=True)
        new.rename(data)
    spawn(place, guise.component_name, guise.name, mysql9.argv(folder, _options(place, guise)))


def _login(place: Place) -> dict[str, str]:
    word = application_password(place, "mysql9")
    return {"username": "shop", "password": word, "database": "shop"}


ROLE = Role(
    name="mysql9",
    protocol="mysql",
    port=3306,
    start=_start,
    ready=ready,
    options={
        "settings": {"type": "mapping"},
        "plugin": {"type": "text", "enum": list(_PLUGINS)},
    },
    tell=tell,
    login=_login,
    grace=10,
    build=mysql9.build,
)
