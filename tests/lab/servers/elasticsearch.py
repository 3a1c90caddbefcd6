"""Elasticsearch 7.1.1: no TLS, no login, no `X-Elastic-Product` header, as in the article."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.lab import wire
from tests.lab.building.artifact import clone_tree
from tests.lab.building.elasticsearch import ARTIFACT
from tests.lab.component import Component, folder_for, give, spawn
from tests.lab.hosts import BROKER, ours
from tests.lab.place import Place

PORT = 9200
_USER = "nobody"


def _settings(folder: Path) -> dict[str, object]:
    """`single-node` also spares it the checks of limits that belong to the whole machine."""
    return {
        "cluster.name": "lab",
        "node.name": BROKER.name,
        "network.host": BROKER.address,
        "http.port": PORT,
        "discovery.type": "single-node",
        "path.data": f"{folder}/data",
        "path.logs": f"{folder}/logs",
        "cluster.routing.allocation.disk.threshold_enabled": False,
    }


def _prepare(place: Place, folder: Path, home: Path, config: Path) -> None:
    """A copy outside the cache, which may lie where only root can read."""
    shutil.rmtree(home, ignore_errors=True)
    clone_tree(ARTIFACT.need() / "home", home, ours(place))
    new = folder / "config.new"
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(home / "config", new)
    lines = (f"{key}: {json.dumps(value)}\n" for key, value in _settings(folder).items())
    (new / "elasticsearch.yml").write_text("".join(lines))
    for path in (new, *new.iterdir()):
        give(path, _USER)
    new.rename(config)


def _start(place: Place) -> None:
    folder = folder_for(place, "elasticsearch", _USER)
    home, config = folder / "home", folder / "config"
    if not config.exists():
        _prepare(place, folder, home, config)
    env = {
        "HOME": str(folder),
        "ES_PATH_CONF": str(config),
        "ES_TMPDIR": str(folder_for(place, "elasticsearch/tmp", _USER)),
        "ES_JAVA_OPTS": "-Xms256m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1",
        "JAVA_HOME": "/usr/lib/jvm/java-17-openjdk-amd64",
    }
    spawn(
        place, "elasticsearch", BROKER.name, [str(home / "bin/elasticsearch")], user=_USER, env=env
    )


def _ready(place: Place) -> bool:
    reply = wire.http_request(
        place, BROKER.name, BROKER.address, PORT, "/_cluster/health?local=true"
    )
    return reply.status == 200 and json.loads(reply.body)["status"] in ("green", "yellow")


COMPONENT = Component("elasticsearch", BROKER.name, _start, _ready)
