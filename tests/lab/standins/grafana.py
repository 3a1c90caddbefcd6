"""A stand-in for Grafana, which no registry has: health, login, data sources and their health.

Facts: grafana/grafana, pkg/api/http_server.go (apiHealthHandler), pkg/api/datasources.go
(checkDatasourceHealth, convertModelToDtos), pkg/middleware (a path that is none below /api is
answered in JSON; all others lead to /login), the docs of its HTTP API. What its Prometheus plug-in
says of a check is pkg/promlib/healthcheck.go's.

Options: `version`, `database` (`failing`), `sources` (NAME to the URL that is really asked),
`silent` (names of plug-ins that cannot check themselves), `user`, `password`, `token`, `viewer`
(the login may not see data sources), `base_path`, `hide_version`.
"""

from __future__ import annotations

import base64
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from tests.lab.standins.web import Answer, Handler, Request, main

WAIT_S = 30  # dataproxy.timeout
_DONE = "Successfully queried the Prometheus API."
_FAILED = " - There was an error returned querying the Prometheus API."


class Grafana:
    """One of them."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options
        self.sources: Mapping[str, str] = options.get("sources") or {}

    def __call__(self, request: Request) -> Answer:
        base = str(self.options.get("base_path", ""))
        if base and not request.path.startswith(f"{base}/"):
            return Answer(301, "", {"Location": f"{base}{request.target}"})  # serve_from_sub_path
        path = request.path.removeprefix(base)
        if path == "/api/health":
            return self._health()
        if not path.startswith("/api/"):
            return Answer(302, "", {"Location": f"{base}/login"})
        refused = self._refused(request)
        if refused:
            return refused
        if path == "/api/org":
            return Answer(200, {"id": 1, "name": "Main Org."})
        if path.startswith("/api/datasources"):
            return self._datasources(path.removeprefix("/api/datasources"))
        return _said(404, "Not found")

    def _health(self) -> Answer:
        database = str(self.options.get("database", "ok"))
        told = {"database": database}
        if not self.options.get("hide_version"):
            version = str(self.options.get("version", "11.5.0"))
            told |= {"version": version, "commit": "4550cfb5b7"}
        return Answer(200 if database == "ok" else 503, told)

    def _refused(self, request: Request) -> Answer | None:
        given = request.headers.get("authorization", "")
        if given.startswith("Bearer "):
            good = given.removeprefix("Bearer ") == self.options.get("token")
            return None if good else _said(401, "Invalid API key")
        if not given:
            return _said(401, "Unauthorized")
        wanted = f"{self.options.get('user', 'admin')}:{self.options.get('password', 'admin')}"
        good = given == "Basic " + base64.b64encode(wanted.encode()).decode()
        return None if good else _said(401, "Invalid username or password")

    def _datasources(self, rest: str) -> Answer:
        if self.options.get("viewer"):
            return _said(403, "You'll need additional permissions to perform this action.")
        names = {f"uid-{name}": name for name in self.sources}
        if not rest:
            return Answer(200, [self._row(n, uid, name) for n, (uid, name) in
                                enumerate(names.items(), 1)])  # fmt: skip
        uid, _, what = rest.removeprefix("/uid/").partition("/")
        if uid not in names or what != "health":
            return _said(404, "Data source not found")
        return self._checked(names[uid])

    def _row(self, number: int, uid: str, name: str) -> dict[str, Any]:
        return {
            "id": number,
            "uid": uid,
            "orgId": 1,
            "name": name,
            "type": "prometheus",
            "access": "proxy",
            "url": self.sources[name],
            "isDefault": number == 1,
            "jsonData": {},
            "readOnly": False,
        }

    def _checked(self, name: str) -> Answer:
        if name in self.options.get("silent", ()):
            return _said(404, "Not found")
        url = f"{self.sources[name]}/api/v1/query"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{url}?query=1%2B1", timeout=WAIT_S):
                return Answer(200, {"status": "OK", "message": _DONE})
        except urllib.error.HTTPError as error:
            words = f"client_error: client error: {error.code}"
        except (OSError, ValueError) as error:
            words = f'Post "{url}": dial tcp: {error}'
        return Answer(400, {"status": "ERROR", "message": words + _FAILED})


def _said(status: int, message: str) -> Answer:
    return Answer(status, {"message": message, "statusCode": status})


def make(options: Mapping[str, Any]) -> Handler:
    """A Grafana as the options want it."""
    return Grafana(options)


if __name__ == "__main__":
    main(make)
