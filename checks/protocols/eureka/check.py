"""Eureka: who is registered, whether the servers know each other. GET only.

How the answers are read is in `answers.py`.
"""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import quote

from k8sext.agent.check import Callbacks, CheckInfo, Fault, Key, Login, Seen
from k8sext.agent.wire.http import Response
from k8sext.agent.wire.http_api import (
    CREDENTIALS,
    JSON,
    PATH,
    Headers,
    HttpApi,
    some,
    status_line,
    wrong_product,
)
from k8sext.agent.wire.spring import forbidden, is_spring, refuse_login_page
from k8sext.model.result import Json
from k8sext.model.words import Reason

from . import answers as read

PREFIXES = ("/eureka", "/eureka/v2", "")
"""Spring Cloud's, that of Netflix' own war, and one that lies at the root."""
MOST_ASKED = 8  # leases that are looked at one by one
SETTING = (
    "eureka.instance.prefer-ip-address=true with eureka.instance.ip-address=NODE (or "
    "eureka.instance.hostname=NAME) and eureka.instance.non-secure-port=NODEPORT"
)
Note = tuple[Reason | None, str]


class Eureka(HttpApi):
    """GET /eureka/apps and /eureka/status; leases that are overdue are asked for again."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="eureka",
        summary="Eureka: the registry of Spring Cloud",
        proves="it lists applications that renew their leases, and knows its peers",
        ports=(8761,),
        port_names=("eureka",),
        service_names=("eureka",),
        app_protocols=("eureka",),
        credential_keys={
            **CREDENTIALS,
            "username": ("user", "spring.security.user.name"),
            "password": ("spring.security.user.password",),
        },
        expects={
            "path": PATH,
            "applications": Key("names of applications that must be registered and UP", "words"),
            "instances": Key(
                "instances that must be UP: of each application named, or in all", "number"
            ),
            "peers": Key("other Eureka servers that must be available", "number"),
        },
    )
    prefix = PREFIXES[0]
    now = 0.0

    @property
    def opening(self) -> str:
        """The list of applications."""
        return f"{self.prefix}/apps"

    async def get(self, path: str, headers: Headers | None = None) -> Response:
        """JSON, unless something else is asked for: Eureka's own default is XML."""
        return await super().get(path, headers or {"Accept": JSON})

    # -- who answers, and where -------------------------------------------------------------------

    async def handshake(self) -> Seen:
        """The list of applications, wherever it is."""
        seen = await super().handshake()
        return await self._elsewhere() if self.answer.status == 404 else seen

    async def auth(self, login: Login | None) -> Seen | None:
        """Basic; Spring Security asks for it before it says that there is nothing."""
        seen = await super().auth(login)
        if self.answer.status != 404:
            return seen
        return self.logged_in(await self._elsewhere())

    def recognise(self, answer: Response) -> Seen:
        """By the shape of the list."""
        if read.is_registry(answer):
            return Seen(
                detail=f"a registry at {self.base}{self.opening}",
                evidence={"product": "eureka", "path_found": f"{self.base}{self.prefix}" or "/"},
            )
        if answer.status == 404:
            return Seen(detail=status_line(answer))
        refuse_login_page(answer)
        path = f"{self.base}{self.opening}"
        if answer.status == 403:
            # Netflix' own says so for some minutes where it has found no peer to copy from.
            raise forbidden(answer, path, self.login_sent)
        if is_spring(answer) and answer.status >= 500:
            raise Fault(
                Reason.SERVER_ERROR, f"{status_line(answer)} for {path}", code=str(answer.status)
            )
        raise wrong_product(answer, "Eureka")

    async def _elsewhere(self) -> Seen:
        """404: under one of the other prefixes, or not at all. Raises Fault."""
        first = self.answer
        for self.prefix in PREFIXES[1:]:
            self.answer = await self.get(self.opening)
            if read.is_registry(self.answer):
                return self.recognise(self.answer)
        self.prefix = PREFIXES[0]
        if not is_spring(first):
            raise wrong_product(first, "Eureka")
        text = (
            f"a Java application answers, and there is no {self.base}{self.opening} (404): it is "
            "no Eureka server, or has a context path (expect.path)"
        )
        raise Fault(Reason.OBJECT_MISSING, text, code="404")

    # -- what it knows ----------------------------------------------------------------------------

    async def verify(self) -> Seen:
        """Applications and peers, each as the bridge expects it."""
        value = self.json_of(self.answer, f"{self.base}{self.opening}")
        self.now = read.clock_of(self.answer)
        listed, count = read.instances_of(value)
        peers = await self._peers()
        own = peers.own_app.upper() if peers else ""
        others = tuple(i for i in listed if i.app.upper() != own)
        overdue = await self._overdue(listed)
        late = tuple(i for i in overdue if i in others)
        hanging = [
            i.host for i in overdue if i not in others and peers and i.host != peers.own_host
        ]
        alive = tuple(i for i in others if i.status == read.UP and i not in late)
        ill = [i for i in others if i.status != read.UP][:MOST_ASKED]
        evidence: dict[str, Json] = {
            "applications": {**_counted(alive)},
            "registered": count - (len(listed) - len(others)),
            "not_up": [f"{i.app} {i.id} {i.status}" for i in ill],
            "overdue": [f"{i.app} {i.id}" for i in late],
        }
        self._expected(others, alive, late, evidence)
        notes = [
            self._population(others, alive),
            *(self._late(i) for i in late),
            self._peer_note(peers, hanging, evidence),
            await self._preservation(evidence),
        ]
        return Seen(
            detail="; ".join(text for _, text in notes if text),
            evidence=evidence,
            warning=next((reason for reason, _ in notes if reason), None),
            callbacks=self._callbacks(alive),
        )

    def _population(
        self, others: tuple[read.Instance, ...], alive: tuple[read.Instance, ...]
    ) -> Note:
        if not others:
            return Reason.NOT_REGISTERED, "nobody is registered but the server itself"
        apps = _counted(alive)
        dead = sorted({i.app for i in others} - {*apps})
        if dead:
            ours = any(self._ours(name) for name in dead)
            return Reason.INSTANCE_DOWN if ours else None, f"no instance is UP of {some(dead)}"
        return None, f"{len(alive)} instances UP of {len(apps)} applications"

    def _ours(self, app: str) -> bool:
        """Whether the bridge has to do with an application: with all, unless it names some."""
        wanted = [name.upper() for name in _words(self.target.expect.get("applications"))]
        return not wanted or app.upper() in wanted

    def _late(self, one: read.Instance) -> Note:
        text = f"{one.app} {one.id} is overdue by {one.silent_s(self.now):.0f} s"
        reason = Reason.INSTANCE_DOWN if self._ours(one.app) else None
        return reason, f"{text} and still listed as UP"

    def _expected(
        self,
        others: tuple[read.Instance, ...],
        alive: tuple[read.Instance, ...],
        late: tuple[read.Instance, ...],
        evidence: dict[str, Json],
    ) -> None:
        """Raises Fault for an application that is missing, or has too few instances."""
        wanted = [name.upper() for name in _words(self.target.expect.get("applications"))]
        least = self.target.expect.get("instances")
        number = int(least) if isinstance(least, int | float) else (1 if wanted else 0)
        counts = _counted(alive)
        for name in wanted:
            known = [i for i in others if i.app.upper() == name]
            if not known:
                there = some(sorted({i.app for i in others})) or "nobody"
                text = f"{name} is not registered; there is {there}"
                raise Fault(Reason.NOT_REGISTERED, text, **evidence)
            if counts.get(name, 0) >= number:
                continue
            states = some([f"{i.id} is {'overdue' if i in late else i.status}" for i in known])
            text = (
                f"{counts.get(name, 0)} of {number} expected instances of {name} are UP: {states}"
            )
            raise Fault(Reason.INSTANCE_DOWN, text, **evidence)
        if not wanted and len(alive) < number:
            text = f"{len(alive)} of {number} expected instances are UP"
            raise Fault(Reason.NOT_REGISTERED, text, **evidence)

    async def _overdue(self, others: tuple[read.Instance, ...]) -> tuple[read.Instance, ...]:
        """Those that are UP and have not renewed their lease. The list may be minutes old (Eureka
        keeps its answers), an instance that is asked for by itself is not.
        """
        doubtful = [i for i in others if i.status == read.UP and i.silent_s(self.now)][:MOST_ASKED]
        late: list[read.Instance] = []
        for one in doubtful:
            path = f"{self.opening}/{quote(one.app, safe='')}/{quote(one.id, safe='')}"
            answer = await self.get(path)
            fresh = read.instance_of(_inner(answer.json()))
            if answer.status == 404 or fresh.silent_s(read.clock_of(answer)):
                late.append(one)
        return tuple(late)

    async def _peers(self) -> read.Peers | None:
        return read.peers_of(await self.get(f"{self.prefix}/status", {"Accept": "application/xml"}))

    def _peer_note(
        self, peers: read.Peers | None, hanging: list[str], evidence: dict[str, Json]
    ) -> Note:
        """Raises Fault for fewer peers than the bridge expects. Eureka calls a peer available as
        long as it is registered: one that does not renew its own lease (`hanging`) is not.
        """
        wanted = self.target.expect.get("peers")
        if peers is None:
            if wanted:
                text = "expect.peers: this server does not say which peers it has"
                raise Fault(Reason.BAD_EXPECTATION, text)
            return None, ""
        gone = [url for url in peers.unavailable if not read.is_left_over(url)]
        gone += [url for url in peers.available if any(read.is_at(url, host) for host in hanging)]
        there = [url for url in peers.available if url not in gone]
        evidence["peers"] = [*there]
        evidence["peers_unavailable"] = [*gone]
        if isinstance(wanted, int | float) and len(there) < wanted:
            told_gone = f": {some(gone)} unavailable" if gone else ": it was told no other"
            text = f"{len(there)} of {int(wanted)} expected peers are available{told_gone}"
            raise Fault(Reason.DEGRADED, text, **evidence)
        if gone:
            return Reason.DEGRADED, f"the peer {some(gone)} is unavailable: nothing is copied to it"
        return None, f"{len(there)} peers available" if there else ""

    async def _preservation(self, evidence: dict[str, Json]) -> Note:
        """Whether it has stopped to expire leases, by the words of its dashboard: asked last, as a
        page that takes its time proves nothing.
        """
        try:
            state = read.preserves_itself(await self.get("/", {"Accept": "text/html"}))
        except Fault as fault:
            if fault.reason not in (Reason.SILENT, Reason.TIMED_OUT):
                raise
            state = None
        evidence["self_preservation"] = state
        if not state:
            return None, ""
        text = "it preserves itself: too few leases are renewed, so it lists who may be gone"
        return Reason.DEGRADED, text

    def _callbacks(self, alive: tuple[read.Instance, ...]) -> Callbacks | None:
        """Where callers are sent. A lease is renewed by the instance: nobody has called it yet.
        Several behind one address serve callers all the same.
        """
        entries = tuple(i.registered(self.now) for i in alive if i.port and i.host)
        wanted = [name.upper() for name in _words(self.target.expect.get("applications"))]
        if not entries:
            return None
        return Callbacks(
            entries=entries,
            caller="whoever asks Eureka",
            setting=SETTING,
            inside="let callers outside use a Service of type NodePort or an Ingress",
            distinct=False,
            expected=tuple({i.app for i in alive if i.app.upper() in wanted}),
        )


def _counted(alive: tuple[read.Instance, ...]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in alive:
        counts[one.app.upper()] = counts.get(one.app.upper(), 0) + 1
    return {name: counts[name] for name in sorted(counts)}


def _words(value: Json) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list) else [str(value)] if value else []


def _inner(value: object) -> object:
    return value.get("instance") if isinstance(value, dict) else None
