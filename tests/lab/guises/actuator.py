"""A Spring Boot application with Actuator and Prometheus metrics, outside the cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import partial
from typing import Any

from tests.lab import spring, wire
from tests.lab.building import java
from tests.lab.guise import Guise, Role, application_password
from tests.lab.place import Place


def _start(place: Place, guise: Guise) -> None:
    settings: dict[str, Any] = {
        "eureka.instance.hostname": guise.address,
        "eureka.instance.ip-address": guise.address,
        "lab.login": bool(guise.options.get("login")),
        "lab.denied": ",".join(guise.options.get("denied", [])),
    }
    environment: dict[str, str] = {}
    if "redis" in guise.peers:
        cache = guise.peers["redis"]
        settings |= {
            "management.health.redis.enabled": True,
            "spring.data.redis.host": cache.address,
            "spring.data.redis.port": cache.port,
        }
        if cache.options.get("password", True):
            environment["SPRING_DATA_REDIS_PASSWORD"] = cache.role.login(place)["password"]
    if "eureka" in guise.peers:
        registry = guise.peers["eureka"]
        settings |= {
            "eureka.client.enabled": True,
            "eureka.client.service-url.defaultZone": f"http://{registry.address}:{registry.port}/eureka/",
        }
    secret = application_password(place, "actuator")
    spring.start(place, guise, settings, secret, environment)


def _context(guise: Guise) -> str:
    return str(guise.options.get("settings", {}).get("server.servlet.context-path", ""))


def _ready(place: Place, guise: Guise) -> bool:
    """Also behind a management port of its own, which opens before this answers."""
    secret = application_password(place, "actuator")
    if spring.ask(place, guise, f"{_context(guise)}/lab/ready", secret).status != 200:
        return False
    _warm(place, guise)
    return True


def _warm(place: Place, guise: Guise) -> None:
    """The first health of a process takes as long as its start: classes, and the way to Redis."""
    settings: Mapping[str, Any] = guise.options.get("settings", {})
    own = "management.server.port" in settings
    port = int(settings.get("management.server.port", guise.port))
    base = settings.get("management.endpoints.web.base-path", "/actuator")
    path = f"{'' if own else _context(guise)}{base}/health"
    for _ in range(2):
        with contextlib.suppress(OSError, ValueError):
            wire.http_request(place, guise.name, guise.address, port, path)


def _tell(place: Place, guise: Guise, text: str) -> str:
    """`METHOD /path`; `POST /lab/stock?status=DOWN` sets the health of the component `stock`."""
    return spring.tell(place, guise, text, application_password(place, "actuator"))


def _login(place: Place) -> dict[str, str]:
    return {"username": "shop", "password": application_password(place, "actuator")}


ROLE = Role(
    name="actuator",
    protocol="actuator",
    port=8080,
    start=_start,
    ready=_ready,
    options={
        "settings": {"type": "mapping"},
        "login": {"type": "boolean"},
        "denied": {"type": "list", "items": {"type": "text"}},
        "redis": {"type": "text"},
        "eureka": {"type": "text"},
    },
    tell=_tell,
    login=_login,
    leans_on=("redis", "eureka"),
    attaches=("redis", "eureka"),
    grace=8,
    starting_s=240,
    build=partial(java.build, "actuator"),
)
