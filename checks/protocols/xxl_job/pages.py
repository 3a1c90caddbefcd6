"""The pages of an XXL-JOB admin, asked as a user of theirs.

From 3.2 on a user has one session (measured): a login ends that of whoever uses the same user, and
so does `/auth/logout`. So nobody is logged out here; and a session that another probe of ours has
ended meanwhile, at another admin of the same database, is begun anew.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from k8sext.agent.check import Fault
from k8sext.agent.wire.http import Response
from k8sext.agent.wire.http_api import HttpApi, mapping, status_line
from k8sext.model.words import Reason

from . import answers
from .log import rows_of

FORM = "application/x-www-form-urlencoded"
RENEWED = 2  # sessions that are begun anew, at most


class Pages:
    """One session; `log_in` begins it."""

    def __init__(self, check: HttpApi, generation: answers.Generation) -> None:
        self.check, self.generation = check, generation
        self.cookie = ""
        self.renewed = 0
        self._form = b""

    async def log_in(self, username: str, password: str) -> None:
        """Raises Fault (AUTH_REJECTED, UNHEALTHY)."""
        self._form = urlencode({"userName": username, "password": password}).encode()
        await self._begin()

    async def version(self) -> str:
        """As the foot of a page tells it; "" where it does not."""
        return answers.version_of(await self.check.get(self.generation.about, self.headers()))

    async def table(self, path: str, most: int, **query: int | str) -> Any:
        """The first `most` rows, with what is around them. Raises Fault (PERMISSION_DENIED, …).

        Tables are cut by `start` and `length`, since 3.3 by `offset` and `pagesize`.
        """
        cut = {"start": 0, "length": most, "offset": 0, "pagesize": most}
        whole = f"{path}?{urlencode({**query, **cut})}"
        while True:
            answer = await self.check.get(whole, self.headers())
            if not self._ended(answer):
                return self._read(answer, path)
            await self._again(answer, path)

    async def post(self, path: str, **form: object) -> None:
        """Send a form. Raises Fault (SERVER_ERROR) where the answer is no."""
        headers = {**self.headers(), "Content-Type": FORM}
        answer = await self.check.send("POST", path, headers, urlencode(form).encode())
        good, words = answers.message(answer)
        if not good:
            raise Fault(Reason.SERVER_ERROR, f"{path} says: {words}"[:300])

    def headers(self) -> dict[str, str]:
        """As whom a page is asked."""
        cookie = f"{self.generation.cookie}={self.cookie}"
        return {"Cookie": cookie, "Accept": "application/json, */*"}

    async def _begin(self) -> None:
        path = self.generation.form
        answer = await self.check.send("POST", path, {"Content-Type": FORM}, self._form)
        self.check.json_of(answer, path, "login")
        good, words = answers.message(answer)
        database = answers.database_fault(words)
        if database:
            raise database
        self.cookie = answers.cookie_of(answer, self.generation.cookie)
        if not good or not self.cookie:
            raise Fault(Reason.AUTH_REJECTED, f"it says: {words or 'no cookie'}", words=words)

    def _ended(self, answer: Response) -> bool:
        """Whether the session is none any more; of one that never ends it is a missing right."""
        if not self.generation.one_session:
            return False
        to_login = answer.redirect.split("?")[0].endswith(self.generation.page)
        return to_login or answers.no_session(answers.message(answer)[1])

    async def _again(self, answer: Response, path: str) -> None:
        if self.renewed == RENEWED:
            text = f"{path} knows no session: others log in as the same user, which ends ours"
            raise Fault(Reason.SERVER_ERROR, text, words=answers.message(answer)[1])
        self.renewed += 1
        await self._begin()

    def _read(self, answer: Response, path: str) -> Any:
        if answer.redirect:
            text = f"{status_line(answer)} for {path}: the login is not taken there"
            raise Fault(Reason.PERMISSION_DENIED, text)
        data = self.check.json_of(answer, path, path)
        good, words = answers.message(answer)
        if good or rows_of(data) or "code" not in mapping(data):
            return data
        fault = answers.database_fault(words)
        reason = Reason.PERMISSION_DENIED if answers.no_right(words) else Reason.SERVER_ERROR
        raise fault or Fault(reason, f"{path} says: {words[:200]}", words=words)
