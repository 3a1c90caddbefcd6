"""The stand-in's pages and its API for executors."""

from __future__ import annotations

import json
import re
import secrets
import socketserver
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from .admin import COOKIE, NEWER_COOKIE, OK, TOKEN, Admin, Settings, failure

SUCCESS: Mapping[str, Any] = {"code": OK, "msg": None, "content": None}
PAGE = """<!DOCTYPE html>
<html>
<head><title>任务调度中心</title></head>
<body class="hold-transition login-page">
<div class="login-logo"><a><b>XXL</b>JOB</a></div>
<form id="loginForm" method="post"><input type="text" name="userName">
<input type="password" name="password"></form>
<script src="{context}/static/js/login.1.js"></script>
</body>
</html>
"""
HELP = """<!DOCTYPE html>
<html><head><title>任务调度中心</title></head><body>
<footer class="main-footer">Powered by <b>XXL-JOB</b> {version}</footer></body></html>
"""
_HEALTH = "application/vnd.spring-boot.actuator.v3+json"
_JDBC = (
    "org.mybatis.spring.MyBatisSystemException: nested exception is "
    "org.apache.ibatis.exceptions.PersistenceException: <br/>### Error querying database.  Cause: "
    "org.springframework.jdbc.CannotGetJdbcConnectionException: Failed to obtain JDBC Connection; "
    "nested exception is java.sql.SQLTransientConnectionException: HikariPool-1 - Connection is "
    "not available, request timed out after 10000ms."
)


class Pages(BaseHTTPRequestHandler):
    """One request after another; a path is looked up in `paths`."""

    protocol_version = "HTTP/1.1"
    admin: ClassVar[Admin]
    paths: ClassVar[Mapping[str, str]] = {
        "/": "first_page",
        "/help": "help_page",
        "/actuator/health": "health",
        "/jobgroup/pageList": "job_groups",
        "/jobinfo/pageList": "jobs",
        "/jobinfo/trigger": "trigger",
        "/joblog/pageList": "trigger_log",
    }
    login_paths: ClassVar[Mapping[str, str]] = {
        "/toLogin": "login_page",
        "/login": "log_in",
        "/logout": "log_out",
    }
    newer_login_paths: ClassVar[Mapping[str, str]] = {  # since 3.2
        "/auth/login": "login_page",
        "/auth/doLogin": "log_in",
        "/auth/logout": "log_out",
    }
    needs_login: ClassVar[tuple[str, ...]] = (
        "/",
        "/help",
        "/jobgroup/pageList",
        "/jobinfo/pageList",
        "/jobinfo/trigger",
        "/joblog/pageList",
    )

    def do_GET(self) -> None:
        """All methods alike: the real one maps most paths for any of them."""
        self._answer("")

    def do_POST(self) -> None:
        """With a body."""
        length = int(self.headers.get("Content-Length") or 0)
        self._answer(self.rfile.read(min(length, 1 << 20)).decode("utf-8", "replace"))

    def _answer(self, body: str) -> None:
        parts = urlsplit(self.path)
        self.admin.asked.append(f"{self.command} {parts.path}")
        context = self.admin.settings.context
        inside = parts.path.startswith(f"{context}/") or not context
        path = re.sub(";.*", "", parts.path[len(context) :])
        if parts.path == context and context:
            return self._send(302, "", {"Location": f"{context}/"})
        if not inside:
            return self._html(404, "<!doctype html><title>HTTP Status 404 – Not Found</title>")
        form = "json" not in self.headers.get("Content-Type", "")
        self.given = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.given |= dict(parse_qsl(body)) if form else {}
        try:
            self._page(path, body)
        except OSError as error:  # WebExceptionResolver: 200, and the exception's words
            said = f"{_JDBC} {error}" if self.admin.settings.details else _JDBC
            self._json(failure(said))

    def _page(self, path: str, body: str) -> None:
        if path.startswith("/api/"):
            return self._api(path.removeprefix("/api/"), body)
        if path in self.needs_login and not self._user():
            return self._not_logged_in(path)
        login = self.newer_login_paths if self.newer else self.login_paths
        name = {**self.paths, **login}.get(path)
        if name is None or (name == "health" and not self.admin.settings.health):
            return self._html(404, "<!DOCTYPE html><h3>404</h3>")
        page: Callable[[], None] = getattr(self, name)
        return page()

    @property
    def newer(self) -> bool:
        """Whether it is 3.2 or later, which logs in by xxl-sso."""
        return self.admin.number >= (3, 2)

    def _not_logged_in(self, path: str) -> None:
        context = self.admin.settings.context
        if not self.newer:
            return self._send(302, "", {"Location": f"{context}/toLogin"})
        if path in ("/", "/help"):
            return self._send(302, "", {"Location": f"{context}/auth/login"})
        return self._json(failure(f"xxl-sso, not login for path:{context}{path}"))

    # -- pages -----------------------------------------------------------------------------------

    def login_page(self) -> None:
        """For anybody; needs no database."""
        if self._user():
            return self._send(302, "", {"Location": f"{self.admin.settings.context}/"})
        return self._html(200, PAGE.replace("{context}", self.admin.settings.context))

    def log_in(self) -> None:
        """POST only: others get 405 of the framework."""
        if self.command != "POST":
            return self._html(405, "<!DOCTYPE html><h3>405</h3>")
        name, word = self.given.get("userName", ""), self.given.get("password", "")
        if not name.strip() or not word.strip():
            return self._json(failure("账号或密码为空"))
        self.admin.need_database()
        if self.admin.settings.users.get(name) != word:
            return self._json(failure("账号或密码错误"))
        session = secrets.token_hex(16)
        if self.newer:  # a user has one session: his earlier ones end
            self._end(name)
        self.admin.sessions[session] = name
        cookie = f"{self.cookie}={session}; Path=/; HttpOnly"
        return self._json(SUCCESS, {"Set-Cookie": cookie})

    def log_out(self) -> None:
        """The cookie is taken back; since 3.2 the user has no session then."""
        user = self.admin.sessions.pop(self._session(), "")
        if self.newer:
            self._end(user)
        self._json(SUCCESS, {"Set-Cookie": f"{self.cookie}=; Path=/; Max-Age=0"})

    def _end(self, user: str) -> None:
        for session in [s for s, name in [*self.admin.sessions.items()] if name == user]:
            self.admin.sessions.pop(session, None)

    def first_page(self) -> None:
        """Its foot tells the version; since 3.3 that of no other page does."""
        self._html(200, HELP.replace("{version}", self.admin.settings.version))

    def help_page(self) -> None:
        """Up to 3.2 it has a foot like all pages, and asks the database for nothing more."""
        if self.admin.number < (3, 3):
            return self.first_page()
        return self._html(200, "<!DOCTYPE html><html><body>帮助</body></html>")

    def health(self) -> None:
        """Spring Boot's, without components unless it is told to show them."""
        up = self.admin.has_database()
        status = "UP" if up else "DOWN"
        said: dict[str, Any] = {"status": status}
        if self.admin.settings.details:
            error = "org.springframework.jdbc.CannotGetJdbcConnectionException: Failed to obtain"
            inside = {"database": "MySQL", "validationQuery": "isValid()"} if up else None
            db = {"status": status, "details": inside or {"error": f"{error} JDBC Connection"}}
            fine = {"status": "UP"}
            said["components"] = {"db": db, "diskSpace": fine, "ping": fine}
        self._json(said, {"Content-Type": _HEALTH}, 200 if up else 503)

    def job_groups(self) -> None:
        """Page of executors. From 2.4.0 on for administrators only."""
        self.admin.need_database()
        if (3,) <= self.admin.number < (3, 3) and not {"appname", "title"} <= {*self.given}:
            return self._html(400, "<!doctype html><title>HTTP Status 400 – Bad Request</title>")
        if self._limited() and self.newer:
            path = f"{self.admin.settings.context}/jobgroup/pageList"
            return self._json(failure(f"path:{path} does not have role:ADMIN"))
        if self._limited() and self.admin.number >= (2, 4):
            return self._json(failure("java.lang.RuntimeException: 权限拦截"))
        wanted = self.given.get("appname", "")
        with self.admin.lock:
            found = [
                self._group(n, app) for n, app in enumerate(self.admin.groups, 1) if wanted in app
            ]
        return self._table(sorted(found, key=lambda g: str(g["appname"])))

    def _group(self, number: int, app: str) -> dict[str, Any]:
        addresses = [*self.admin.lists.get(app, ())]
        return {
            "id": number,
            "appname": app,
            "title": app[:12],
            "addressType": 0,
            "addressList": ",".join(addresses) or None,
            "updateTime": self._time(self.admin.updated),
            "registryList": addresses or None,
        }

    def jobs(self) -> None:
        """Page of the jobs of one group."""
        self.admin.need_database()
        app = self._app()
        found = [
            {
                "id": j.id,
                "jobGroup": self.admin.groups.index(j.app) + 1,
                "jobDesc": j.handler,
                "executorRouteStrategy": j.route,
                "executorHandler": j.handler,
                "executorFailRetryCount": j.retries,
                "triggerStatus": 1 if j.every_s else 0,
            }
            for j in self.admin.jobs
            if j.app == app
        ]
        self._table(found)

    def trigger(self) -> None:
        """Once, now, at given addresses if any; answers before it is done, as the real one does."""
        number = int(self.given.get("id") or 0)
        job = next((j for j in self.admin.jobs if j.id == number), None)
        only = tuple(a for a in self.given.get("addressList", "").split(",") if a.strip())
        if job is not None:
            threading.Thread(target=self.admin.trigger, args=(job, only), daemon=True).start()
        self._json(SUCCESS)

    def trigger_log(self) -> None:
        """Newest first, of one group. Users without a right to the group get an exception."""
        self.admin.need_database()
        if self._limited():
            who = self._user()
            return self._json(failure(f"java.lang.RuntimeException: 权限拦截[username={who}]"))
        app = self._app()
        with self.admin.lock:
            logs = [g for g in reversed(self.admin.logs) if g.app == app]
        return self._table(
            [
                {
                    "id": g.id,
                    "jobGroup": self.admin.groups.index(g.app) + 1,
                    "jobId": g.job,
                    "executorAddress": g.address,
                    "triggerTime": self._time(g.began),
                    "triggerCode": g.code,
                    "triggerMsg": g.said,
                    "handleCode": g.handled,
                    "handleMsg": g.answer,
                }
                for g in logs
            ]
        )

    # -- the executors' API ----------------------------------------------------------------------

    def _api(self, what: str, body: str) -> None:
        """JobApiController: the method, then the token, then what is wanted."""
        token = self.admin.settings.access_token
        if self.command != "POST":
            return self._json(failure("invalid request, HttpMethod not support."))
        if token.strip() and self.headers.get(TOKEN) != token:
            return self._json(failure("The access token is wrong."))
        if what not in ("callback", "registry", "registryRemove"):
            return self._json(failure(f"invalid request, uri-mapping({what}) not found."))
        try:
            data = json.loads(body)
        except ValueError:
            data = {}
        if what == "callback":
            self.admin.callback(data)
            return self._json(SUCCESS)
        words = [data.get(k) for k in ("registryGroup", "registryKey", "registryValue")]
        if not all(isinstance(w, str) and w.strip() for w in words):
            return self._json(failure("Illegal Argument."))
        if words[0] == "EXECUTOR":
            remove = what == "registryRemove"
            arguments = (words[1], words[2], remove)
            threading.Thread(target=self.admin.register, args=arguments, daemon=True).start()
        return self._json(SUCCESS)

    # -- the rest --------------------------------------------------------------------------------

    def _session(self) -> str:
        found = re.search(rf"{self.cookie}=([0-9a-f]+)", self.headers.get("Cookie", ""))
        return found[1] if found else ""

    @property
    def cookie(self) -> str:
        """The name of its cookie."""
        return NEWER_COOKIE if self.newer else COOKIE

    def _user(self) -> str:
        """Who is logged in. The real one reads the user from its database for every page."""
        user = self.admin.sessions.get(self._session(), "")
        if user:
            self.admin.need_database()
        return user

    def _limited(self) -> bool:
        return self._user() in self.admin.settings.limited

    def _app(self) -> str:
        number = int(self.given.get("jobGroup") or 0)
        groups = self.admin.groups
        return groups[number - 1] if 0 < number <= len(groups) else ""

    def _table(self, found: list[dict[str, Any]]) -> None:
        flat = self.admin.number < (3, 3)
        names = ("start", "length") if flat else ("offset", "pagesize")
        start, length = (int(self.given.get(k) or d) for k, d in zip(names, (0, 10), strict=True))
        page = found[start : start + length]
        if flat:
            total = {"recordsTotal": len(found), "recordsFiltered": len(found)}
            return self._json({**total, "data": page})
        inner = {"offset": start, "pagesize": length, "data": page, "total": len(found)}
        return self._json({"code": OK, "msg": "Success", "data": inner})

    def _time(self, seconds: float) -> str:
        """As Spring Boot writes a Date; 3.4 without a zone."""
        at = time.gmtime(seconds)
        if self.admin.number >= (3, 4):
            return time.strftime("%Y-%m-%d %H:%M:%S", at)
        zone = "Z" if self.admin.number >= (3, 3) else "+00:00"
        return time.strftime(f"%Y-%m-%dT%H:%M:%S.000{zone}", at)

    def _json(
        self, value: Any, headers: Mapping[str, str] | None = None, status: int = 200
    ) -> None:
        kind = {"Content-Type": "application/json;charset=UTF-8"}
        self._send(status, json.dumps(value, ensure_ascii=False), {**kind, **(headers or {})})

    def _html(self, status: int, text: str) -> None:
        self._send(status, text, {"Content-Type": "text/html;charset=UTF-8"})

    def _send(self, status: int, text: str, headers: Mapping[str, str]) -> None:
        data = text.encode()
        self.send_response_only(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.log_request(status)


class Server(socketserver.ThreadingTCPServer):
    """Threads, a queue for bursts, and no look-up of our own name."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


def serve(settings: Settings) -> tuple[Server, Admin]:
    """A listening stand-in and what it knows; the caller lets it serve."""
    admin = Admin(settings)
    pages = type("ThesePages", (Pages,), {"admin": admin})
    server = Server((settings.address, settings.port), pages)
    admin.start()
    return server, admin
