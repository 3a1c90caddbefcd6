"""What the stand-in knows (settings, registry, trigger log) and does by itself."""

from __future__ import annotations

import collections
import contextlib
import http.client
import itertools
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from .database import Database
from .wording import Wording, number

COOKIE = "XXL_JOB_LOGIN_IDENTITY"
NEWER_COOKIE = "xxl_job_login_token"  # since 3.2
TOKEN = "XXL-JOB-ACCESS-TOKEN"
CALL_S = 3.0
"""What an executor is given to accept, and to answer (ExecutorBizClient)."""
OK, FAIL = 200, 500


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a user configures, and what a test wants declared."""

    address: str = ""
    port: int = 8080
    context: str = "/xxl-job-admin"
    version: str = "2.3.0"
    language: str = "zh_CN"  # of the labels in its log (xxl.job.i18n)
    scheduler: str = ""  # its own address in its log; default: where it listens
    calls: tuple[Mapping[str, Any], ...] = ()
    """Lines that are in the log from the start, also of other schedulers: keys of `Call`."""
    access_token: str = ""  # 2.3.0 ships an empty one, 2.3.1 and later `default_token`
    users: Mapping[str, str] = field(default_factory=lambda: {"admin": "123456"})
    limited: tuple[str, ...] = ()  # users without the role of an administrator
    groups: tuple[str, ...] = ()  # job groups whose executors register themselves
    registered: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Executors that are declared, as if each sent its heartbeat for ever."""
    jobs: tuple[Mapping[str, Any], ...] = ()  # keys of `Job`
    database: Mapping[str, Any] | None = None  # keys of `Database`; None: declared to be there
    database_up: bool = True
    details: bool = False  # whether health tells its components (management.endpoint.health…)
    health: bool = True  # whether the actuator is exposed at all
    monitor_s: float = 30.0
    dead_s: float = 90.0
    pool_wait_s: float = 10.0
    """How long a request waits for a connection that its pool had once (HikariCP)."""


def settings_of(data: Mapping[str, Any]) -> Settings:
    """Settings as JSON has them; 3.4 ships without a context path."""
    lists: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
    if number(str(data.get("version", Settings.version))) >= (3, 4):
        lists.setdefault("context", "")
    return Settings(**lists)


@dataclass(frozen=True, kw_only=True)
class Call:
    """A line of the log that is declared: whose call of which address came to what, and when."""

    app: str
    address: str
    scheduler: str
    age_s: float
    error: str = ""  # as Java words it; "": it arrived
    refused: str = ""  # what an executor answered in place of success


@dataclass
class Job:
    """A job; `every_s` 0: it runs when somebody triggers it."""

    id: int
    app: str
    handler: str = "one"
    route: str = "ROUND"
    every_s: float = 0
    retries: int = 0


@dataclass
class Log:
    """One line of the trigger log."""

    id: int
    app: str
    job: int
    began: float
    address: str | None = None
    code: int = 0
    said: str = ""
    handled: int = 0
    answer: str = ""


class Admin:
    """What it knows, and what it does by itself."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lock = threading.RLock()
        self.registry: dict[tuple[str, str], float] = {}  # (application, address): last heartbeat
        self.lists: dict[str, tuple[str, ...]] = {}  # of each group, made by the monitor
        self.updated = time.time()
        self.logs: list[Log] = []
        self.asked: collections.deque[str] = collections.deque(maxlen=1000)  # what, by whomever
        self.numbers = itertools.count(1)
        self.turns: dict[int, int] = {}
        self.sessions: dict[str, str] = {}
        self.number = number(settings.version)
        self.wording = Wording(settings.version, settings.language)
        self.database = Database(**settings.database) if settings.database else None
        self.jobs = [Job(id=n, **dict(j)) for n, j in enumerate(settings.jobs, 1)]
        named = (*settings.groups, *settings.registered, *(j.app for j in self.jobs))
        calls = [Call(**c) for c in settings.calls]
        called = (c.app for c in calls)
        self.groups = list(dict.fromkeys(["xxl-job-executor-sample", *named, *called]))
        for one in sorted(calls, key=lambda c: -c.age_s):
            self._declare(one)

    def start(self) -> None:
        """The registry's monitor and the scheduler."""
        self.rebuild()
        threading.Thread(target=self._monitor, daemon=True).start()
        for job in self.jobs:
            if job.every_s:
                threading.Thread(target=self._schedule, args=(job,), daemon=True).start()

    def need_database(self) -> None:
        """Raises OSError where the database does not answer."""
        if not self.settings.database_up:
            raise OSError("Communications link failure")
        if self.database is not None:
            self.database.ask(self.settings.pool_wait_s)

    def has_database(self) -> bool:
        """The same as a yes or no."""
        try:
            self.need_database()
        except OSError:
            return False
        return True

    # -- registry --------------------------------------------------------------------------------

    def register(self, app: str, address: str, remove: bool = False) -> None:
        """By a thread of its own in the real one: what is lost there, nobody is told of."""
        if not self.has_database():
            return
        with self.lock:
            if remove:
                self.registry.pop((app, address), None)
            else:
                self.registry[app, address] = time.monotonic()

    def rebuild(self) -> None:
        """Drop who was silent too long, write the rest into the groups' address lists."""
        now = time.monotonic()
        with self.lock:
            for key, beat in [*self.registry.items()]:
                if now - beat > self.settings.dead_s:
                    del self.registry[key]
            for app in self.groups:
                live = {a for name, a in self.registry if name == app}
                self.lists[app] = tuple(sorted(live | {*self.settings.registered.get(app, ())}))
            self.updated = time.time()

    def _monitor(self) -> None:
        while True:
            time.sleep(self.settings.monitor_s)
            if self.has_database():
                self.rebuild()

    # -- calling executors -----------------------------------------------------------------------

    def _schedule(self, job: Job) -> None:
        while True:
            time.sleep(job.every_s)
            if self.has_database():
                self.trigger(job)

    def trigger(self, job: Job, only: tuple[str, ...] = ()) -> None:
        """Once, by the job's route; at all executors where that is a broadcast."""
        with self.lock:
            addresses = only or self.lists.get(job.app, ())
        if job.route == "SHARDING_BROADCAST" and addresses:
            for number, address in enumerate(addresses):
                self._run(job, address, number, len(addresses), "")
            return
        if not addresses:
            log = self._log(job)
            log.code, log.said = FAIL, "Trigger Fail：registry address is empty"
            return
        chosen, said = self._route(job, addresses)
        self._run(job, chosen, 0, 1, said)

    def _route(self, job: Job, addresses: tuple[str, ...]) -> tuple[str | None, str]:
        """The address to call, and what the log says of how it was found."""
        if job.route == "FAILOVER":
            said: list[str] = []
            for address in addresses:
                answer = call(address, "beat", "", self.settings)
                said.append(self.wording.heartbeat(address, answer))
                if answer.get("code") == OK:
                    return address, "<br><br>".join(said)
            return None, "<br><br>".join(said)
        if job.route == "ROUND":
            turn = self.turns[job.id] = self.turns.get(job.id, -1) + 1
            return addresses[turn % len(addresses)], ""
        return addresses[0], ""

    def _log(self, job: Job) -> Log:
        with self.lock:
            log = Log(next(self.numbers), job.app, job.id, time.time())
            self.logs.append(log)
            del self.logs[:-500]
        return log

    def _run(self, job: Job, address: str | None, index: int, total: int, said: str) -> None:
        log = self._log(job)
        log.address = address
        if address is None:
            log.code = FAIL
            log.said = self._text(job.app, self.settings.scheduler, None, failure(""), said)
            return
        wanted = {
            "jobId": job.id,
            "executorHandler": job.handler,
            "executorParams": "",
            "executorBlockStrategy": "SERIAL_EXECUTION",
            "executorTimeout": 0,
            "logId": log.id,
            "logDateTime": int(log.began * 1000),
            "glueType": "BEAN",
            "glueSource": "",
            "glueUpdatetime": 0,
            "broadcastIndex": index,
            "broadcastTotal": total,
        }
        answer = call(address, "run", wanted, self.settings)
        log.said = self._text(job.app, self.settings.scheduler, address, answer, said)
        log.code = int(answer.get("code") or FAIL)

    def _text(
        self, app: str, scheduler: str, address: str | None, answer: Mapping[str, Any], said: str
    ) -> str:
        own = scheduler or self.settings.address or "127.0.0.1"
        return self.wording.line(own, self.lists.get(app, ()), address, answer, said)

    def _declare(self, one: Call) -> None:
        """A line that is there from the start."""
        answer: dict[str, Any] = {"code": OK, "msg": None}
        if one.error:
            answer = failure(self.wording.unanswered(one.error, f"{one.address}run"))
        if one.refused:
            answer = failure(one.refused)
        log = Log(next(self.numbers), one.app, 1, time.time() - one.age_s, one.address)
        log.code = int(answer["code"])
        log.said = self._text(one.app, one.scheduler, one.address, answer, "")
        self.logs.append(log)

    def callback(self, results: Any) -> None:
        """What executors say of jobs that they have done."""
        for one in results if isinstance(results, list) else []:
            for log in self.logs:
                if log.id == one.get("logId"):
                    log.handled, log.answer = one.get("handleCode", 0), str(one.get("handleMsg"))


def call(address: str, what: str, body: Any, settings: Settings) -> dict[str, Any]:
    """POST to an executor; a failure in the words of XxlJobRemotingUtil."""
    url = address if address.endswith("/") else f"{address}/"
    parts = urlsplit(url)
    headers = {"Content-Type": "application/json;charset=UTF-8", "Connection": "Keep-Alive"}
    if settings.access_token.strip():
        headers[TOKEN] = settings.access_token
    words = Wording(settings.version, settings.language)
    late = "Connect" if words.version >= (3, 3) else "connect"
    failed, timed_out = f"{url}{what}", f"{late} timed out"
    try:
        if parts.scheme != "http" or not parts.hostname:
            raise OSError(f"no protocol: {url}{what}")
        connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=CALL_S)
        with contextlib.closing(connection):
            connection.connect()
            timed_out = "Read timed out"
            connection.request("POST", f"{parts.path}{what}", json.dumps(body).encode(), headers)
            answer = connection.getresponse()
            text = answer.read(1 << 20)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return failure(words.unanswered(_java(error, timed_out), failed))
    if answer.status != 200:
        return failure(words.status(answer.status, failed))
    try:
        return {**json.loads(text)}
    except (ValueError, TypeError):
        return failure(words.garbage(text.decode("utf-8", "replace"), failed))


def _java(error: Exception, timed_out: str) -> str:
    """An error as Java words it."""
    words = {
        ConnectionRefusedError: "Connection refused (Connection refused)",
        ConnectionResetError: "Connection reset",
        http.client.RemoteDisconnected: "Unexpected end of file from server",
        TimeoutError: timed_out,
    }
    unreachable = isinstance(error, OSError) and error.errno in (101, 113)
    known = next((w for kind, w in words.items() if isinstance(error, kind)), str(error))
    return "No route to host (Host unreachable)" if unreachable else known


def failure(said: str) -> dict[str, Any]:
    """ReturnT that says no."""
    return {"code": FAIL, "msg": said, "content": None}
