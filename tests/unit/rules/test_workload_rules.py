"""KX150 to KX153: each rule with cases that must and must not be told."""

from dataclasses import replace
from typing import Any

import pytest

from k8sext import registry
from k8sext.errors import K8sextError
from k8sext.lint import run as lint
from k8sext.model.bridge import Bridge, CredentialRef
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Rule, Subject
from k8sext.model.words import Severity
from tests.support.workload_objects import (
    BRIDGES,
    HEADLESS,
    REDIS,
    container,
    deployment,
    env,
    from_secret,
    mounted,
    seen,
)


def told(made: Any, bridges: tuple[Bridge, ...] = BRIDGES, **more: Any) -> tuple[Finding, ...]:
    workloads = tuple(seen(made, bridges=bridges, **more))
    return lint.findings(Subject(bridges=bridges, workloads=workloads))


def codes(*variables: Any, bridges: tuple[Bridge, ...] = BRIDGES, **more: Any) -> list[str]:
    return [f.code for f in told(deployment(container(*variables), **more), bridges)]


CASES: list[tuple[dict[str, str], list[str]]] = [
    ({"A": "redis-svc:26379"}, []),
    ({"REDIS_HOST": "redis-svc"}, []),
    ({"REDIS_HOST": "redis-svc", "REDIS_PORT": "26379"}, []),
    ({"REDIS_HOST": "redis-svc", "REDIS_PORT": "6379"}, ["KX150"]),
    ({"A": "rabbitmq-svc.dev.svc.cluster.local:9411"}, ["KX150"]),
    ({"A": "redis://redis-svc"}, ["KX150"]),
    ({"A": "amqp://rabbitmq-svc"}, []),
    ({"A": "198.19.3.7:1"}, ["KX150"]),
    ({"A": "mail-svc:26"}, []),  # an ExternalName maps nothing
    ({"A": "mysql-svc:13306"}, []),  # headless: the endpoints' own port
    ({"A": "mysql-svc:3307"}, ["KX150"]),
    ({"A": "nc -z redis-svc 6379"}, []),  # a guess
    ({"A": "redis-svc:1", "B": "redis-svc:1", "C": "redis-svc:2"}, ["KX150", "KX150"]),
    ({"A_HOST": "redis-scv"}, ["KX151"]),
    ({"A_HOST": "redissvc"}, ["KX151"]),
    ({"A_HOST": "redis"}, ["KX151"]),
    ({"A_HOST": "redis-svc2"}, ["KX151"]),
    ({"A_HOST": "reids-svc.dev.svc"}, ["KX151"]),
    ({"A_HOST": "web"}, []),
    ({"A_HOST": "cache-svc"}, []),
    ({"A_HOST": "redis-scv", "B_HOST": "redis-scv"}, ["KX151"]),
    ({"A": "198.51.100.21:26379"}, ["KX152"]),
    ({"A_HOST": "198.51.100.21"}, ["KX152"]),
    ({"A": "mail.example.com:25"}, ["KX152"]),
    ({"A": "198.51.100.21:22"}, []),
    ({"A": "198.19.3.7:26379"}, []),  # the Service's own address is no bypass
]


@pytest.mark.parametrize(("values", "expected"), CASES)
def test_what_is_told(values: dict[str, str], expected: list[str]) -> None:
    assert codes(*env(**values)) == expected


def test_kx150_says_where_what_and_which_port_is_meant() -> None:
    (found,) = told(deployment(container(*env(RABBIT_ADDR="rabbitmq-svc.dev:9411"))))
    assert (found.severity, found.object) == (Severity.FAIL, "Deployment/dev/shop")
    assert found.summary == (
        "env RABBIT_ADDR=rabbitmq-svc.dev:9411, and rabbitmq-svc has port 5672 (tcp)"
    )
    assert found.fix == (
        "write rabbitmq-svc.dev:5672 there, or give Service rabbitmq-svc the port 9411"
    )
    (implied,) = told(deployment(container(*env(U="redis://redis-svc"))))
    assert "U=redis://redis-svc, so that port 6379 is meant" in implied.summary


def test_a_line_that_is_no_setting_weighs_less() -> None:
    made, maps = mounted(cfg={"application.yml": "x: y\nrabbitmq-svc.dev.svc.cluster.local:9411\n"})
    (found,) = told(made, configmaps=maps)
    assert (found.code, found.severity, found.confidence) == ("KX150", Severity.WARN, "medium")
    assert "ConfigMap cfg key application.yml line 2" in found.summary


def test_kx151_is_a_guess_and_says_so() -> None:
    (short,) = told(deployment(container(*env(REDIS_HOST="redis-scv"))))
    assert short.severity is Severity.WARN
    assert "likely redis-svc is meant" in short.summary
    assert short.fix.startswith("did you mean redis-svc?")
    (full,) = told(deployment(container(*env(REDIS_HOST="redis-scv.dev.svc.cluster.local"))))
    assert full.severity is Severity.FAIL


@pytest.mark.parametrize(
    ("one", "other", "limit", "changes"),
    [
        ("abc", "abc", 2, 0), ("abc", "acb", 2, 1), ("abc", "ab", 2, 1), ("abc", "abcd", 2, 1),
        ("abc", "xyz", 2, 3), ("abc", "abcdef", 2, 3), ("", "a", 2, 1), ("", "", 2, 0),
        ("a" * 63, "b" * 63, 2, 3),
    ],
)  # fmt: skip
def test_distance(one: str, other: str, limit: int, changes: int) -> None:
    module = registry.rules()["kx151_no_such_service"]
    assert module.distance(one, other, limit) == module.distance(other, one, limit) == changes


def test_kx152_names_the_bridge_as_it_can_be_written() -> None:
    (found,) = told(deployment(container(*env(A="198.51.100.21:26379"))))
    assert found.severity is Severity.WARN
    assert found.fix == "write redis-svc:26379 there"
    (guess,) = told(deployment(container(*env(A_HOST="198.51.100.21"))))
    assert "likely an address behind redis-svc" in guess.summary
    assert guess.confidence == "likely"


OTHER = [*env(REDIS_HOST="redis-svc"), from_secret("REDIS_PASSWORD", "other")]


def test_kx153() -> None:
    (found,) = told(deployment(container(*OTHER)))
    assert (found.code, found.severity) == ("KX153", Severity.NOTE)
    assert "Secret other" in found.summary
    assert "Secret redis-auth" in found.summary


@pytest.mark.parametrize(
    "more",
    [
        [from_secret("X", "redis-auth")],  # it has the bridge's as well
        [from_secret("REDIS_PASSWORD", "redis-auth")],
    ],
)
def test_kx153_is_not_told_where_the_bridges_secret_is_used(more: list[Any]) -> None:
    assert codes(*OTHER, *more) == []


def test_kx153_where_the_bridge_names_none_or_each_port_its_own() -> None:
    none = replace(REDIS, credentials=None)
    assert codes(*OTHER, bridges=(none,)) == []
    ports = replace(none, credentials_by_port=(("p", CredentialRef(secret="other")),))
    assert codes(*OTHER, bridges=(ports,)) == []


# -- the frame -------------------------------------------------------------------------------------


def test_ignored_at_the_bridge_or_at_the_workload() -> None:
    values = env(A="redis-svc:1", B="198.51.100.21:26379")
    assert codes(*values) == ["KX150", "KX152"]
    deaf = replace(REDIS, ignore=(("KX150", "known"),))
    assert codes(*values, bridges=(deaf, HEADLESS)) == ["KX152"]
    note = {"k8sext.io/ignore": "KX152 on purpose"}
    assert codes(*values, annotations=note) == ["KX150"]


def test_the_heaviest_comes_first_and_each_once() -> None:
    found = told(deployment(container(*env(A="198.51.100.21:26379", B="redis-svc:1"), *OTHER)))
    assert [f.code for f in found] == ["KX150", "KX152", "KX153"]
    assert len(set(found)) == len(found)


def test_nothing_is_found_in_nothing() -> None:
    assert lint.findings(Subject()) == ()


def test_every_rule_is_the_one_of_its_file() -> None:
    for stem, module in registry.rules().items():
        assert isinstance(module.RULE, Rule)
        assert stem.partition("_")[0].upper() == module.RULE.code
        assert module.RULE.line


def test_a_rule_in_the_wrong_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    module = registry.rules()["kx150_port_not_there"]
    monkeypatch.setattr(registry, "rules", lambda: {"kx149_x": module})
    lint.rules.cache_clear()
    try:
        with pytest.raises(K8sextError, match="KX150"):
            lint.rules()
    finally:
        lint.rules.cache_clear()
