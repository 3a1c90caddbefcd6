"""Kibana and OpenSearch Dashboards: status, the link to Elasticsearch, the base path.

How the answers are read, and from where that is known, is in `answers.py`.
"""

from __future__ import annotations

from typing import ClassVar

from k8sext.agent.check import CheckInfo, Fault, Key, Login, Seen
from k8sext.agent.expect import version_in
from k8sext.agent.wire.http import Response
from k8sext.agent.wire.http_api import (
    PATH,
    HttpApi,
    authorization,
    raise_gateway,
    status_line,
    wrong_product,
)
from k8sext.model.result import Json
from k8sext.model.words import Reason

from . import answers as read

STATUS = "/api/status"
USUAL_BASES = ("", "/kibana", "/dashboards")
WAITING = "it is starting, or it does not get on with its Elasticsearch: its log says which"


class Kibana(HttpApi):
    """GET /api/status, where it is found; then the page that browsers get."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="kibana",
        summary="Kibana and OpenSearch Dashboards",
        proves="it is available and reaches its Elasticsearch, under the path that is expected",
        ports=(5601,),
        port_names=("kibana", "opensearch-dashboards"),
        service_names=("kibana", "opensearch-dashboards"),
        app_protocols=("kibana",),
        credential_keys={
            "username": ("user", "ELASTICSEARCH_USERNAME"),
            "password": ("ELASTICSEARCH_PASSWORD",),
            "api_key": ("api-key", "apiKey"),
            "token": ("bearer", "bearer-token"),
        },
        # As in Elasticsearch before 6.0, and in OpenSearch before 2.12.
        shipped=(("elastic", "changeme"), ("kibana", "changeme"), ("admin", "admin")),
        expects={
            "path": PATH,
            "version": Key("range, e.g. >=7.1,<8", "version"),
            "health": Key(
                "available: degraded fails; degraded: is good enough; else degraded is a warning",
                choices=("available", "degraded"),
            ),
        },
    )
    first = STATUS
    found_base: str | None = None
    report: read.StatusReport | None = None

    @property
    def base(self) -> str:
        """Where it was found, else where it is expected."""
        return super().base if self.found_base is None else self.found_base

    # -- who answers, and where -------------------------------------------------------------------

    async def handshake(self) -> Seen:
        """The status; where there is none, the other places in which Kibana may be."""
        try:
            seen = await super().handshake()
        except Fault as fault:
            raise self._waiting() or fault from fault
        return await self._elsewhere() if self.answer.status == 404 else seen

    def recognise(self, answer: Response) -> Seen:
        """By the answer's shape, or by the headers of one that is no status."""
        self.report = read.report_of(answer)
        if self.report is None and answer.status == 404:
            return Seen(detail=status_line(answer))
        if self.report is None:
            raise self._no_status(answer)
        product = read.product_of(answer) or "kibana"
        evidence: dict[str, Json] = {"product": product, "overall": self.report.overall.word}
        for key in ("version", "name", "uuid"):
            if value := getattr(self.report, key):
                evidence[key] = value
        detail = f"{product} {self.report.version}".strip()
        return Seen(detail=detail, evidence=evidence)

    def _no_status(self, answer: Response) -> Fault:
        product = read.product_of(answer)
        if not product:
            return wrong_product(answer, "Kibana")
        if answer.status == 403:
            return Fault(
                Reason.PERMISSION_DENIED, f"{status_line(answer)} for {STATUS}", code="403"
            )
        return Fault(
            Reason.SERVER_ERROR, f"{status_line(answer)} for {STATUS}", code=str(answer.status)
        )

    def _waiting(self) -> Fault | None:
        """The page of the server that runs until Kibana is up; a proxy has others."""
        if not read.not_ready(self.answer):
            return None
        words = self.answer.body.decode("latin-1")[:200]
        return Fault(Reason.LOADING, f"{words}: {WAITING}", words=words, code="503")

    async def _elsewhere(self) -> Seen:
        """404: Kibana is under another path, or this is not Kibana. Raises Fault."""
        first, asked = self.answer, self.base
        found = await self._find(asked)
        if found is None and read.product_of(first):
            text = (
                f"{status_line(first)} at {asked}{STATUS}: it lies under another path "
                "(server.basePath), which is none of the usual ones"
            )
            raise Fault(Reason.UNEXPECTED, text, code="404")
        if found is None:
            raise wrong_product(first, "Kibana")
        self.found_base, self.answer = found.base, found.answer
        where = f"it answers under {found.base or '/'}, and not under {asked or '/'}"
        if "path" in self.target.expect:
            text = f"{where}: its server.basePath and the expected path differ"
            raise Fault(Reason.UNEXPECTED, text, path_found=found.base or "/")
        if found.answer.status == 401:
            return Seen(detail=f"{where}; asks for a login", warning=Reason.UNEXPECTED)
        seen = self.recognise(found.answer)
        evidence = {**seen.evidence, "path_found": found.base}
        text = f"{where}: expect says so with path"
        return Seen(detail=text, evidence=evidence, warning=Reason.UNEXPECTED)

    async def _find(self, asked: str) -> read.BasePath | None:
        """Under the usual base paths, then under the one that a redirection of `/` shows."""
        tried = {asked}
        for base in USUAL_BASES:
            if base in tried:
                continue
            tried.add(base)
            if found := await self._look(base):
                return found
        self.found_base = ""
        shown = read.base_in((await self.get("/")).redirect)
        if shown is None or shown in tried:
            return None
        return await self._look(shown)

    async def _look(self, base: str) -> read.BasePath | None:
        self.found_base = base
        answer = await self.get(STATUS)
        if answer.status == 401 and read.product_of(answer):
            return read.BasePath(base, answer)
        if read.not_ready(answer):
            self.answer = answer
            raise self._waiting() or Fault(Reason.LOADING)
        return read.BasePath(base, answer) if read.report_of(answer) else None

    # -- login ------------------------------------------------------------------------------------

    async def auth(self, login: Login | None) -> Seen | None:
        """Where a login is asked for, and where little is told without one; once."""
        wanted = self.wants_login
        if login is None:
            if wanted:
                raise Fault(Reason.AUTH_REQUIRED, "401: it asks for a login")
            return None
        if not wanted and self.report and self.report.parts:
            return Seen(detail="no login is needed")
        key = login.get("api_key")
        self.authorization = f"ApiKey {key}" if key else authorization(login, "")
        self.answer = await self.get(STATUS)
        if self.answer.status == 401:
            raise Fault(Reason.AUTH_REJECTED, f"401 {self.answer.reason}".strip(), code="401")
        raise_gateway(self.answer)
        return self.logged_in(self.recognise(self.answer))

    # -- what it says of itself -------------------------------------------------------------------

    async def verify(self) -> Seen:
        """The whole status, expectations, and the page that browsers get."""
        report = self.report
        if report is None:  # handshake and auth have seen to it
            raise wrong_product(self.answer, "Kibana")
        evidence: dict[str, Json] = {"overall": report.overall.word}
        if report.elasticsearch:
            evidence["elasticsearch"] = report.elasticsearch.word
        warning = self._health(report, evidence)
        self._version(report)
        note = await self._page()
        unseen = "" if report.parts else "; to those who are not logged in it tells no more"
        return Seen(
            detail="; ".join(filter(None, (f"{report.sentence()}{unseen}", note))),
            evidence=evidence,
            warning=warning,
        )

    def _health(self, report: read.StatusReport, evidence: dict[str, Json]) -> Reason | None:
        """None, or the reason of a warning. Raises Fault (LOADING, DEGRADED, UNHEALTHY)."""
        meaning = report.meaning
        if report.starting and meaning == read.BAD:
            raise Fault(Reason.LOADING, f"{report.sentence()}: {WAITING}", **evidence)
        if meaning == read.WELL:
            return None
        wish = self.target.expect.get("health")
        if meaning == read.HALF and wish != read.WELL:
            return None if wish == read.HALF else Reason.DEGRADED
        unseen = "" if report.parts else "; why, it tells only those who are logged in"
        raise Fault(read.REASONS[meaning], f"{report.sentence()}{unseen}", **evidence)

    def _version(self, report: read.StatusReport) -> None:
        spec = str(self.target.expect.get("version") or "")
        if not spec:
            return
        if not report.version:
            text = "it tells its version only to those who are logged in"
            raise Fault(Reason.AUTH_REQUIRED, text)
        if not version_in(report.version, spec):
            text = f"version {report.version}, expected is {spec}"
            raise Fault(Reason.UNSUPPORTED_VERSION, text)

    async def _page(self) -> str:
        """The page itself: that it is served, and where it sends browsers on to."""
        answer = await self.get("/")
        if answer.status >= 500:
            text = f"its status is fine, and its page answers {status_line(answer)}"
            raise Fault(Reason.UNHEALTHY, text, code=str(answer.status))
        shown = read.base_in(answer.redirect)
        if shown is None or shown == self.base:
            return ""
        return (
            f"it sends browsers on to {shown or '/'}, which a proxy before it must take off "
            "(server.basePath without server.rewriteBasePath)"
        )
