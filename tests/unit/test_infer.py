"""The protocol of a port: the first hit wins, and the source is told."""

from typing import Any

import pytest

from k8sext import infer, registry

WORDS = infer.vocabulary(e.info for e in registry.wire_checks().values())
ALL = {
    "annotation": "rabbitmq",
    "app_protocol": "http",
    "port_name": "mysql",
    "port": 6379,
    "service": "elasticsearch-svc",
}
ORDER = (
    ("annotation", "rabbitmq", "annotation"),
    ("app_protocol", "http", "appProtocol"),
    ("port_name", "mysql", "port name"),
    ("port", "redis", "well-known port"),
    ("service", "elasticsearch", "service name"),
)


def inferred(**more: Any) -> tuple[str, str]:
    given: dict[str, Any] = {
        "annotation": "",
        "app_protocol": "",
        "port_name": "",
        "port": 0,
        "service": "x",
    }
    return infer.protocol(WORDS, **{**given, **more})


@pytest.mark.parametrize("n", range(len(ORDER)))
def test_each_source_comes_before_the_next(n: int) -> None:
    left = {key: ALL[key] for key, _, _ in ORDER[n:]}
    _, protocol, source = ORDER[n]
    assert inferred(**left) == (protocol, source)
    assert inferred(**{ORDER[n][0]: ALL[ORDER[n][0]]}) == (protocol, source)


def test_what_says_nothing_is_tcp() -> None:
    assert inferred() == ("tcp", "fallback")
    assert inferred(app_protocol="kubernetes.io/h2c", port_name="web1", port=1) == (
        "tcp", "fallback",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("port_name", "protocol"),
    [
        ("mysql", "mysql"), ("tcp-mysql", "mysql"), ("MySQL", "mysql"), ("my-mysql-0", "mysql"),
        ("amqp", "rabbitmq"), ("pgsql", "postgresql"), ("http-web", "http"), ("https", "https"),
        ("mysqlx1", ""), ("notredis", ""), ("redisson", ""), ("", ""),
    ],
)  # fmt: skip
def test_words_of_port_names_are_whole_words(port_name: str, protocol: str) -> None:
    assert infer.by_words(WORDS.port_words, port_name) == protocol


@pytest.mark.parametrize(
    ("port_name", "port", "service", "protocol"),
    [
        ("", 9090, "metrics-svc", "prometheus"),
        ("web", 9090, "prometheus-svc", "http"),
        ("", 80, "prometheus-server", "http"),
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


def test_of_two_checks_that_claim_a_port_the_first_by_name_has_it() -> None:
    infos = sorted((e.info for e in registry.wire_checks().values()), key=lambda i: i.name)
    for port, name in WORDS.ports.items():
        assert name == next(i.name for i in infos if port in i.ports)


def test_every_check_can_be_named() -> None:
    assert set(registry.wire_checks()) == WORDS.names
