"""RabbitMQ 3.10 with its management plug-in; user `shop` owns the vhost `/`, `guest` exists."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess

from tests.lab import wire
from tests.lab.component import spawn, write_private
from tests.lab.guise import Guise, Role, administrator_password, application_password
from tests.lab.hosts import as_user, enter, ours
from tests.lab.place import LabError, Place

MANAGEMENT_PORT = 15672
_USER = "rabbitmq"
_PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"
_METHODS = ("GET", "PUT", "POST", "DELETE")


def _definitions(place: Place) -> dict[str, object]:
    words = {
        "shop": (application_password(place, "rabbitmq"), "management"),
        "admin": (administrator_password(place, "rabbitmq"), "administrator"),
        "guest": ("guest", "administrator"),
    }
    users = [
        {
            "name": name,
            "password_hash": _hash(word),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": tags,
        }
        for name, (word, tags) in words.items()
    ]
    everything = {"vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
    permissions = [{"user": name, **everything} for name in words]
    return {"vhosts": [{"name": "/"}], "users": users, "permissions": permissions}


def _hash(word: str) -> str:
    """A password as the broker stores it: salt, then SHA-256 of salt and word."""
    salt = os.urandom(4)
    return base64.b64encode(salt + hashlib.sha256(salt + word.encode()).digest()).decode()


def _settings(place: Place, guise: Guise) -> list[str]:
    folder = guise.folder(place)
    said = [
        f"management.tcp.ip = {guise.address}",
        f"management.tcp.port = {MANAGEMENT_PORT}",
        f"load_definitions = {folder}/definitions.json",
        "log.console = true",
        "log.file = false",
        "disk_free_limit.absolute = 1MB",
    ]
    if guise.encrypted:
        pair = guise.certificate(place, _USER)
        client = guise.options["tls"].get("client") == "required"
        authority = folder / "ca.crt"
        authority.write_text((place.pki / "ca.crt").read_text())
        said += [
            "listeners.tcp = none",
            f"listeners.ssl.1 = {guise.address}:{guise.port}",
            f"ssl_options.certfile = {pair.certificate}",
            f"ssl_options.keyfile = {pair.key}",
            f"ssl_options.cacertfile = {authority}",
            f"ssl_options.verify = {'verify_peer' if client else 'verify_none'}",
            f"ssl_options.fail_if_no_peer_cert = {str(client).lower()}",
        ]
    else:
        said += [f"listeners.tcp.1 = {guise.address}:{guise.port}"]
    return [*said, *(f"{k} = {v}" for k, v in guise.options.get("settings", {}).items())]


def _environment(place: Place, guise: Guise) -> dict[str, str]:
    folder = guise.folder(place)
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"rabbit@{guise.name}",
        "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
        "RABBITMQ_LOG_BASE": f"{folder}/log",
        "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
    }


def _start(place: Place, guise: Guise) -> None:
    folder = guise.folder(place, _USER)
    definitions = folder / "definitions.json"
    if not definitions.exists():
        write_private(definitions, json.dumps(_definitions(place)), _USER)
    (folder / "rabbitmq.conf").write_text("\n".join(_settings(place, guise)) + "\n")
    (folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
    env = _environment(place, guise)
    spawn(place, guise.component_name, guise.name, [_PROGRAM], user=_USER, env=env)


def _ready(place: Place, guise: Guise) -> bool:
    page = wire.http_request(place, guise.name, guise.address, MANAGEMENT_PORT)
    if guise.encrypted:
        return page.status == 200
    return guise.ask(place, b"AMQP\0\0\x09\x01")[:1] == b"\x01" and page.status == 200


def _tell(place: Place, guise: Guise, text: str) -> str:
    """`METHOD /api/… JSON` for the management API (quick), else words for rabbitmqctl (slow)."""
    if text.partition(" ")[0] not in _METHODS:
        return _control(place, guise, text)
    word = administrator_password(place, "rabbitmq")
    login = base64.b64encode(f"admin:{word}".encode()).decode()
    headers = {"Authorization": f"Basic {login}"}
    return wire.say(place, guise.name, guise.address, MANAGEMENT_PORT, text, headers)


def _control(place: Place, guise: Guise, text: str) -> str:
    argv = [*ours(place), *enter(place, guise.name), *as_user(_USER)]
    argv += ["/usr/lib/rabbitmq/bin/rabbitmqctl", *text.split()]
    env = _environment(place, guise)
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, cwd="/")
    if done.returncode:
        raise LabError(f"rabbitmqctl: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def _login(place: Place) -> dict[str, str]:
    return {"username": "shop", "password": application_password(place, "rabbitmq"), "vhost": "/"}


ROLE = Role(
    name="rabbitmq",
    protocol="rabbitmq",
    port=5672,
    start=_start,
    ready=_ready,
    options={"settings": {"type": "mapping"}},
    tell=_tell,
    login=_login,
    grace=6.0,
)
