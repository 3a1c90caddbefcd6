"""The XXL-JOB admin (2.x, 3.0, 3.1): who is registered there, and whom it does not reach.

Paths and their order of checks: github.com/xuxueli/xxl-job, tag 2.3.0, JobApiController,
IndexController, JobGroupController, JobLogController. The access token is tried with a method that
does not exist: the API looks at the token first and then says that there is no such method, so
nothing changes. Nothing is registered, triggered or saved without `--active`.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from k8sext.agent.check import Callbacks, CheckInfo, Fault, Key, Login, Registered, Seen
from k8sext.agent.expect import version_in
from k8sext.agent.http import Response
from k8sext.agent.http_api import SAFE, HttpApi, mapping, sequence, some, told, wrong_product
from k8sext.model.result import Json
from k8sext.model.words import Reason

from . import _xxl_job as answers

CONTEXT = "/xxl-job-admin"
LOGIN_PAGE, NEWER_LOGIN_PAGE = "/toLogin", "/auth/login"
ELSEWHERE = ("", "/xxl-job-admin", "/xxl-job")
HEADER = "XXL-JOB-ACCESS-TOKEN"
NO_METHOD = "/api/k8sext"  # asks for nothing: see above
MAX_GROUPS, MAX_LINES, MAX_LOGS = 200, 50, 8
FORM = "application/x-www-form-urlencoded"
CALLED_S, GOODBYE_S = 8.0, 2.0
NO_WORK = (
    b'{"code":500,"msg":"k8sext: called back, nothing done"}'  # ends the job's line in the log
)
_LINE_END = re.compile(r"[\r\n\0]")


class XxlJob(HttpApi):
    """Login page, health, token, login, executors and how the admin's calls to them ended."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="xxl-job",
        summary="XXL-JOB's admin: health, token, executors and whether it reaches them",
        proves="the admin is up with its database, takes the token, and knows who is registered",
        port_names=("xxl-job", "xxl-job-admin"),
        service_names=("xxl-job", "xxl-job-admin"),
        credential_keys={
            "username": ("user", "XXL_JOB_USERNAME"),
            "password": ("XXL_JOB_PASSWORD",),
            "token": (
                "access_token", "access-token", "accessToken", "XXL_JOB_ACCESS_TOKEN",
                "xxl.job.accessToken",
            ),
        },
        expects={
            "path": Key(f"the admin's context path, default {CONTEXT}; / for none"),
            "applications": Key("applications (appname) that must have an executor", "words"),
            "executors": Key("executors that each of them must have at least", "number"),
            "version": Key("range, e.g. >=2.3", "version"),
        },
        active=(
            "with --reverse-app: registers the probe as executor of that application, has its one, "
            "stopped job run at the probe, deregisters; a failed line stays in that job's log"
        ),
    )  # fmt: skip
    first = LOGIN_PAGE
    newer = False
    cookie = ""
    api_said = ""  # what is known of the token, in words
    shipped: tuple[str, ...] = ()

    @property
    def base(self) -> str:
        """The context path."""
        path = quote(str(self.target.expect.get("path") or CONTEXT), safe=SAFE).strip("/")
        return f"/{path}" if path else ""

    # -- who answers, and is it well -------------------------------------------------------------

    async def handshake(self) -> Seen:
        """The login page, which needs no database, then the health, which does."""
        try:
            seen = await super().handshake()
        except Fault as fault:
            if fault.reason is not Reason.WRONG_PRODUCT:
                raise
            seen = await self._elsewhere(fault)
        if self.answer.status == 401:
            text = "401: something before it asks for a login, which executors cannot give"
            raise Fault(Reason.UNEXPECTED, text, **seen.evidence)
        facts = {"product": "xxl-job", **seen.evidence, "health": await self._health()}
        return Seen(detail=f"XXL-JOB's login page under {self.base or '/'}", evidence=facts)

    def recognise(self, answer: Response) -> Seen:
        """The page on which people log in."""
        if not answers.is_login_page(answer):
            raise wrong_product(answer, "XXL-JOB's admin")
        return Seen(evidence={"context": self.base or "/"})

    async def _elsewhere(self, fault: Fault) -> Seen:
        """Another release's login page, or the same one under another path."""
        if answers.is_login_page(await self.get(NEWER_LOGIN_PAGE)):
            self.newer = True
            return Seen(evidence={"context": self.base or "/"})
        for path in (p for p in ELSEWHERE if p != self.base):
            for page in (LOGIN_PAGE, NEWER_LOGIN_PAGE):
                if answers.is_login_page(await self.http.request("GET", f"{path}{page}")):
                    text = (
                        f"the admin lies under {path or '/'}, and not under {self.base or '/'}: "
                        "executors that are told the latter get 404"
                    )
                    raise Fault(Reason.UNEXPECTED, text, context=path or "/")
        raise fault

    async def _health(self) -> str:
        """`UP`, or why it is not known. Raises Fault (UNHEALTHY) for anything worse."""
        try:
            answer = await self.get("/actuator/health")
        except Fault as fault:
            if fault.reason not in (Reason.TIMED_OUT, Reason.SILENT):
                raise
            text = (
                "its login page answers at once and its health not in time: so it is while it "
                "waits for its database (schema xxl_job)"
            )
            raise Fault(Reason.UNHEALTHY, text) from fault
        if answer.status in (200, 503) and isinstance(answer.json(), dict):
            wrong = answers.unwell(answer)
            if wrong:
                text = f"its health is {wrong}: its database (schema xxl_job) is looked at there"
                raise Fault(Reason.UNHEALTHY, text, health=wrong)
            return "UP"
        return f"not to be seen ({told(answer)})"

    # -- token and login -------------------------------------------------------------------------

    async def auth(self, login: Login | None) -> Seen | None:
        """The token as an executor sends it, then the login of the pages, each once."""
        await self._try_token(login.get("token") if login else "")
        if login is None:
            return None
        if not (login.get("username") or login.get("password")):
            return self._accepted(login, self.api_said)
        if self.newer:
            text = "the login of XXL-JOB 3.2 and later is none that k8sext speaks"
            raise Fault(Reason.AUTH_METHOD_UNSUPPORTED, text)
        await self._log_in(login.get("username"), login.get("password"))
        who = f"user {login.get('username')}"
        return self._accepted(login, f"{who}; {self.api_said}")

    def _accepted(self, login: Login, detail: str) -> Seen:
        if (login.get("username"), login.get("password")) == (
            answers.SHIPPED_USER,
            answers.SHIPPED_PASSWORD,
        ):
            self.shipped += ("its administrator still has the password that it ships with",)
        return Seen(detail=detail, warning=self.logged_in().warning)

    async def _try_token(self, token: str) -> None:
        """Raises Fault (AUTH_REQUIRED, AUTH_REJECTED)."""
        if await self._takes(""):
            self.api_said = "its API asks for no access token"
            text = "whoever reaches it may register executors: it asks for no access token"
            self.shipped += (text,)
            return
        if not token:
            if self.login is None:
                raise Fault(Reason.AUTH_REQUIRED, "its API wants an access token")
            self.api_said = "its API wants an access token, and the Secret has none to try"
            return
        if _LINE_END.search(token):
            text = "the access token was not sent: it has a line break in it, which none may have"
            raise Fault(Reason.AUTH_REJECTED, text)
        if not await self._takes(token):
            raise Fault(Reason.AUTH_REJECTED, "it says: The access token is wrong.")
        self.api_said = "access token accepted"
        if token == answers.SHIPPED_KEY:
            self.shipped += ("its access token is the one that it ships with",)

    async def _takes(self, token: str) -> bool:
        """Whether the API goes on to look for the method. Raises Fault for anything else."""
        headers = {"Content-Type": "application/json;charset=UTF-8"}
        headers |= {HEADER: token} if token else {}
        answer = await self.send("POST", NO_METHOD, headers, b"{}")
        self.json_of(answer, "/api", "API for executors")
        _, words = answers.message(answer)
        if answers.WRONG_TOKEN in words:
            return False
        if answers.UNKNOWN_METHOD in words:
            return True
        raise Fault(Reason.SERVER_ERROR, f"its API for executors says: {words or told(answer)}")

    async def _log_in(self, username: str, password: str) -> None:
        form = urlencode({"userName": username, "password": password}).encode()
        answer = await self.send("POST", "/login", {"Content-Type": FORM}, form)
        self.json_of(answer, "/login", "login")
        good, words = answers.message(answer)
        database = answers.database_fault(words)
        if database:
            raise database
        self.cookie = answers.cookie_of(answer)
        if not good or not self.cookie:
            raise Fault(Reason.AUTH_REJECTED, f"it says: {words or 'no cookie'}", words=words)

    # -- what it knows ---------------------------------------------------------------------------

    async def verify(self) -> Seen:
        """Version and executors, where a login lets us see them."""
        if not self.cookie:
            return self._without_login()
        version = answers.version_of(await self.get("/help", self._as_user()))
        facts: dict[str, Json] = {"version": version} if version else {}
        self._expected_version(version)
        try:
            groups = await self._groups()
        except Fault as fault:
            if fault.reason is not Reason.PERMISSION_DENIED or self._wanted():
                raise
            text = f"the user may not see executors: {fault.detail}"
            return Seen(detail=text, evidence=facts, warning=Reason.PERMISSION_DENIED)
        mine = self._mine(groups)
        known = await self._outcomes(mine)
        entries = answers.registered(mine, known)
        if self.target.reverse_app:
            entries = (await self._reversed(groups, self.target.reverse_app, facts), *entries)
        facts["applications"] = {g.app: len(g.addresses) for g in groups[:MAX_LINES]}
        return Seen(
            detail="; ".join(filter(None, (_told(version, mine), *self.shipped))),
            evidence=facts,
            warning=Reason.DEFAULT_LOGIN if self.shipped else None,
            callbacks=_callbacks(entries),
        )

    def _without_login(self) -> Seen:
        if self._wanted():
            text = "who is registered is seen on its pages only, and the bridge has no login"
            raise Fault(Reason.AUTH_REQUIRED, text)
        text = "which executors are registered is not seen without a login of its pages"
        return Seen(
            detail="; ".join((text, *self.shipped)),
            warning=Reason.DEFAULT_LOGIN if self.shipped else None,
        )

    def _expected_version(self, version: str) -> None:
        spec = str(self.target.expect.get("version", ""))
        if spec and not version_in(version, spec):
            text = f"version {version or 'unknown'}, expected is {spec}"
            raise Fault(Reason.UNSUPPORTED_VERSION, text)

    def _wanted(self) -> list[str]:
        found = self.target.expect.get("applications")
        return [str(a) for a in found] if isinstance(found, list) else []

    def _mine(self, groups: list[answers.Group]) -> list[answers.Group]:
        """The expected applications, else all. Raises Fault (NOT_REGISTERED)."""
        wanted = self._wanted()
        if not wanted and "executors" in self.target.expect:
            raise Fault(Reason.UNEXPECTED, "expect.executors needs expect.applications beside it")
        if not wanted:
            return groups
        by_app = {g.app: g for g in groups}
        least = self.target.expect.get("executors", 1)
        count = max(int(least), 1) if isinstance(least, int | float) else 1
        for app in wanted:
            group = by_app.get(app)
            if group is None:
                text = f"there is no job group {app}; there are {some(sorted(by_app)) or 'none'}"
                known: list[Json] = [g.app for g in groups[:MAX_LINES]]
                raise Fault(Reason.NOT_REGISTERED, text, applications=known)
            if len(group.addresses) < count:
                have = len(group.addresses) or "no"
                text = f"{app} has {have} registered executors, expected are {count}"
                raise Fault(Reason.NOT_REGISTERED, text, addresses=[*group.addresses])
        return [by_app[app] for app in wanted]

    async def _groups(self) -> list[answers.Group]:
        """The first page; of a longer list also those that are expected and not on it."""
        path = f"/jobgroup/pageList?start=0&length={MAX_GROUPS}"
        found = answers.groups_of(await self._page(path))
        apps = {g.app for g in found}
        for app in [a for a in self._wanted() if a not in apps and len(found) >= MAX_GROUPS]:
            found += answers.groups_of(await self._page(f"{path}&appname={quote(app, safe='')}"))
        return found

    async def _outcomes(self, groups: list[answers.Group]) -> dict[str, answers.Outcome]:
        """How the admin's latest calls ended; of groups whose log may not be read: nothing."""
        pages: list[Any] = []
        for group in [g for g in groups if g.addresses][:MAX_LOGS]:
            query: dict[str, int | str] = {
                "jobGroup": group.id,
                "jobId": 0,
                "logStatus": -1,
                "start": 0,
            }
            query |= {"length": MAX_LINES, "filterTime": _lately()}
            try:
                pages.append(await self._page(f"/joblog/pageList?{urlencode(query)}"))
            except Fault as fault:
                if fault.reason is not Reason.PERMISSION_DENIED:
                    raise
        return answers.outcomes(pages)

    # -- calling back, where the user gives an application up for it -----------------------------

    async def _reversed(
        self, groups: list[answers.Group], app: str, facts: dict[str, Json]
    ) -> Registered:
        """A listener in this pod, registered under the application, and whether the admin called
        it. Raises Fault for an application that is not there, or in use.
        """
        from k8sext.agent.listener import listening

        group = next((g for g in groups if g.app == app), None)
        if group is None:
            text = f"there is no job group {app}: make one for this test, with one stopped job"
            raise Fault(Reason.OBJECT_MISSING, text)
        query = f"jobGroup={group.id}&triggerStatus=-1&jobDesc=&executorHandler=&author="
        table = mapping(await self._page(f"/jobinfo/pageList?{query}&start=0&length=2"))
        jobs = sequence(table.get("data"))
        why = answers.why_in_use(group, jobs)
        if why:
            text = f"--reverse-app {app} is none for a test alone, so nothing was done: {why}"
            raise Fault(Reason.UNEXPECTED, text)
        async with listening(self.stream, NO_WORK) as here:
            await self._run(group, mapping(jobs[0]).get("id"), f"http://{here.address}/")
            call = await here.called(min(CALLED_S, max(self.stream.left_s - GOODBYE_S, 0.1)))
            await self._leave(group, f"http://{here.address}/")
        facts["reverse"] = {"address": here.address, "called_from": call.peer if call else ""}
        known = {} if call else await self._outcomes([replace(group, addresses=(here.address,))])
        outcome = known.get(f"http://{here.address}/")
        error = outcome.error if outcome else "" if call else "no call came"
        state = "up" if call else "down"
        return Registered(address=here.address, app=app, state=state, error=error, ours=True)

    async def _run(self, group: answers.Group, job: Json, url: str) -> None:
        """Registers the address, has the job run there. Raises Fault, and leaves nothing then."""
        await self._api("registry", _registration(group, url))
        try:
            form = urlencode({"id": job, "executorParam": "k8sext", "addressList": url}).encode()
            headers = {**self._as_user(), "Content-Type": FORM}
            answer = await self.send("POST", "/jobinfo/trigger", headers, form)
            good, words = answers.message(answer)
            if not good:
                raise Fault(Reason.SERVER_ERROR, f"it does not run the job: {words}"[:300])
        except Fault:
            await self._leave(group, url)
            raise

    async def _leave(self, group: answers.Group, url: str) -> None:
        """Takes the registration away, even if the time is up."""
        self.stream.give(max(self.stream.left_s, GOODBYE_S))
        await self._api("registryRemove", _registration(group, url))

    async def _api(self, what: str, value: Json) -> None:
        """As an executor does. Raises Fault where it is not taken."""
        key = self.login.get("token") if self.login else ""
        headers = {HEADER: key} if key else {}
        answer = await self.post(f"/api/{what}", value, headers)
        good, words = answers.message(answer)
        if not good:
            raise Fault(Reason.SERVER_ERROR, f"{what}: {words or told(answer)}")

    # -- pages -----------------------------------------------------------------------------------

    async def _page(self, path: str) -> Any:
        """A table. Raises Fault (PERMISSION_DENIED, UNHEALTHY, …)."""
        answer = await self.get(path, self._as_user())
        what = path.partition("?")[0]
        if answer.redirect:
            text = f"{told(answer)} for {what}: the login is not taken there"
            raise Fault(Reason.PERMISSION_DENIED, text)
        data = self.json_of(answer, path, what)
        good, words = answers.message(answer)
        if isinstance(data, dict) and "data" not in data and not good:
            raise answers.database_fault(words) or Fault(Reason.PERMISSION_DENIED, words[:200])
        return data

    def _as_user(self) -> dict[str, str]:
        return {"Cookie": f"{answers.COOKIE}={self.cookie}", "Accept": "application/json, */*"}


# -- helpers -------------------------------------------------------------------------------------


def _lately() -> str:
    """The last two days, whatever the admin's time zone: without bounds it counts its whole log."""
    now, form = time.time(), "%Y-%m-%d %H:%M:%S"
    ends = (time.strftime(form, time.gmtime(now + days * 86400)) for days in (-2, 1))
    return " - ".join(ends)


def _registration(group: answers.Group, url: str) -> dict[str, Json]:
    return {"registryGroup": "EXECUTOR", "registryKey": group.app, "registryValue": url}


def _callbacks(entries: tuple[Registered, ...]) -> Callbacks | None:
    if not entries:
        return None
    return Callbacks(
        entries=entries,
        caller="the XXL-JOB admin",
        setting=(
            "xxl.job.executor.address=http://NODE:PORT (with a hostPort or NodePort), or "
            "xxl.job.executor.ip with the same port on both sides"
        ),
        inside="run the admin inside the cluster, where pods are reached",
    )


def _told(version: str, groups: list[answers.Group]) -> str:
    """Who has how many executors."""
    have = [f"{g.app} {len(g.addresses)}" for g in groups if g.addresses]
    none = [g.app for g in groups if not g.addresses]
    parts = [f"version {version}" if version else "", f"executors: {some(have) or 'none'}"]
    return "; ".join(filter(None, [*parts, f"without any: {some(none)}" if none and have else ""]))
