"""memcached 1.6: open unless told otherwise; a login over the text protocol, or by SASL."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.lab import wire
from tests.lab.component import give, spawn, write_private
from tests.lab.guise import Guise, Role, application_password
from tests.lab.hosts import enter, ours
from tests.lab.place import Place

_USER = "memcache"


def _with_login(place: Place, guise: Guise, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Options and environment of a server that asks for user `shop`."""
    word = application_password(place, "memcached")
    if guise.options["login"] == "text":
        file = write_private(folder / "users", f"shop:{word}\n", _USER)
        return [f"--auth-file={file}"], {}
    database = folder / "sasldb2"
    (folder / "memcached.conf").write_text(f"mech_list: plain\nsasldb_path: {database}\n")
    make = ["saslpasswd2", "-p", "-c", "-a", "memcached", "-f", str(database), "shop"]
    there = [*ours(place), *enter(place, guise.name)]
    subprocess.run([*there, *make], input=word, text=True, check=True, capture_output=True)
    give(database, _USER)
    return ["--enable-sasl"], {"SASL_CONF_PATH": str(folder)}


def _start(place: Place, guise: Guise) -> None:
    folder = guise.folder(place, _USER)
    argv = ["memcached", f"--listen={guise.address}", f"--port={guise.port}", "--threads=1"]
    argv += [f"--conn-limit={guise.options.get('connections', 200)}", "--udp-port=0"]
    env: dict[str, str] = {}
    if "login" in guise.options:
        options, env = _with_login(place, guise, folder)
        argv += options
    if guise.encrypted:
        pair = guise.certificate(place, _USER)
        argv += ["--enable-ssl", "-o", f"ssl_chain_cert={pair.certificate},ssl_key={pair.key}"]
    spawn(place, guise.component_name, guise.name, argv, user=_USER, env=env)


def _ready(place: Place, guise: Guise) -> bool:
    with wire.connect(place, guise.name, guise.address, guise.port):
        return True


def _login(place: Place) -> dict[str, str]:
    return {"username": "shop", "password": application_password(place, "memcached")}


ROLE = Role(
    name="memcached",
    protocol="memcached",
    port=11211,
    start=_start,
    ready=_ready,
    options={
        "connections": {"type": "number"},
        "login": {"type": "text", "enum": ["text", "sasl"]},
    },
    login=_login,
)
