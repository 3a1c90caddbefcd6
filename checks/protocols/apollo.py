"""Apollo's config service (which is its meta service, too): where it sends clients, and configs.

How the answers are read, and from where that is known, is in `_apollo.py`.
"""

from __future__ import annotations

import time
from typing import ClassVar

from k8sext.agent.check import Announced, CheckInfo, Fault, Key, Login, Seen
from k8sext.agent.http import Response
from k8sext.agent.http_api import JSON, PATH, HttpApi, mapping, raise_gateway, told, wrong_product
from k8sext.model.result import Json
from k8sext.model.words import Reason

from . import _apollo as read

HELD_S = 2.0  # a question that is held that long has nothing to be answered with
LEAST_S = 0.25  # in less than that nothing is proven
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
            "cluster": Key("the application's cluster, default: default"),
            "namespace": Key("its namespace, default: application"),
        },
        active=(
            "reads the namespace's config as a client does: its release key. Apollo lists the "
            "reader, as instance k8sext, for a day"
        ),
    )  # fmt: skip
    first = read.CONFIG_SERVICES
    config: tuple[str, ...] = ()  # home pages of config services
    key = ""
    fault: Fault | None = None  # of the namespace, told after what is worse
    found = ""  # the namespace in words

    # -- who answers ------------------------------------------------------------------------------

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
        """An access key signs questions about an application, and nothing else."""
        if self.answer.status == 401:
            text = "401: something before it asks for a login, as Apollo's own clients have none"
            raise Fault(Reason.AUTH_METHOD_UNSUPPORTED if login else Reason.AUTH_REQUIRED, text)
        app = str(self.target.expect.get("app_id") or "")
        self.key = login.get("access_key") if login else ""
        if not app:
            text = "an access key signs for one application: expect.app_id names none"
            return Seen(detail=text) if self.key else None
        try:
            self.found = await self._namespace(app)
        except Fault as fault:
            if fault.reason in (Reason.AUTH_REQUIRED, Reason.AUTH_REJECTED):
                raise
            self.fault = fault
            return None
        return Seen(detail="signed with the access key") if self.key else None

    async def _namespace(self, app: str) -> str:
        """The namespace in words. Raises Fault (OBJECT_MISSING, AUTH_…)."""
        expect = self.target.expect
        cluster = str(expect.get("cluster") or "default")
        namespace = str(expect.get("namespace") or "application")
        name = f"namespace {namespace} of application {app} in cluster {cluster}"
        if self.target.active:
            answer = await self._signed(app, read.config_path(app, cluster, namespace))
            return self._release(answer, name)
        path = read.notification_path(app, cluster, namespace)
        number = await self._published(app, path)
        if number < 0:
            text = f"{name} was never published: the question for it is held, as then it is"
            raise Fault(Reason.OBJECT_MISSING, text)
        return f"{name} is published (notification {number})"

    def _release(self, answer: Response, name: str) -> str:
        """The current release, from a config; it is kept nowhere: only its keys are counted."""
        data = mapping(self.json_of(answer, "/configs", f"config: {name}"))
        release = data.get("releaseKey")
        if not isinstance(release, str) or not release:
            raise Fault(Reason.SERVER_ERROR, f"{name}: an answer without a release key")
        return f"{name} has {len(mapping(data.get('configurations')))} keys (release {release})"

    async def _published(self, app: str, path: str) -> int:
        """The latest notification; -1 where the server holds the question."""
        stream = self.stream
        stage_end = stream.deadline
        left = stream.sooner(3600) - stream.sooner(0)  # of the stage
        waits = min(HELD_S, 0.8 * left)
        stream.deadline = stream.sooner(waits)
        try:
            answer = await self._signed(app, path)
        except Fault as fault:
            if fault.reason not in HELD or waits < LEAST_S:
                raise
            self.http.kept = False  # its answer may come yet, and belongs to no later question
            return -1
        finally:
            stream.deadline = stage_end
        if answer.status == 304:
            return -1
        self.json_of(answer, path, "notifications")
        return read.notified(answer)

    async def _signed(self, app: str, path: str) -> Response:
        now = time.time()
        headers = read.signed(app, self.key, f"{self.base}{path}", now) if self.key else {}
        answer = await self.get(path, {"Accept": JSON, **headers})
        if answer.status != 401:
            return answer
        if not self.key:
            text = f"401: application {app} has access keys, and none is configured here"
            raise Fault(Reason.AUTH_REQUIRED, text)
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
        health = await self._health()
        if not self.config:
            text = (
                "it lists no config service, so that its clients get nowhere: it has started a "
                "moment ago, or its Eureka (eureka.service.url) does not know it"
            )
            raise Fault(Reason.UNHEALTHY, text)
        admin = await self._admin()
        if self.fault:
            raise self.fault
        addresses = read.listed(self.config)
        evidence: dict[str, Json] = {"config_services": [*self.config[:8]]}
        if admin is not None:
            evidence["admin_services"] = [*admin[:8]]
        alone = admin is not None and not admin
        note = "no admin service is registered: nothing can be published" if alone else ""
        return Seen(
            detail="; ".join(filter(None, (health, self.found, note))),
            evidence=evidence,
            warning=Reason.DEGRADED if alone else None,
            announced=Announced(
                addresses=addresses,
                whom="Apollo's clients",
                greet=not self.base and all(map(read.at_the_root, self.config)),
            ),
        )

    async def _health(self) -> str:
        """Its own word, which includes its database. Raises Fault (UNHEALTHY)."""
        answer = await self.get(read.HEALTH, {"Accept": JSON})
        status = mapping(answer.json()).get("status")
        if answer.status in (401, 403, 404) or (answer.status == 200 and status == "UP"):
            return "" if status == "UP" else "its health may not be asked"
        raise_gateway(answer)
        why = read.unwell(answer) or "its database, for example"
        text = f"{read.HEALTH} answers {told(answer)}, {status or 'no status'}: {why}"
        raise Fault(Reason.UNHEALTHY, text, code=str(answer.status))

    async def _admin(self) -> list[str] | None:
        """Admin services, which clients do not need; None where they are not told."""
        return read.services_of(await self.get(read.ADMIN_SERVICES, {"Accept": JSON}))
