"""Zipkin 3.5.1: in memory, or with its spans in Elasticsearch and its collector at RabbitMQ."""

from __future__ import annotations

import json
import os

from tests.lab import wire
from tests.lab.building import zipkin
from tests.lab.building.artifact import clone_tree
from tests.lab.component import folder_for, spawn
from tests.lab.guise import Guise, Role, application_password
from tests.lab.hosts import ours
from tests.lab.place import Place

_USER = "nobody"
_JAVA = "/usr/lib/jvm/java-17-openjdk-amd64/bin/java"


def _environment(place: Place, guise: Guise) -> dict[str, str]:
    """Its settings; https://github.com/openzipkin/zipkin/blob/master/zipkin-server/README.md"""
    env = {"PATH": os.defpath, "QUERY_PORT": str(guise.port)}
    storage, transport = guise.peers.get("storage"), guise.peers.get("transport")
    if storage:
        hosts = f"http://{storage.address}:{storage.port}"
        env |= {"STORAGE_TYPE": "elasticsearch", "ES_HOSTS": hosts, "ES_INDEX_REPLICAS": "0"}
    if transport:
        env |= {
            "RABBIT_ADDRESSES": f"{transport.address}:{transport.port}",
            "RABBIT_USER": "shop",
            "RABBIT_PASSWORD": application_password(place, "rabbitmq"),
        }
    return {**env, **{k: str(v) for k, v in guise.options.get("settings", {}).items()}}


def _start(place: Place, guise: Guise) -> None:
    folder = folder_for(place, guise.component_name, _USER)
    home = folder / "home"
    if not home.exists():  # the cache is for its owner's eyes only
        clone_tree(zipkin.ARTIFACT.need(), home, ours(place))
    heap = ["-Xms64m", "-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    argv = [_JAVA, *heap, f"-Djava.io.tmpdir={folder}", "-jar", str(home / "zipkin.jar")]
    env = _environment(place, guise)
    spawn(place, guise.component_name, guise.name, argv, user=_USER, env=env)


def _ready(place: Place, guise: Guise) -> bool:
    """Well, by its own word: what it stores its spans in answers. And it reads its queue: of that
    its word says nothing.
    """
    reply = wire.http_request(place, guise.name, guise.address, guise.port, "/health")
    well = reply.status == 200 and json.loads(reply.body)["status"] == "UP"
    return well and (not _environment(place, guise).get("RABBIT_ADDRESSES") or _reads(place, guise))


def _reads(place: Place, guise: Guise) -> bool:
    broker = guise.peers["transport"]
    readers = json.loads(broker.role.tell(place, broker, "GET /api/consumers/%2F"))
    return any(reader["queue"]["name"] == "zipkin" for reader in readers)


def _tell(place: Place, guise: Guise, text: str) -> str:
    """`METHOD /path JSON`."""
    return wire.say(place, guise.name, guise.address, guise.port, text)


ROLE = Role(
    name="zipkin",
    protocol="zipkin",
    port=9411,
    start=_start,
    ready=_ready,
    options={
        "storage": {"type": "text"},
        "transport": {"type": "text"},
        "settings": {"type": "mapping"},
    },
    tell=_tell,
    leans_on=("storage", "transport"),
    attaches=("transport",),
    build=zipkin.build,
)
