"""Every form in which a bridge is named, and what only looks like one."""

from dataclasses import replace
from typing import Any

import pytest

from k8sext.model.bridge import Kind
from k8sext.model.workload import How, Use
from tests.support.workload_objects import (
    ALIAS,
    BRIDGES,
    REDIS,
    bridge,
    configmap,
    container,
    deployment,
    env,
    from_secret,
    mounted,
    seen,
    uses,
    uses_of_text,
)

ARTICLE = """\
server:
  port: 8006
spring:
  rabbitmq:
    host: rabbitmq-svc.dev.svc.cluster.local
    username: guest
    password: geheim
    port: 5672
eureka:
  client:
    service-url:
      defaultZone: ${EUREKA_SERVER:http://127.0.0.1:10001/eureka/}

# K8S
svcname.namespace.svc.cluster.local:port
rabbitmq-svc.dev.svc.cluster.local:9411
"""


def short(found: list[Use]) -> list[tuple[str, int | None, str, bool]]:
    return [(u.bridge.removeprefix("dev/"), u.port, u.how.value, u.likely) for u in found]


SURE = [
    ("redis-svc:26379", "redis-svc", 26379),
    ("redis-svc.dev:26379", "redis-svc", 26379),
    ("redis-svc.dev.svc:26379", "redis-svc", 26379),
    ("redis-svc.dev.svc.cluster.local:26379", "redis-svc", 26379),
    ("redis-svc.dev.svc.cluster.local.:26379", "redis-svc", 26379),
    ("REDIS-SVC.dev.svc.corp.example:26379", "redis-svc", 26379),
    ("redis-svc.dev.svc.cluster.local", "redis-svc", None),
    ("0.redis-svc.dev.svc", "redis-svc", None),
    ("redis://redis-svc", "redis-svc", 6379),
    ("redis://:secret@redis-svc:26379/0", "redis-svc", 26379),
    ("amqp://guest:gu/est@rabbitmq-svc:5672/vhost", "rabbitmq-svc", 5672),
    ("amqps://rabbitmq-svc", "rabbitmq-svc", 5671),
    ("jdbc:postgresql://postgresql-svc/shop?user=a&password=b", "postgresql-svc", 5432),
    ("jdbc:mysql://mysql-svc:3306,mysql-svc.dev:3307/shop", "mysql-svc", 3306),
    ("jdbc:sqlserver://mysql-svc:3306;databaseName=x", "mysql-svc", 3306),
    ("jdbc:oracle:thin:@mysql-svc:1521:ORCL", "mysql-svc", 1521),
    ("jdbc:oracle:thin:@//mysql-svc:1521/x", "mysql-svc", 1521),
    ("app:pw@tcp(mysql-svc:3306)/shop", "mysql-svc", 3306),
    ("http://elasticsearch-svc", "elasticsearch-svc", None),
    ("http://a.example:1,http://elasticsearch-svc:9200", "elasticsearch-svc", 9200),
    ("other:1,redis-svc:26379", "redis-svc", 26379),
    ("host=postgresql-svc port=5432 dbname=shop", "postgresql-svc", 5432),
    ("-Dspring.redis.host=redis-svc -Dspring.redis.port=26379", "redis-svc", 26379),
    ('{"spring":{"redis":{"host":"redis-svc","port":26379}}}', "redis-svc", 26379),
]


@pytest.mark.parametrize(("value", "service", "port"), SURE)
def test_a_variable_that_names_a_bridge_for_certain(
    value: str, service: str, port: int | None
) -> None:
    found = uses(container(*env(SOMETHING=value)))
    assert (service, port, "name", False) in short(found)
    assert {u.bridge for u in found} == {f"dev/{service}"}
    assert not any(u.likely for u in found)


LIKELY = [
    ("redis-svc", None),
    ("wait for redis-svc first", None),
    ("nc -z redis-svc 26379", 26379),
]


@pytest.mark.parametrize(("value", "port"), LIKELY)
def test_a_bare_word_is_likely(value: str, port: int | None) -> None:
    assert short(uses(container(*env(TEXT=value)))) == [("redis-svc", port, "name", True)]


NOTHING = [
    "my-redis-svc2", "redis-svc2:26379", "xredis-svc", "redis-svc_old", "redis-svc-0:26379",
    "/etc/redis-svc/conf", "redis-svc.prod:26379", "redis-svc.prod.svc.cluster.local",
    "redis-svc.example.com", "$redis-svc", "198.51.100.211:26379", "1198.51.100.21",
    "198.51.100.32:15672", "", "redis", "http://x/redis-svc", "198.51.100.21.example.com",
    "redis://redis-svc:26379@elsewhere:6379",
]  # fmt: skip


@pytest.mark.parametrize("value", NOTHING)
def test_what_only_looks_like_one(value: str) -> None:
    assert uses(container(*env(TEXT=value, DB_HOST=value))) == []


def test_a_common_word_is_a_name_only_where_a_host_stands() -> None:
    plain = bridge("redis", 6379)
    text = "spring:\n  cache:\n    type: redis\n# redis\nimage: redis\n"
    assert uses_of_text(text, bridges=(plain,)) == []
    assert short(uses(container(*env(CACHE_TYPE="redis")), bridges=(plain,))) == []
    found = uses(container(*env(REDIS_HOST="redis")), bridges=(plain,))
    assert short(found) == [("redis", None, "name", False)]


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("REDIS_HOST", "REDIS_PORT"), ("SPRING_REDIS_HOST", "SPRING_REDIS_PORT"),
        ("spring.redis.host", "spring.redis.port"), ("REDIS_HOSTNAME", "REDIS_PORT_NUMBER"),
        ("REDIS_HOST_NAME", "REDIS_PORT"), ("redisHost", "redisPort"), ("CACHE_ADDR", "CACHE_PORT"),
        ("SPRING_DATASOURCE_URL", "SPRING_DATASOURCE_PORT"),
    ],
)  # fmt: skip
def test_host_and_port_of_one_prefix_belong_together(host: str, port: str) -> None:
    found = uses(container(*env(**{port: "7000", host: "redis-svc", "PORT": "8080"})))
    assert short(found) == [("redis-svc", 7000, "name", False)]
    assert found[0].text == f"{host}=redis-svc (port 7000)"


@pytest.mark.parametrize("port", ["", "x", "0", "65536", "99999999999", "-1", "٢"])
def test_a_port_that_is_none(port: str) -> None:
    found = uses(container(*env(REDIS_HOST="redis-svc", REDIS_PORT=port)))
    assert short(found) == [("redis-svc", None, "name", False)]


def test_the_programs_own_port_is_not_the_bridges() -> None:
    found = uses(container(*env(HOST="redis-svc", PORT="8080", SERVER_PORT="8081")))
    assert short(found) == [("redis-svc", None, "name", False)]


def test_variables_of_kubernetes_are_no_use() -> None:
    found = uses(container(*env(TARGET="$(REDIS_SVC_SERVICE_HOST):$(REDIS_SVC_SERVICE_PORT)")))
    assert found == []
    assert uses(container(*env(REDIS_SVC_SERVICE_HOST="10.0.0.1"))) == []


@pytest.mark.parametrize(
    ("value", "how", "service", "likely"),
    [
        ("198.51.100.21:26379", How.ENDPOINT, "redis-svc", False),
        ("redis://198.51.100.21:26379", How.ENDPOINT, "redis-svc", False),
        ("198.51.100.21", How.ENDPOINT, "redis-svc", True),
        ("198.51.100.32:9200", How.ENDPOINT, "elasticsearch-svc", False),
        ("[2001:0db8:0::9]:5432", How.ENDPOINT, "postgresql-svc", False),
        ("postgres://[2001:db8::9]/x", How.ENDPOINT, "postgresql-svc", False),
        ("198.19.3.7:26379", How.CLUSTER_IP, "redis-svc", False),
        ("mail.example.com:25", How.TARGET, "mail-svc", False),
        ("mail.example.com", How.TARGET, "mail-svc", True),
    ],
)
def test_addresses_and_outside_names(value: str, how: How, service: str, likely: bool) -> None:
    assert short(uses(container(*env(X_HOST=value)))) == [
        (service, found_port(value), how.value, likely)
    ]


def found_port(value: str) -> int | None:
    if value.startswith("postgres://"):
        return 5432
    last = value.rpartition(":")[2]
    return int(last) if last.isdigit() and len(last) < 6 else None


@pytest.mark.parametrize("value", ["198.51.100.32", "mail.example.com:587", "127.0.0.1:26379"])
def test_a_host_that_could_be_another_service(value: str) -> None:
    """Two bridges lead to .32; port 587 of the mail host is none of ours; loopback is everybody."""
    local = bridge("local-svc", 26379, "127.0.0.1")
    assert uses(container(*env(X_HOST=value)), bridges=(*BRIDGES, local)) == []


def test_addresses_in_plain_text_are_no_use() -> None:
    assert uses(container(*env(TEXT="since 198.51.100.21 was moved"))) == []


def test_the_origin_of_a_bridge_is_an_outside_name() -> None:
    known = replace(REDIS, origin="redis.corp.example")
    found = uses(container(*env(REDIS_HOST="redis.corp.example:26379")), bridges=(known,))
    assert short(found) == [("redis-svc", 26379, "target", False)]


def test_a_bridge_of_another_namespace_is_named_with_it() -> None:
    other = bridge("redis-svc", 6379, namespace="prod")
    values = env(A_HOST="redis-svc.prod", B_HOST="redis-svc")
    found = uses(container(*values), bridges=(other,), namespace=None)
    assert [(u.bridge, u.where) for u in found] == [("prod/redis-svc", "env A_HOST")]


# -- where it is written ---------------------------------------------------------------------------


def where(found: list[Use]) -> list[str]:
    return [f"{u.bridge.removeprefix('dev/')}:{u.port} {u.where}" for u in found]


def test_configmaps_through_variables() -> None:
    maps = [
        configmap("shop", {"REDIS_HOST": "redis-svc", "REDIS_PORT": "7000", "x": "rabbitmq-svc:1"})
    ]
    ref = {"name": "Q", "valueFrom": {"configMapKeyRef": {"name": "shop", "key": "x"}}}
    app = container(ref, envFrom=[{"prefix": "P_", "configMapRef": {"name": "shop"}}])
    assert where(uses(app, configmaps=maps)) == [
        "rabbitmq-svc:1 env P_x from ConfigMap shop key x",
        "rabbitmq-svc:1 env Q from ConfigMap shop key x",
        "redis-svc:7000 env P_REDIS_HOST from ConfigMap shop key REDIS_HOST",
    ]


def test_only_what_is_mounted_and_only_its_items() -> None:
    data = {"a.conf": "redis-svc:1", "b.conf": "rabbitmq-svc:2"}
    mounts = [{"name": "v", "mountPath": "/x"}]
    volumes: list[Any] = [
        {"name": "v", "projected": {"sources": [
            {"configMap": {"name": "m", "items": [{"key": "a.conf", "path": "p"}]}}]}},
        {"name": "unused", "configMap": {"name": "m"}},
    ]  # fmt: skip
    made = deployment(container(volumeMounts=mounts), pod={"volumes": volumes})
    found = [u for w in seen(made, configmaps=[configmap("m", data)]) for u in w.uses]
    assert where(found) == ["redis-svc:1 ConfigMap m key a.conf"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--redis-host", "redis-svc", "--redis-port", "7000"], "redis-svc:7000 args"),
        (["--redis-host=redis-svc", "--redis-port=7000"], "redis-svc:7000 args"),
        (["-h", "redis-svc", "-p", "7000"], "redis-svc:7000 args"),
        (["--verbose", "--url", "redis://redis-svc:7000"], "redis-svc:7000 args"),
        (["-c", "set -e\nredis-cli -h redis-svc -p 7000 ping\n"], "redis-svc:7000 args line 2"),
        (["--at=$(WHERE):7000"], "redis-svc:7000 args"),
    ],
)
def test_the_command_line(arguments: list[str], expected: str) -> None:
    app = container(*env(WHERE="redis-svc"), args=arguments)
    found = [w for w in where([u for u in uses(app) if not u.likely]) if "args" in w]
    assert found == [expected]


TEXTS = [
    ("application.yml", "spring:\n  redis:\n    host: redis-svc\n    port: 7000\n", 3),
    ("application.yml", "spring:\n  redis:\n    port: 7000\n    host: 'redis-svc'  # cache\n", 4),
    ("application.properties", "a=b\nspring.redis.host=redis-svc\nspring.redis.port=7000\n", 2),
    ("application.properties", "spring.redis.host = redis-svc\nspring.redis.port = 7000\n", 1),
    ("a.json", '{\n "cache": {\n  "host": "redis-svc",\n  "port": 7000\n }\n}\n', 3),
    ("a.json", '{"cache":{"port":7000,"host":"redis-svc"}}\n', 1),
    ("a.json", '{\n "servers": [\n  "redis-svc:7000"\n ]\n}', 3),
    ("a.ini", "[cache]\nport=7000\nhost=redis-svc\n[other]\nport=1\n", 3),
    ("a.toml", '[cache]\nhost = "redis-svc"\nport = 7000\n', 2),
    ("a.yml", "list:\n- name: x\n  host: redis-svc\n  port: 7000\n- host: other\n  port: 2\n", 3),
    ("a.yml", "hosts:\n  - redis-svc:7000\n", 2),
    ("a.yml", "hosts: [other:1, redis-svc:7000]\n", 1),
    ("logback.xml", "<a>\n<host>redis-svc</host>\n<port>7000</port>\n</a>", 2),
    ("nginx.conf", "server {\n  proxy_pass http://redis-svc:7000/;\n}\n", 2),
    ("haproxy.cfg", "backend x\n  server a redis-svc:7000 check\n", 2),
    ("run.sh", "#!/bin/sh\nexport URL=${URL:-redis://redis-svc:7000}\n", 2),
    ("windows.yml", "a:\r\n  host: redis-svc\r\n  port: 7000\r\n", 2),
]


@pytest.mark.parametrize(("name", "text", "line"), TEXTS)
def test_texts(name: str, text: str, line: int) -> None:
    found = uses_of_text(text, name)
    at = f" line {line}" if text.count("\n") else ""
    assert where(found) == [f"redis-svc:7000 ConfigMap cfg key {name}{at}"]
    assert not found[0].likely


@pytest.mark.parametrize(
    "text",
    ["# redis-svc:26379\n", "  // redis-svc:26379\n", "a: b  # redis-svc:26379\n", "; redis-svc:1",
     "<!-- redis-svc:1 -->"],
)  # fmt: skip
def test_comments_are_no_use(text: str) -> None:
    assert uses_of_text(text) == []


def test_a_hash_in_quotes_is_no_comment() -> None:
    assert where(uses_of_text("a: 'x # y' redis-svc:1\n")) == [
        "redis-svc:1 ConfigMap cfg key application.yml line 1"
    ]


def test_the_articles_file() -> None:
    found = uses_of_text(ARTICLE)
    assert where(found) == [
        "rabbitmq-svc:9411 ConfigMap cfg key application.yml line 16",
        "rabbitmq-svc:5672 ConfigMap cfg key application.yml line 5",
    ]
    assert [(u.keyed, u.inline, u.likely) for u in found] == [
        (False, False, False), (True, True, False),
    ]  # fmt: skip
    assert "geheim" not in repr(found)


def test_placeholders_are_filled_from_the_environment() -> None:
    text = "url: ${REDIS_URL:redis://rabbitmq-svc:1}\nhost: ${redis.host:rabbitmq-svc}\n"
    made, maps = mounted(cfg={"a.yml": text})
    made["spec"]["template"]["spec"]["containers"][0]["env"] = [
        from_secret("REDIS_URL", "s"), *env(REDIS_HOST="redis-svc"),
    ]  # fmt: skip
    found = [u for w in seen(made, configmaps=maps) for u in w.uses]
    assert {u.bridge for u in found} == {"dev/redis-svc"}


def test_the_environment_goes_before_springs_file() -> None:
    text = "spring:\n  redis:\n    host: redis-svc\n    port: 1\n"
    made, maps = mounted(cfg={"application.yml": text})
    app = made["spec"]["template"]["spec"]["containers"][0]
    app["env"] = env(SPRING_REDIS_PORT="7000")
    (found,) = [u for w in seen(made, configmaps=maps) for u in w.uses]
    assert found.port == 7000
    app["env"] = env(SPRING_REDIS_HOST="elsewhere")
    assert [u for w in seen(made, configmaps=maps) for u in w.uses] == []


def test_external_names_and_headless_services_are_bridges_too() -> None:
    assert ALIAS.kind is Kind.EXTERNAL_NAME
    found = uses(container(*env(SMTP="smtp://mail-svc:25", DB="mysql-svc:13306")))
    assert {u.bridge for u in found} == {"dev/mail-svc", "dev/mysql-svc"}
