"""Redis 7 on 26379 (Sentinel's usual port, as in the article) with a password."""

from __future__ import annotations

from tests.lab import wire
from tests.lab.component import Component, folder_for, password, spawn, write_private
from tests.lab.hosts import REDIS
from tests.lab.place import Place

PORT = 26379
_USER = "redis"


def _start(place: Place) -> None:
    folder = folder_for(place, "redis", _USER)
    settings = [
        f"bind {REDIS.address}",
        f"port {PORT}",
        f"requirepass {password(place, 'redis')}",
        f"dir {folder}",
        'save ""',
        "daemonize no",
    ]
    config = write_private(folder / "redis.conf", "\n".join(settings) + "\n", _USER)
    spawn(place, "redis", REDIS.name, ["redis-server", str(config)], user=_USER)


def _ready(place: Place) -> bool:
    answer = wire.ask(place, REDIS.name, REDIS.address, PORT, b"PING\r\n")
    return answer.startswith((b"-NOAUTH", b"+PONG"))


COMPONENT = Component("redis", REDIS.name, _start, _ready)
