"""Which protocol a port speaks, and how we know: the first hit wins. Pure.

What somebody wrote down is certain: an annotation, a specific `appProtocol`, a specific port name.
What a port's number or the Service's name says is a *guess* where the port is called by a generic
word (`http`, `tcp`, …): the word is the `fallback` by which the port is judged if no server of the
guessed protocol answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from typing import Any

from k8sext.agent.check import CheckInfo
from k8sext.agent.expect import Declared
from k8sext.model.data import dataclass
from k8sext.model.tls import TlsMode

_BREAK = re.compile(r"[^a-z0-9]+")
FALLBACK = "tcp"
# Words that say less than a well-known number or the Service's name, and how a port is judged by
# them alone. `api` and `server` may be anything. `kubernetes.io/…`: KEP-3726; `http2`, `grpc`,
# `grpc-web`, `tls`: Istio's protocol selection.
GENERIC = {
    "http": "http", "web": "http", "www": "http", "https": "https", "tcp": "tcp",
    "server": "tcp", "api": "tcp",
    "ws": "http", "wss": "https", "http2": "tcp", "h2c": "tcp", "grpc": "tcp", "tls": "tcp",
    "kubernetes.io/h2c": "tcp", "kubernetes.io/ws": "http", "kubernetes.io/wss": "https",
}  # fmt: skip
# Words that say TLS besides: with them in a name, TLS is not tried but wanted.
SECURE = {"amqps": "rabbitmq", "rediss": "redis"}
_TLS_WORDS = frozenset({"tls", "ssl", *SECURE})
# Numbers that are registered, or used by convention, for the protocol over TLS. A number alone is
# no more than a hint: many run a second plain server there, so TLS is tried first.
TLS_PORTS = {5671: "rabbitmq", 6380: "redis", 9243: "elasticsearch"}
# Checks that speak HTTP: the word `http` fits them. A test compares this with the checks.
HTTP_PRODUCTS = frozenset({
    "actuator", "alertmanager", "apollo", "elasticsearch", "eureka", "grafana", "kibana",
    "prometheus", "rabbitmq-management", "registry", "sentinel", "xxl-job", "zipkin",
})  # fmt: skip
# What follows a product's name and makes another thing of it: an exporter of Redis is no Redis.
_BESIDE = frozenset({"commander", "insight", "backup", "operator", "webhook"})
_METRICS = frozenset({"metrics", "exporter"})  # wherever they stand
# Where two checks claim one word or one number. Without an entry here it is an error, never the
# alphabet.
DECIDED: Mapping[str | int, str] = {}
# What has no check: said by its name, so that "connects" is not taken for more.
UNCHECKED_WORDS = {
    "kafka": "Kafka", "mongo": "MongoDB", "mongodb": "MongoDB", "oracle": "Oracle",
    "mssql": "SQL Server", "sqlserver": "SQL Server", "zookeeper": "ZooKeeper", "zk": "ZooKeeper",
    "cassandra": "Cassandra", "nats": "NATS",
    "etcd": "etcd", "mqtt": "MQTT", "ldap": "LDAP", "ldaps": "LDAP", "smtp": "SMTP",
    "smtps": "SMTP", "sftp": "SFTP", "ssh": "SSH", "ftp": "FTP", "nacos": "Nacos",
    "rocketmq": "RocketMQ", "pulsar": "Pulsar", "activemq": "ActiveMQ", "clickhouse": "ClickHouse",
    "influxdb": "InfluxDB", "neo4j": "Neo4j", "db2": "Db2", "consul": "Consul", "minio": "MinIO",
    "imap": "IMAP", "imaps": "IMAP", "kerberos": "Kerberos", "grpc": "gRPC",
}  # fmt: skip
UNCHECKED_PORTS = {
    27017: "MongoDB", 9092: "Kafka", 1521: "Oracle", 1433: "SQL Server",
    2181: "ZooKeeper", 9042: "Cassandra", 4222: "NATS", 2379: "etcd",
    1883: "MQTT", 8883: "MQTT", 389: "LDAP", 636: "LDAP", 25: "SMTP", 465: "SMTP", 587: "SMTP",
    22: "SSH", 21: "FTP", 8848: "Nacos", 9876: "RocketMQ", 6650: "Pulsar", 61616: "ActiveMQ",
    7687: "Neo4j", 50000: "Db2", 143: "IMAP", 993: "IMAP", 88: "Kerberos", 4369: "epmd",
    9300: "Elasticsearch's transport", 16379: "the bus of a Redis Cluster",
    25672: "RabbitMQ's links between its nodes",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words and ports to protocol, made once from what the checks say of themselves."""

    names: frozenset[str]
    app_protocols: Mapping[str, str]
    port_words: Mapping[str, str]
    service_words: Mapping[str, str]
    ports: Mapping[int, str]
    default_ports: Mapping[str, int]
    expects: Mapping[str, Declared]
    by_port: dict[tuple[str, str, int], Inferred | None] = field(
        default_factory=dict
    )  # known so far


@dataclass(frozen=True, slots=True, kw_only=True)
class Inferred:
    """What a port speaks. `fallback`: what it is judged by where that is a guess and no such server
    answers. `tls`: what the words ask for; `tls_first`: TLS is tried, and no TLS is fine.
    `product`: what has no check of its own and is connected to only.
    """

    protocol: str
    source: str
    fallback: str = ""
    tls: TlsMode | None = None
    tls_first: bool = False
    product: str = ""


def vocabulary(infos: Iterable[CheckInfo]) -> Vocabulary:
    """The words of some checks. Raises ValueError where two claim one word undecided."""
    known = list(infos)
    words = _claimed((w, i.name) for i in known for w in i.port_names if w not in GENERIC)
    apps = _claimed((w.lower(), i.name) for i in known for w in i.app_protocols)
    return Vocabulary(
        names=frozenset(i.name for i in known),
        app_protocols={**SECURE, **{w: n for w, n in apps.items() if w not in GENERIC}},
        port_words={**SECURE, **words},
        service_words=_claimed((w, i.name) for i in known for w in i.service_names),
        ports=_claimed((p, i.name) for i in known for p in i.ports),
        default_ports={i.name: i.ports[0] for i in known if i.ports},
        expects={i.name: i.expects for i in known},
    )


def _claimed(claims: Iterable[tuple[Any, str]]) -> dict[Any, str]:
    found: dict[Any, str] = {}
    for word, name in claims:
        if found.setdefault(word, name) != name:
            if word not in DECIDED:
                raise ValueError(f"{found[word]} and {name} both claim {word!r}: see DECIDED")
            found[word] = DECIDED[word]
    return found


def protocol(
    words: Vocabulary,
    *,
    annotation: str,
    app_protocol: str,
    port_name: str,
    port: int,
    service: str,
) -> Inferred:
    """What one port speaks, how we know, and what it is if that is wrong."""
    app, name = app_protocol.lower(), port_name.lower()
    found = _annotated(annotation) or by_port(words, app_protocol, port_name, port)
    if found is None:
        generic = GENERIC.get(app) or _generic(name) or _generic_number(words, port)
        found = _by_service(words, service, name, generic)
        found = _with_tls(app, name, found or _by_generic(words, app, name, port))
    if found.protocol != FALLBACK or found.product:
        return found
    return replace(found, product=_unchecked(app, name, port, service))


def by_port(words: Vocabulary, app_protocol: str, port_name: str, port: int) -> Inferred | None:
    """What the port says by itself, whatever its Service is called; worked out once for each."""
    key = (app_protocol, port_name, port)
    if key not in words.by_port:
        app, name = app_protocol.lower(), port_name.lower()
        generic = GENERIC.get(app) or _generic(name)
        found = _specific(words, app, name) or _by_number(words, port, generic)
        words.by_port[key] = _with_tls(app, name, found) if found else None
    return words.by_port[key]


def _with_tls(app: str, name: str, found: Inferred) -> Inferred:
    tls = _tls(app, name, found)
    return replace(found, tls=tls, tls_first=False) if tls else found


def _annotated(annotation: str) -> Inferred | None:
    return Inferred(protocol=annotation, source="annotation") if annotation else None


def _specific(words: Vocabulary, app: str, name: str) -> Inferred | None:
    """What somebody wrote at the port itself, checked or not."""
    by_app = words.app_protocols.get(app)
    if by_app:
        return Inferred(protocol=by_app, source="appProtocol")
    if app not in GENERIC and app in UNCHECKED_WORDS:
        return Inferred(protocol=FALLBACK, source="appProtocol", product=UNCHECKED_WORDS[app])
    by_name = by_words(words.port_words, name)
    if by_name:
        return Inferred(protocol=by_name, source="port name")
    product = by_words(UNCHECKED_WORDS, name)
    return Inferred(protocol=FALLBACK, source="port name", product=product) if product else None


def _by_number(words: Vocabulary, port: int, generic: str) -> Inferred | None:
    """A number of its own; those of HTTP itself say no more than the word does."""
    over_tls = TLS_PORTS.get(port)
    known = over_tls or words.ports.get(port)
    if port in UNCHECKED_PORTS and generic not in ("http", "https"):
        product = UNCHECKED_PORTS[port]
        return Inferred(protocol=FALLBACK, source="well-known port", product=product)
    if known is None or known in ("http", "https"):
        return None
    return Inferred(
        protocol=known, source="well-known port", fallback=generic, tls_first=bool(over_tls)
    )


def _by_service(words: Vocabulary, service: str, port_name: str, generic: str) -> Inferred | None:
    """A guess where the port has any name of its own: it may be another port of that product. Where
    it is called `http`, only what speaks HTTP can be meant.
    """
    named = by_words(words.service_words, service)
    if _METRICS & set(_BREAK.split(port_name)):
        return None
    if not named or (generic in ("http", "https") and named not in HTTP_PRODUCTS):
        return None
    fallback = generic or (FALLBACK if port_name else "")
    return Inferred(protocol=named, source="service name", fallback=fallback)


def _by_generic(words: Vocabulary, app: str, name: str, port: int) -> Inferred:
    for generic, source in (
        (GENERIC.get(app), "appProtocol"),
        (_generic(name), "port name"),
        (_generic_number(words, port), "well-known port"),
    ):
        if generic:
            return Inferred(protocol=generic, source=source)
    return Inferred(protocol=FALLBACK, source="fallback")


def _generic(name: str) -> str:
    """What the generic words in a port's name say; "" without any."""
    said = {GENERIC[part] for part in _BREAK.split(name) if part in GENERIC}
    return next((word for word in ("https", "http", "tcp") if word in said), "")


def _generic_number(words: Vocabulary, port: int) -> str:
    known = words.ports.get(port, "")
    return known if known in ("http", "https") else ""


def _tls(app: str, name: str, found: Inferred) -> TlsMode | None:
    """What the words say of TLS; the check for https has its own mode."""
    parts = {app, *_BREAK.split(name)}
    if found.source == "annotation" or found.protocol in ("http", "https", FALLBACK):
        return None
    if "https" in parts or "kubernetes.io/wss" in parts:
        return TlsMode.VERIFY_FULL
    return TlsMode.REQUIRE if parts & _TLS_WORDS else None


def _unchecked(app: str, name: str, port: int, service: str) -> str:
    """What a port that is only connected to is likely to be; "" where nothing says so."""
    return (
        UNCHECKED_WORDS.get(app)
        or by_words(UNCHECKED_WORDS, name)
        or UNCHECKED_PORTS.get(port)
        or by_words(UNCHECKED_WORDS, service)
    )


def by_words(known: Mapping[str, str], name: str) -> str:
    """The protocol that a whole word of `name` (or several, joined by dashes) stands for.

    The last one counts, as in any name made of nouns: `prometheus-grafana` is a Grafana; of words
    that end together the longest. An exporter of Redis is no Redis (_BESIDE, _METRICS).
    """
    parts = [part for part in _BREAK.split(name.lower()) if part]
    for end in range(len(parts), 0, -1):
        for start in range(end):
            word = "-".join(parts[start:end])
            if word in known:
                beside = not _BESIDE.isdisjoint(parts[end:]) or not _METRICS.isdisjoint(parts)
                return "" if beside else known[word]
    return ""
