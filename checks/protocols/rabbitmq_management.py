"""RabbitMQ's management API: what AMQP does not tell without writing.

Paths and answers: https://www.rabbitmq.com/docs/management#http-api, and RabbitMQ 3.10.8. A refusal
is a 401 whose `reason` says why: the login, the user's tags, or `loopback_users`.
"""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import quote

from k8sext.agent.check import CheckInfo, Fault, Key, Login, Seen
from k8sext.agent.expect import version_in
from k8sext.agent.wire.amqp import queue_state
from k8sext.agent.wire.http import Response, basic
from k8sext.agent.wire.http_api import (
    JSON,
    HttpApi,
    mapping,
    sequence,
    some,
    text_of,
    wrong_product,
)
from k8sext.model.result import Json
from k8sext.model.words import Reason

OVERVIEW = "/api/overview"
NODES = "/api/nodes?columns=name,running,partitions,being_drained"
NO_TAG = "not management user"  # said only of a login that is right
REALM = "RabbitMQ Management"
_REASONS = (
    ("via localhost", Reason.LOOPBACK_ONLY_USER),
    ("not management user", Reason.PERMISSION_DENIED),
    ("not monitor user", Reason.PERMISSION_DENIED),
    ("not administrator", Reason.PERMISSION_DENIED),
    ("access refused", Reason.PERMISSION_DENIED),  # the vhost is not the user's
)


class RabbitmqManagement(HttpApi):
    """Who are you, log in, alarms, and what the bridge expects: GET only."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="rabbitmq-management",
        summary="RabbitMQ's management API: alarms, exchange types, bindings, consumers",
        proves="logged in, no alarm is in effect; expected exchange, queue and binding are there",
        ports=(15672,),
        # Whole names only: "management" alone is Spring's word for quite another port.
        port_names=("rabbitmq-management", "rabbitmq-mgmt", "rabbitmq-http", "amqp-management"),
        service_names=("rabbitmq-management", "rabbitmq-mgmt"),
        credential_keys={
            "username": ("user", "RABBITMQ_DEFAULT_USER", "spring.rabbitmq.username"),
            "password": ("RABBITMQ_DEFAULT_PASS", "rabbitmq-password", "spring.rabbitmq.password"),
            "vhost": ("virtual-host", "RABBITMQ_DEFAULT_VHOST", "spring.rabbitmq.virtual-host"),
        },
        shipped=(("guest", "guest"),),
        expects={
            "exchange": Key("name of an exchange that must exist"),
            "exchange_type": Key("direct, fanout, topic, headers, …"),
            "queue": Key("name of a queue that must exist"),
            "routing_key": Key("the queue must be bound to the exchange with it"),
            "min_consumers": Key("readers that the queue must have; 0: none is fine", "number"),
            "max_messages": Key("messages that may wait in the queue", "number"),
            "version": Key("range, e.g. >=3.8", "version"),
            "identity": Key("the cluster's name", "words"),
        },
    )
    first = OVERVIEW
    accept = JSON
    forbids_strangers = False
    verify_needs_login = True
    vhost = "/"
    untagged = False  # it may log in and has no tag, without which nothing more is answered

    async def handshake(self) -> Seen:
        """Without a login the API says 401 and names itself in the realm."""
        seen = await super().handshake()
        if REALM not in self.answer.headers.get("www-authenticate", ""):
            raise wrong_product(self.answer, "RabbitMQ's management API")
        return seen

    def recognise(self, answer: Response) -> Seen:
        """It never answers without a login."""
        if answer.status >= 500:
            raise Fault(Reason.SERVER_ERROR, status_and_reason(answer), code=str(answer.status))
        raise wrong_product(answer, "RabbitMQ's management API")

    def shipped_login(self, login: Login) -> bool:
        """From the broker's own host guest is what every broker has, and lets nobody else in."""
        return super().shipped_login(login) and not self.stream.peer.startswith(("127.", "[::1]"))

    async def auth(self, login: Login | None) -> Seen | None:
        """Basic, once."""
        if login is None:
            raise Fault(Reason.AUTH_REQUIRED, "the management API always asks for a login")
        user, self.vhost = login.get("username", "guest"), login.get("vhost") or "/"
        self.authorization = basic(user, login.get("password"))
        answer = await self.get("/api/whoami")
        if answer.status != 200:
            fault = refused(answer, Reason.AUTH_REJECTED)
            if NO_TAG not in fault.detail.lower() or self._asked_for():
                raise fault
            self.untagged = True
            return self.logged_in(Seen(detail=f"user {user} has no tag, and may see nothing here"))
        if mapping(answer.json()).get("name") != user:
            raise wrong_product(answer, "RabbitMQ's management API")
        return self.logged_in(Seen(detail=f"user {user}"))

    def _asked_for(self) -> bool:
        """Whether the bridge expects something that only a user with a tag can see."""
        return bool(set(self.target.expect) & set(self.info.expects))

    async def verify(self) -> Seen | None:
        """Version and alarms, then exchange, queue and binding."""
        if self.untagged:
            return None
        known = mapping(await self.json(OVERVIEW))
        version, cluster = (text_of(known.get(k)) for k in ("rabbitmq_version", "cluster_name"))
        if not version:
            raise Fault(Reason.WRONG_PRODUCT, "it names no version, as RabbitMQ does to every user")
        try:
            return await self._state(version, cluster)
        except Fault as fault:
            fault.evidence.setdefault("cluster_name", cluster)
            raise

    async def _state(self, version: str, cluster: str) -> Seen:
        evidence: dict[str, Json] = {
            "product": "rabbitmq",
            "version": version,
            "identity": cluster,
            "cluster_name": cluster,
        }
        self._expected(version, cluster)
        notes, warning = ["no alarm is in effect"], None
        alarms = await self._alarms()
        if alarms:
            notes, warning = [alarms], Reason.ALARM
        if alarms is None:
            notes = ["the user may not ask for alarms"]
        unwell = await self._nodes()
        if unwell:
            notes = [*([] if alarms == "" else notes), unwell]
        await self._exchange(evidence)
        said_of, lonely = await self._queue(evidence)
        await self._binding()
        return Seen(
            detail="; ".join([*notes, *([said_of] if said_of else [])]),
            evidence=evidence,
            warning=warning or (Reason.DEGRADED if unwell else None) or lonely,
        )

    def _expected(self, version: str, cluster: str) -> None:
        spec = str(self.target.expect.get("version", ""))
        wanted = self.target.expect.get("identity")
        if spec and not version_in(version, spec):
            raise Fault(Reason.UNSUPPORTED_VERSION, f"version {version}, expected is {spec}")
        if wanted and cluster not in (wanted if isinstance(wanted, list) else [wanted]):
            raise Fault(Reason.UNEXPECTED, f"this is the cluster {cluster}", identity=cluster)

    async def _alarms(self) -> str | None:
        """Alarms in words, "" for none, None where the user or the version does not tell."""
        answer = await self.get("/api/health/checks/alarms")
        if answer.status == 200:
            return ""
        if answer.status != 503:
            return None
        found = [mapping(a) for a in sequence(mapping(answer.json()).get("alarms"))[:8]]
        which = ", ".join(f"{a.get('resource')} on {a.get('node')}" for a in found)
        return f"the broker blocks publishers: {which or status_and_reason(answer)}"

    async def _nodes(self) -> str:
        """What the nodes say of each other; "" where all is well, or where the user may not ask.

        Partitions are two brokers that both believe to be the one (docs, "Partitions"): a Fault. A
        node in maintenance (`being_drained`, from 3.8) or not running takes no clients.
        """
        answer = await self.get(NODES)
        nodes = [mapping(n) for n in sequence(answer.json())] if answer.status == 200 else []
        parted = [text_of(n.get("name")) for n in nodes if sequence(n.get("partitions"))]
        if parted:
            raise Fault(Reason.UNHEALTHY, f"a network partition is seen by {some(parted)}")
        away = {
            text_of(n.get("name")): "is in maintenance mode" if n.get("being_drained") is True
            else "does not run"
            for n in nodes if n.get("being_drained") is True or n.get("running") is False
        }  # fmt: skip
        return "; ".join(f"node {name} {what}" for name, what in [*away.items()][:8])

    async def _exchange(self, evidence: dict[str, Json]) -> None:
        name, wanted = (str(self.target.expect.get(k, "")) for k in ("exchange", "exchange_type"))
        if wanted and not name:
            raise Fault(Reason.UNEXPECTED, "expect.exchange_type needs expect.exchange")
        if not name:
            return
        found = mapping(await self.json(f"/api/exchanges/{self._in_vhost(name)}", name))
        evidence["exchange_type"] = str(found.get("type"))
        if wanted and found.get("type") != wanted:
            text = f"exchange {name} is of type {found.get('type')}, expected is {wanted}"
            raise Fault(Reason.UNEXPECTED, text, **evidence)

    async def _queue(self, evidence: dict[str, Json]) -> tuple[str, Reason | None]:
        """Its state and counts; a queue made a moment ago has no counts yet."""
        name = str(self.target.expect.get("queue", ""))
        if not name:
            return "", None
        found = mapping(await self.json(f"/api/queues/{self._in_vhost(name)}", name))
        if found.get("state") in ("down", "crashed", "stopped", "minority"):
            raise Fault(Reason.UNHEALTHY, f"queue {name} is {found['state']}")
        messages, consumers = found.get("messages"), found.get("consumers")
        if not isinstance(messages, int) or not isinstance(consumers, int):
            return f"queue {name} is there and has no counts yet", None
        evidence |= {"messages": messages, "consumers": consumers}
        return queue_state(name, messages, consumers, self.target.expect)

    async def _binding(self) -> None:
        key = self.target.expect.get("routing_key")
        if key is None:
            return
        exchange, queue = (str(self.target.expect.get(k, "")) for k in ("exchange", "queue"))
        if not exchange or not queue:
            raise Fault(Reason.UNEXPECTED, "expect.routing_key needs exchange and queue beside it")
        path = f"/api/bindings/{self._in_vhost('')}e/{quote(exchange, safe='')}/q/"
        found = sequence(await self.json(path + quote(queue, safe=""), queue))
        keys = [str(mapping(b).get("routing_key")) for b in found]
        if str(key) not in keys:
            there = ", ".join(keys[:8]) or "none"
            text = f"queue {queue} is not bound to {exchange} by {key}; its keys are: {there}"
            raise Fault(Reason.OBJECT_MISSING, text)

    # -- requests -------------------------------------------------------------------------------

    def _in_vhost(self, name: str) -> str:
        return f"{quote(self.vhost, safe='')}/{quote(name, safe='')}"

    def json_of(self, answer: Response, path: str, what: str = "") -> Any:
        """The JSON of an answer; 404 and refusals in the words of RabbitMQ."""
        if answer.status == 404:
            text = f"there is no {what or path} in vhost {self.vhost}"
            raise Fault(Reason.OBJECT_MISSING, text, code="404")
        if answer.status in (401, 403):
            raise refused(answer, Reason.PERMISSION_DENIED)
        return super().json_of(answer, path, what)


def refused(answer: Response, otherwise: Reason) -> Fault:
    """A refusal by its words."""
    words = status_and_reason(answer)
    lower = words.lower()
    reason = next((r for part, r in _REASONS if part in lower), otherwise)
    if answer.status not in (401, 403):
        reason = Reason.SERVER_ERROR
    return Fault(reason, words, words=words, code=str(answer.status))


def status_and_reason(answer: Response) -> str:
    """Status and the API's own reason."""
    known = mapping(answer.json())
    return f"{answer.status}: {known.get('reason') or known.get('error') or answer.reason}"
