"""RabbitMQ, AMQP 0-9-1; how a broker is spoken to is in `k8sext/agent/wire/amqp_check.py`."""

from __future__ import annotations

from typing import ClassVar

from k8sext.agent.check import CheckInfo, Fingerprint, Key, Seen
from k8sext.agent.wire.amqp import queue_state
from k8sext.agent.wire.amqp_check import CREDENTIALS, AmqpCheck
from k8sext.model.result import Json
from k8sext.model.words import Reason


class Rabbitmq(AmqpCheck):
    """Login, virtual host, and what the bridge expects, declared passively (nothing is created)."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="rabbitmq",
        summary="RabbitMQ and other AMQP 0-9-1 brokers",
        proves="logged in to the virtual host; expected queue and exchange are there",
        ports=(5672,),
        fingerprints=(
            Fingerprint(product="AMQP (RabbitMQ)", starts="AMQP"),
            Fingerprint(product="AMQP (RabbitMQ)", starts="\x01\0\0\0\0"),
        ),
        port_names=("rabbitmq", "amqp", "rabbit"),
        service_names=("rabbitmq", "rabbit", "amqp"),
        app_protocols=("amqp",),
        credential_keys=CREDENTIALS,
        shipped=(("guest", "guest"),),
        expects={
            "queue": Key("name of a queue that must exist"),
            "min_consumers": Key("readers that the queue must have; 0: none is fine", "number"),
            "max_messages": Key("messages that may wait in the queue", "number"),
            "exchange": Key("name of an exchange that must exist"),
            "version": Key("range, e.g. >=3.8", "version"),
            "identity": Key("the cluster's name", "words"),
        },
    )

    async def verify(self) -> Seen:
        """A channel, then exchange and queue."""
        self.expected()
        await self.open_channel()
        exchange, queue = (str(self.target.expect.get(k, "")) for k in ("exchange", "queue"))
        if exchange:
            await self.exchange_is_there(exchange)
        evidence, said, warning = await self._queue(queue) if queue else ({}, "", None)
        detail = "channel opened" + (f"; {said}" if said else "")
        if self.blocked:
            detail += f"; the broker blocks publishers: {self.blocked}"
            warning = Reason.ALARM
        return Seen(detail=detail, evidence=evidence, warning=warning)

    async def _queue(self, queue: str) -> tuple[dict[str, Json], str, Reason | None]:
        """Counts of a queue. One that another connection holds exclusively is there."""
        counts = await self.queue_counts(queue)
        if counts is None:
            return {"exclusive": True}, f"queue {queue} is held by one connection", None
        evidence: dict[str, Json] = {"messages": counts[0], "consumers": counts[1]}
        return evidence, *queue_state(queue, *counts, self.target.expect)
