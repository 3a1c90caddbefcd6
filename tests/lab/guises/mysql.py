"""MariaDB 10.11, which speaks MySQL's protocol, with database and user `shop`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.lab.component import give, spawn, write_private
from tests.lab.guise import Guise, Role, application_password, lines
from tests.lab.hosts import as_user, enter, inside, ours
from tests.lab.place import LabError, Place

_USER = "mysql"


def _settings(place: Place, guise: Guise, folder: Path) -> str:
    settings: dict[str, object] = {
        "user": _USER,
        "datadir": f"{folder}/data",
        "socket": f"{folder}/mysqld.sock",
        "pid-file": f"{folder}/mysqld.pid",
        "bind-address": guise.address,
        "port": guise.port,
        "init-file": f"{folder}/init.sql",
        "skip-name-resolve": "ON",
        "innodb-buffer-pool-size": "16M",
        "innodb-log-file-size": "8M",
        "innodb-flush-log-at-trx-commit": 0,
        "innodb-flush-method": "nosync",
        "character-set-server": "utf8mb4",
    }
    if guise.encrypted:
        pair = guise.certificate(place, _USER)
        settings |= {"ssl-cert": pair.certificate, "ssl-key": pair.key}
    settings |= guise.options.get("settings", {})
    return "[mysqld]\n" + "\n".join(lines(settings, " = ")) + "\n"


def _statements(place: Place) -> str:
    """Run at every start, before the first connection is accepted."""
    secret = application_password(place, "mysql")
    return f"""CREATE DATABASE IF NOT EXISTS shop;
CREATE USER IF NOT EXISTS shop@'%' IDENTIFIED BY '{secret}';
GRANT ALL ON shop.* TO shop@'%';
"""


def _template(place: Place, guise: Guise) -> Path:
    """The system tables, made once for each lab and copied for each server."""
    folder = place.state / "guises-mysql"
    done = folder / "data"
    if done.exists():
        return done
    folder.mkdir(mode=0o755, exist_ok=True)
    give(folder, _USER)
    new = folder / f"data.{guise.name}"
    options = [f"--datadir={new}", f"--user={_USER}", "--skip-test-db", "--skip-name-resolve"]
    inside(place, guise.name, ["mariadb-install-db", "--no-defaults", *options])
    if not done.exists():
        new.rename(done)
    return done


def _start(place: Place, guise: Guise) -> None:
    folder = guise.folder(place, _USER)
    config = folder / "my.cnf"
    config.write_text(_settings(place, guise, folder))
    write_private(folder / "init.sql", _statements(place), _USER)
    data = folder / "data"
    if not data.exists():
        new = folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        copy = ["cp", "-a", str(_template(place, guise)), str(new)]
        subprocess.run([*ours(place), *copy], check=True)
        new.rename(data)
    argv = ["mariadbd", f"--defaults-file={config}"]
    spawn(place, guise.component_name, guise.name, argv, user=_USER)


def ready(place: Place, guise: Guise) -> bool:
    """Asked by its own socket: a bare connect would count towards max_connect_errors."""
    return tell(place, guise, "SELECT 1").strip() == "1"


def tell(place: Place, guise: Guise, text: str) -> str:
    """SQL as root, by the server's own socket."""
    argv = ["mariadb", "--no-defaults", "--batch", "--skip-column-names", "-u", "root"]
    argv += ["-S", str(guise.folder(place) / "mysqld.sock")]
    there = [*ours(place), *enter(place, guise.name), *as_user("root")]
    done = subprocess.run([*there, *argv], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"mariadb: {done.stderr.strip()[-500:]}")
    return done.stdout


def _login(place: Place) -> dict[str, str]:
    word = application_password(place, "mysql")
    return {"username": "shop", "password": word, "database": "shop"}


ROLE = Role(
    name="mysql",
    protocol="mysql",
    port=3306,
    start=_start,
    ready=ready,
    options={"settings": {"type": "mapping"}},
    tell=tell,
    login=_login,
)
