"""Zipkin: health with its storage, the query API, the collector's queue; a span all the way.

Measured on Zipkin 2.11.12, 2.16.2 and 3.5.1: `/info` is a redirection in the older two. Measured on
3.5.1: `/info` is answered at once; `/health` asks the storage and waits 10 s for
it; the RabbitMQ collector says UP of a broker that is dead, so its queue is looked at by the
broker's own bridge; a trace that is not there is a 404, and while an index is made a 500.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import ClassVar

from k8sext.agent.check import CheckInfo, Fault, Key, Seen
from k8sext.agent.expect import version_in
from k8sext.agent.wire.amqp import Message, queue_state
from k8sext.agent.wire.amqp_check import AmqpCheck
from k8sext.agent.wire.companion import named, unfit
from k8sext.agent.wire.documents import Documents, Hit
from k8sext.agent.wire.http import Response
from k8sext.agent.wire.http_api import (
    CREDENTIALS,
    JSON,
    PATH,
    Headers,
    HttpApi,
    raise_gateway,
    some,
    status_line,
    wrong_product,
)
from k8sext.model.result import Json
from k8sext.model.words import Reason

from . import answers as read

PAUSE_S = 0.3
LEAVE_S = 2.0  # of the stage, for deleting and for the answer
_WORDS = 200  # of an error's text


class Zipkin(HttpApi):
    """What Zipkin says of itself, and what becomes of a span."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="zipkin",
        summary="Zipkin: traces by HTTP or RabbitMQ, kept in its storage",
        proves="its storage is up and can be read; by the bridge that expect.rabbitmq names, its "
        "queue is read",
        ports=(9411,),
        port_names=("zipkin",),
        service_names=("zipkin",),
        credential_keys=CREDENTIALS,
        expects={
            "path": PATH,
            "version": Key("range, e.g. >=2.21", "version"),
            "storage": Key("elasticsearch, mysql, cassandra or mem"),
            "index": Key("prefix of its indices in Elasticsearch (ES_INDEX)"),
            "services": Key("services whose spans must have come", "words"),
            "rabbitmq": Key("the bridge of the RabbitMQ that its collector reads from", "bridge"),
            "queue": Key("the queue there; default: the one that Zipkin names"),
            "max_messages": Key("messages that may wait in it", "number"),
            "elasticsearch": Key("the bridge of the Elasticsearch where spans are kept", "bridge"),
        },
        active="sends a marked span by HTTP, and by RabbitMQ where expect names that bridge, and "
        "finds it again; deleted in Elasticsearch where expect names that bridge: Zipkin itself "
        "deletes nothing, so elsewhere a trace of service k8sext-probe stays",
    )
    first = "/info"
    left = ""  # spans that could not be deleted, and why

    async def get(self, path: str, headers: Headers | None = None) -> Response:
        """A GET. Up to 2.16.2 `/info` leads on to `/actuator/info` at the same server (2.16.2:
        307 with that path; 2.11.12: 302 with a whole URL, made of our own Host).
        """
        answer = await super().get(path, headers)
        there = self.own_path(answer.redirect) if path == self.first else ""
        return await super().get(there, headers) if there else answer

    def recognise(self, answer: Response) -> Seen:
        """The version, which only Zipkin tells like this."""
        self.version = read.version_of(answer.json())
        if answer.status != 200 or not self.version:
            raise wrong_product(answer, "Zipkin")
        facts: dict[str, Json] = {"product": "zipkin", "version": self.version}
        return Seen(detail=f"Zipkin {self.version}", evidence=facts)

    async def verify(self) -> Seen:
        """Health, what the bridge expects, the query API, the queue; `--active`: a span."""
        spec = str(self.target.expect.get("version", ""))
        if spec and not version_in(self.version, spec):
            text = f"version {self.version}, expected is {spec}"
            raise Fault(Reason.UNSUPPORTED_VERSION, text)
        parts = await self._health()
        self.facts = read.facts_of(parts)
        self._expected(parts)
        said = [await self._services()]
        trace: dict[str, str] = {}  # way -> id
        if self.target.expect.get("rabbitmq"):
            said.append(await self._queue(parts, trace))
        else:
            said += [unproved(c) for c in parts if c.kind.startswith("RabbitMQ")]
        if self.target.active:
            said.append(await self._sent(trace))
        store = next((c.sentence for c in parts if c.storage), "its storage")
        warning = Reason.PERMISSION_DENIED if self.left else None
        detail = "; ".join((f"{store} is up", *said))
        return Seen(detail=detail, evidence=self.facts, warning=warning)

    # -- what it says of itself -------------------------------------------------------------------

    async def _health(self) -> tuple[read.Component, ...]:
        """Its parts, all of them up. Raises Fault."""
        try:
            answer = await self.get("/health", {"Accept": JSON})
        except Fault as fault:
            if fault.reason not in (Reason.SILENT, Reason.TIMED_OUT):
                raise
            text = "it does not answer to /health in time, as when its storage hangs"
            raise Fault(Reason.UNHEALTHY, text) from fault
        parts = read.components(answer.json())
        if not parts:
            raise_gateway(answer)
            text = f"{status_line(answer)} to /health, and no report of its parts"
            raise Fault(Reason.SERVER_ERROR, text, code=str(answer.status))
        down = [c for c in parts if not c.up]
        if down or answer.status != 200:
            words = "; ".join(f"{c.sentence} is down: {c.error or 'no reason given'}" for c in down)
            raise Fault(Reason.UNHEALTHY, words or status_line(answer), **read.facts_of(parts))
        return parts

    def _expected(self, parts: tuple[read.Component, ...]) -> None:
        storage = str(self.target.expect.get("storage", ""))
        if storage and not read.stored_in(parts, storage):
            have = ", ".join(c.sentence for c in parts if c.storage) or "nothing it names"
            note = ", which is lost with its process" if "InMemoryStorage" in have else ""
            text = f"spans are kept in {have}{note}; expected is {storage}"
            raise Fault(Reason.UNEXPECTED, text, **self.facts)
        index, prefix = str(self.target.expect.get("index", "")), self.facts.get("index")
        if index and index != prefix:
            text = f"the prefix of its indices is {prefix or 'not told'}, expected is {index}"
            raise Fault(Reason.UNEXPECTED, text, **self.facts)

    async def _services(self) -> str:
        """Services whose spans it has: this reads the storage."""
        answer = await self.get("/api/v2/services", {"Accept": JSON})
        for _ in range(2):
            if answer.status >= 500:  # an index that is made just now; else it stays so
                await self.stream.pause(PAUSE_S)
                answer = await self.get("/api/v2/services", {"Accept": JSON})
        if answer.status == 404 and "services" not in self.target.expect:
            self.facts["query"] = False
            return "its query API is off (QUERY_ENABLED)"
        names = answer.json()
        if answer.status != 200 or not isinstance(names, list):
            text = f"its storage cannot be read: {status_line(answer)}: {text_of(answer)}"
            raise Fault(Reason.SERVER_ERROR, text, code=str(answer.status), **self.facts)
        known = [str(n) for n in names]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        self.facts["services"] = [*known[:32]]
        wish = self.target.expect.get("services")
        wanted = [str(n) for n in wish] if isinstance(wish, list) else []
        missing = [n for n in wanted if n.lower() not in known]
        if missing:
            text = f"no spans have come from {some(missing)}; there are {some(known) or 'none'}"
            raise Fault(Reason.OBJECT_MISSING, text, **self.facts)
        return f"spans of {len(known)} services"

    # -- the way through RabbitMQ -----------------------------------------------------------------

    async def _queue(self, parts: tuple[read.Component, ...], trace: dict[str, str]) -> str:
        """The queue is there and read; with `--active` a span is put into it."""
        collector = next((c for c in parts if c.kind.startswith("RabbitMQ")), None)
        if collector is None:
            text = "it has no RabbitMQ collector (started without RABBIT_ADDRESSES or RABBIT_URI)"
            raise Fault(Reason.NO_CONSUMER, f"{text}: nobody reads what is published", **self.facts)
        queue = collector.settings.get("queue", "zipkin")
        wanted = str(self.target.expect.get("queue", queue))
        if wanted != queue:
            text = f"its collector reads queue {queue}, expected is {wanted}"
            raise Fault(Reason.UNEXPECTED, text, **self.facts)
        async with self.visit("rabbitmq") as broker:
            if not isinstance(broker, AmqpCheck):
                raise unfit(broker, "rabbitmq", "AMQP")
            with named(broker):
                return await self._read(broker, queue, trace)

    async def _read(self, broker: AmqpCheck, queue: str, trace: dict[str, str]) -> str:
        """Its counts, and a span where one may be sent: the visit is short, for others wait."""
        await broker.open_channel()
        counts = await broker.queue_counts(queue)
        if counts is None:
            return f"queue {queue} is held by one connection"
        self.facts |= {"messages": counts[0], "consumers": counts[1]}
        said, _ = queue_state(queue, *counts, {"min_consumers": 1, **self.target.expect})
        if self.target.active:
            id = secrets.token_hex(16)
            body = json.dumps([read.span(id, "RabbitMQ", time.time())]).encode()
            left = self._until() - PAUSE_S - self.stream.now()
            await broker.publish(Message(exchange="", key=queue, body=body, expires_s=max(left, 1)))
            trace["RabbitMQ"] = id
        return said

    # -- a span -----------------------------------------------------------------------------------

    async def _sent(self, trace: dict[str, str]) -> str:
        """Send a span by HTTP, too; find all that were sent; delete them where that is possible."""
        if self.facts.get("query") is False:
            return "nothing was sent: without its query API nothing can be found again"
        refused = await self._posted(trace)
        self.facts["traces"] = dict(trace)
        late, broken, took = await self._looked_for(trace)
        stays = await self._deleted(trace, late)
        fault = broken or refused
        if fault:
            raise fault
        if late:
            words = f"; it says: {self.words}" if self.words else ""
            text = f"a span sent by {' and by '.join(late)} is not found after {took:.0f} s{words}"
            raise Fault(Reason.NOT_ARRIVED, text, **self.facts)
        ways = " and by ".join(sorted(trace))
        return f"a span sent by {ways} was found after {took:.1f} s{stays}"

    async def _posted(self, trace: dict[str, str]) -> Fault | None:
        """Sent by HTTP: in `trace`, or the Fault for what came instead of 202."""
        id = secrets.token_hex(16)
        try:
            answer = await self.post("/api/v2/spans", [read.span(id, "HTTP", time.time())])
        except Fault as fault:
            return fault
        if 200 <= answer.status < 300:
            trace["HTTP"] = id
            return None
        text = f"it takes no span by HTTP: {status_line(answer)}: {text_of(answer)}"
        return Fault(Reason.SERVER_ERROR, text, code=str(answer.status), **self.facts)

    async def _looked_for(self, trace: dict[str, str]) -> tuple[list[str], Fault | None, float]:
        """Ways whose span has not come, what ended the search early, and how long it took."""
        clock = self.stream.now
        began, late = clock(), list(trace)
        try:
            for way, id in trace.items():
                if await self._arrives(id):
                    late.remove(way)
        except Fault as fault:
            return late, fault, clock() - began
        return late, None, clock() - began

    words = ""  # the last error while a span was looked for

    def _until(self) -> float:
        """Loop time until which spans are looked for."""
        return (self.stream.deadline or 0) - LEAVE_S

    async def _arrives(self, id: str) -> bool:
        """Whether the trace is found before the stage has to end."""
        clock = self.stream.now
        while True:
            answer = await self.get(f"/api/v2/trace/{id}", {"Accept": JSON})
            if answer.status == 200 and read.is_ours(answer.json(), id):
                return True
            self.words = text_of(answer) if answer.status >= 500 else ""
            if clock() + PAUSE_S > self._until():
                return False
            await self.stream.pause(PAUSE_S)

    async def _deleted(self, trace: dict[str, str], late: list[str]) -> str:
        """What becomes of the spans. Raises Fault where they are not in the Elasticsearch that
        `expect` names.
        """
        index = self.facts.get("index")
        if not self.target.expect.get("elasticsearch"):
            return f"; it stays ({', '.join(trace.values())}): Zipkin deletes nothing"
        if not index:
            text = "expect.elasticsearch: its storage is no Elasticsearch"
            raise Fault(Reason.UNEXPECTED, text, **self.facts)
        async with self.visit("elasticsearch") as other:
            documents = Documents(other)
            hits: list[Hit] = []
            absent = False
            for way, id in trace.items():
                found = await documents.find(f"{index}*span*", id)
                absent = absent or (not found and way not in late)
                hits += found
            self.left = await documents.remove(hits)
        if absent:
            text = f"what it keeps is not in {index}*span* at {documents.where}"
            raise Fault(Reason.UNEXPECTED, text, **self.facts)
        return f" and deleted, but not all of it: {self.left}" if self.left else " and deleted"


def unproved(collector: read.Component) -> str:
    """Of a collector whose broker was not looked at."""
    return f"its {collector.sentence} says UP of a dead broker, too: expect.rabbitmq would look"


def text_of(answer: Response) -> str:
    """The words of an error, which Zipkin gives as plain text."""
    words = answer.body[: 4 * _WORDS].decode("utf-8", "replace")
    return read.without_login(" ".join(words.split()))[:_WORDS]
