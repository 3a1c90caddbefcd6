"""ELK and Zipkin end to end: a marked line and marked spans through real servers, gone afterwards.

RabbitMQ, Elasticsearch 7.1.1 and Zipkin 3.5.1 are real; what stands between queue and index is a
stand-in for Logstash. Without `--active` the servers' own counters prove that nothing was written.
"""

import json
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from tests.gym.objects import objects_of
from tests.lab import guise
from tests.lab.guise import Guise, Wardrobe
from tests.lab.guises.logstash import INDEX, QUEUE
from tests.lab.lab import Lab
from tests.support.cluster import Run, doctor

pytestmark = pytest.mark.lab
EXCHANGE, KEY = "msa-ext-elk-exchange", "log"
ELK: dict[str, Any] = {
    "exchange": EXCHANGE, "exchange_type": "direct", "queue": QUEUE, "routing_key": KEY,
    "management": "mgmt-svc", "elasticsearch": "elasticsearch-svc", "index": INDEX,
}  # fmt: skip
ZIPKIN: dict[str, Any] = {
    "storage": "elasticsearch", "index": "zipkin", "rabbitmq": "rabbitmq-svc",
    "elasticsearch": "elasticsearch-svc",
}  # fmt: skip
BRIDGES: list[dict[str, Any]] = [
    {"name": "elk-svc", "to": "mq", "protocol": "elk", "expect": ELK},
    {"name": "rabbitmq-svc", "to": "mq"},
    {"name": "mgmt-svc", "to": "mq", "protocol": "rabbitmq-management", "port": 15672},
    {"name": "elasticsearch-svc", "to": "es"},
    {"name": "zipkin-svc", "to": "zipkin", "expect": ZIPKIN},
]


@dataclass(frozen=True)
class Scene:
    """The servers of both paths."""

    lab: Lab
    servers: Mapping[str, Guise]

    def tell(self, name: str, text: str) -> str:
        """As a server's administrator."""
        server = self.servers[name]
        return server.role.tell(self.lab.place, server, text)

    def json(self, name: str, path: str) -> Any:
        """The JSON of a GET."""
        return json.loads(self.tell(name, f"GET {path}"))

    def documents(self) -> int:
        """Log lines and spans that are in Elasticsearch."""
        self.tell("es", "POST /_refresh")
        found: int = self.json("es", "/_all/_count")["count"]
        return found

    def waiting(self) -> dict[str, int]:
        """Messages in both queues, as a passive look at them now."""
        found = self.json("mq", "/api/queues?disable_stats=true&enable_queue_totals=true")
        return {q["name"]: q.get("messages", 0) for q in found}

    def counters(self) -> dict[str, Any]:
        """What each server has counted of writing: published messages, taken spans, indexing."""
        settled(self)
        queues = self.json("mq", "/api/queues")
        stats = self.json("es", "/_stats/indexing")["_all"]["primaries"]["indexing"]
        metrics = self.json("zipkin", "/metrics")
        return {
            "mq": {q["name"]: published(q) for q in queues},
            "es": {k: stats[k] for k in ("index_total", "delete_total")},
            "zipkin": {k: v for k, v in metrics.items() if k.startswith("counter.zipkin_coll")},
        }


def published(queue: Mapping[str, Any]) -> int:
    """Messages that ever came into a queue."""
    total: int = queue.get("message_stats", {}).get("publish", 0)
    return total


def settled(scene: Scene) -> None:
    """RabbitMQ counts every five seconds: its numbers are of now when two looks agree."""
    before: Any = None
    for _ in range(6):
        time.sleep(2.6)
        now = [published(q) for q in scene.json("mq", "/api/queues")]
        if now == before:
            return
        before = now


@pytest.fixture(scope="module")
def scene(lab: Lab) -> Generator[Scene]:
    """Both paths, as the article lays them out; ended afterwards."""
    guise.clear(lab.place)
    wardrobe = Wardrobe(lab.place)
    broker = wardrobe.get("rabbitmq", {}, {}, "active")
    search = wardrobe.get("elasticsearch", {}, {}, "active")
    logstash = wardrobe.get(
        "logstash", {"from": "mq", "to": "es"}, {"from": broker, "to": search}, ""
    )
    zipkin = wardrobe.get(
        "zipkin", {"storage": "es", "transport": "mq"}, {"storage": search, "transport": broker}, ""
    )
    made = Scene(lab, {"mq": broker, "es": search, "logstash": logstash, "zipkin": zipkin})
    exchange, queue = quote(EXCHANGE), quote(QUEUE)
    made.tell("mq", f'PUT /api/exchanges/%2F/{exchange} {{"type":"direct","durable":true}}')
    made.tell("mq", f'POST /api/bindings/%2F/e/{exchange}/q/{queue} {{"routing_key":"{KEY}"}}')
    made.tell("es", f'PUT /{INDEX} {{"settings":{{"number_of_replicas":0}}}}')
    try:
        yield made
    finally:
        guise.clear(lab.place)


@pytest.fixture
def bridges(scene: Scene, namespace: str) -> str:
    """The five bridges, in a namespace of their own."""
    login = {n: g.role.login(scene.lab.place) for n, g in scene.servers.items()}
    by_name = {g.name: login[n] for n, g in scene.servers.items()}
    objects = objects_of(BRIDGES, scene.servers, lambda g: by_name[g.name], "")
    scene.lab.apply(objects, namespace=namespace)
    scene.lab.await_rules(namespace)
    return namespace


def healthy(ran: Run) -> None:
    found = {b["name"]: (ran.bridge(b["name"])["status"], ran.said(b["name"])) for b in BRIDGES}
    assert {status for status, _ in found.values()} == {"pass"}, found
    assert ran.code == 0


def said_of(ran: Run, name: str) -> str:
    """All that is told of a bridge."""
    return json.dumps(ran.bridge(name))


def test_without_active_nothing_is_written_anywhere(scene: Scene, bridges: str) -> None:
    before = scene.counters()
    healthy(doctor(scene.lab, bridges))
    assert scene.counters() == before


def test_both_paths_end_to_end_and_nothing_is_left(scene: Scene, bridges: str) -> None:
    before, stored = scene.counters(), scene.documents()
    ran = doctor(scene.lab, bridges, "--active")
    healthy(ran)
    assert f"a marked log line arrived in {INDEX}" in said_of(ran, "elk-svc")
    assert "a span sent by HTTP and by RabbitMQ was found" in said_of(ran, "zipkin-svc")
    assert scene.documents() == stored
    assert set(scene.waiting().values()) == {0}
    after = scene.counters()
    # Once by name, whatever routes there are: one line, one span by each way.
    assert after["mq"][QUEUE] - before["mq"][QUEUE] == 1
    assert after["mq"]["zipkin"] - before["mq"]["zipkin"] == 1
    for way in ("http", "rabbitmq"):
        key = f"counter.zipkin_collector.spans.{way}"
        assert after["zipkin"][key] - before["zipkin"][key] == 1
    assert after["es"]["delete_total"] - before["es"]["delete_total"] == 3
    assert after["es"]["index_total"] - before["es"]["index_total"] == 3


def test_what_hangs_behind_the_queue_is_seen_with_active_only(scene: Scene, bridges: str) -> None:
    with guise.frozen(scene.lab.place, scene.servers["logstash"]):
        healthy(doctor(scene.lab, bridges))
        ran = doctor(scene.lab, bridges, "--active")
        assert ran.said("elk-svc") == [("KX730", "server-state")]
        assert ran.bridge("zipkin-svc")["status"] == "pass"
