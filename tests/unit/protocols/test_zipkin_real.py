"""The Zipkin check against a real Zipkin, Elasticsearch 7.1.1 and RabbitMQ on loopback."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from k8sext.model.plan import Budget
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Stage, Status
from tests.support import rabbit_broker, search_servers, zipkin_server
from tests.support.path_probe import There, probe
from tests.support.ports import HOST
from tests.support.rabbit_broker import EVERYTHING, PASSWORD, Broker
from tests.support.search_servers import Node
from tests.support.zipkin_server import Zipkin, fetch

LOGIN = {"username": "shop", "password": PASSWORD}
DEFINITIONS: dict[str, Any] = {
    "vhosts": [{"name": "/"}],
    "users": [rabbit_broker.user("shop", tags="administrator")],
    "permissions": [{"user": "shop", "vhost": "/", **EVERYTHING}],
    "queues": [{"name": "lonely", "vhost": "/", "durable": True, "auto_delete": False,
                "arguments": {}}],
}  # fmt: skip
SOON = Budget(stage_s=2, probe_s=6, run_s=20, active_s=2)


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
        yield node


@pytest.fixture(scope="module")
def zipkin(
    rabbit: Broker, search: Node, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Zipkin]:
    settings = {
        "STORAGE_TYPE": "elasticsearch",
        "ES_HOSTS": f"http://user:{PASSWORD}@{HOST}:{search.http}",
        "RABBIT_ADDRESSES": f"{HOST}:{rabbit.port}",
        "RABBIT_USER": "shop",
        "RABBIT_PASSWORD": PASSWORD,
        "COLLECTOR_SAMPLE_RATE": "0.01",
    }
    with zipkin_server.running(tmp_path_factory.mktemp("zipkin"), **settings) as running:
        yield running


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zipkin]:
    """One that the article's own typing error leaves in memory."""
    typo = "-Dzipkin.torage.type=elasticsearch"
    with zipkin_server.running(tmp_path_factory.mktemp("zipkin"), typo) as running:
        yield running


def look(zipkin: Zipkin, active: bool = False, **more: Any) -> Observation:
    expect = more.pop("expect", {})
    budget = more.pop("budget", None)
    first = There("zipkin", zipkin.port, expect=expect)
    seen = probe(first, active=active, budget=budget, **more)
    assert PASSWORD not in repr(seen)
    return seen


def verdict(seen: Observation) -> tuple[Status, Reason | None]:
    stage = seen.ended_by or seen.stage(Stage.VERIFY)
    return (seen.status, stage.reason if stage else None)


def said(seen: Observation) -> str:
    stage = seen.ended_by or seen.stage(Stage.VERIFY)
    assert stage is not None
    return stage.detail


def count(search: Node) -> int:
    """Spans in the storage."""
    base = f"http://{HOST}:{search.http}/zipkin-span-*"
    fetch(f"{base}/_refresh?allow_no_indices=true", "POST")
    told: dict[str, int] = json.loads(fetch(f"{base}/_count?allow_no_indices=true"))
    return told["count"]


def test_in_memory(alone: Zipkin) -> None:
    seen = look(alone)
    assert (seen.depth, verdict(seen)) == (Stage.VERIFY, (Status.PASS, None))
    assert (seen.fact("product"), seen.fact("version")) == ("zipkin", "3.5.1")
    assert (seen.fact("storage"), seen.fact("collectors")) == ("InMemoryStorage", [])
    assert verdict(look(alone, expect={"version": ">=3"}))[1] is None
    assert verdict(look(alone, expect={"version": "<3"}))[1] is Reason.UNSUPPORTED_VERSION
    wrong = look(alone, expect={"storage": "elasticsearch"})
    assert verdict(wrong) == (Status.FAIL, Reason.UNEXPECTED)
    assert "InMemoryStorage, which is lost with its process" in said(wrong)
    assert verdict(look(alone, expect={"storage": "mem"}))[1] is None
    assert verdict(look(alone, expect={"services": "shop"}))[1] is Reason.OBJECT_MISSING


def test_a_span_in_memory_is_found_and_stays(alone: Zipkin) -> None:
    seen = look(alone, active=True, expect={"services": "k8sext-probe"})
    assert verdict(seen)[1] is Reason.OBJECT_MISSING  # looked at before anything is sent
    seen = look(alone, active=True)
    assert verdict(seen) == (Status.PASS, None)
    assert "a span sent by HTTP was found" in said(seen)
    assert "it stays" in said(seen)
    assert verdict(look(alone, expect={"services": "k8sext-probe"}))[1] is None


def test_a_span_by_both_ways_arrives_and_leaves_nothing(
    zipkin: Zipkin, rabbit: Broker, search: Node
) -> None:
    queue, store = There("rabbitmq", rabbit.port, LOGIN), There("elasticsearch", search.http)
    expect = {"rabbitmq": "mq-svc", "elasticsearch": "es-svc", "storage": "elasticsearch",
              "index": "zipkin"}  # fmt: skip
    before = zipkin.counters()
    quiet = look(zipkin, expect=expect, mq_svc=queue, es_svc=store)
    assert verdict(quiet) == (Status.PASS, None)
    assert "queue zipkin has 1 consumer and 0 messages" in said(quiet)
    assert zipkin.counters() == before  # nothing was written
    seen = look(zipkin, active=True, expect=expect, mq_svc=queue, es_svc=store)
    assert verdict(seen) == (Status.PASS, None)
    assert "a span sent by HTTP and by RabbitMQ was found" in said(seen)
    assert said(seen).endswith("and deleted")
    after = zipkin.counters()
    for way in ("http", "rabbitmq"):
        key = f"counter.zipkin_collector.spans.{way}"
        assert after[key] - before[key] == 1
    assert count(search) == 0


def test_companions_that_do_not_fit(zipkin: Zipkin, rabbit: Broker, search: Node) -> None:
    store = There("elasticsearch", search.http)
    seen = look(zipkin, expect={"rabbitmq": "es-svc"}, es_svc=store)
    assert verdict(seen)[1] is Reason.BAD_EXPECTATION
    assert "es-svc is a bridge of elasticsearch, not of AMQP" in said(seen)
    wrong = There("rabbitmq", rabbit.port, {**LOGIN, "password": "wrong"})
    seen = look(zipkin, expect={"rabbitmq": "mq-svc"}, mq_svc=wrong)
    assert verdict(seen)[1] is Reason.COMPANION_FAILED
    seen = look(zipkin, expect={"index": "other"})
    assert verdict(seen)[1] is Reason.UNEXPECTED
    queue = There("rabbitmq", rabbit.port, LOGIN)
    seen = look(zipkin, expect={"rabbitmq": "mq-svc", "queue": "lonely"}, mq_svc=queue)
    assert verdict(seen)[1] is Reason.UNEXPECTED


def test_a_zipkin_that_reads_no_queue(alone: Zipkin, rabbit: Broker) -> None:
    queue = There("rabbitmq", rabbit.port, LOGIN)
    seen = look(alone, expect={"rabbitmq": "mq-svc"}, mq_svc=queue)
    assert verdict(seen) == (Status.FAIL, Reason.NO_CONSUMER)
    assert "RABBIT_ADDRESSES" in said(seen)


def test_a_storage_that_is_not_the_one_of_the_bridge(alone: Zipkin, search: Node) -> None:
    store = There("elasticsearch", search.http)
    seen = look(alone, active=True, expect={"elasticsearch": "es-svc"}, es_svc=store)
    assert verdict(seen) == (Status.FAIL, Reason.UNEXPECTED)
    assert "its storage is no Elasticsearch" in said(seen)


def test_what_a_frozen_or_dead_storage_looks_like(
    search: Node, tmp_path: Path, rabbit: Broker
) -> None:
    """The port in between is ours: it can hang, and be gone."""
    with socket.create_server((HOST, 0)) as hole:
        port = hole.getsockname()[1]
        settings = {"STORAGE_TYPE": "elasticsearch", "ES_HOSTS": f"http://{HOST}:{port}"}
        with zipkin_server.running(tmp_path, **settings) as zipkin:
            hangs = look(zipkin, budget=SOON)
            assert verdict(hangs) == (Status.FAIL, Reason.UNHEALTHY)
            assert "as when its storage hangs" in said(hangs)
            hole.close()
            end = time.monotonic() + 20
            gone = look(zipkin, budget=SOON)
            while "refused" not in said(gone) and time.monotonic() < end:
                gone = look(zipkin, budget=SOON)
            assert verdict(gone) == (Status.FAIL, Reason.UNHEALTHY)
            assert f"ElasticsearchStorage (http://{HOST}:{port}) is down" in said(gone)


def test_a_frozen_zipkin_is_silent(alone: Zipkin) -> None:
    os.kill(alone.pid, signal.SIGSTOP)
    try:
        seen = look(alone, budget=SOON)
    finally:
        os.kill(alone.pid, signal.SIGCONT)
    assert verdict(seen) == (Status.FAIL, Reason.SILENT)
    assert seen.depth is Stage.CONNECT


def test_a_dead_broker_is_seen_where_zipkin_says_up(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Zipkin's own word for its RabbitMQ collector is UP also when the broker is gone."""
    with rabbit_broker.broker(tmp_path_factory.mktemp("mq"), DEFINITIONS) as broker:
        settings = {"RABBIT_ADDRESSES": f"{HOST}:{broker.port}", "RABBIT_USER": "shop",
                    "RABBIT_PASSWORD": PASSWORD}  # fmt: skip
        with zipkin_server.running(tmp_path_factory.mktemp("zipkin"), **settings) as zipkin:
            expect, queue = {"rabbitmq": "mq-svc"}, There("rabbitmq", broker.port, LOGIN)
            assert verdict(look(zipkin, expect=expect, mq_svc=queue))[1] is None
            broker.control("stop_app")
            seen = look(zipkin, expect=expect, mq_svc=queue)
            assert verdict(seen) == (Status.FAIL, Reason.COMPANION_FAILED)
            assert "mq-svc" in said(seen)
            assert json.loads(fetch(f"http://{HOST}:{zipkin.port}/health"))["status"] == "UP"
            unseen = look(zipkin)
            assert verdict(unseen) == (Status.PASS, None)
            assert "says UP of a dead broker, too" in said(unseen)
