"""Spring Boot Actuator: the health and its components, groups, metrics. GET only.

How the answers are read is in `answers.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from k8sext.agent.check import CheckInfo, Fault, Key, Login, Seen
from k8sext.agent.wire.http import Response
from k8sext.agent.wire.http_api import (
    CREDENTIALS,
    JSON,
    SAFE,
    HttpApi,
    authorization,
    facts_of,
    some,
    status_line,
    wrong_product,
)
from k8sext.agent.wire.spring import forbidden, is_spring, refuse_login_page
from k8sext.model.plan import Target
from k8sext.model.result import Json
from k8sext.model.words import Reason

from . import answers as read

if TYPE_CHECKING:
    from k8sext.agent.net.stream import Stream

HEALTH, LIVENESS = "/health", "/health/liveness"
USUAL = ("/actuator", "", "/manage", "/management")
"""Spring Boot's own base path since 2.0, that of 1.x, and what teams choose."""
HIDDEN = "it does not say which component (management.endpoint.health.show-components)"
NOT_THERE = (
    "it is not exposed (management.endpoints.web.exposure.include), or it lies under another path "
    "(expect.path) or on a port of its own (management.server.port), or this is another application"
)
MOST_GROUPS = 4
WAITS = (Reason.SILENT, Reason.TIMED_OUT)


class Actuator(HttpApi):
    """GET /actuator/health, then the groups and the metrics that are expected."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="actuator",
        summary="Spring Boot Actuator: an application's own health",
        proves="the application says UP, with every component that it shows",
        port_names=("actuator",),
        service_names=("actuator",),
        app_protocols=("actuator",),
        credential_keys={
            **CREDENTIALS,
            "username": ("user", "spring.security.user.name"),
            "password": ("spring.security.user.password",),
        },
        expects={
            "path": Key("Actuator's base path, e.g. /shop/actuator; default /actuator"),
            "component": Key("components that must be there and UP", "words"),
            "group": Key("group of the health that decides (readiness): the rest only warns"),
            "metrics": Key("true: /prometheus must give metrics", "flag"),
        },
    )
    patience_s = 6.0
    found_base: str | None = None
    slow = False

    def __init__(self, target: Target, stream: Stream) -> None:
        super().__init__(target, stream)
        self.health = read.Health("")

    @property
    def opening(self) -> str:
        """The health of the whole application, or of itself alone where the whole is slow."""
        return LIVENESS if self.slow else HEALTH

    @property
    def base(self) -> str:
        """Where it was found, else where it is expected; `/` means that nothing stands before."""
        if self.found_base is not None:
            return self.found_base
        asked = str(self.target.expect.get("path") or USUAL[0])
        path = quote(asked, safe=SAFE).strip("/")
        return f"/{path}" if path else ""

    # -- who answers, and where -------------------------------------------------------------------

    async def handshake(self) -> Seen:
        """The health; where it is not, the other places in which it may be; where it does not come
        at once, what says that the application lives: the verify step waits for the health.
        """
        end = self.stream.deadline
        self.stream.deadline = self.stream.sooner(self.stream.left_s / 2)
        try:
            seen = await super().handshake()
        except Fault as fault:
            self.stream.deadline = end
            if fault.reason not in WAITS:
                raise
            return await self._alive(fault)
        self.stream.deadline = end
        return await self._elsewhere() if self.answer.status == 404 else seen

    async def auth(self, login: Login | None) -> Seen | None:
        """Basic or a token, also where nobody asks and only those it knows are told the components
        (`show-components: when-authorized`). Behind a login the health may still not be there.
        """
        if login and not self.wants_login and not self.slow and not self.health.parts:
            return await self._told_more(login)
        seen = await super().auth(login)
        if self.answer.status != 404 or self.slow:
            return seen
        return self.logged_in(await self._elsewhere())

    async def _alive(self, fault: Fault) -> Seen:
        """What asks no component. Raises `fault` where that does not answer either."""
        self.slow = True
        for path in (LIVENESS, ""):
            self.http.kept = False  # the health may still come on that connection
            self.answer = await self.get(path, {"Accept": JSON})
            if self.answer.status == 401:
                return Seen(detail="asks for a login")
            if read.health_of(self.answer) or read.endpoints_of(self.answer.json()):
                evidence: dict[str, Json] = {"product": "spring-boot-actuator"}
                return Seen(detail="the health does not come at once", evidence=evidence)
        raise fault

    async def _told_more(self, login: Login) -> Seen:
        self.authorization = authorization(login, "")
        self.answer = await self.get(self.opening)
        if self.answer.status == 401:
            raise Fault(Reason.AUTH_REJECTED, f"401 {self.answer.reason}".strip(), code="401")
        return self.logged_in()

    def recognise(self, answer: Response) -> Seen:
        """By the word for the whole."""
        found = read.health_of(answer)
        if found:
            self.health = found
            evidence: dict[str, Json] = {"product": "spring-boot-actuator", "status": answer.status}
            return Seen(detail=f"health is {found.status}", evidence=evidence)
        if answer.status == 404:
            return Seen(detail=status_line(answer))
        refuse_login_page(answer)
        path = f"{self.base}{self.opening}"
        if answer.status == 403:
            raise forbidden(answer, path, self.login_sent)
        if is_spring(answer) and answer.status >= 500:
            raise Fault(
                Reason.SERVER_ERROR, f"{status_line(answer)} for {path}", code=str(answer.status)
            )
        raise wrong_product(answer, "Actuator")

    async def _elsewhere(self) -> Seen:
        """404: it is under another path, not exposed, or this is no Spring Boot. Raises Fault."""
        first, asked = self.answer, self.base
        for base in (b for b in USUAL if b != asked):
            self.found_base = base
            answer = await self.get(self.opening)
            if read.health_of(answer) is None and answer.status != 401:
                continue
            return self._at_another_path(answer, asked)
        self.found_base = asked
        if not is_spring(first):
            raise wrong_product(first, "Actuator")
        text = f"there is no {asked}{self.opening} ({status_line(first)}): {NOT_THERE}"
        raise Fault(Reason.OBJECT_MISSING, text, code="404", **facts_of(first))

    def _at_another_path(self, answer: Response, asked: str) -> Seen:
        where = f"it answers under {self.base or '/'}, and not under {asked or '/'}"
        if "path" in self.target.expect:
            raise Fault(Reason.UNEXPECTED, where, path_found=self.base or "/")
        if answer.status == 401:
            raise Fault(Reason.OBJECT_MISSING, f"there is no {asked}{self.opening}: {NOT_THERE}")
        self.answer = answer
        seen = self.recognise(answer)
        evidence: dict[str, Json] = {**seen.evidence, "path_found": self.base or "/"}
        text = f"{where}: expect says so with path; {seen.detail}"
        return Seen(detail=text, evidence=evidence, warning=Reason.UNEXPECTED)

    # -- what it says -----------------------------------------------------------------------------

    async def verify(self) -> Seen:
        """The health, then what the bridge expects of it."""
        self.answer = await self._patiently()  # anew: with the login it may tell more
        found = read.health_of(self.answer)
        if found is None:
            self.recognise(self.answer)
            raise Fault(Reason.SERVER_ERROR, f"{status_line(self.answer)} for {HEALTH}")
        self.health = found
        evidence = found.facts
        group = str(self.target.expect.get("group") or "")
        notes, warning = [f"health is {found.status}"], None
        if group:
            notes.append(await self._group_up(group, evidence))
        if found.status in (read.DOWN, read.OUT) or self.answer.status == 503:
            if not group:
                raise await self._down(evidence)
            notes, warning = [*notes, self._why()], Reason.DEGRADED
        elif found.unwell or found.status != read.UP:
            notes, warning = [*notes, self._why()], Reason.DEGRADED
        self._components(evidence)
        if found.parts:
            notes.append(f"{len(found.parts)} components")
        notes.append(await self._metrics(evidence))
        return Seen(detail="; ".join(filter(None, notes)), evidence=evidence, warning=warning)

    async def _patiently(self) -> Response:
        """The health. Raises Fault where it does not come: a component waits for its own server."""
        try:
            return await self.get(HEALTH)
        except Fault as fault:
            if fault.reason not in WAITS:
                raise
            text = (
                f"{self.base}{HEALTH} does not come to an end, though the application answers: one "
                "of its components waits for its server, as long as its own time-out lets it"
            )
            raise Fault(Reason.UNHEALTHY, text) from fault

    def _why(self) -> str:
        if not self.health.parts:
            return HIDDEN
        return some([str(part) for part in self.health.unwell]) or "no component says why"

    async def _down(self, evidence: dict[str, Json]) -> Fault:
        """The whole is down; the groups say what Kubernetes makes of it."""
        groups: dict[str, Json] = {}
        for name in self.health.groups[:MOST_GROUPS]:
            found = read.health_of(await self.get(f"{HEALTH}/{quote(name, safe='')}"))
            groups[name] = found.status if found else "?"
        if groups:
            evidence["groups"] = groups
        said = ", ".join(f"{name} is {word}" for name, word in groups.items())
        text = f"health is {self.health.status}: {self._why()}" + (f"; {said}" if said else "")
        return Fault(Reason.UNHEALTHY, text, code=str(self.answer.status), **evidence)

    async def _group_up(self, name: str, evidence: dict[str, Json]) -> str:
        """Raises Fault for a group that is not up, or not there."""
        path = f"{HEALTH}/{quote(name, safe='')}"
        answer = await self.get(path)
        found = read.health_of(answer)
        if found is None:
            self.json_of(answer, f"{self.base}{path}", f"group {name} of the health")
            raise Fault(Reason.SERVER_ERROR, f"{status_line(answer)} for {path}")
        evidence["groups"] = {name: found.status}
        if found.status != read.UP:
            why = some([str(part) for part in found.unwell]) or self._why()
            text = f"group {name} is {found.status}: {why}"
            raise Fault(Reason.UNHEALTHY, text, code=str(answer.status), **evidence)
        return f"group {name} is UP"

    def _components(self, evidence: dict[str, Json]) -> None:
        """Raises Fault for a component that is expected and missing, or not UP."""
        wanted = self.target.expect.get("component") or []
        parts = {part.name: part for part in self.health.parts}
        for name in wanted if isinstance(wanted, list) else [str(wanted)]:
            if not parts:
                text = f"component {name} is expected, and no component is shown"
                raise Fault(Reason.PERMISSION_DENIED, f"{text}: {HIDDEN}")
            if name not in parts:
                text = f"the health has no component {name}; it has {some([*parts])}"
                raise Fault(Reason.OBJECT_MISSING, text, **evidence)
            if parts[str(name)].status != read.UP:
                raise Fault(Reason.UNHEALTHY, f"component {parts[str(name)]}", **evidence)

    async def _metrics(self, evidence: dict[str, Json]) -> str:
        """What else is exposed; metrics, where they are expected, are looked at."""
        if self.base:
            listed = read.endpoints_of((await self.get("", {"Accept": JSON})).json())
            if listed:
                evidence["endpoints"] = [*listed]
        if not self.target.expect.get("metrics"):
            return ""
        answer = await self.get("/prometheus", {"Accept": "text/plain"})
        path = f"{self.base}/prometheus"
        if answer.status == 404:
            text = (
                f"there is no {path} (404): it is not exposed "
                "(management.endpoints.web.exposure.include), or micrometer-registry-prometheus "
                "is not on the class path"
            )
            raise Fault(Reason.OBJECT_MISSING, text, code="404", **evidence)
        refuse_login_page(answer)
        if answer.status in (401, 403):
            text = (
                f"{status_line(answer)} for {path}: Spring Security keeps it from those who scrape"
            )
            raise Fault(Reason.PERMISSION_DENIED, text, code=str(answer.status), **evidence)
        if not read.has_metrics(answer):
            raise Fault(
                Reason.UNEXPECTED, f"{status_line(answer)} for {path}, and no metrics", **evidence
            )
        evidence["metrics"] = True
        return "metrics are there"
