"""Elasticsearch and OpenSearch over HTTP: the questions, in their order.

How the answers are read is in `answers.py`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from k8sext.agent.check import Announced, CheckInfo, Fault, Fingerprint, Login, Seen
from k8sext.agent.expect import Key, numbers
from k8sext.agent.wire.http import HttpConnection, Response
from k8sext.agent.wire.http_api import JSON, HttpApi, mapping, sequence, some, text_of
from k8sext.model.plan import Target
from k8sext.model.result import Json
from k8sext.model.words import Reason

from . import answers as read

if TYPE_CHECKING:
    from k8sext.agent.net.stream import Stream

COLOURS = ("red", "yellow", "green")
FLOODED = "12"  # the block of index.blocks.read_only_allow_delete, set at the flood stage of a disk
ASK_MARKS_FROM = 0.8  # share of a disk in use; the watermarks are 85, 90 and 95 % by default
LISTED = 8
# What is asked, each a small part of a large answer. The master may be missing: never wait for it.
HEALTH = "/_cluster/health?master_timeout=1s"
SETTLED = "/_cluster/health?wait_for_status=yellow&timeout=1s&master_timeout=1s"
NODES = "/_nodes/http?timeout=1s&filter_path=nodes.*.version,nodes.*.http.publish_address"
BLOCKS = "/_cluster/state/blocks?master_timeout=1s&filter_path=blocks"
DISKS = (
    "/_nodes/stats/fs?timeout=1s&filter_path=nodes.*.name,nodes.*.roles,"
    "nodes.*.fs.total.total_in_bytes,nodes.*.fs.total.available_in_bytes"
)
MARKS = (
    "/_cluster/settings?master_timeout=1s&include_defaults=true"
    "&filter_path=*.cluster.routing.allocation.disk"
)
EXPLAIN = (
    "/_cluster/allocation/explain?filter_path=index,shard,primary,unassigned_info.reason,"
    "allocate_explanation,node_allocation_decisions.deciders.explanation"
)
RED = "/_cat/indices?health=red&format=json&h=index"
INDEX = "?filter_path=*.settings.index.provided_name"
_ORDER = (Reason.READ_ONLY, Reason.ALARM, Reason.DEGRADED, Reason.PERMISSION_DENIED)
Note = tuple[Reason, str]


class Elasticsearch(HttpApi):
    """GET /, login if asked, cluster health and its reasons, expectations."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="elasticsearch",
        summary="Elasticsearch and OpenSearch",
        proves="the cluster names itself, is green and takes writes; expected index is there",
        ports=(9200,),
        fingerprints=(
            Fingerprint(
                product="Elasticsearch's transport port (9300), not its HTTP port (9200)",
                starts="This is not a",
            ),
        ),
        port_names=("elasticsearch", "elastic", "es", "opensearch"),
        service_names=("elasticsearch", "elastic", "es", "opensearch"),
        app_protocols=("elasticsearch",),
        credential_keys={
            "username": ("user", "ELASTIC_USERNAME", "spring.elasticsearch.username"),
            "password": ("ELASTIC_PASSWORD", "elastic", "spring.elasticsearch.password"),
            "api_key": ("api-key", "apiKey", "ELASTIC_API_KEY"),
            "token": ("bearer", "bearer-token", "ELASTIC_TOKEN"),
        },
        # X-Pack before 6.0; OpenSearch's security plug-in before 2.12.
        shipped=(("elastic", "changeme"), ("admin", "admin")),
        expects={
            "health": Key(
                "green: yellow fails; yellow: is good enough; else yellow is a warning",
                choices=("green", "yellow"),
            ),
            "index": Key("index, alias or data stream that must exist and take writes"),
            "cluster_name": Key("name of the cluster"),
            "identity": Key("its cluster_uuid"),
            "version": Key("range, e.g. >=7.1,<8", "version"),
            "client": Key("version of the official client in use (7.13, 8, 9): must be let in"),
        },
    )

    accept = JSON

    def __init__(self, target: Target, stream: Stream) -> None:
        super().__init__(target, stream)
        self.asked_for_login = False
        self.known: dict[str, Json] = {}  # product, version, identity, cluster_name, clients
        self.evidence: dict[str, Json] = {}  # of the verify stage
        self.indices: tuple[str, ...] = ()  # behind the expected name
        self.root = b""  # the body of the answer to GET /
        self.deaf = False  # one of the optional questions had no answer

    async def handshake(self) -> Seen:
        """GET /: who are you? 401 often names the product by its words."""
        self.http = HttpConnection(self.stream, self.host)
        answer = await self.get("/")
        if answer.status in (401, 403):
            self.asked_for_login = True
            who = read.asker(answer)
            evidence: dict[str, Json] = {"status": answer.status, "asked_by": who}
            return Seen(detail=f"{who} asks for a login", evidence=evidence)
        self.known, self.root = read.identified(answer), answer.body
        return Seen(detail=read.said_of(self.known), evidence=self.known)

    async def auth(self, login: Login | None) -> Seen | None:
        """Basic, API key or bearer token, once."""
        if login is None:
            if self.asked_for_login:
                raise Fault(Reason.AUTH_REQUIRED, "the cluster asks for a login")
            return None
        self.authorization = read.authorization(login)
        answer = await self.get("/")
        if answer.status == 401:
            text = f"401: {read.reason_of(answer)}"
            if self.asked_for_login and read.asker(answer).startswith("a proxy"):
                text = f"{text}, by {read.asker(answer)}"
            raise Fault(Reason.AUTH_REJECTED, text, code="401")
        if answer.status != 403:
            self.known, self.root = read.identified(answer), answer.body
        elif not read.denies(answer):  # known, and may not ask who the server is
            text = (
                f"403: {read.reason_of(answer)}, and not in Elasticsearch's or OpenSearch's words"
            )
            raise Fault(Reason.PERMISSION_DENIED, text, code="403")
        if not self.asked_for_login:
            return Seen(detail="no login is needed")
        return self.logged_in(Seen(detail=read.said_of(self.known), evidence=self.known))

    async def verify(self) -> Seen:
        """What the bridge expects, health with its reason, writes, disks, announced addresses."""
        addresses = await self._nodes()
        self._expected()
        colour, notes = await self._health()
        notes += await self._index()
        notes += await self._blocks()
        notes += await self._disks()
        said = [f"cluster is {colour}" if colour else str(self.evidence.get("not_asked", ""))]
        return Seen(
            detail="; ".join((*said, *(text for _, text in notes))),
            evidence=self.evidence,
            warning=next((r for r in _ORDER for reason, _ in notes if reason is r), None),
            announced=Announced(addresses=addresses, whom="clients that sniff", vital=False),
        )

    # -- the questions --------------------------------------------------------------------------

    async def _nodes(self) -> tuple[str, ...]:
        """Publish addresses. Also the version where GET / does not tell it."""
        told = mapping(mapping(await self._extra(NODES)).get("nodes"))
        nodes = [mapping(n) for n in told.values()]
        versions = sorted({text_of(n.get("version")) for n in nodes} - {""}, key=numbers)
        if self.known and not self.known["version"] and versions:
            official = bool(self.known["official"])
            self.known["version"] = versions[0]
            self.known["clients"] = read.clients_of(
                "elasticsearch", versions[0], official, "default"
            )
            self.evidence |= {k: self.known[k] for k in ("version", "clients")}
        if len(versions) > 1:
            self.evidence["versions"] = [*versions[:LISTED]]
        said = (text_of(mapping(n.get("http")).get("publish_address")) for n in nodes)
        return tuple(read.published(a) for a in said if a)[:32]

    def _expected(self) -> None:
        expect, known = self.target.expect, self.known
        for key in ("cluster_name", "identity"):
            want, have = expect.get(key), known.get(key)
            if want and want != have:
                text = f"its {key} is {have or 'not told'}, expected is {want}"
                raise Fault(Reason.UNEXPECTED, text)
        spec, version = str(expect.get("version", "")), str(known.get("version", ""))
        if spec and not read.within(version, spec):
            text = f"version {version or 'not told'}, expected is {spec}"
            raise Fault(Reason.UNSUPPORTED_VERSION, text)
        client = str(expect.get("client") or "")
        refused = read.refused_client(client, mapping(known.get("clients"))) if client else ""
        if refused:
            text = f"official client {client} and this server do not go together: {refused}"
            raise Fault(Reason.UNSUPPORTED_VERSION, text)

    async def _health(self) -> tuple[str, list[Note]]:
        """The colour, and what is to be said of it. Raises Fault for red, and without a master."""
        expect = self.target.expect.get("health")
        answer = await self.get(HEALTH)
        if answer.status in (403, 410) and not expect:  # 410: a serverless one has no such API
            text = f"the cluster's health may not be asked for ({read.reason_of(answer)})"
            self.evidence["not_asked"] = text
            return "", []
        read.allowed(answer)
        if self.root and answer.body == self.root:
            text = "every path is answered alike, which no Elasticsearch or OpenSearch does"
            raise Fault(Reason.WRONG_PRODUCT, text)
        health = mapping(answer.json())
        colour = text_of(health.get("status"))
        if answer.status != 200 or colour not in COLOURS:
            raise read.refusal(answer) or Fault(
                Reason.UNHEALTHY,
                f"{answer.status}: {read.reason_of(answer)}",
                code=str(answer.status),
            )
        if colour == "red":  # an index that is made or closed just now is red for a moment
            again = mapping(await self._extra(SETTLED))
            if again.get("status") in COLOURS:
                health, colour = again, text_of(again["status"])
        missing = read.count_of(health.get("unassigned_shards"))
        nodes = read.count_of(health.get("number_of_data_nodes"))
        self.evidence |= {"status": colour, "nodes": read.count_of(health.get("number_of_nodes"))}
        self.evidence |= {"data_nodes": nodes, "unassigned_shards": missing}
        if colour == "green" or (colour == "yellow" and expect == "yellow"):
            return colour, []
        if colour == "red" and not missing:
            await self._blocks()  # says it best, where it may be asked and comes in time
            if health.get("unassigned_shards") == 0:
                text = "red without a missing shard: its state or its primaries still recover"
                raise Fault(Reason.LOADING, text, **self.evidence)
        why = await self._why(colour) if missing else ""
        text = f"unassigned shards: {missing}"
        if colour == "yellow" and nodes == 1:
            text = f"replicas without a second node to go to: {missing}"
        text = f"{text}: {why}" if why else text
        if colour == "red":
            raise Fault(Reason.UNHEALTHY, f"the cluster is red: {text}", **self.evidence)
        if expect == "green":
            text = f"the cluster is yellow, expected is green: {text}"
            raise Fault(Reason.DEGRADED, text, **self.evidence)
        return colour, [(Reason.DEGRADED, text)]

    async def _why(self, colour: str) -> str:
        """Why one shard is not assigned: of a red cluster a primary, whose data are missing.

        Unasked, the server explains whichever shard it comes to first.
        """
        data = mapping(await self._extra(EXPLAIN))
        if colour != "red":
            return read.explained(data)
        red = [text_of(mapping(row).get("index")) for row in sequence(await self._extra(RED))]
        self.evidence["red_indices"] = [*red[:LISTED]]
        if red and data.get("primary") is not True:
            path = f"/_cat/shards/{quote(red[0], safe='')}?format=json&h=shard,prirep,state"
            shard = read.lost_primary(await self._extra(path))
            asked: dict[str, Json] = {"index": red[0], "shard": shard, "primary": True}
            data = mapping(await self._extra(EXPLAIN, asked))
        return read.explained(data) or f"red indices are {some(red)}"

    async def _index(self) -> list[Note]:
        """The expected index, alias or data stream: Fault where it is not there."""
        index = str(self.target.expect.get("index") or "")
        if not index:
            return []
        path = "/" + quote(index, safe="*,")
        answer = await self.get(path + INDEX)
        if answer.status == 403:  # a login that may only read has no right to metadata
            answer = await self.get(path + "/_count")
            names: tuple[str, ...] = (index,) if answer.status == 200 else ()
        else:
            names = tuple(mapping(answer.json()))
        read.allowed(answer)
        if answer.status not in (200, 404):
            words = f"{answer.status} to the question for index {index}: {read.reason_of(answer)}"
            raise Fault(Reason.SERVER_ERROR, words, code=str(answer.status))
        if answer.status == 404 or not names:
            text = f"there is no index, alias or data stream {index}"
            raise Fault(Reason.OBJECT_MISSING, text, code="404", **self.evidence)
        self.indices = names
        self.evidence["indices"] = [*names[:LISTED]]
        return []

    async def _blocks(self) -> list[Note]:
        """What takes no writes. Raises Fault where that is the cluster or the expected index."""
        blocks = mapping(mapping(await self._extra(BLOCKS)).get("blocks"))
        for number, block in mapping(blocks.get("global")).items():
            words = text_of(mapping(block).get("description"))
            if number == "1":
                raise Fault(Reason.LOADING, words, **self.evidence)
            if read.stops_writes(block):
                reason = Reason.UNHEALTHY if number == "2" else Reason.READ_ONLY
                raise Fault(reason, f"no writes to the cluster: {words}", **self.evidence)
        stopped = read.stopped_indices(mapping(blocks.get("indices")))
        flooded = [name for name, blocked in stopped.items() if FLOODED in blocked]
        if flooded:
            self.evidence["read_only_indices"] = [*flooded[:LISTED]]
        if self.indices and all(name in stopped for name in self.indices):
            why = ", ".join(stopped[self.indices[0]].values())
            text = f"no writes to {some(self.indices)}: {why}"
            raise Fault(Reason.READ_ONLY, text, **self.evidence)
        if not flooded:
            return []
        text = f"read-only (allow delete), as after a full disk: {some(flooded)}"
        return [(Reason.READ_ONLY, text)]

    async def _disks(self) -> list[Note]:
        """Disks of data nodes over a watermark; the marks are asked for only where it is close."""
        nodes = mapping(mapping(await self._extra(DISKS)).get("nodes")).values()
        disks = [d for d in map(read.disk_of, nodes) if d]
        if not disks:
            return []
        fullest = max(read.used(total, free) for _, total, free in disks)
        self.evidence["disk_used_percent"] = round(100 * fullest, 1)
        if fullest < ASK_MARKS_FROM:
            return []
        marks = read.marks_of(mapping(await self._extra(MARKS)))
        over = [(name, mark) for name, *size in disks if (mark := read.passed(marks, *size))]
        self.evidence["over_watermark"] = dict(over[:LISTED])
        worst = [f"{name} ({mark})" for name, mark in over if mark != "low"]
        if not worst:
            return []
        return [(Reason.ALARM, f"disk over its watermark on {some(worst)}")]

    # -- asking -----------------------------------------------------------------------------------

    async def _extra(self, path: str, asked: dict[str, Json] | None = None) -> Any:
        """JSON that would be good to have: None where it may not be asked or does not come."""
        if self.deaf:
            return None
        try:
            answer = await self._get_with_body(path, asked)
        except Fault:
            self.deaf = True  # the connection is in the middle of something: ask nothing more
            self.evidence["not_answered"] = path.split("?")[0]
            return None
        return answer.json() if answer.status in (200, 408) else None  # 408: it waited in vain

    async def _get_with_body(self, path: str, question: dict[str, Json] | None) -> Response:
        """Some questions are put in the body of a GET."""
        if not question:
            return await self.get(path)
        return await self.send("GET", path, {"Content-Type": JSON}, json.dumps(question).encode())
