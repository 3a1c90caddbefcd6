"""Apollo's config service (which is its meta service, too): where it sends clients, and configs.

How the answers are read, and from where that is known, is in `answers.py`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import ClassVar

from k8sext.agent.check import Announced, CheckInfo, Fault, Key, Login, Seen
from k8sext.agent.wire.http import Response
from k8sext.agent.wire.http_api import (
    JSON,
    PATH,
    HttpApi,
    mapping,
    raise_gateway,
    status_line,
    text_of,
    wrong_product,
)
from k8sext.model.result import Json
from k8sext.model.words import Reason

from . import answers as read

HELD_S = 2.0  # a question that is held that long has nothing to be answered with
LEAST_S = 0.25  # in less than that nothing is proven
LONGEST_S = 10.0  # for its health: most stages end sooner
HELD = (Reason.TIMED_OUT, Reason.SILENT)


class Apollo(HttpApi):
    """Lists of services, health, and where the bridge names an application, its namespace."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="apollo",
        summary="Apollo's config service",
        proves="it is up, clients get where it sends them, and the expected namespace is published",
        port_names=("apollo", "apollo-config", "apollo-configservice", "apollo-meta"),
        service_names=("apollo-config", "apollo-configservice", "apollo-meta"),
        app_protocols=("apollo",),
        credential_keys={
            "access_key": (
                "access-key", "accessKey", "secret", "APOLLO_ACCESSKEY_SECRET",
                "apollo.accesskey.secret", "apollo.access-key.secret",
            ),
        },
        expects={
            "path": PATH,
            "app_id": Key("an application whose namespace must be published"),
            "cluster": Key("its cluster (default: default); a warning where clients get default's"),
            "namespace": Key("its namespace, default: application"),
        },
        active=(
            "reads the namespace's config as a client does: its release key. Apollo lists the "
            "reader, as instance k8sext, for a day"
        ),
    )  # fmt: skip
    forbids_strangers = False
    first = read.CONFIG_SERVICES
    config: tuple[str, ...] = ()  # home pages of config services
    key = ""
    signs = False  # the server has refused a question without a signature and taken one with it
    ill: Fault | None = None  # what its health says, or its silence
    health = ""  # in words, where there is more to say than UP
    fault: Fault | None = None  # of the namespace, told after what is worse
    notes: tuple[str, ...] = ()  # the namespace and the access key, in words
    fallback = False  # the config of cluster `default` comes in place of the expected one's

    # -- who answers ------------------------------------------------------------------------------

    @property
    def login_sent(self) -> bool:
        """An access key signs requests and is never sent itself."""
        return self.login is not None

    async def handshake(self) -> Seen:
        """The list of config services; Apollo's admin service knows none and names itself."""
        try:
            return await super().handshake()
        except Fault as fault:
            if fault.reason is not Reason.WRONG_PRODUCT or self.answer.status != 404:
                raise
            page = await self.get("/")
            if page.body.strip(b'" \r\n') != b"apollo-adminservice":
                raise
            text = "this is Apollo's admin service (8090); clients need the config service (8080)"
            raise Fault(Reason.WRONG_ROLE, text) from fault

    def recognise(self, answer: Response) -> Seen:
        """A JSON array of instances, each with its home page."""
        pages = read.services_of(answer)
        if pages is None:
            raise wrong_product(answer, "Apollo's config service")
        self.config = tuple(pages)
        evidence: dict[str, Json] = {"product": "apollo", "config_services": [*pages[:8]]}
        return Seen(detail=f"config services: {len(pages)}", evidence=evidence)

    # -- the namespace, and the access key with which its application signs -----------------------

    async def auth(self, login: Login | None) -> Seen | None:
        """An access key signs questions about an application, and nothing else. The health comes
        first: it needs no key, and where the database is gone no such question has an answer.
        """
        if self.answer.status == 401:
            text = "401: something before it asks for a login, as Apollo's own clients have none"
            raise Fault(Reason.AUTH_METHOD_UNSUPPORTED if login else Reason.AUTH_REQUIRED, text)
        try:
            self.health = await self._health()
        except Fault as fault:
            self.ill = fault
            return None
        app = str(self.target.expect.get("app_id") or "")
        self.key = login.get("access_key") if login else ""
        if not app:
            text = "an access key signs for one application, and expect.app_id names none"
            self.notes += (f"the access key was not used: {text}",) if self.key else ()
            return None
        return await self._asked_for(app)

    async def _asked_for(self, app: str) -> Seen | None:
        """The namespace, as the application asks for it."""
        try:
            self.notes += (await self._namespace(app),)
        except Fault as fault:
            if fault.reason in (Reason.AUTH_REQUIRED, Reason.AUTH_REJECTED):
                raise
            self.fault = fault
        if self.signs:
            return Seen(detail="signed with the access key, which the server asks for")
        if self.key:
            text = f"the access key proves nothing: the server asks for none of application {app}"
            self.notes += (text,)
        return None

    async def _namespace(self, app: str) -> str:
        """The namespace in words. Raises Fault (OBJECT_MISSING, AUTH_…)."""
        expect = self.target.expect
        cluster = str(expect.get("cluster") or "default")
        namespace = str(expect.get("namespace") or "application")
        name = f"namespace {namespace} of application {app}"
        if self.target.active:
            answer = await self._as_application(app, read.config_path(app, cluster, namespace))
            return self._release(answer, name, cluster)
        path = read.notification_path(app, cluster, namespace)
        known = await self._published(app, path)
        if known.number < 0:
            text = f"Apollo {name} (Apollo cluster {cluster}) was never published"
            raise Fault(
                Reason.OBJECT_MISSING, f"{text}: Apollo kept the request open, as it does then"
            )
        return f"{self._in_cluster(name, cluster, known.clusters)} (notification {known.number})"

    def _in_cluster(self, name: str, wanted: str, clusters: tuple[str, ...]) -> str:
        """Of which cluster it is: Apollo answers with that of `default` where another has none."""
        if not clusters or any(read.same(wanted, one) for one in clusters):
            return f"{name} in cluster {wanted} is published"
        self.fallback = True
        return (
            f"{name} is not published in cluster {wanted}: its clients get that of cluster "
            f"{clusters[0]}"
        )

    def _release(self, answer: Response, name: str, cluster: str) -> str:
        """The current release, from a config; it is kept nowhere: only its keys are counted."""
        data = mapping(self.json_of(answer, "/configs", f"config: {name} in cluster {cluster}"))
        release = data.get("releaseKey")
        if not isinstance(release, str) or not release:
            raise Fault(Reason.SERVER_ERROR, f"{name}: an answer without a release key")
        loaded = text_of(data.get("cluster"))
        known = self._in_cluster(name, cluster, (loaded,) if loaded else ())
        return f"{known} ({len(mapping(data.get('configurations')))} keys, release {release})"

    async def _published(self, app: str, path: str) -> read.Published:
        """The latest notification; none where the server holds the question."""
        try:
            answer = await self._within(HELD_S, self._as_application(app, path))
        except Fault as fault:
            if fault.reason not in HELD:
                raise
            return read.Published()
        if answer.status == 304:
            return read.Published()
        self.json_of(answer, path, "notifications")
        return read.published(answer)

    async def _within(self, seconds: float, question: Awaitable[Response]) -> Response:
        """The answer, if it comes in that time and in 0.8 of the stage's. Raises Fault; a silence
        proves nothing where the stage has hardly any time left.
        """
        stream = self.stream
        stage_end = stream.deadline
        left = stream.sooner(3600) - stream.sooner(0)  # of the stage
        waits = min(seconds, 0.8 * left)
        stream.deadline = stream.sooner(waits)
        try:
            return await question
        except Fault as fault:
            self.http.kept = False  # its answer may come yet, and belongs to no later question
            if fault.reason in HELD and waits < LEAST_S:
                text = "there was no time left to wait for an answer"
                raise Fault(Reason.OUT_OF_TIME, text) from fault
            raise
        finally:
            stream.deadline = stage_end

    async def _as_application(self, app: str, path: str) -> Response:
        """Asked without a signature first: only a server that refuses that has compared one."""
        answer = await self.get(path, {"Accept": JSON})
        if answer.status != 401:
            return answer
        if not self.key:
            text = f"401: application {app} has access keys, and none is configured here"
            raise Fault(Reason.AUTH_REQUIRED, text)
        now = time.time()
        headers = read.signed(app, self.key, f"{self.base}{path}", now)
        answer = await self.get(path, {"Accept": JSON, **headers})
        self.signs = answer.status != 401
        if self.signs:
            return answer
        skew = read.skew_of(answer, now)
        if skew is not None and abs(skew) >= read.SKEW_S:
            text = (
                f"401: its clock and this one's are {abs(skew):.0f} s apart, and 60 s are allowed"
            )
            raise Fault(Reason.SERVER_ERROR, text, code="401")
        raise Fault(Reason.AUTH_REJECTED, f"401: not a valid access key of {app}", code="401")

    # -- what it says of itself -------------------------------------------------------------------

    async def verify(self) -> Seen:
        """Health, the lists, the namespace; and where clients are sent."""
        if self.ill:
            raise self.ill
        if not self.config:
            text = (
                "it lists no config service, so that its clients get nowhere: it has started a "
                "moment ago, or its Eureka (eureka.service.url) does not know it"
            )
            raise Fault(Reason.UNHEALTHY, text)
        admin = await self._admin()
        if self.fault:
            raise self.fault
        evidence: dict[str, Json] = {"config_services": [*self.config[:8]]}
        if admin is not None:
            evidence["admin_services"] = [*admin[:8]]
        alone = admin is not None and not admin
        note = "no admin service is registered: nothing can be published" if alone else ""
        degraded = Reason.DEGRADED if alone else None
        return Seen(
            detail="; ".join(filter(None, (self.health, *self.notes, note))),
            evidence=evidence,
            warning=Reason.OBJECT_MISSING if self.fallback else degraded,
            announced=Announced(
                addresses=read.listed(self.config),
                whom="Apollo's clients",
                greet=not self.base and all(map(read.at_the_root, self.config)),
            ),
        )

    async def _health(self) -> str:
        """Its own word, which includes its database. Raises Fault (UNHEALTHY)."""
        try:
            answer = await self._within(LONGEST_S, self.get(read.HEALTH, {"Accept": JSON}))
        except Fault as fault:
            if fault.reason not in HELD:
                raise
            text = (
                f"{self.base}{read.CONFIG_SERVICES} answers at once, and "
                f"{self.base}{read.HEALTH} not in time: Apollo waits up to 30 s there for its "
                "database (ApolloConfigDB), which likely does not answer"
            )
            raise Fault(Reason.UNHEALTHY, text) from fault
        word = read.health_word(answer)
        if answer.status in (401, 403, 404) or (answer.status == 200 and word == "UP"):
            return "" if word == "UP" else "its health may not be asked"
        raise_gateway(answer)
        why = read.unwell(answer) or "its database (ApolloConfigDB), for example"
        said = f"{status_line(answer)} {word}".strip()
        text = f"{self.base}{read.HEALTH} answers {said}: {why}"
        raise Fault(Reason.UNHEALTHY, text, code=str(answer.status))

    async def _admin(self) -> list[str] | None:
        """Admin services, which clients do not need; None where they are not told."""
        return read.services_of(await self.get(read.ADMIN_SERVICES, {"Accept": JSON}))
