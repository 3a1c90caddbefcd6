import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from k8sext.errors import K8sextError
from k8sext.provision import document
from k8sext.provision.schema import BRIDGES

ALL_KEYS = Path("tests/testdata/bridges/all-keys.yaml")
HEAD = "apiVersion: k8sext.io/v1\nkind: Bridges\nbridges:\n"
GOOD = "- {name: r, protocol: redis, to: [192.0.2.1]}"


def refusal(text: str) -> str:
    with pytest.raises(K8sextError) as caught:
        list(document.parse(text, "b.yaml"))
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_every_key_is_read() -> None:
    redis, kibana, db, held = document.load([str(ALL_KEYS)], "other")
    assert (held.to, held.resolve, db.resolve) == (("redis.example.com",), True, False)
    assert (redis.namespace, redis.secret, redis.tls_server_name) == (
        "dev",
        "redis-auth",
        "redis.example.com",
    )
    assert (redis.ports[0].port, redis.ports[0].target_port) == (6379, 26379)
    assert redis.source.endswith("all-keys.yaml:6")
    assert (db.namespace, db.to) == ("shop", ("db.example.com",))
    assert kibana.ingress
    assert (kibana.ingress.leads, kibana.ingress.class_name, kibana.ingress.tls_secret) == (
        "kibana.example.com/logs",
        "nginx",
        "kibana-tls",
    )


def test_the_namespace_of_the_caller_is_the_last_resort() -> None:
    assert next(document.parse(HEAD + GOOD, "b.yaml", "mine")).namespace == "mine"
    assert next(document.parse(HEAD + GOOD, "b.yaml")).namespace == "default"


def test_folders_and_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yaml").write_text(HEAD + GOOD)
    (tmp_path / "notes.txt").write_text("no YAML: [")
    monkeypatch.setattr("sys.stdin", io.StringIO(HEAD + GOOD.replace("name: r", "name: s")))
    assert [s.name for s in document.load([str(tmp_path), "-"])] == ["r", "s"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("- {name: r, prots: [], to: [192.0.2.1]}", "b.yaml:4:13: bridges[0].prots is not known; "
         "did you mean `ports`?"),
        ("- {name: r, to: [192.0.2.1], ports: [{port: 70000}]}",
         "b.yaml:4:45: bridges[0].ports[0].port is 70000; a port is 1 to 65535"),
        ("- {to: [192.0.2.1]}", "b.yaml:4:3: bridges[0].name is missing"),
        ("- {name: r, name: r, to: [a]}", "b.yaml:4:13: bridges[0].name is written twice"),
        ("- {name: r, to: 192.0.2.1}", "b.yaml:4:17: bridges[0].to must be a list"),
        ("- {name: r, to: [yes]}", "b.yaml:4:18: bridges[0].to[0] must be text"),
        ("- {name: r, to: []}", "b.yaml:4:17: bridges[0].to has 0 items"),
        ("- {name: r, to: [a], ingress: {host: 192.0.2.1}}",
         "b.yaml:4:38: bridges[0].ingress.host is '192.0.2.1'; it must match"),
        ("- {name: r, to: [a], ingress: {host: a.b, path: ui}}",
         "b.yaml:4:49: bridges[0].ingress.path is 'ui'; it must match"),
        ("- {name: r, to: [a], ingress: {class: x}}",
         "b.yaml:4:31: bridges[0].ingress.host is missing"),
        ("- {name: r, to: [a], tls: {mode: on_}}", "it may be disable, require, verify-full"),
    ],
)  # fmt: skip
def test_errors_have_a_place_and_what_would_be_right(line: str, said: str) -> None:
    assert said in refusal(HEAD + line)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "- {name: r, to: [a], expect: {d: 2020-01-01}}", "is a date; as text it needs"),
        (HEAD + "- {name: r, to: [a], expect: {d: .nan}}", "not a finite number"),
        (HEAD + "- {name: r, to: [a], expect: {d: !!binary aGk=}}", "needs quotes"),
        (HEAD + "- {name: r, to: [a], expect: {d: !!python/name:os.system x}}", "cannot be read"),
        (HEAD + "- {name: r, to: [a], expect: {[a]: x}}", "a key that is no text"),
        (HEAD + '- {name: "r\\n", to: [a]}', "it must match"),
        ("apiVersion: \x01", "character #x0001 is not allowed"),
        ("a: [", "it is not YAML"),
        ("hello", "the document must be a mapping"),
    ],
)
def test_what_yaml_allows_and_json_does_not_is_refused_not_crashed_on(text: str, said: str) -> None:
    assert said in refusal(text)


def expect_block(lines: str) -> str:
    return f"{HEAD}- name: r\n  to: [a]\n  expect:\n{lines}"


def test_an_alias_bomb_costs_its_own_length() -> None:
    levels = ["    a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    levels += [f"    a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "grows too large" in refusal(expect_block("\n".join(levels)))


def test_a_chain_of_aliases_cannot_exhaust_the_stack() -> None:
    levels = ["    a0: &a0 [x]", *(f"    a{n}: &a{n} [*a{n - 1}]" for n in range(1, 3000))]
    assert "grows too large" in refusal(expect_block("\n".join(levels)))


def test_an_alias_of_itself_and_endless_nesting() -> None:
    assert "alias of itself" in refusal(expect_block("    &e {a: *e}"))
    assert "more than 50 levels deep" in refusal("[" * 100_000)


@pytest.mark.parametrize(
    "words",
    [
        "credentials: {secret: x/y}", "credentials: {secret: ../x}", "credentials: {secret: x..y}",
        "credentials: {secret: ''}", "credentials: {secret: X}", "tls: {ca: 'x/y#k'}",
        "tls: {ca: 'x#a/b'}", "tls: {ca: 'x#..'}", "tls: {ca: '#k'}",
        "credentials: {secret: s, keys: {password: a/b}}",
    ],
)  # fmt: skip
def test_names_that_no_secret_can_have(words: str) -> None:
    """One of them would keep the pod of all bridges away."""
    assert "it must match" in refusal(HEAD + f"- {{name: r, to: [198.51.100.1], {words}}}")


@pytest.mark.parametrize(
    "words",
    [
        "credentials: {secret: a.b-c.d, keys: {password: spring.datasource.password}}",
        "tls: {ca: my-ca}", "tls: {ca: 'my-ca#root_ca.pem'}", "tls: {ca: ''}",
        f"credentials: {{secret: {'a' * 253}}}",
    ],
)  # fmt: skip
def test_names_that_a_secret_can_have(words: str) -> None:
    text = HEAD + f"- {{name: r, to: [198.51.100.1], {words}}}"
    assert list(document.parse(text, "b.yaml"))


def test_files_that_hold_nothing_or_too_much(tmp_path: Path) -> None:
    empty, large, missing = (str(tmp_path / n) for n in ("e.yaml", "l.yaml", "m.yaml"))
    Path(empty).write_text("# nothing\n")
    Path(large).write_text("#" * (document.BOUNDS.size + 1))
    for name, said in ((empty, "no bridge"), (large, "larger"), (missing, "cannot be read")):
        with pytest.raises(K8sextError, match=said):
            document.load([name])


def test_a_bridge_is_described_once(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(HEAD + GOOD)
    with pytest.raises(K8sextError, match="default/r is described twice"):
        document.load([str(tmp_path)])


# -- the published schema and our reader say the same ---------------------------------------------

VARIANTS: tuple[tuple[tuple[str | int, ...], Any], ...] = (
    ((), None), (("apiVersion",), "v2"), (("kind",), 3), (("extra",), 1), (("bridges",), []),
    (("bridges",), {}), (("defaults",), {"namespace": "Dev"}), (("defaults",), {"x": "y"}),
    (("bridges", 0, "name"), "Redis"), (("bridges", 0, "name"), "r" * 64),
    (("bridges", 0, "name"), "r" * 63), (("bridges", 0, "to"), []), (("bridges", 0, "to"), "a"),
    (("bridges", 0, "to"), [1]), (("bridges", 0, "ports"), []), (("bridges", 0, "ports"), [{}]),
    (("bridges", 0, "ports"), [{"port": 1}]), (("bridges", 0, "ports"), [{"port": 0}]),
    (("bridges", 0, "ports"), [{"port": 65535}]), (("bridges", 0, "ports"), [{"port": True}]),
    (("bridges", 0, "ports"), [{"port": "80"}]), (("bridges", 0, "ports"), [{"port": 1.5}]),
    (("bridges", 0, "ports"), [{"port": 1, "protocol": "UDP"}]),
    (("bridges", 0, "ports"), [{"port": 1, "name": "a_b"}]),
    (("bridges", 0, "credentials"), {}), (("bridges", 0, "credentials"), {"secret": "s"}),
    (("bridges", 0, "credentials"), {"secret": "s", "keys": {"a": "b"}}),
    (("bridges", 0, "credentials"), {"secret": "s", "keys": {"a": 1}}),
    (("bridges", 0, "tls"), {"mode": "disable"}), (("bridges", 0, "tls"), {"mode": "off"}),
    (("bridges", 0, "expect"), {"a": [1, {"b": None}]}), (("bridges", 0, "expect"), "x"),
    (("bridges", 0, "origin"), None), (("bridges", 0, "resolve"), "yes"),
    (("bridges", 0, "resolve"), 1), (("bridges", 0, "resolved"), True),
    (("bridges", 0, "ingress"), {}), (("bridges", 0, "ingress"), {"host": "*.example.com"}),
    (("bridges", 0, "ingress"), {"host": "1.2.3.4"}),
    (("bridges", 0, "ingress"), {"host": "a", "path": "b"}), (("bridges", 0, "ingress"), "a"),
    (("bridges", 0, "ingress"), {"host": "a", "path": "/b c"}),
    (("bridges", 0, "ingress"), {"host": "a", "class": "A"}),
)  # fmt: skip


def varied(path: tuple[str | int, ...], value: Any) -> Any:
    data = json.loads(json.dumps(yaml.safe_load(HEAD + GOOD)))
    at = data
    for step in path[:-1]:
        at = at[step]
    if path:
        at[path[-1]] = value
    return data


@pytest.mark.parametrize(("path", "value"), VARIANTS)
def test_the_reader_agrees_with_the_schema(path: tuple[str | int, ...], value: Any) -> None:
    data = varied(path, value)
    valid = jsonschema.Draft202012Validator(BRIDGES).is_valid(data)
    try:
        read = bool(list(document.parse(yaml.safe_dump(data), "b.yaml")))
    except K8sextError:
        read = False
    assert read == valid


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(BRIDGES)


EVERY, SECOND = yaml.safe_load_all(ALL_KEYS.read_text(encoding="utf-8"))


def mappings(schema: Any, data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths to the mappings of `data` that the schema closes."""
    if isinstance(data, dict) and "properties" in schema:
        yield path
        for key, value in data.items():
            yield from mappings(schema["properties"][key], value, (*path, key))
    if isinstance(data, list):
        for n, value in enumerate(data):
            yield from mappings(schema["items"], value, (*path, n))


CLOSED = list(mappings(BRIDGES, EVERY))


def test_all_keys_are_valid_and_all() -> None:
    for data in (EVERY, SECOND):
        jsonschema.Draft202012Validator(BRIDGES).validate(data)
    written = {(*p[:1], *(x for x in p[1:] if isinstance(x, str))) for p in CLOSED}
    assert written == {
        (), ("defaults",), ("bridges",), ("bridges", "ports"), ("bridges", "credentials"),
        ("bridges", "tls"), ("bridges", "ingress"),
    }  # fmt: skip
    used = {key for data in (EVERY, SECOND) for bridge in data["bridges"] for key in bridge}
    assert used == set(BRIDGES["properties"]["bridges"]["items"]["properties"])


@pytest.mark.parametrize("path", CLOSED, ids=lambda p: "/".join(map(str, p)) or "top")
def test_an_unknown_key_is_refused_by_schema_and_reader(path: tuple[str | int, ...]) -> None:
    data = json.loads(json.dumps(EVERY))
    at = data
    for step in path:
        at = at[step]
    at["mistyped"] = "x"
    assert not jsonschema.Draft202012Validator(BRIDGES).is_valid(data)
    assert "mistyped is not known" in refusal(yaml.safe_dump(data))
