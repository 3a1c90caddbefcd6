"""RabbitMQ 3.10 with its management plug-in; user `shop` owns the vhost `/`.

Each host has its own name and its own epmd. `guest` exists as in a stock broker: it may log
in from the broker's own host only.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from pathlib import Path

from tests.lab import wire
from tests.lab.component import Component, folder_for, password, spawn, write_private
from tests.lab.hosts import BROKER
from tests.lab.place import Place

PORT = 5672
MANAGEMENT_PORT = 15672
_USER = "rabbitmq"
_PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"


def _hash(word: str) -> str:
    """A password as the broker stores it: salt, then SHA-256 of salt and word."""
    salt = secrets.token_bytes(4)
    return base64.b64encode(salt + hashlib.sha256(salt + word.encode()).digest()).decode()


def _definitions(place: Place) -> dict[str, object]:
    users = [
        {"name": "shop", "password_hash": _hash(password(place, "rabbitmq")), "tags": "management"},
        {"name": "guest", "password_hash": _hash("guest"), "tags": "administrator"},
    ]
    for user in users:
        user["hashing_algorithm"] = "rabbit_password_hashing_sha256"
    everything = {"vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
    permissions = [{"user": user["name"], **everything} for user in users]
    return {"vhosts": [{"name": "/"}], "users": users, "permissions": permissions}


def _settings(folder: Path) -> str:
    return f"""
listeners.tcp.1 = {BROKER.address}:{PORT}
management.tcp.ip = {BROKER.address}
management.tcp.port = {MANAGEMENT_PORT}
load_definitions = {folder}/definitions.json
log.console = true
log.file = false
"""


def _start(place: Place) -> None:
    folder = folder_for(place, "rabbitmq", _USER)
    definitions = folder / "definitions.json"
    if not definitions.exists():
        write_private(definitions, json.dumps(_definitions(place)), _USER)
    (folder / "rabbitmq.conf").write_text(_settings(folder))
    (folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
    env = {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"rabbit@{BROKER.name}",
        "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
        "RABBITMQ_LOG_BASE": f"{folder}/log",
        "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        # Two schedulers that sleep when idle: the lab shares few processors.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
    }
    spawn(place, "rabbitmq", BROKER.name, [_PROGRAM], user=_USER, env=env)


def _ready(place: Place) -> bool:
    """AMQP answers the protocol header with a method frame, and the management page is there."""
    hello = wire.ask(place, BROKER.name, BROKER.address, PORT, b"AMQP\0\0\x09\x01")
    page = wire.http_request(place, BROKER.name, BROKER.address, MANAGEMENT_PORT)
    return hello[:1] == b"\x01" and page.status == 200


COMPONENT = Component("rabbitmq", BROKER.name, _start, _ready, grace=6.0)
