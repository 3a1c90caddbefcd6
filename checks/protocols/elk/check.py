"""Logs by RabbitMQ (the ELK stack): exchange, queue, consumer, and the index behind them.

Spoken to is the broker's AMQP port; an exchange's type and bindings are seen by the management
port's bridge, where documents end up by Elasticsearch's.
"""

from __future__ import annotations

import datetime
import secrets
from typing import ClassVar
from urllib.parse import quote

from k8sext.agent.check import CheckInfo, Fault, Key, Seen, WireCheck
from k8sext.agent.wire.amqp import Message, queue_state
from k8sext.agent.wire.amqp_check import CREDENTIALS, AmqpCheck
from k8sext.agent.wire.companion import Web
from k8sext.agent.wire.documents import PAUSE_S, Documents
from k8sext.agent.wire.http_api import mapping
from k8sext.model.result import Json
from k8sext.model.words import Reason

from . import answers as read

LOOK_S = 0.6  # between two looks at a backlog
LEAVE_S = 1.5  # of the stage, for deleting and for the answer


class Elk(AmqpCheck):
    """The path of a log line, from the broker's side."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="elk",
        summary="logs by RabbitMQ and Logstash into Elasticsearch",
        proves="exchange and queue are there, the queue is read and does not grow; by the bridges "
        "that expect names: type and binding, the index",
        port_names=("elk",),
        credential_keys=CREDENTIALS,
        expects={
            "exchange": Key("name of the exchange to which logs are published"),
            "queue": Key("name of the queue that Logstash reads"),
            "routing_key": Key("the key of published log lines"),
            "exchange_type": Key("direct, fanout, topic, …; needs management"),
            "min_consumers": Key("readers that the queue must have, default 1", "number"),
            "max_messages": Key("messages that may wait in the queue", "number"),
            "management": Key("the bridge of RabbitMQ's management API: type, binding", "bridge"),
            "elasticsearch": Key("the bridge of the Elasticsearch where logs end up", "bridge"),
            "index": Key("index, alias or pattern there, e.g. logstash-*"),
            "version": Key("range of the broker's version, e.g. >=3.8", "version"),
            "identity": Key("the cluster's name", "words"),
        },
        active="publishes a marked log line with the routing key, finds it in the index and "
        "deletes it there; in the queue it expires when the check stops waiting",
    )

    left = ""  # what of ours could not be deleted, and why

    async def verify(self) -> Seen:
        """Exchange, queue and consumer; binding; index; with `--active` a line all the way."""
        self.expected()
        want = read.wanted(self.target.expect)
        self.facts: dict[str, Json] = {}
        await self.open_channel()
        await self.exchange_is_there(want.exchange)
        said = [await self._queue(want)]
        if self.target.expect.get("management"):
            async with self.visit("management") as other:
                said.append(await self._routed(want, other))
        elif want.key:
            said.append("the binding was not looked at (expect.management does)")
        warning = await self._backlog(want, said)
        if want.index:
            async with self.visit("elasticsearch") as other:
                said.append(await self._indexed(want, Documents(other)))
        elif self.target.active:
            said.append("nothing was published: expect names no index in which to find it again")
        if self.left:
            warning = Reason.PERMISSION_DENIED
        if self.blocked:
            said, warning = [*said, f"the broker blocks publishers: {self.blocked}"], Reason.ALARM
        return Seen(detail="; ".join(said), evidence=self.facts, warning=warning)

    # -- the queue --------------------------------------------------------------------------------

    async def _queue(self, want: read.Wanted) -> str:
        """Counts; a queue that nobody reads is a failure here: logs end in it."""
        counts = await self.queue_counts(want.queue)
        if counts is None:
            self.facts["exclusive"] = True
            self.channel = False  # the broker has closed it
            await self.open_channel()
            return f"queue {want.queue} is held by one connection"
        self.facts |= {"messages": counts[0], "consumers": counts[1]}
        said, _ = queue_state(want.queue, *counts, {"min_consumers": 1, **self.target.expect})
        return said

    async def _backlog(self, want: read.Wanted, said: list[str]) -> Reason | None:
        """More looks at a queue in which messages wait: does it grow?"""
        first = self.facts.get("messages")
        looks = [first] if isinstance(first, int) and first else []
        while 0 < len(looks) < read.AGAIN and looks == sorted({*looks}):  # it has grown so far
            await self.stream.pause(LOOK_S)
            counts = await self.queue_counts(want.queue)
            if counts is None:
                break
            looks.append(counts[0])
        if len(looks) > 1:
            self.facts["backlog"] = [*looks]
        if not read.grows(looks):
            return None
        said.append(f"its backlog grows: {', then '.join(map(str, looks))} messages")
        return Reason.QUEUE_GROWS

    async def _routed(self, want: read.Wanted, other: WireCheck) -> str:
        """Type and binding, as the management API tells them of this check's virtual host."""
        web = Web(other, "management", "rabbitmq-management")
        vhost = quote((self.login.get("vhost") if self.login else "") or "/", safe="")
        exchange, queue = (quote(n, safe="") for n in (want.exchange, want.queue))
        named = f"exchange {want.exchange}"
        try:
            found = mapping(await web.json(f"/api/exchanges/{vhost}/{exchange}", named))
        except Fault as fault:
            if fault.reason is Reason.OBJECT_MISSING:
                await self._same_broker(web)
            raise
        kind = str(found.get("type"))
        self.facts["exchange_type"] = kind
        if want.kind and kind != want.kind:
            text = f"exchange {want.exchange} is of type {kind}, expected is {want.kind}"
            raise Fault(Reason.UNEXPECTED, text, **self.facts)
        path = f"/api/bindings/{vhost}/e/{exchange}/q/{queue}"
        keys = read.keys_of(await web.json(path, f"the bindings of {named}"))
        self.facts["keys"] = [*keys[:16]]
        read.bound(want, kind, keys)
        return f"{kind} exchange {want.exchange} is bound to it"

    async def _same_broker(self, web: Web) -> None:
        """Raises Fault where the management API is another broker's: AMQP has just shown that the
        exchange is there.
        """
        there = str(mapping(await web.json("/api/overview", "the overview")).get("cluster_name"))
        here = self._property("cluster_name")
        if here and there != here:
            text = f"AMQP is the broker {here}, the management API of {web.where} is {there}"
            raise Fault(Reason.OTHER_BROKER, text, **self.facts)

    # -- the index --------------------------------------------------------------------------------

    async def _indexed(self, want: read.Wanted, documents: Documents) -> str:
        """The index takes documents; with `--active` one of ours arrives in it."""
        stopped = await documents.blocks(want.index)
        if stopped:
            text = f"{documents.where} takes no documents: {', '.join(stopped[:4])}"
            raise Fault(Reason.READ_ONLY, text, **self.facts)
        count = await documents.count(want.index)
        if self.target.active:
            return await self._sent(want, documents)
        if count is None:
            text = f"there is no index {want.index} at {documents.where}: nothing has arrived there"
            raise Fault(Reason.OBJECT_MISSING, text, **self.facts)
        self.facts["documents"] = count
        return f"index {want.index} has {count} documents"

    async def _sent(self, want: read.Wanted, documents: Documents) -> str:
        """Publish a marked line, find it, delete it."""
        mark = f"k8sext{secrets.token_hex(8)}"
        self.facts["mark"] = mark
        body = read.line(mark, datetime.datetime.now(datetime.UTC))
        clock = self.stream.now
        began, until = clock(), (self.stream.deadline or 0) - LEAVE_S
        message = Message(
            exchange=want.exchange,
            key=want.key,
            body=body,
            expires_s=max(until - began - PAUSE_S, 1),
        )
        await self.publish(message)
        hits = await documents.wait_for(want.index, mark, until)
        took = clock() - began
        elsewhere = [] if hits else await documents.find("*", mark, refresh=False)
        self.left = await documents.remove([*hits, *elsewhere])
        if not hits:
            raise await self._not_arrived(want, documents, [h.index for h in elsewhere], took)
        self.facts["arrived_s"] = round(took, 2)
        told = f"a marked log line arrived in {hits[0].index} after {took:.1f} s and was deleted"
        return told if not self.left else f"{told}, but not all of it: {self.left}"

    async def _not_arrived(
        self, want: read.Wanted, documents: Documents, elsewhere: list[str], took: float
    ) -> Fault:
        said = f"a line published to {want.exchange} with key {want.key or 'none'}"
        if elsewhere:
            text = f"{said} arrived in index {elsewhere[0]}, not in {want.index}"
            return Fault(Reason.NOT_ARRIVED, text, **self.facts)
        why = read.lost(await self.queue_counts(want.queue))
        text = f"{said} is not in {want.index} at {documents.where} after {took:.0f} s; {why}"
        words = f" ({documents.words})" if documents.words else ""
        return Fault(Reason.NOT_ARRIVED, f"{text}{words}", **self.facts)
