"""Sentinel's dashboard 0.1.1, the real one: no login, no `/version` (see `sentinel_standin`)."""

from __future__ import annotations

from tests.lab import wire
from tests.lab.building import sentinel
from tests.lab.component import spawn
from tests.lab.guise import Guise, Role
from tests.lab.place import Place

_USER = "nobody"
_JAVA = "/usr/lib/jvm/java-17-openjdk-amd64/bin/java"
_SMALL = ("-Xmx128m", "-Xss512k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def _start(place: Place, guise: Guise) -> None:
    folder = guise.folder(place, _USER)
    properties = {
        "user.home": folder,
        "java.io.tmpdir": folder,
        "server.address": guise.address,
        "server.port": guise.port,
        **guise.options.get("settings", {}),
    }
    said = [f"-D{key}={value}" for key, value in properties.items()]
    argv = [_JAVA, *_SMALL, *sentinel.JAVA_17, *said, "-jar", str(_readable(guise, place))]
    spawn(place, guise.component_name, guise.name, argv, user=_USER)


def _readable(guise: Guise, place: Place) -> object:
    """A copy outside the cache, which may lie where only root can read."""
    copy = guise.folder(place) / "dashboard.jar"
    if not copy.exists():
        copy.write_bytes(sentinel.jar().read_bytes())
    return copy


def _ready(place: Place, guise: Guise) -> bool:
    reply = wire.http_request(place, guise.name, guise.address, guise.port, "/app/names.json")
    return reply.status == 200


ROLE = Role(
    name="sentinel",
    protocol="sentinel",
    port=8858,
    start=_start,
    ready=_ready,
    options={"settings": {"type": "mapping"}},
    build=sentinel.build,
)
