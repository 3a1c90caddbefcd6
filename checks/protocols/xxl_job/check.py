"""The XXL-JOB admin (2.x, 3.0 to 3.4): who is registered there, and whom it does not reach.

Paths and their order of checks: github.com/xuxueli/xxl-job, tags 2.3.0 to v3.4.0, JobApiController,
IndexController, JobGroupController, JobLogController. The access token is tried with a method that
does not exist: the API looks at the token first and then says that there is no such method, so
nothing changes. Nothing is registered, triggered or saved without `--active`.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote

from k8sext.agent.check import Callbacks, CheckInfo, Fault, Key, Login, Registered, Seen
from k8sext.agent.expect import version_in
from k8sext.agent.wire.http import Response
from k8sext.agent.wire.http_api import SAFE, HttpApi, some, status_line, wrong_product
from k8sext.model.result import Json
from k8sext.model.words import Reason

from . import answers, log
from .pages import Pages

CONTEXTS = ("/xxl-job-admin", "", "/xxl-job")
"""Of the admin: through 3.3, since 3.4 (measured), and what people choose."""
HEADER = "XXL-JOB-ACCESS-TOKEN"
NO_METHOD = "/api/k8sext"  # asks for nothing: see above
MAX_GROUPS, MAX_LINES, MAX_LOGS = 200, 50, 8
PERSON = "admin"  # the user that it ships with, which people use
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
            "path": Key("the admin's context path; / for none; default: where it is found"),
            "applications": Key("applications (appname) that must have an executor", "words"),
            "executors": Key("executors that each of them must have at least", "number"),
            "version": Key("range, e.g. >=2.3", "version"),
            "login_as_admin": Key("true: log in as admin, which since 3.2 ends that user's session",
                "flag"),
        },
        active=(
            "with --reverse-app: registers the probe as executor of that application, has its one, "
            "stopped job run at the probe, deregisters; a failed line stays in that job's log"
        ),
    )  # fmt: skip
    forbids_strangers = False
    first = answers.TO_3_1.page
    generation = answers.TO_3_1
    context: str | None = None  # where it was found
    pages: Pages | None = None  # with a login
    not_as = ""  # why a login that there is was not used
    api_said = ""  # what is known of the token, in words
    shipped: tuple[str, ...] = ()

    @property
    def login_sent(self) -> bool:
        """By the form of the pages."""
        return self.pages is not None

    @property
    def base(self) -> str:
        """The context path: where it was found, else where it is to be."""
        if self.context is not None:
            return self.context
        path = quote(str(self.target.expect.get("path") or CONTEXTS[0]), safe=SAFE).strip("/")
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
        """Another generation's login page, and where no path is expected, another path."""
        wanted = self.base
        contexts = dict.fromkeys((wanted, *CONTEXTS))
        places = [(c, g) for c in contexts for g in answers.GENERATIONS]
        for context, generation in places[1:]:  # the first has been asked
            answer = await self.http.request("GET", f"{context}{generation.page}")
            if not answers.is_login_page(answer):
                continue
            if context != wanted and "path" in self.target.expect:
                text = (
                    f"the admin lies under {context or '/'}, and not under {wanted or '/'}: "
                    "executors that are told the latter get 404"
                )
                raise Fault(Reason.UNEXPECTED, text, context=context or "/")
            self.answer, self.context, self.generation = answer, context, generation
            return Seen(evidence={"context": context or "/"})
        raise fault

    async def _health(self) -> str:
        """`UP`, or why it is not known. Raises Fault (UNHEALTHY) for anything worse."""
        try:
            answer = await self.get("/actuator/health")
        except Fault as fault:
            if fault.reason not in (Reason.TIMED_OUT, Reason.SILENT):
                raise
            text = (
                "its login page answers at once, and its health not in time: it likely waits for "
                "its database (schema xxl_job)"
            )
            raise Fault(Reason.UNHEALTHY, text) from fault
        if answer.status in (200, 503) and isinstance(answer.json(), dict):
            wrong = answers.unwell(answer)
            if wrong:
                text = f"its health is {wrong}: its database (schema xxl_job) is looked at there"
                raise Fault(Reason.UNHEALTHY, text, health=wrong)
            return "UP"
        return f"not to be seen ({status_line(answer)})"

    # -- token and login -------------------------------------------------------------------------

    async def auth(self, login: Login | None) -> Seen | None:
        """The token as an executor sends it, then the login of the pages, each once."""
        await self._try_token(login.get("token") if login else "")
        if login is None:
            return None
        username = login.get("username")
        if not (username or login.get("password")) or self._of_a_person(username):
            return self._accepted(login, self.api_said) if login.get("token") else None
        self.pages = Pages(self, self.generation)
        await self.pages.log_in(username, login.get("password"))
        return self._accepted(login, f"user {username}; {self.api_said}")

    def _of_a_person(self, username: str) -> bool:
        """Whether a login would end the session of somebody who works there."""
        if not self.generation.one_session or username.casefold() != PERSON:
            return False
        if self.target.expect.get("login_as_admin"):
            return False
        self.not_as = (
            f"since 3.2 a user has one session, and a login as {username} would end that of "
            "whoever works there as that user"
        )
        return True

    def _accepted(self, login: Login, detail: str) -> Seen:
        shipped = (answers.SHIPPED_USER, answers.SHIPPED_PASSWORD)
        if self.pages and (login.get("username"), login.get("password")) == shipped:
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
        if log.WRONG_TOKEN in words:
            return False
        if answers.UNKNOWN_METHOD in words:
            return True
        raise Fault(
            Reason.SERVER_ERROR, f"its API for executors says: {words or status_line(answer)}"
        )

    # -- what it knows ---------------------------------------------------------------------------

    async def verify(self) -> Seen:
        """Version and executors, where a login lets us see them."""
        if self.pages is None:
            return self._without_login()
        version = await self.pages.version()
        facts: dict[str, Json] = {"version": version} if version else {}
        self._expected_version(version)
        try:
            groups = await self._groups(self.pages)
        except Fault as fault:
            if fault.reason is not Reason.PERMISSION_DENIED or self._wanted():
                raise
            text = f"the user may not see executors: {fault.detail}"
            return Seen(detail=text, evidence=facts, warning=Reason.PERMISSION_DENIED)
        mine = self._mine(groups)
        lines = await self._log(self.pages, mine)
        entries = answers.registered(mine, log.outcomes(lines))
        if self.target.reverse_app:
            entries = (await self._reversed(self.pages, groups, facts), *entries)
        facts["applications"] = {g.app: len(g.addresses) for g in groups[:MAX_LINES]}
        facts["schedulers"] = [*log.schedulers(lines)[:MAX_LOGS]]
        return Seen(
            detail="; ".join(filter(None, (_executors(version, mine), *self.shipped))),
            evidence=facts,
            warning=Reason.DEFAULT_LOGIN if self.shipped else None,
            callbacks=_callbacks(entries, tuple(self._wanted())),
        )

    def _without_login(self) -> Seen:
        if self._wanted():
            if self.not_as:
                text = f"{self.not_as}; who is registered is seen on its pages only"
                raise Fault(Reason.SESSION_OF_A_PERSON, text)
            text = "who is registered is seen on its pages only, and the bridge has no login"
            raise Fault(Reason.AUTH_REQUIRED, text)
        text = "which executors are registered is not seen without a login of its pages"
        unused = Reason.SESSION_OF_A_PERSON if self.not_as else None
        return Seen(
            detail="; ".join(filter(None, (self.not_as, text, *self.shipped))),
            warning=Reason.DEFAULT_LOGIN if self.shipped else unused,
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

    async def _groups(self, pages: Pages) -> list[answers.Group]:
        """The first page; of a longer list also those that are expected and not on it. 3.0 to 3.2
        answer 400 to a question without `appname` and `title` (measured).
        """

        async def page(app: str) -> list[answers.Group]:
            table = await pages.table("/jobgroup/pageList", MAX_GROUPS, appname=app, title="")
            return answers.groups_of(table)

        found = await page("")
        apps = {g.app for g in found}
        for app in [a for a in self._wanted() if a not in apps and len(found) >= MAX_GROUPS]:
            found += await page(app)
        return found

    async def _log(self, pages: Pages, groups: list[answers.Group]) -> list[Any]:
        """The latest lines; of groups whose log may not be read: nothing."""
        found: list[Any] = []
        for group in [g for g in groups if g.addresses][:MAX_LOGS]:
            query = {"jobGroup": group.id, "jobId": 0, "logStatus": -1}
            try:
                found.append(
                    await pages.table("/joblog/pageList", MAX_LINES, **query, filterTime=_lately())
                )
            except Fault as fault:
                if fault.reason is not Reason.PERMISSION_DENIED:
                    raise
        return found

    async def _reversed(
        self, pages: Pages, groups: list[answers.Group], facts: dict[str, Json]
    ) -> Registered:
        """Whether it calls the probe back. Raises Fault for an application that is not there, or in
        use.
        """
        from . import reverse

        app = self.target.reverse_app
        group, job = await reverse.lent(pages, groups, app)
        address, call = await reverse.called_back(pages, group, job, self.login)
        facts["reverse"] = {"address": address, "called_from": call.peer if call else ""}
        url = f"http://{address}/"
        lines = [] if call else await self._log(pages, [replace(group, addresses=(address,))])
        outcome = log.outcomes(lines).get(url)
        error = outcome.error if outcome else "" if call else "no call came"
        state = log.UP if call else log.DOWN
        return Registered(address=address, app=app, state=state, error=error, ours=True)


# -- helpers -------------------------------------------------------------------------------------


def _lately() -> str:
    """The last two days, whatever the admin's time zone: without bounds it counts its whole log."""
    now, form = time.time(), "%Y-%m-%d %H:%M:%S"
    ends = (time.strftime(form, time.gmtime(now + days * 86400)) for days in (-2, 1))
    return " - ".join(ends)


def _callbacks(entries: tuple[Registered, ...], expected: tuple[str, ...]) -> Callbacks | None:
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
        expected=expected,
    )


def _executors(version: str, groups: list[answers.Group]) -> str:
    """Who has how many executors."""
    have = [f"{g.app} {len(g.addresses)}" for g in groups if g.addresses]
    none = [g.app for g in groups if not g.addresses]
    parts = [f"version {version}" if version else "", f"executors: {some(have) or 'none'}"]
    return "; ".join(filter(None, [*parts, f"without any: {some(none)}" if none and have else ""]))
