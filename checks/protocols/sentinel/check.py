"""Alibaba Sentinel's dashboard (flow control; nothing to do with Redis Sentinel).

It learns of applications by their heartbeats and then calls each machine back, at the address that
the heartbeat named, for every number it shows. So this asks, machine by machine, what the dashboard
itself fetches from it: `GET /resource/machineResource.json` makes it call `clusterNode` there, and
its `data` is null where that came to nothing (`ResourceController`, in 0.1.1 as in 1.8.8). Sources:
alibaba/Sentinel, sentinel-dashboard, `AppController`, `AuthController`, `VersionController`,
`DefaultLoginAuthenticationFilter`, `application.properties` of 0.1.1, 1.6.0, 1.7.0 and 1.8.8.

Logins: the dashboard's own form, once. The default one (sentinel/sentinel) is not tried on our own
account: a password that nobody gave us is a guess at somebody's door. Where it is the configured
one, and accepted, that is a warning; with `--active`, where a login is wanted and none is
configured, it is tried once in a run.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlencode

from k8sext.agent.check import Callbacks, CheckInfo, Fault, Key, Login, Registered, Seen
from k8sext.agent.expect import version_in
from k8sext.agent.wire.http import Response
from k8sext.agent.wire.http_api import (
    JSON,
    PATH,
    Headers,
    HttpApi,
    facts_of,
    mapping,
    some,
    text_of,
    wrong_product,
)
from k8sext.model.plan import Target, split_address
from k8sext.model.result import Json
from k8sext.model.words import Reason

from . import answers as read

if TYPE_CHECKING:
    from k8sext.agent.net.stream import Stream

APP = b'ng-app="sentinelDashboardApp"'  # on its only page, in every version
DEFAULT = ("sentinel", "sentinel")
FORM = "application/x-www-form-urlencoded"
MAX_ASKED = 8
CALL_S = 0.5  # when the dashboard has answered, its call is over
# The dashboard gives up connecting to a machine after 3 s, 0.1.1 after 5 s in all: time for two.
GIVES_UP_S = 5.2
SETTING = (
    "-Dcsp.sentinel.heartbeat.client.ip=NODE_ADDRESS -Dcsp.sentinel.api.port=PORT (the address "
    "from status.hostIP by the downward API, PORT open there as hostPort or by hostNetwork)"
)
INSIDE = (
    "run one replica of the dashboard inside the cluster (no two of them share what they know of "
    "machines and sessions)"
)


class Sentinel(HttpApi):
    """The page, the version, a login, machines by application, and whether it reaches them."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="sentinel",
        summary="Alibaba Sentinel's dashboard (not Redis Sentinel)",
        proves="logged in; expected applications live, and the dashboard reaches their machines",
        ports=(8858,),
        # "sentinel" alone is Redis' word as well.
        port_names=("sentinel-dashboard", "sentinel-console"),
        service_names=("sentinel-dashboard", "sentinel-console"),
        credential_keys={
            "username": ("user", "sentinel.dashboard.auth.username", "auth.username"),
            "password": ("sentinel.dashboard.auth.password", "auth.password"),
        },
        shipped=(DEFAULT,),
        expects={
            "applications": Key(
                "applications that must be registered; others are not judged", "words"
            ),
            "machines": Key("live machines that each of them must have, default 1", "number"),
            "version": Key("range, e.g. >=1.7; older ones do not say theirs", "version"),
            "path": PATH,
        },
        active="tries the default login once, where one is wanted and none is configured; with "
        "--reverse the dashboard fetches from a listener in the probe pod (nothing is registered)",
    )
    forbids_strangers = False
    patience_s = 2 * GIVES_UP_S
    cookie = ""
    clock_s = 0.0  # the dashboard's, Unix time

    def __init__(self, target: Target, stream: Stream) -> None:
        super().__init__(target, stream)
        self.known: dict[str, Json] = {}  # product and version
        self.names: list[str] = []  # of all applications

    # -- who answers ------------------------------------------------------------------------------

    async def handshake(self) -> Seen:
        """The page, which needs no login, then the version, which has been told since 1.7."""
        seen = await super().handshake()
        return seen if self.answer.status == 401 else await self._named()

    def recognise(self, answer: Response) -> Seen:
        """The dashboard's page."""
        if answer.status != 200 or APP not in answer.body:
            raise wrong_product(answer, "Sentinel's dashboard")
        return Seen(detail="Sentinel's dashboard", evidence=facts_of(answer))

    async def _named(self) -> Seen:
        """With the version, where it is told: 1.6 asks for a login before it, older ones had none.

        Of those that could say it and do not, nothing is known.
        """
        answer = await self.get("/version", {"Accept": JSON})
        data = mapping(answer.json()).get("data") if answer.status == 200 else None
        told = text_of(data, read.MAX_TEXT)
        age = {401: "of 1.6", 404: "before 1.6"}.get(answer.status, "")
        self.known = {"product": "sentinel-dashboard", "version": told}
        return Seen(detail=f"Sentinel's dashboard {told or age}".strip(), evidence=self.known)

    # -- who may come in --------------------------------------------------------------------------

    async def auth(self, login: Login | None) -> Seen | None:
        """By the dashboard's form, where it wants one; a proxy's Basic login comes before it."""
        if self.answer.status == 401:
            seen = await super().auth(login)
            await self._named()
            return seen
        if (await self.get("/app/names.json", {"Accept": JSON})).status != 401:
            return self._open(login)
        if login is not None:
            refused = await self._log_in(login.get("username"), login.get("password"))
            if refused:
                raise Fault(Reason.AUTH_REJECTED, refused, words=refused)
            return self.logged_in()
        if self.target.active and not await self._log_in(*DEFAULT):
            return _known_to_all()
        raise Fault(Reason.AUTH_REQUIRED, "401: the dashboard asks for a login")

    def _open(self, login: Login | None) -> Seen | None:
        """It lets everybody in. One that tells its version (1.7 and later) has a login of its own,
        which then was switched off: whoever reaches the port may change the rules.
        """
        if self.known.get("version"):
            text = "its login is switched off (auth.enabled=false)"
            return Seen(detail=text, warning=Reason.LOGIN_SWITCHED_OFF)
        return Seen(detail="no login is needed") if login else None

    async def _log_in(self, username: str, password: str) -> str:
        """POST /auth/login; "" where it was accepted, else the dashboard's words."""
        body = urlencode({"username": username, "password": password}).encode()
        answer = await self.send("POST", "/auth/login", {"Content-Type": FORM}, body)
        result = mapping(self.json_of(answer, "/auth/login"))
        if result.get("success") is not True:
            return text_of(result.get("msg"), read.MAX_TEXT) or "refused"
        self.cookie = read.cookies_of(answer.headers.get("set-cookie", ""))
        return ""

    async def goodbye(self) -> None:
        """End the session, which would be kept for half an hour."""
        if self.cookie:
            await self.http.request("POST", f"{self.base}/auth/logout", {"Cookie": self.cookie})

    async def send(
        self, method: str, path: str, headers: Headers | None = None, body: bytes = b""
    ) -> Response:
        """With the session's cookie."""
        cookie = {"Cookie": self.cookie} if self.cookie else {}
        return await super().send(method, path, {**cookie, **(headers or {})}, body)

    # -- whom it calls ----------------------------------------------------------------------------

    async def verify(self) -> Seen:
        """Applications and machines as expected, then whom of them the dashboard reaches."""
        self._expected(str(self.known.get("version") or ""))
        machines = await self._machines()
        evidence = {**self.known, **read.facts(machines)}
        self._complete(machines, evidence)
        entries = await self._reached([m for m in machines if m.fresh and m.app != read.OWN_APP])
        if self.target.reverse_app:
            entries.append(await self._reversed(evidence))
        states = {e.address: e.state for e in entries if e.state != "unknown"}
        return Seen(
            detail=read.summary(machines, states),
            evidence=evidence,
            callbacks=Callbacks(
                entries=tuple(entries),
                caller="the Sentinel dashboard",
                setting=SETTING,
                inside=INSIDE,
                expected=tuple(self._applications),
            ),
        )

    @property
    def _applications(self) -> list[str]:
        """Those that are expected."""
        wanted = self.target.expect.get("applications")
        return [str(name) for name in wanted] if isinstance(wanted, list) else []

    def _expected(self, version: str) -> None:
        spec = str(self.target.expect.get("version") or "")
        if spec and not (version and version_in(version, spec)):
            text = f"version {version or 'not told'}, expected is {spec}"
            raise Fault(Reason.UNSUPPORTED_VERSION, text)

    async def _machines(self) -> list[read.Machine]:
        """The machines of the expected applications; of all where none is expected."""
        found = read.machines_of(await self._ask("/app/briefinfos.json"), self.clock_s)
        self.names = sorted({machine.app for machine in found})
        wanted = self._applications or self.names
        return [machine for machine in found if machine.app in wanted]

    def _complete(self, machines: list[read.Machine], evidence: dict[str, Json]) -> None:
        """Raises Fault where an expected application is missing."""
        count = self.target.expect.get("machines")
        enough = int(count) if isinstance(count, int | float) else 1
        missing = read.lacking(self._applications, enough, machines)
        if missing:
            others = [n for n in self.names if n not in (*self._applications, read.OWN_APP)]
            there = f"; registered beside: {some(others)}" if others else ""
            raise Fault(Reason.NOT_REGISTERED, missing + there, **evidence)

    async def _reached(self, machines: list[read.Machine]) -> list[Registered]:
        """Each machine with what came of the dashboard's own call, as long as there is time."""
        found: list[Registered] = []
        asking = True
        for number, machine in enumerate(read.in_turn(machines)):
            state, error = "unknown", ""
            if asking and number < MAX_ASKED and self.stream.left_s > GIVES_UP_S:
                try:
                    state, error = await self._called(machine)
                except Fault as fault:
                    error, asking = f"no answer of the dashboard about it: {fault.detail}", False
                    self.http.kept = False  # in the middle of an answer
            found.append(machine.registered(state, error))
        return found

    async def _reversed(self, evidence: dict[str, Json]) -> Registered:
        """The same of a listener in this pod. The dashboard calls whatever it is asked about, so
        nothing is registered, and nothing stays: 0.1.1 could not even forget it.
        """
        from k8sext.agent.net.listener import listening

        async with listening(self.stream, b"[]") as here:
            host, port = split_address(here.address)
            app = self.target.reverse_app
            mine = read.Machine(app=app, host=host, port=port, age_s=None, healthy=True)
            _, error = await self._called(mine)
            call = await here.called(CALL_S)
        evidence["reverse"] = {"address": here.address, "called_from": call.peer if call else ""}
        return replace(mine.registered("up" if call else "down", "" if call else error), ours=True)

    async def _called(self, machine: read.Machine) -> tuple[str, str]:
        """Let the dashboard call the machine. The key matches nothing, so the answer is short."""
        where = f"ip={quote(machine.host, safe='')}&port={machine.port}"
        path = f"/resource/machineResource.json?{where}&type=cluster&searchKey=k8sext"
        here = self.stream.peer.rpartition(":")[0].strip("[]")
        if read.means_the_caller(machine.host) and not read.means_the_caller(here):
            return "unknown", "there the dashboard meets its own host"
        if isinstance(await self._ask(path), list):
            return "up", ""
        # Once more, if there is time: a machine that is asked for the first time may be slow.
        if self.stream.left_s > GIVES_UP_S and isinstance(await self._ask(path), list):
            return "up", ""
        return "down", "the dashboard fetches nothing from it"

    async def _ask(self, path: str) -> Any:
        """The data that a path gives. Raises Fault."""
        answer = await self.get(path, {"Accept": JSON})
        self.clock_s = read.seconds_of(answer.headers.get("date", ""), time.time())
        if answer.status == 401 and self.cookie:
            text = (
                "401 right after the login: several dashboards behind one address, each with "
                "sessions of its own"
            )
            raise Fault(Reason.UNHEALTHY, text, code="401")
        what = path.split("?")[0]
        return read.data_of(self.json_of(answer, what), what)


def _known_to_all() -> Seen:
    return Seen(detail="/".join(DEFAULT) + " is accepted", warning=Reason.DEFAULT_LOGIN)
