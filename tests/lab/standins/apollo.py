"""A stand-in for Apollo's config service, which no registry has: lists, health, configs, signing.

Facts: apolloconfig/apollo, `apollo-configservice`: ServiceController, ConfigController,
ConfigServiceHealthIndicator, NotificationControllerV2, ClientAuthenticationFilter; apollo-core's
Signature; `apollo-adminservice`'s IndexController for `admin_role`.

Options: `apps` (APP to CLUSTER to NAMESPACE to a mapping), `announce` (addresses or URLs of config
services; default its own), `admin` (whether an admin service is registered), `database` (false:
health is down), `key` (access key of every application), `clock_s` (by how much it is ahead),
`admin_role` (it is the admin service), `base_path`.
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Mapping
from typing import Any

from tests.lab.standins.web import Answer, Handler, Request, main

HELD_S = 60  # bizConfig.longPollingTimeoutInMilli
SHOP: Mapping[str, Any] = {"shop": {"default": {"application": {"timeout": "200"}}}}


class Apollo:
    """What it knows; `readers` are the instances that it has written down, `held` its waiters."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options
        self.apps: Mapping[str, Any] = options.get("apps") or SHOP
        self.readers: list[tuple[str, str]] = []
        self.held = threading.Event()  # set at the end: nobody waits any longer

    def __call__(self, request: Request) -> Answer:
        answer = self._page(request)
        now = time.time() + float(self.options.get("clock_s", 0))
        return Answer(
            answer.status, answer.body, {**answer.headers, "Date": email.utils.formatdate(now)}
        )

    def _page(self, request: Request) -> Answer:
        base = str(self.options.get("base_path", ""))
        if not request.path.startswith(f"{base}/"):
            return _missing(request)
        path = request.path.removeprefix(base)
        if self.options.get("admin_role"):
            return Answer(200, "apollo-adminservice") if path == "/" else _missing(request)
        if path in ("/services/config", "/services/admin"):
            return Answer(200, self._services(path.rpartition("/")[2]))
        if path == "/health":
            up = bool(self.options.get("database", True))
            return Answer(200 if up else 503, {"status": "UP" if up else "DOWN"})
        if path.startswith("/configs/"):
            return self._config(path, request)
        if path == "/notifications/v2":
            return self._notifications(request)
        return _missing(request)

    def _services(self, kind: str) -> list[dict[str, str]]:
        own = f"{self.options['address']}:{self.options['port']}"
        announced = self.options.get("announce", [own])
        if kind == "admin":
            announced = [own] if self.options.get("admin", True) else []
        urls = [a if "://" in a else f"http://{a}/" for a in announced]
        name = f"APOLLO-{kind.upper()}SERVICE"
        return [
            {"appName": name, "instanceId": f"{u}:{name.lower()}", "homepageUrl": u} for u in urls
        ]

    def _refused(self, app: str, request: Request) -> Answer | None:
        key = str(self.options.get("key", ""))
        if not key:
            return None
        stamp = request.headers.get("timestamp", "")
        now = time.time() + float(self.options.get("clock_s", 0))
        if not stamp.isdigit() or abs(now - int(stamp) / 1000) >= 60:
            return _error(401, "RequestTimeTooSkewed", request)
        digest = hmac.new(key.encode(), f"{stamp}\n{request.target}".encode(), hashlib.sha1)
        said = request.headers.get("authorization", "").partition(":")[2]
        good = said == base64.b64encode(digest.digest()).decode()
        return None if good else _error(401, "Unauthorized", request)

    def _config(self, path: str, request: Request) -> Answer:
        app, cluster, namespace = [*path.split("/"), "", "", ""][2:5]
        refused = self._refused(app, request)
        if refused:
            return refused
        found = self._find(app, cluster, namespace)
        if found is None:
            text = (
                f"Could not load configurations with appId: {app}, clusterName: {cluster}, "
                f"namespace: {namespace}"
            )
            return _error(404, text, request)
        self.readers.append((app, request.query.get("ip", "")))
        body: dict[str, Any] = {"appId": app, "cluster": cluster, "namespaceName": namespace}
        return Answer(
            200, {**body, "configurations": found, "releaseKey": "20261124100000-1dc524aa9a4a5974"}
        )

    def _notifications(self, request: Request) -> Answer:
        app, cluster = request.query.get("appId", ""), request.query.get("cluster", "")
        refused = self._refused(app, request)
        if refused:
            return refused
        wanted = json.loads(request.query.get("notifications", "[]"))
        names = [str(one["namespaceName"]) for one in wanted]
        new = [n for n in names if self._find(app, cluster, n) is not None]
        if new:
            return Answer(200, [{"namespaceName": n, "notificationId": 42} for n in new])
        self.held.wait(HELD_S)
        return Answer(304)

    def _find(self, app: str, cluster: str, namespace: str) -> Any:
        name = namespace.removesuffix(".properties")
        return self.apps.get(app, {}).get(cluster, {}).get(name)


def _error(status: int, message: str, request: Request) -> Answer:
    """Spring Boot's own page of errors."""
    words = {401: "Unauthorized", 404: "Not Found"}
    body = {"timestamp": "x", "status": status, "error": words[status], "message": message}
    return Answer(status, {**body, "path": request.path})


def _missing(request: Request) -> Answer:
    return _error(404, "No message available", request)


def make(options: Mapping[str, Any]) -> Handler:
    """A config service as the options want it."""
    return Apollo(options)


if __name__ == "__main__":
    main(make)
