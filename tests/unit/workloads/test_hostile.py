"""What people and attackers write into objects: never an error, never a secret, always in time."""

import json
import random
import string
import time
from collections.abc import Callable
from typing import Any

import pytest

from k8sext.model.codec import from_json, to_json
from k8sext.model.workload import Workload
from k8sext.workloads import entries, hosts, sources
from tests.support.workload_objects import (
    container,
    deployment,
    env,
    from_secret,
    mounted,
    seen,
    uses,
    uses_of_text,
)

KIB = 1 << 10
# By a number of KiB.
BIG: dict[str, Callable[[int], str]] = {
    "one line": lambda n: "a" * n * KIB,
    "a URI of one line": lambda n: "http://" + "a" * n * KIB,
    "schemes": lambda n: "a:" * n * 512 + "//",
    "slashes": lambda n: "/" * n * KIB,
    "lines of schemes": lambda n: ("a" * 9_000 + "://" + "\n") * (n // 9),
    "lines of dots": lambda n: ("a." * 9_000 + "\n") * (n // 18),
    "lines of colons": lambda n: ("a:1:" * 4_000 + "\n") * (n // 16),
    "lines of hyphens": lambda n: ("- " * 9_000 + "x\n") * (n // 18),
    "lines of quotes": lambda n: ("-a \"'" * 3_000 + "\n") * (n // 18),
    "lines of spaces": lambda n: (" " * 19_000 + "\n") * (n // 18),
    "keys": lambda n: "redis-svc: 1\n" * n * 80,
    "hosts": lambda n: "- a.host: redis-svc\n  a.port: 1\n  a.password: x\n" * n * 20,
    "deep YAML": lambda n: "\n".join(" " * d + "a:" for d in range(int((n * 2048) ** 0.5))),
    "deep JSON": lambda n: "[" * n * 512 + "]" * n * 512,
    "deep JSON with keys": lambda n: '{"a":' * 900 + '"redis-svc:1"' + "}" * 900,
    "many keys of JSON": lambda n: json.dumps({f"host{k}": "redis-svc" for k in range(n * 40)}),
    "JSON in other letters": lambda n: '{"a": ["' + '", "'.join(["\\u0061"] * n * 100) + '"]}',
    "placeholders": lambda n: "${A:" * n * 200 + "}" * n * 200,
    "dollars": lambda n: "$(" * n * 512,
    "commas": lambda n: "http://a" + ",a" * n * 512,
    "elements": lambda n: "<a>" * n * 340,
    "emoji": lambda n: "🐘" * n * KIB + "\u202e\x00redis-svc:1",
    "surrogates": lambda n: "\ud800 redis-svc:26379 \udfff" * n,
}


def seconds(text: str) -> float:
    began = time.process_time()
    uses_of_text(text, "x.yml")
    uses(container(*env(A_URL=text)))
    return time.process_time() - began


@pytest.mark.parametrize("name", BIG)
def test_large_and_odd_texts_take_time_in_proportion(name: str) -> None:
    """Eight times the text; what is quadratic takes 64 times as long."""
    small = max(seconds(BIG[name](16)), 0.02)
    assert seconds(BIG[name](128)) < 8 * 4 * small


def test_a_variable_that_doubles_itself_stays_bounded() -> None:
    doubling = [{"name": f"V{n}", "value": f"$(V{n - 1})$(V{n - 1})"} for n in range(1, 60)]
    first = {"name": "V0", "value": "redis-svc:1 "}
    told = sources.read(container(first, *doubling), {}, "dev", {})
    assert max(map(len, told.environment.values())) <= sources.TEXT_AT_MOST


def test_placeholders_that_name_each_other_end() -> None:
    loop = env(A="${B}", B="${A}", C="${C}", D="${D:${D}}")
    assert uses(container(*loop)) == []


@pytest.mark.parametrize("seed", range(60))
def test_any_text_is_read(seed: int) -> None:
    chance = random.Random(seed)
    pieces = [*string.printable, "redis-svc", "198.51.100.21", ":26379", "://", "@", "${", "}",
              "$(", "\n", "host: ", "{", '"', "[2001:db8::9]", "\ue001", "é", "\x00"]  # fmt: skip
    text = "".join(chance.choice(pieces) for _ in range(3_000))
    for use in uses_of_text(text) + uses(container(*env(URL=text), args=[text])):
        assert use.bridge.startswith("dev/")
        assert (use.text + use.where).isprintable()
        assert len(use.text) <= 200
    for line in text.split("\n"):
        list(hosts.in_line(line))
        hosts.exact(line)
        list(entries.in_line(line, 1))


@pytest.mark.parametrize("empty", [None, {}, [], ""])
@pytest.mark.parametrize("key", ["env", "envFrom", "args", "command", "volumeMounts"])
def test_fields_that_are_empty(key: str, empty: Any) -> None:
    assert seen(deployment({"name": "x", key: empty})) == []
    assert seen(deployment(pod={"containers": None, "volumes": None})) == []


# -- secrets ---------------------------------------------------------------------------------------

CANARY = "canary7131"
LEAKS = [
    f"redis://:{CANARY}@redis-svc:26379", f"amqp://guest:{CANARY}@rabbitmq-svc:5672/x",
    f"amqp://{CANARY}:x@rabbitmq-svc:5672/x", f"amqp://{CANARY}@rabbitmq-svc/x",
    f"amqp://u:p/{CANARY}@rabbitmq-svc:5672", f"amqp://u:p@{CANARY}@rabbitmq-svc:5672",
    f"jdbc:postgresql://postgresql-svc/shop?user=a&password={CANARY}",
    f"app:{CANARY}@tcp(mysql-svc:3306)/shop", f"host=postgresql-svc password={CANARY}",
    f"postgresql-svc:5432 {CANARY}", f"-a {CANARY} -h redis-svc",
    f"PGPASSWORD={CANARY} redis-svc:1", f"mysql -p{CANARY} mysql-svc", f"-p{CANARY}.host mysql-svc",
    f'{{"host":"redis-svc","password":"{CANARY}"}}', f"host: redis-svc\npassword: {CANARY}\n",
    f"redis://redis-svc:26379/{CANARY}", f"redis://redis-svc:26379?password={CANARY}#{CANARY}",
    f"jdbc:sqlserver://mysql-svc:3306;password={CANARY}", f"redis-svc:26379:{CANARY}",
    f"https://{CANARY}@redis-svc:26379", f"mongodb://u:{CANARY}@redis-svc:1,rabbitmq-svc:2/x",
    f"jdbc:oracle:thin:u/{CANARY}@//mysql-svc:1521/x",
    f"jdbc:oracle:thin:u/{CANARY}@mysql-svc:1521:x",
]  # fmt: skip


@pytest.mark.parametrize("text", LEAKS)
def test_what_stands_around_a_host_never_shows(text: str) -> None:
    found = [*uses_of_text(text), *uses(container(*env(SOME_URL=text), args=[text]))]
    assert found
    assert CANARY not in repr(found)
    made, maps = mounted(cfg={"a.yml": text.replace("-svc", "-scv")})
    assert CANARY not in repr(seen(made, configmaps=maps))


def test_values_of_secrets_are_signs_that_are_never_shown() -> None:
    app = container(
        from_secret("REDIS_PASSWORD", "other"),
        *env(URL="redis://:$(REDIS_PASSWORD)@redis-svc:26379", ECHO="$(REDIS_PASSWORD)"),
        args=["--password=$(REDIS_PASSWORD)", "redis-svc:26379"],
    )
    found = uses(app)
    assert {u.secret for u in found if u.where == "env URL"} == {"other"}
    assert not any("\ue000" <= c <= "\uf8ff" for u in found for c in repr(u))
    assert [u for u in uses(container(*env(X="\ue001@redis-svc:1"))) if u.secret] == []


def test_they_survive_being_saved() -> None:
    (workload,) = seen(deployment(container(*env(U="redis://x:y@redis-svc"))))
    assert from_json(Workload, json.loads(json.dumps(to_json(workload)))) == workload
