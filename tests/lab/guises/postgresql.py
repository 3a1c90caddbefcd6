"""PostgreSQL 15 with database and user `shop`; primary or streaming standby."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

from tests.lab.component import alone, folder_for, give, spawn, write_private
from tests.lab.guise import (
    Guise,
    Role,
    administrator_password,
    application_password,
    lines,
)
from tests.lab.hosts import NEAR_NET, NODES_NET, as_user, enter, inside, ours
from tests.lab.place import LabError, Place

_USER = "postgres"
_PROGRAMS = Path("/usr/lib/postgresql/15/bin")
_ACCESS = [
    f"host all all {NODES_NET}.0/24 scram-sha-256",
    f"host all all {NEAR_NET}.0/24 scram-sha-256",
]


def _program(name: str) -> str:
    return str(_PROGRAMS / name)


def _configure(place: Place, guise: Guise, folder: Path, data: Path) -> None:
    settings: dict[str, object] = {
        "listen_addresses": f"'{guise.address}'",
        "port": guise.port,
        "unix_socket_directories": f"'{folder}'",
        "fsync": "off",
        "shared_buffers": "16MB",
        "max_connections": 30,
        "wal_level": "replica",
        "hot_standby": "on",
        "timezone": "'UTC'",
        "password_encryption": "'scram-sha-256'",
    }
    if guise.encrypted:
        pair = guise.certificate(place, _USER)
        settings |= {"ssl": "on", "ssl_cert_file": f"'{pair.certificate}'"}
        settings |= {"ssl_key_file": f"'{pair.key}'"}
        if guise.options["tls"].get("client") == "required":
            authority = folder / "ca.crt"
            authority.write_text((place.pki / "ca.crt").read_text())
            settings["ssl_ca_file"] = f"'{authority}'"
    settings |= {k: _quoted(v) for k, v in guise.options.get("settings", {}).items()}
    (data / "postgresql.conf").write_text("\n".join(lines(settings, " = ")) + "\n")
    access = ["local all all peer", "host replication all all scram-sha-256"]
    access += guise.options.get("hba", _ACCESS)
    (data / "pg_hba.conf").write_text("\n".join(access) + "\n")


def _quoted(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


def _initialise(place: Place, guise: Guise, folder: Path) -> Path:
    """A cluster of its own with role and database in `folder/data`."""
    done = folder / "data"
    if done.exists():
        return done
    folder.mkdir(mode=0o755, exist_ok=True)
    give(folder, _USER)
    new = folder / f"data.{guise.name}"
    secret = write_private(folder / "initial", administrator_password(place, "postgresql"), _USER)
    options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    argv = [_program("initdb"), f"--pgdata={new}", f"--pwfile={secret}", *options]
    inside(place, guise.name, argv, user=_USER)
    secret.unlink()
    word = application_password(place, "postgresql")
    statements = f"CREATE ROLE shop LOGIN PASSWORD '{word}'\nCREATE DATABASE shop OWNER shop\n"
    single = [_program("postgres"), "--single", "-D", str(new), "postgres"]
    inside(place, guise.name, single, script=statements, user=_USER)
    if not done.exists():
        new.rename(done)
    return done


def _template(place: Place, guise: Guise) -> Path:
    """A cluster made once for each lab; its copies have the same system identifier."""
    folder = folder_for(place, "guises-postgresql", _USER)
    with alone(folder):
        return _initialise(place, guise, folder)


def _copy_primary(place: Place, guise: Guise, data: Path) -> None:
    primary = guise.peers["standby_of"]
    where = f"host={primary.address} port={primary.port} user=postgres"
    argv = [_program("pg_basebackup"), "-D", str(data), "-d", where, "-R", "-X", "stream"]
    env = {"PGPASSWORD": administrator_password(place, "postgresql")}
    inside(place, guise.name, [*argv, "--checkpoint=fast", "--no-sync"], user=_USER, env=env)


def _start(place: Place, guise: Guise) -> None:
    folder = guise.folder(place, _USER)
    data = folder / "data"
    if not data.exists() and guise.options.get("fresh"):
        _initialise(place, guise, folder)
    if not data.exists():
        new = folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        if "standby_of" in guise.options:
            _copy_primary(place, guise, new)
        else:
            copy = ["cp", "-a", str(_template(place, guise)), str(new)]
            subprocess.run([*ours(place), *copy], check=True)
        new.rename(data)
    _configure(place, guise, folder, data)
    (data / "postmaster.pid").unlink(missing_ok=True)
    argv = [_program("postgres"), "-D", str(data)]
    spawn(place, guise.component_name, guise.name, argv, user=_USER)


def _ready(place: Place, guise: Guise) -> bool:
    """A login is asked for a password (`R`), or refused for a reason of ours (`E`, not 57P03)."""
    words = b"user\0shop\0database\0shop\0\0"
    answer = guise.ask(place, struct.pack(">II", 8 + len(words), 196608) + words)
    return answer[:1] == b"R" or (answer[:1] == b"E" and b"57P03" not in answer)


def _tell(place: Place, guise: Guise, text: str) -> str:
    """SQL as the superuser, by the server's own socket; `DBNAME: SQL` chooses a database."""
    database, mark, statement = text.partition(": ")
    if not mark or not database.isidentifier():
        database, statement = "postgres", text
    program = [_program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
    where = ["-h", str(guise.folder(place)), "-p", str(guise.port), "-d", database]
    argv = [*ours(place), *enter(place, guise.name), *as_user(_USER), *program, *where]
    done = subprocess.run(argv, input=statement, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"psql: {done.stderr.strip()[-500:]}")
    return done.stdout


def _login(place: Place) -> dict[str, str]:
    word = application_password(place, "postgresql")
    return {"username": "shop", "password": word, "database": "shop"}


ROLE = Role(
    name="postgresql",
    protocol="postgresql",
    port=5432,
    start=_start,
    ready=_ready,
    options={
        "settings": {"type": "mapping"},
        "hba": {"type": "list", "items": {"type": "text"}},
        "standby_of": {"type": "text"},
        "fresh": {"type": "boolean"},
    },
    tell=_tell,
    login=_login,
    leans_on=("standby_of",),
    attaches=("standby_of",),
)
