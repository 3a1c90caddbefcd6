"""Elasticsearch 7.1.1: neither TLS nor login of its own (put nginx before it)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.lab import wire
from tests.lab.building.artifact import clone_tree
from tests.lab.building.elasticsearch import ARTIFACT
from tests.lab.component import folder_for, give, spawn
from tests.lab.guise import Guise, Role
from tests.lab.hosts import ours
from tests.lab.place import Place

_USER = "nobody"


def _settings(guise: Guise, folder: Path) -> dict[str, object]:
    return {
        "cluster.name": "gym",
        "node.name": guise.name,
        "network.host": guise.address,
        "http.port": guise.port,
        "discovery.type": "single-node",
        "path.data": f"{folder}/data",
        "path.logs": f"{folder}/logs",
        "cluster.routing.allocation.disk.threshold_enabled": False,
        **guise.options.get("settings", {}),
    }


def _start(place: Place, guise: Guise) -> None:
    folder = guise.folder(place, _USER)
    home, config = folder / "home", folder / "config"
    if not home.exists():
        clone_tree(ARTIFACT.need() / "home", home, ours(place))
    shutil.rmtree(config, ignore_errors=True)
    shutil.copytree(home / "config", config)
    said = (f"{key}: {json.dumps(value)}\n" for key, value in _settings(guise, folder).items())
    (config / "elasticsearch.yml").write_text("".join(said))
    for path in (config, *config.iterdir()):
        give(path, _USER)
    env = {
        "HOME": str(folder),
        "ES_PATH_CONF": str(config),
        "ES_TMPDIR": str(folder_for(place, f"{guise.component_name}/tmp", _USER)),
        "ES_JAVA_OPTS": "-Xms256m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1",
        "JAVA_HOME": "/usr/lib/jvm/java-17-openjdk-amd64",
    }
    argv = [str(home / "bin/elasticsearch")]
    spawn(place, guise.component_name, guise.name, argv, user=_USER, env=env)


def _ready(place: Place, guise: Guise) -> bool:
    path = "/_cluster/health?local=true"
    reply = wire.http_request(place, guise.name, guise.address, guise.port, path)
    return reply.status == 200 and json.loads(reply.body)["status"] in ("green", "yellow", "red")


def _tell(place: Place, guise: Guise, text: str) -> str:
    """`METHOD /path JSON`."""
    return wire.say(place, guise.name, guise.address, guise.port, text)


ROLE = Role(
    name="elasticsearch",
    protocol="elasticsearch",
    port=9200,
    start=_start,
    ready=_ready,
    options={"settings": {"type": "mapping"}},
    tell=_tell,
)
