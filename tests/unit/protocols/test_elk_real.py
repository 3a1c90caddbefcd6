"""The path of a log line against a real RabbitMQ and a real Elasticsearch 7.1.1.

Between the two stands a stand-in for Logstash, which no registry has.
"""

import contextlib
import json
import signal
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pika
import pytest

from k8sext.model.plan import Budget
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Stage, Status
from tests.support import logstash_standin, rabbit_broker, search_servers
from tests.support.path_probe import There, probe
from tests.support.ports import HOST
from tests.support.rabbit_broker import EVERYTHING, PASSWORD, Broker
from tests.support.search_servers import Node
from tests.support.zipkin_server import fetch

LOGIN = {"username": "shop", "password": PASSWORD}
EXCHANGE, QUEUE, INDEX = "msa-ext-elk-exchange", "msa-ext-elk-queue", "msa-ext-elk"
QUEUES = (QUEUE, "other", "unbound")


def queue(name: str) -> dict[str, Any]:
    return {"name": name, "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}}


def exchange(name: str, kind: str) -> dict[str, Any]:
    more: dict[str, Any] = {"durable": True, "auto_delete": False, "internal": False}
    return {"name": name, "vhost": "/", "type": kind, "arguments": {}, **more}


def binding(source: str, name: str, key: str) -> dict[str, Any]:
    about: dict[str, Any] = {"vhost": "/", "destination_type": "queue", "arguments": {}}
    return {"source": source, "destination": name, "routing_key": key, **about}


DEFINITIONS: dict[str, Any] = {
    "vhosts": [{"name": "/"}],
    "users": [rabbit_broker.user("shop", tags="administrator")],
    "permissions": [{"user": "shop", "vhost": "/", **EVERYTHING}],
    "exchanges": [exchange(EXCHANGE, "direct"), exchange("topics", "topic")],
    "queues": [queue(name) for name in QUEUES],
    "bindings": [binding(EXCHANGE, QUEUE, "log"), binding("topics", QUEUE, "log.#"),
                 binding(EXCHANGE, "other", "log.other")],
}  # fmt: skip
EXPECT: dict[str, Any] = {"exchange": EXCHANGE, "queue": QUEUE, "routing_key": "log"}
SEEN: dict[str, Any] = {**EXPECT, "management": "mgmt-svc", "exchange_type": "direct"}
WHOLE: dict[str, Any] = {**SEEN, "elasticsearch": "es-svc", "index": INDEX}
SOON = Budget(stage_s=4, probe_s=10, run_s=30, active_s=3)


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("rabbitmq")
    with rabbit_broker.broker(folder, DEFINITIONS, plugins="rabbitmq_management") as running:
        yield running


@pytest.fixture(scope="module")
def search() -> Iterator[Node]:
    if not search_servers.ARTIFACTS["elasticsearch-7"].made():
        pytest.skip("Elasticsearch 7.1.1 is not built: python -m tests.lab build")
    with search_servers.running("elasticsearch-7") as node:
        fetch(f"http://{HOST}:{node.http}/{INDEX}", "PUT")
        yield node


@pytest.fixture
def logstash(rabbit: Broker, search: Node, tmp_path: Path) -> Iterator[Any]:
    with logstash_standin.running(tmp_path, rabbit.port, search.http, QUEUE, INDEX) as process:
        yield process


def look(
    rabbit: Broker, search: Node | None = None, active: bool = False, **expect: Any
) -> Observation:
    beside = {"mgmt_svc": There("rabbitmq-management", rabbit.management_port, LOGIN)}
    if search:
        beside["es_svc"] = There("elasticsearch", search.http)
    budget = expect.pop("budget", None)
    first = There("elk", rabbit.port, LOGIN, expect)
    seen = probe(first, active=active, budget=budget, **beside)
    assert PASSWORD not in repr(seen)
    return seen


def verdict(seen: Observation) -> tuple[Status, Reason | None]:
    stage = seen.ended_by or seen.stage(Stage.VERIFY)
    return (seen.status, stage.reason if stage else None)


def said(seen: Observation) -> str:
    stage = seen.ended_by or seen.stage(Stage.VERIFY)
    assert stage is not None
    return stage.detail


def documents(search: Node, index: str = INDEX) -> int:
    base = f"http://{HOST}:{search.http}/{index}"
    fetch(f"{base}/_refresh", "POST")
    told: dict[str, int] = json.loads(fetch(f"{base}/_count"))
    return told["count"]


@contextlib.contextmanager
def channel(rabbit: Broker) -> Generator[Any]:
    login = pika.PlainCredentials("shop", PASSWORD)
    made = pika.BlockingConnection(pika.ConnectionParameters(HOST, rabbit.port, "/", login))
    try:
        yield made.channel()
    finally:
        made.close()


@pytest.mark.usefixtures("logstash")
def test_a_healthy_path_quietly_and_with_a_line(rabbit: Broker, search: Node) -> None:
    quiet = look(rabbit, search, **WHOLE)
    assert verdict(quiet) == (Status.PASS, None)
    assert documents(search) == 0
    assert (quiet.fact("exchange_type"), quiet.fact("keys")) == ("direct", ["log"])
    assert (quiet.fact("consumers"), quiet.fact("documents")) == (1, 0)
    seen = look(rabbit, search, active=True, **WHOLE)
    assert verdict(seen) == (Status.PASS, None)
    assert "a marked log line arrived in msa-ext-elk after" in said(seen)
    assert documents(search) == 0
    with channel(rabbit) as one:
        assert one.queue_declare(QUEUE, passive=True).method.message_count == 0


@pytest.mark.usefixtures("logstash")
@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ({"exchange": "absent"}, Reason.OBJECT_MISSING, "no exchange 'absent'"),
        ({"queue": "absent"}, Reason.OBJECT_MISSING, "no queue 'absent'"),
        ({"queue": "other"}, Reason.NO_CONSUMER, "at least 1 expected"),
        ({"queue": "other", "min_consumers": 0}, Reason.OBJECT_MISSING,
         "does not route key log to queue other; its keys are: log.other"),
        ({"queue": "unbound", "min_consumers": 0}, Reason.OBJECT_MISSING, "is not bound"),
        ({"exchange_type": "topic"}, Reason.UNEXPECTED, "is of type direct, expected is topic"),
        ({"exchange": "topics", "exchange_type": "topic", "routing_key": "log.shop.db"}, None, ""),
        ({"exchange": "topics", "exchange_type": "topic", "routing_key": "shop"},
         Reason.OBJECT_MISSING, "topic exchange topics does not route key shop"),
        ({"index": "absent-*"}, Reason.OBJECT_MISSING, "there is no index absent-* at es-svc"),
        ({"management": "es-svc"}, Reason.BAD_EXPECTATION, "is a bridge of elasticsearch"),
        ({"elasticsearch": "mgmt-svc"}, Reason.BAD_EXPECTATION, "not of elasticsearch"),
        ({"elasticsearch": "nobody-svc"}, Reason.BAD_EXPECTATION, "nobody-svc"),
        ({"queue": ""}, Reason.BAD_EXPECTATION, "queue"),
    ],
)  # fmt: skip
def test_what_may_be_wrong_is_seen_without_writing(
    rabbit: Broker, search: Node, change: dict[str, Any], reason: Reason | None, words: str
) -> None:
    seen = look(rabbit, search, **{**WHOLE, **change})
    assert verdict(seen)[1] is reason
    assert words in said(seen)


def test_expectations_that_cannot_be_looked_at(rabbit: Broker) -> None:
    nothing = look(rabbit)
    assert verdict(nothing)[1] is Reason.BAD_EXPECTATION
    no_bridge = look(rabbit, **EXPECT, exchange_type="direct")
    assert verdict(no_bridge)[1] is Reason.BAD_EXPECTATION
    assert "expect.management" in said(no_bridge)
    no_search = look(rabbit, **EXPECT, index=INDEX)
    assert verdict(no_search)[1] is Reason.BAD_EXPECTATION


def test_a_line_that_no_queue_takes_is_told(rabbit: Broker, search: Node, logstash: Any) -> None:
    expect = {k: v for k, v in WHOLE.items() if k not in ("management", "exchange_type")}
    seen = look(rabbit, search, active=True, **{**expect, "routing_key": "nobody"})
    assert verdict(seen) == (Status.FAIL, Reason.OBJECT_MISSING)
    assert "with key nobody (312 NO_ROUTE)" in said(seen)


def test_a_consumer_that_stands_still(rabbit: Broker, search: Node, logstash: Any) -> None:
    """Nothing shows without --active: the broker still counts it, the queue is empty."""
    logstash.send_signal(signal.SIGSTOP)
    assert verdict(look(rabbit, search, **WHOLE)) == (Status.PASS, None)
    seen = look(rabbit, search, active=True, budget=SOON, **WHOLE)
    assert verdict(seen) == (Status.FAIL, Reason.NOT_ARRIVED)
    assert f"is not in {INDEX} at es-svc" in said(seen)


def test_a_consumer_that_writes_elsewhere(rabbit: Broker, search: Node, tmp_path: Path) -> None:
    with logstash_standin.running(tmp_path, rabbit.port, search.http, QUEUE, "logstash-x"):
        seen = look(rabbit, search, active=True, budget=SOON, **WHOLE)
        assert verdict(seen) == (Status.FAIL, Reason.NOT_ARRIVED)
        assert "arrived in index logstash-x, not in msa-ext-elk" in said(seen)
        assert documents(search, "logstash-x") == 0  # found, and deleted there
    fetch(f"http://{HOST}:{search.http}/logstash-x", "DELETE")


def test_only_what_holds_the_mark_is_deleted(rabbit: Broker, search: Node, tmp_path: Path) -> None:
    """An index whose analysis makes every text resemble every other."""
    pair = {"tokenizer": {"pairs": {"type": "ngram", "min_gram": 1, "max_gram": 2}},
            "analyzer": {"default": {"tokenizer": "pairs"}}}  # fmt: skip
    made = {"settings": {"analysis": pair, "number_of_replicas": 0}}
    base = f"http://{HOST}:{search.http}/pairs"
    fetch(base, "PUT", json.dumps(made).encode())
    for number in range(5):
        body = {"message": f"k8sext0123456789abcdef, and not ours: {number}"}
        fetch(f"{base}/_doc", "POST", json.dumps(body).encode())
    with logstash_standin.running(tmp_path, rabbit.port, search.http, QUEUE, "pairs"):
        seen = look(rabbit, search, active=True, **{**WHOLE, "index": "pairs"})
    assert verdict(seen) == (Status.PASS, None)
    assert documents(search, "pairs") == 5
    fetch(base, "DELETE")


def test_an_index_that_takes_nothing(rabbit: Broker, search: Node, logstash: Any) -> None:
    base = f"http://{HOST}:{search.http}"
    where = f"{base}/{INDEX}/_settings"
    fetch(f"{base}/{INDEX}-old", "PUT", b'{"settings": {"index.blocks.write": true}}')
    family: dict[str, Any] = {**WHOLE, "index": f"{INDEX}*"}
    some = look(rabbit, search, **family)
    fetch(where, "PUT", b'{"index.blocks.read_only_allow_delete": true}')
    try:
        seen = look(rabbit, search, **WHOLE)
        every = look(rabbit, search, **family)
    finally:
        fetch(where, "PUT", b'{"index.blocks.read_only_allow_delete": null}')
        fetch(f"{base}/{INDEX}-old", "DELETE")
    assert verdict(some) == (Status.PASS, None)  # an old one is closed for writes
    assert verdict(every)[1] is Reason.READ_ONLY
    assert verdict(seen) == (Status.FAIL, Reason.READ_ONLY)
    assert "msa-ext-elk: index.blocks.read_only_allow_delete" in said(seen)


def test_a_backlog_that_grows(rabbit: Broker) -> None:
    """KX731: nobody reads, and somebody publishes all the time."""
    done = threading.Event()

    def publish() -> None:
        with channel(rabbit) as one:
            while not done.is_set():
                one.basic_publish("", "other", b"{}")
                time.sleep(0.05)
            one.queue_purge("other")

    expect: dict[str, Any] = {"exchange": EXCHANGE, "queue": "other", "min_consumers": 0}
    with channel(rabbit) as one:
        one.basic_publish("", "other", b"{}")
    assert verdict(look(rabbit, **expect)) == (Status.PASS, None)  # it waits, and grows not
    writer = threading.Thread(target=publish)
    writer.start()
    try:
        time.sleep(0.5)
        seen = look(rabbit, **expect)
    finally:
        done.set()
        writer.join()
    assert verdict(seen) == (Status.WARN, Reason.QUEUE_GROWS)
    assert "its backlog grows" in said(seen)


def test_the_stand_in_does_as_logstash_does(rabbit: Broker, search: Node, logstash: Any) -> None:
    """What is no JSON is kept and tagged; a deleted queue ends its input."""
    with channel(rabbit) as one:
        one.basic_publish(EXCHANGE, "log", b"no json")
        end = time.monotonic() + 15
        while documents(search) < 1:
            assert time.monotonic() < end, "it does not arrive"
            time.sleep(0.2)
        found = json.loads(fetch(f"http://{HOST}:{search.http}/{INDEX}/_search"))
        source = found["hits"]["hits"][0]["_source"]
        assert (source["message"], source["tags"]) == ("no json", ["_jsonparsefailure"])
        fetch(f"http://{HOST}:{search.http}/{INDEX}/_doc/{found['hits']['hits'][0]['_id']}",
              "DELETE")  # fmt: skip
        one.queue_delete(QUEUE)
        time.sleep(0.5)
        one.queue_declare(QUEUE, durable=True)
        one.queue_bind(QUEUE, EXCHANGE, "log")
        one.queue_bind(QUEUE, "topics", "log.#")
        assert one.queue_declare(QUEUE, passive=True).method.consumer_count == 0
