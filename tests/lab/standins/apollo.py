"""A stand-in for Apollo's config service, which no registry has: lists, health, configs, signing.

Facts: apolloconfig/apollo, `apollo-configservice`: ServiceController, ConfigController,
ConfigServiceHealthIndicator, NotificationControllerV2, ClientAuthenticationFilter; apollo-core's
Signature; `apollo-adminservice`'s IndexController for `admin_role`. Measured with 1.9.2 and 2.5.2:
`/health` is written by Gson (`"status":{"code":"UP","description":""}`); where the database is gone
it says nothing for 30.0 s and then 500, while the lists are answered at once; whoever asks for a
cluster that has no release gets that of `default`: `messages.details` and `cluster` say so.

Options: `apps` (APP to CLUSTER to NAMESPACE to a mapping), `announce` (addresses or URLs of config
services; default its own), `admin` (whether an admin service is registered), `database` (false: it
is gone), `silent_s` (for how long health says nothing then; default 30), `key` (access key of every
application), `clock_s` (by how much it is ahead), `admin_role` (it is the admin service),
`base_path`.
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
SILENT_S = 30  # HikariCP's connectionTimeout
DEFAULT = "default"
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
            return self._health()
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

    def _health(self) -> Answer:
        if self.options.get("database", True):
            return Answer(200, {"groups": [], "status": {"code": "UP", "description": ""}})
        return self._no_database()

    def _no_database(self) -> Answer:
        """What needs the database is held until the pool gives up, and answered by Apollo's own
        GlobalDefaultExceptionHandler.
        """
        self.held.wait(float(self.options.get("silent_s", SILENT_S)))
        message = (
            "Could not open JPA EntityManager for transaction; nested exception is "
            "org.hibernate.exception.JDBCConnectionException: Unable to acquire JDBC Connection"
        )
        kind = "org.springframework.transaction.CannotCreateTransactionException"
        stamp = "2026-11-30T12:00:00.123"
        body = {"exception": kind, "message": message, "status": 500, "timestamp": stamp}
        return Answer(500, body)

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
        if not self.options.get("database", True):
            return self._no_database()
        loaded = next((c for c in (cluster, DEFAULT) if self._has(app, c, namespace)), "")
        if not loaded:
            text = (
                f"Could not load configurations with appId: {app}, clusterName: {cluster}, "
                f"namespace: {namespace}"
            )
            return _error(404, text, request)
        self.readers.append((app, request.query.get("ip", "")))
        body: dict[str, Any] = {"appId": app, "cluster": loaded, "namespaceName": namespace}
        body["configurations"] = self._find(app, loaded, namespace)
        return Answer(200, {**body, "releaseKey": "20261124100000-1dc524aa9a4a5974"})

    def _notifications(self, request: Request) -> Answer:
        app, cluster = request.query.get("appId", ""), request.query.get("cluster", "")
        refused = self._refused(app, request)
        if refused:
            return refused
        if not self.options.get("database", True):
            return self._no_database()
        wanted = json.loads(request.query.get("notifications", "[]"))
        names = [str(one["namespaceName"]) for one in wanted]
        new = {n: self._watched(app, cluster, n) for n in names}
        if any(new.values()):
            return Answer(200, [_notification(n, keys) for n, keys in new.items() if keys])
        self.held.wait(HELD_S)
        return Answer(304)

    def _watched(self, app: str, cluster: str, namespace: str) -> list[str]:
        """Keys of what was published (WatchKeysUtil): of the cluster, and of `default`."""
        clusters = dict.fromkeys((cluster, DEFAULT))
        name = namespace.removesuffix(".properties")
        return [f"{app}+{c}+{name}" for c in clusters if self._has(app, c, namespace)]

    def _has(self, app: str, cluster: str, namespace: str) -> bool:
        return self._find(app, cluster, namespace) is not None

    def _find(self, app: str, cluster: str, namespace: str) -> Any:
        name = namespace.removesuffix(".properties")
        return self.apps.get(app, {}).get(cluster, {}).get(name)


def _notification(namespace: str, keys: list[str]) -> dict[str, Any]:
    details = dict.fromkeys(keys, 42)
    return {"namespaceName": namespace, "notificationId": 42, "messages": {"details": details}}


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
