"""Redis 7: server, replica, Sentinel or a cluster of one node; a password unless told otherwise."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.lab.component import spawn, write_private
from tests.lab.guise import Guise, Role, application_password
from tests.lab.hosts import enter, ours
from tests.lab.place import LabError, Place

_USER = "redis"


def _common(place: Place, guise: Guise, folder: Path) -> list[str]:
    settings = [f"bind {guise.options.get('bind', guise.address)}", f"dir {folder}"]
    settings += [f"unixsocket {folder}/redis.sock", "daemonize no"]
    if guise.encrypted:
        pair = guise.certificate(place, _USER)
        client = guise.options["tls"].get("client") == "required"
        settings += ["port 0", f"tls-port {guise.port}", f"tls-cert-file {pair.certificate}"]
        settings += [f"tls-key-file {pair.key}", f"tls-ca-cert-file {_authority(place, folder)}"]
        settings += [f"tls-auth-clients {'yes' if client else 'no'}"]
    else:
        settings += [f"port {guise.port}"]
    return settings


def _authority(place: Place, folder: Path) -> Path:
    file = folder / "ca.crt"
    file.write_text((place.pki / "ca.crt").read_text())
    return file


def _server(place: Place, guise: Guise) -> list[str]:
    word = application_password(place, "redis")
    settings = ['save ""', "appendonly no", "repl-diskless-sync-delay 0"]
    if guise.options.get("password", True):
        settings += [f"requirepass {word}", f"masterauth {word}"]
    if "replica_of" in guise.peers:
        master = guise.peers["replica_of"]
        settings += [f"replicaof {master.address} {master.port}"]
    return settings


def _sentinel(guise: Guise, place: Place) -> list[str]:
    master = guise.peers["monitors"]
    return [
        f"sentinel monitor main {master.address} {master.port} 1",
        f"sentinel auth-pass main {application_password(place, 'redis')}",
    ]


def _start(place: Place, guise: Guise) -> None:
    folder = guise.folder(place, _USER)
    settings = _common(place, guise, folder)
    watches = "monitors" in guise.peers
    settings += _sentinel(guise, place) if watches else _server(place, guise)
    settings += [f"{key} {value}" for key, value in guise.options.get("settings", {}).items()]
    settings += [f"user {rule}" for rule in guise.options.get("acl", [])]
    config = write_private(folder / "redis.conf", "\n".join(settings) + "\n", _USER)
    argv = ["redis-server", str(config), *(["--sentinel"] if watches else [])]
    spawn(place, guise.component_name, guise.name, argv, user=_USER)


def _ready(place: Place, guise: Guise) -> bool:
    """Asked by its own socket: it may listen elsewhere on purpose. A replica has its data."""
    if "replica_of" in guise.peers:
        return "master_link_status:up" in _client(place, guise, "INFO replication\n").stdout
    done = _client(place, guise, "PING\n")
    answer = done.stdout + done.stderr
    return any(word in answer for word in ("PONG", "NOAUTH", "LOADING", "MASTERDOWN"))


def _client(place: Place, guise: Guise, text: str) -> subprocess.CompletedProcess[str]:
    """redis-cli by the socket; its exit code is 0 whatever the server said."""
    env = {"REDISCLI_AUTH": application_password(place, "redis")}
    if "monitors" in guise.peers or not guise.options.get("password", True):
        env = {}
    argv = ["redis-cli", "--no-auth-warning", "-s", str(guise.folder(place) / "redis.sock")]
    there = [*ours(place), *enter(place, guise.name)]
    return subprocess.run(
        [*there, *argv], input=text, env=env, capture_output=True, text=True, check=False
    )


def _tell(place: Place, guise: Guise, text: str) -> str:
    """Commands as the default user, one a line, by the server's own socket."""
    done = _client(place, guise, text + "\n")
    said = (done.stdout + done.stderr).strip()
    if done.returncode or said.startswith(("ERR", "NOPERM", "NOAUTH", "WRONGPASS")):
        raise LabError(f"redis: {said[-500:]}")
    return said


def _login(place: Place) -> dict[str, str]:
    return {"password": application_password(place, "redis")}


ROLE = Role(
    name="redis",
    protocol="redis",
    port=6379,
    start=_start,
    ready=_ready,
    options={
        "settings": {"type": "mapping"},
        "password": {"type": "boolean"},
        "acl": {"type": "list", "items": {"type": "text"}},
        "bind": {"type": "text"},
        "replica_of": {"type": "text"},
        "monitors": {"type": "text"},
    },
    tell=_tell,
    login=_login,
    leans_on=("replica_of", "monitors"),
    attaches=("replica_of", "monitors"),
)
