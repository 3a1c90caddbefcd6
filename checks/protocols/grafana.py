"""Grafana over its HTTP API: GET only.

Sources: grafana's pkg/api/http_server.go (`/api/health` asks for no login, and says 503 where its
database fails) and pkg/api/datasources.go (the health of a data source is 200 OK, or 400 ERROR with
a message; 404 where its plug-in cannot check itself), and the docs of its HTTP API.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar
from urllib.parse import quote

from k8sext.agent.check import CheckInfo, Fault, Key, Login, Seen
from k8sext.agent.expect import version_in
from k8sext.agent.wire.http import Response
from k8sext.agent.wire.http_api import (
    CREDENTIALS,
    JSON,
    PATH,
    HttpApi,
    authorization,
    mapping,
    sequence,
    some,
    status_line,
    text_of,
    wrong_product,
)
from k8sext.model.result import Json
from k8sext.model.words import Reason

LOOKED = 8  # data sources whose health is asked for: each makes Grafana ask somebody else
PATIENCE_S = 2.5  # for the health of one; Grafana itself waits for up to 30 s
MAX_WORDS = 200
_URL = re.compile(r'"?https?://(?:[^"/@\s]*@)?([^"/?\s]*)[^"\s]*"?')  # may have a login, or a token


class Grafana(HttpApi):
    """Health, login, data sources."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="grafana",
        summary="Grafana",
        proves="it and its database are well; with a login, the data sources it may see are, too",
        # Not by its port, 3000, which is any web application's.
        port_names=("grafana",),
        service_names=("grafana",),
        credential_keys={
            **CREDENTIALS,
            "username": ("user", "admin-user", "GF_SECURITY_ADMIN_USER"),
            "password": ("admin-password", "GF_SECURITY_ADMIN_PASSWORD"),
        },
        shipped=(("admin", "admin"),),
        expects={
            "path": PATH,
            "version": Key("range, e.g. >=9", "version"),
            "datasources": Key("names of data sources that must be there and healthy", "words"),
        },
    )
    first = "/api/health"
    patience_s = PATIENCE_S

    def recognise(self, answer: Response) -> Seen:
        """Version and database. Raises Fault where the latter fails."""
        health = mapping(answer.json())
        database = text_of(health.get("database"))
        if not database:
            raise self._stranger(answer)
        self.version = text_of(health.get("version"))  # "" where anonymous users are not told
        self.known: dict[str, Json] = {
            "product": "grafana", "version": self.version, "database": database,
        }  # fmt: skip
        if answer.status != 200 or database != "ok":
            text = f"its database is {database}: it serves no dashboard"
            raise Fault(Reason.UNHEALTHY, text, code=str(answer.status), **self.known)
        return Seen(detail=f"version {self.version or 'not told'}", evidence=self.known)

    def _stranger(self, answer: Response) -> Fault:
        """A redirection that keeps the path: its own, to where it lies (`serve_from_sub_path`)."""
        fault = wrong_product(answer, "Grafana")
        where = answer.redirect
        prefix = where.partition(self.first)[0].rstrip("/") if where.startswith("/") else ""
        if not where.startswith("/") or not prefix or prefix == self.base:
            return fault
        return Fault(fault.reason, f"{fault.detail}: expect.path may be {prefix}", **fault.evidence)

    async def auth(self, login: Login | None) -> Seen | None:
        """Basic, or a token; what needs no login was asked before."""
        if self.wants_login or login is None:
            return await super().auth(login)
        self.authorization = authorization(login, "")
        answer = await self.get("/api/org", {"Accept": JSON})
        if answer.status == 401:
            words = text_of(mapping(answer.json()).get("message")) or status_line(answer)
            raise Fault(Reason.AUTH_REJECTED, f"401: {words[:MAX_WORDS]}", code="401")
        return self.logged_in()

    def shipped_login(self, login: Login) -> bool:
        """A token, where there is one, is what is sent."""
        return super().shipped_login(login) and not login.get("token")

    async def verify(self) -> Seen:
        """Version, and the data sources as far as the login sees them."""
        self.evidence = dict(self.known)
        spec = str(self.target.expect.get("version", ""))
        if spec and not version_in(self.version, spec):
            text = f"version {self.version or 'not told'}, expected is {spec}"
            raise Fault(Reason.UNSUPPORTED_VERSION, text, **self.evidence)
        said = f"Grafana {self.version}".strip() + ", its database is ok"
        wanted = [str(name) for name in sequence(self.target.expect.get("datasources"))]
        found = await self._sources(wanted)
        if found is None:
            return Seen(detail=f"{said}; data sources were not looked at", evidence=self.evidence)
        bad = await self._health(found, wanted)
        if not bad:
            detail = f"{said}; data sources: {some([s for s, _ in found]) or 'none'}"
            return Seen(detail=detail, evidence=self.evidence)
        text = "data source " + "; ".join(f"{name}: {words}" for name, words in bad.items())
        if set(bad) & set(wanted):
            raise Fault(Reason.SOURCE_FAILING, text, **self.evidence)
        return Seen(detail=text, evidence=self.evidence, warning=Reason.SOURCE_FAILING)

    async def _sources(self, wanted: list[str]) -> list[tuple[str, str]] | None:
        """Name and path of each data source, expected ones first; None where nobody tells."""
        answer = await self.get("/api/datasources", {"Accept": JSON})
        if answer.status in (401, 403) and not wanted:
            self.evidence["datasources_not_told"] = status_line(answer)
            return None
        if answer.status == 401:
            raise Fault(Reason.AUTH_REQUIRED, "data sources are told to a login only", code="401")
        rows = map(mapping, sequence(self.json_of(answer, "/api/datasources", "data sources")))
        found = [(text_of(row.get("name")), _path(row)) for row in rows]
        names = [name for name, _ in found]
        self.evidence["datasources"] = [*names[:32]]
        lacking = [name for name in wanted if name not in names]
        if lacking:
            text = f"there is no data source {some(lacking)}; there are: {some(names) or 'none'}"
            raise Fault(Reason.OBJECT_MISSING, text, **self.evidence)
        return sorted(found, key=lambda source: source[0] not in wanted)

    async def _health(self, found: list[tuple[str, str]], wanted: list[str]) -> dict[str, str]:
        """Name to words of each data source that does not work, of the first few."""
        bad: dict[str, str] = {}
        told_of: dict[str, Json] = {}
        end = self.stream.deadline
        for name, path in found[: max(LOOKED, len(wanted))]:
            state, words = await self._ask(path) if path else ("unknown", "")
            self.stream.deadline = end
            told_of[name] = state
            if state in ("error", "late") or (state == "unknown" and name in wanted):
                bad[name] = words or "its health is not told"
            if state == "late":  # there is hardly time for another that hangs
                break
        self.evidence["health"] = told_of
        return bad

    async def _ask(self, path: str) -> tuple[str, str]:
        """`ok`, `error`, `unknown` or `late` (no answer in time), and its words."""
        self.stream.deadline = self.stream.sooner(PATIENCE_S)
        try:
            answer = await self.get(path, {"Accept": JSON})
        except Fault as fault:
            if fault.reason not in (Reason.TIMED_OUT, Reason.SILENT):
                raise
            self.http.kept = False  # its answer may come later on this connection
            return "late", f"it did not answer Grafana within {PATIENCE_S} s"
        health = mapping(answer.json())
        words = _URL.sub(r"\1", " ".join(text_of(health.get("message")).split()))[:MAX_WORDS]
        state = text_of(health.get("status")).lower()
        if state in ("ok", "error"):
            return state, words
        if answer.status >= 500:
            return "error", words or status_line(answer)
        return "unknown", words


def _path(row: dict[str, Any]) -> str:
    """Where the health of a data source is asked: by uid since 9.0, by number before."""
    uid, number = text_of(row.get("uid")), row.get("id")
    if uid:
        return f"/api/datasources/uid/{quote(uid, safe='')}/health"
    return f"/api/datasources/{number}/health" if isinstance(number, int) else ""
