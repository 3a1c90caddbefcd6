"""A stand-in for Sentinel's dashboard of 1.6 to 1.8: what the real 0.1.1 has not.

Standard library only, and not the real thing: its page says so. It has the documented HTTP
behaviour of alibaba/Sentinel, sentinel-dashboard 1.8.8: the login (`AuthController`,
`DefaultLoginAuthenticationFilter` and the excluded paths of `application.properties`), `/version`
(`VersionController`, since 1.7.0), heartbeats (`MachineRegistryController`), applications and
machines (`AppController`, `MachineInfoVo`), and `/resource/machineResource.json`, for which it
calls `clusterNode` at the machine as `SentinelApiClient` does (3 s to connect, 10 s to read; null
where that fails, or where the answer is no list).

    SENTINEL_STANDIN='{"version": "1.8.8", "username": "shop", ...}' python sentinel.py ADDRESS PORT

Options (JSON, in the environment, as a password may be among them): `version`; `login` false is
`auth.enabled=false`; `username`, `password`, both `sentinel` where they are not said; `replicas`:
so many dashboards with memories of their own behind this one address, asked in turn.
"""

from __future__ import annotations

import http.client
import ipaddress
import itertools
import json
import os
import secrets
import sys
import threading
import time
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

PAGE = """<!doctype html>
<html><head><meta charset="utf-8"><title>Sentinel Dashboard</title>
<meta name="description" content="a stand-in of the k8sext lab, not Sentinel's dashboard"></head>
<body><div ng-app="sentinelDashboardApp"></div></body></html>
"""
OPTIONS = "SENTINEL_STANDIN"
COOKIE = "sentinel_dashboard_cookie"
OPEN = ("/", "/auth/login", "/auth/logout", "/registry/machine", "/version")
OPEN_ENDS = (".htm", ".html", ".js", ".css", ".map", ".ico", ".ttf", ".woff", ".png")
UNHEALTHY_MS = 60_000
CONNECT_S, READ_S = 3.0, 10.0
Fields = dict[str, str]


@dataclass
class Dashboard:
    """What one dashboard keeps in its own memory."""

    machines: dict[tuple[str, str, int], dict[str, Any]] = field(
        default_factory=dict[tuple[str, str, int], dict[str, Any]]
    )
    sessions: dict[str, str] = field(default_factory=dict[str, str])

    def beat(self, given: Fields) -> dict[str, Any]:
        """A heartbeat, refused for the same faults as there."""
        app, ip, port = given.get("app", ""), given.get("ip", ""), given.get("port", "")
        if not app.strip() or len(app) > 256:
            return failed(-1, "invalid appName")
        try:
            ipaddress.ip_address(ip)
        except ValueError:
            return failed(-1, f"invalid ip: {ip}")
        number = int(port) if port.lstrip("-").isdecimal() else -2
        if number < -1:
            return failed(-1, "invalid port")
        if number == -1:
            return failed(-1, "your port not set yet")
        now = int(time.time() * 1000)
        self.machines[app, ip, number] = {
            "app": app,
            "hostname": given.get("hostname"),
            "ip": ip,
            "port": number,
            "heartbeatVersion": int(given.get("version") or now),
            "lastHeartbeat": now,
            "version": given.get("v") or "unknown",
        }
        return done(None)

    def apps(self) -> list[str]:
        """Names."""
        return list(dict.fromkeys(app for app, _, _ in self.machines))

    def brief(self) -> list[dict[str, Any]]:
        """Applications with their machines."""
        return [{"app": app, "appType": 0, "machines": self.of(app)} for app in sorted(self.apps())]

    def of(self, app: str) -> list[dict[str, Any]] | None:
        """Machines of an application; None for one that is not known."""
        mine = sorted((k for k in self.machines if k[0] == app), key=lambda k: k[1:])
        now = time.time() * 1000
        rows = [self.machines[k] for k in mine]
        told = [{**r, "healthy": now - r["lastHeartbeat"] < UNHEALTHY_MS} for r in rows]
        return told or None


def done(data: Any) -> dict[str, Any]:
    """`Result.ofSuccess`."""
    return {"success": True, "code": 0, "msg": "success", "data": data}


def failed(code: int, words: str) -> dict[str, Any]:
    """`Result.ofFail`."""
    return {"success": False, "code": code, "msg": words, "data": None}


def fetched(ip: str, port: int, key: str) -> list[Any] | None:
    """What the machine's command centre says to `clusterNode`; None where it says nothing."""
    try:
        ipaddress.ip_address(ip)
        connection = http.client.HTTPConnection(ip, port, timeout=CONNECT_S)
        try:
            connection.connect()
            connection.sock.settimeout(READ_S)
            connection.request("GET", "/clusterNode?type=zero")
            answer = connection.getresponse()
            nodes = json.loads(answer.read())
            good = 200 <= answer.status < 300 and isinstance(nodes, list)
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException):
        return None
    if not good:
        return None
    return [n for n in nodes if key.lower() in str(n.get("resource", "")).lower()]


class Front(ThreadingHTTPServer):
    """One address; behind it one dashboard, or several that are asked in turn."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], options: dict[str, Any]) -> None:
        super().__init__(address, Handler)
        self.options = options
        boards = [Dashboard() for _ in range(int(options.get("replicas", 1)))]
        self._turn, self._lock = itertools.cycle(boards), threading.Lock()

    def dashboard(self) -> Dashboard:
        """The next one."""
        with self._lock:
            return next(self._turn)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    @property
    def front(self) -> Front:
        """Who accepted it."""
        assert isinstance(self.server, Front)
        return self.server

    def do_GET(self) -> None:
        """Asked for something."""
        self._answer("GET")

    def do_POST(self) -> None:
        """A heartbeat, a login or a farewell."""
        self._answer("POST")

    def _answer(self, method: str) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        pairs = {**parse_qs(parts.query), **parse_qs(body)}
        given = {name: values[-1] for name, values in pairs.items()}
        board, path = self.front.dashboard(), unquote(parts.path)
        if not self._may(board, path):
            return self._say(401, b"", "")
        if path in ("/", "/index.htm"):
            return self._say(200, PAGE.encode(), "text/html;charset=UTF-8")
        status, value = self._called(board, method, path, given)
        self._say(status, json.dumps(value).encode(), "application/json;charset=UTF-8")

    def _may(self, board: Dashboard, path: str) -> bool:
        """`DefaultLoginAuthenticationFilter`; `/version` is open since there is one."""
        if not self.front.options.get("login", True) or path.endswith(OPEN_ENDS):
            return True
        if path in OPEN and (path != "/version" or self._tells_version()):
            return True
        return self._session() in board.sessions

    def _tells_version(self) -> bool:
        return not str(self.front.options.get("version", "1.8.8")).startswith("1.6")

    def _session(self) -> str:
        found = SimpleCookie(self.headers.get("Cookie", "")).get(COOKIE)
        return found.value if found else ""

    def _called(self, board: Dashboard, method: str, path: str, given: Fields) -> tuple[int, Any]:
        words = path.strip("/").split("/")
        match words:
            case ["version"] if self._tells_version():
                return 200, done(str(self.front.options.get("version", "1.8.8")))
            case ["registry", "machine"]:
                return 200, board.beat(given)
            case ["auth", "login"] if method == "POST":
                return 200, self._log_in(board, given)
            case ["auth", "logout"] if method == "POST":
                board.sessions.pop(self._session(), None)
                return 200, done(None)
            case ["app", "names.json"]:
                return 200, done(board.apps())
            case ["app", "briefinfos.json"]:
                return 200, done(board.brief())
            case ["app", name, "machines.json"]:
                return 200, done(board.of(name))
            case ["app", name, "machine", "remove.json"]:
                machine = (name, given.get("ip", ""), int(given.get("port", "0")))
                gone = board.machines.pop(machine, None)
                return 200, done(None) if gone else failed(1, "remove failed")
            case ["resource", "machineResource.json"]:
                key = given.get("searchKey", "")
                return 200, done(fetched(given.get("ip", ""), int(given.get("port", "0")), key))
            case _:
                return 404, {"status": 404, "error": "Not Found", "path": path}

    def _log_in(self, board: Dashboard, given: Fields) -> dict[str, Any]:
        for word in ("username", "password"):
            wanted = str(self.front.options.get(word, "sentinel"))
            if wanted and given.get(word) != wanted:
                return failed(-1, "Invalid username or password")
        name = given.get("username", "")
        self._fresh = secrets.token_hex(16)
        board.sessions[self._fresh] = name
        return done({"superUser": True, "loginName": name, "nickName": name, "id": name})

    _fresh = ""

    def _say(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        if self._fresh:
            self.send_header("Set-Cookie", f"{COOKIE}={self._fresh}; Path=/; HttpOnly")
            self._fresh = ""
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        """The Server header; the real one has none."""
        return "k8sext-lab-stand-in"

    def log_message(self, format: str, *arguments: Any) -> None:
        """One line on standard error; a password is in no path."""
        sys.stderr.write(f"{self.address_string()} {format % arguments}\n")


def main() -> None:
    """Serve until ended."""
    address, port = sys.argv[1:3]
    options = json.loads(os.environ.get(OPTIONS) or "{}")
    Front((address, int(port)), options).serve_forever()


if __name__ == "__main__":
    main()
