"""The protocol of a port: the first hit wins, and the source is told."""

from typing import Any

import pytest

from k8sext import registry
from k8sext.agent.check import CheckInfo
from k8sext.agent.wire.http_api import HttpApi
from k8sext.bridges import infer
from k8sext.bridges.infer import Inferred
from k8sext.model.tls import TlsMode

WORDS = infer.vocabulary(e.info for e in registry.wire_checks().values())
ALL = {
    "annotation": "kibana",
    "app_protocol": "amqp",
    "port_name": "mysql",
    "port": 6379,
    "service": "elasticsearch-svc",
}
ORDER = (
    ("annotation", "kibana", "annotation"),
    ("app_protocol", "rabbitmq", "appProtocol"),
    ("port_name", "mysql", "port name"),
    ("port", "redis", "well-known port"),
    ("service", "elasticsearch", "service name"),
)


def whole(**more: Any) -> Inferred:
    given: dict[str, Any] = {
        "annotation": "",
        "app_protocol": "",
        "port_name": "",
        "port": 0,
        "service": "x",
    }
    return infer.protocol(WORDS, **{**given, **more})


def inferred(**more: Any) -> tuple[str, str]:
    found = whole(**more)
    return found.protocol, found.source


@pytest.mark.parametrize("n", range(len(ORDER)))
def test_each_source_comes_before_the_next(n: int) -> None:
    left = {key: ALL[key] for key, _, _ in ORDER[n:]}
    _, protocol, source = ORDER[n]
    assert inferred(**left) == (protocol, source)
    assert inferred(**{ORDER[n][0]: ALL[ORDER[n][0]]}) == (protocol, source)


def test_what_says_nothing_is_tcp() -> None:
    assert inferred() == ("tcp", "fallback")
    assert inferred(app_protocol="kubernetes.io/h2c", port_name="web1", port=1) == (
        "tcp", "appProtocol",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("port_name", "protocol"),
    [
        ("mysql", "mysql"), ("tcp-mysql", "mysql"), ("MySQL", "mysql"), ("my-mysql-0", "mysql"),
        ("amqp", "rabbitmq"), ("pgsql", "postgresql"), ("http-web", ""), ("https", ""),
        ("redis-metrics", ""), ("mysql-exporter", ""), ("metrics-redis", ""), ("amqps", "rabbitmq"),
        ("mysqlx1", ""), ("notredis", ""), ("redisson", ""), ("", ""),
    ],
)  # fmt: skip
def test_words_of_port_names_are_whole_words(port_name: str, protocol: str) -> None:
    assert infer.by_words(WORDS.port_words, port_name) == protocol


@pytest.mark.parametrize(
    ("port_name", "port", "service", "protocol"),
    [
        ("", 9090, "metrics-svc", "prometheus"),
        ("web", 9090, "prometheus-svc", "prometheus"),
        ("http-metrics", 9114, "elasticsearch-exporter", "http"),
        ("", 80, "prometheus-server", "prometheus"),
        ("", 30090, "prometheus-server", "prometheus"),
        ("prometheus", 15692, "mq-svc", "tcp"),  # RabbitMQ's metrics
        ("", 9100, "prometheus-node-exporter", "tcp"),
        ("", 9093, "kafka-svc", "tcp"),
        ("", 9093, "prometheus-alertmanager", "alertmanager"),
        ("", 3000, "shop-svc", "tcp"),
        ("", 3000, "grafana-svc", "grafana"),
    ],
)
def test_metrics_of_something_are_no_prometheus(
    port_name: str, port: int, service: str, protocol: str
) -> None:
    assert inferred(port_name=port_name, port=port, service=service)[0] == protocol


def test_app_protocols_are_read_whatever_their_case() -> None:
    assert inferred(app_protocol="HTTP")[0] == "http"


@pytest.mark.parametrize(
    ("port", "protocol"),
    [(5432, "postgresql"), (3306, "mysql"), (5672, "rabbitmq"), (6379, "redis"),
     (9200, "elasticsearch"), (80, "http"), (443, "https")],
)  # fmt: skip
def test_well_known_ports(port: int, protocol: str) -> None:
    assert inferred(port=port) == (protocol, "well-known port")


def test_every_check_can_be_named() -> None:
    assert set(registry.wire_checks()) == WORDS.names


# -- guesses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "protocol", "fallback"),
    [
        # a number of its own says more than a generic word
        ({"port_name": "http", "port": 9200}, "elasticsearch", "http"),
        ({"port_name": "http", "port": 15672}, "rabbitmq-management", "http"),
        ({"port_name": "web", "port": 9090}, "prometheus", "http"),
        ({"port_name": "https", "port": 5601}, "kibana", "https"),
        ({"port_name": "server", "port": 6379}, "redis", "tcp"),
        ({"port_name": "http", "port": 3306}, "mysql", "http"),
        ({"app_protocol": "http", "port": 9411}, "zipkin", "http"),
        ({"app_protocol": "tcp", "port": 5432}, "postgresql", "tcp"),
        ({"app_protocol": "kubernetes.io/h2c", "port": 9200}, "elasticsearch", "tcp"),
        ({"app_protocol": "kubernetes.io/wss", "port_name": "x", "port": 5601}, "kibana", "https"),
        # so does the Service's name, where it fits the word
        ({"port_name": "http", "port": 19200, "service": "elasticsearch"}, "elasticsearch", "http"),
        ({"port_name": "https", "port": 443, "service": "kibana-svc"}, "kibana", "https"),
        ({"port": 80, "service": "my-grafana"}, "grafana", "http"),
        ({"port_name": "tcp", "port": 7000, "service": "redis-svc"}, "redis", "tcp"),
        ({"port_name": "gossip", "port": 7000, "service": "redis-svc"}, "redis", "tcp"),
        ({"port": 7000, "service": "redis-svc"}, "redis", ""),
        ({"port_name": "http", "port": 80, "service": "prometheus-grafana"}, "grafana", "http"),
        # what does not fit is none
        ({"port_name": "http", "port": 8081, "service": "redis-commander"}, "http", ""),
        ({"port_name": "http", "port": 8081, "service": "redis-svc"}, "http", ""),
        ({"port_name": "http", "port": 9114, "service": "elasticsearch-exporter"}, "http", ""),
        ({"port_name": "metrics", "port": 9121, "service": "redis-svc"}, "tcp", ""),
        # what somebody wrote, and a number without any word, is no guess
        ({"port_name": "http", "port": 9200, "annotation": "http"}, "http", ""),
        ({"port_name": "elasticsearch", "port": 80}, "elasticsearch", ""),
        ({"port": 9200}, "elasticsearch", ""),
        ({"port_name": "http", "port": 8080}, "http", ""),
        ({"port_name": "api", "port": 8000}, "tcp", ""),
        ({"app_protocol": "http", "port_name": "redis", "port": 80}, "redis", ""),
    ],
)
def test_a_generic_word_is_less_than_a_number_or_a_name(
    given: dict[str, Any], protocol: str, fallback: str
) -> None:
    found = whole(**given)
    assert (found.protocol, found.fallback) == (protocol, fallback)


REQUIRE, FULL = TlsMode.REQUIRE, TlsMode.VERIFY_FULL


@pytest.mark.parametrize(
    ("given", "protocol", "tls", "first"),
    [
        ({"port_name": "amqps", "port": 5671}, "rabbitmq", REQUIRE, False),
        ({"port_name": "rediss", "port": 6390}, "redis", REQUIRE, False),
        ({"app_protocol": "amqps", "port": 9999}, "rabbitmq", REQUIRE, False),
        ({"port_name": "tcp-redis-tls", "port": 6379}, "redis", REQUIRE, False),
        ({"port_name": "postgresql-ssl", "port": 5432}, "postgresql", REQUIRE, False),
        ({"port_name": "tls", "port": 6380}, "redis", REQUIRE, False),
        ({"port_name": "https", "port": 9200}, "elasticsearch", FULL, False),
        ({"port": 5671}, "rabbitmq", None, True),
        ({"port": 6380}, "redis", None, True),
        ({"port_name": "http", "port": 9243}, "elasticsearch", None, True),
        ({"port_name": "redis", "port": 6380}, "redis", None, False),
        ({"annotation": "redis", "port": 6380}, "redis", None, False),
        ({"port_name": "https", "port": 443}, "https", None, False),
    ],
)
def test_words_want_tls_and_numbers_hint_at_it(
    given: dict[str, Any], protocol: str, tls: TlsMode | None, first: bool
) -> None:
    found = whole(**given)
    assert (found.protocol, found.tls, found.tls_first) == (protocol, tls, first)


@pytest.mark.parametrize(
    ("given", "product"),
    [
        ({"port_name": "kafka", "port": 19092}, "Kafka"),
        ({"port_name": "kafka", "port": 6379}, "Kafka"),
        ({"port": 27017}, "MongoDB"),
        ({"port_name": "tcp", "port": 1521}, "Oracle"),
        ({"port_name": "tcp", "port": 9999, "service": "zookeeper-svc"}, "ZooKeeper"),
        ({"app_protocol": "mongo", "port": 1}, "MongoDB"),
        ({"app_protocol": "grpc", "port": 9999}, "gRPC"),
        ({"annotation": "tcp", "port": 9042}, "Cassandra"),
        ({"port_name": "transport", "port": 9300, "service": "elasticsearch"},
         "Elasticsearch's transport"),
        ({"port": 9999}, ""),
    ],
)  # fmt: skip
def test_what_has_no_check_is_called_by_its_name(given: dict[str, Any], product: str) -> None:
    found = whole(**given)
    assert (found.protocol, found.product, found.fallback) == ("tcp", product, "")


@pytest.mark.parametrize("field", ["port_names", "service_names", "app_protocols", "ports"])
def test_two_checks_that_claim_one_word_are_decided_or_an_error(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    word: Any = 4711 if field == "ports" else "thing"
    base = {"summary": "", "proves": ""}
    two = [CheckInfo(name=n, **{field: (word,)}, **base) for n in ("b", "a")]  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="both claim"):
        infer.vocabulary(two)
    monkeypatch.setattr(infer, "DECIDED", {word: "b"})
    for order in (two, two[::-1]):
        found = infer.vocabulary(order)
        tables = (found.port_words, found.service_words, found.app_protocols, found.ports)
        assert [t[word] for t in tables if word in t] == ["b"]


def test_the_checks_that_speak_http_are_known() -> None:
    http = {n for n, e in registry.wire_checks().items() if issubclass(e.cls, HttpApi)}
    assert http - {"http", "https"} == infer.HTTP_PRODUCTS
