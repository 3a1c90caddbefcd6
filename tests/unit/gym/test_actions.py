"""Objects of a bridge written short, edits of objects, and locks."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.gym import actions, objects
from tests.gym.actions.edits import merged
from tests.gym.run import Locks
from tests.lab.guise import Guise, roles

SERVER = Guise("re-1", "198.51.100.100", roles()["redis"])
SAFE = Guise("re-2", "198.51.100.101", roles()["redis"], {"tls": {}})
SERVERS = {"cache": SERVER, "safe": SAFE}


def made(**bridge: Any) -> dict[str, dict[str, Any]]:
    whole = {"name": "x", **bridge}
    built = objects.objects_of([whole], SERVERS, lambda _: {"password": "p"}, "CA")
    return {f"{o['kind']}/{o['metadata']['name']}": o for o in built}


def test_a_bridge_written_short() -> None:
    built = made(to="cache")
    assert list(built) == ["Service/x", "EndpointSlice/x-1", "Secret/x-auth"]
    notes = built["Service/x"]["metadata"]["annotations"]
    assert notes == {
        "k8sext.io/protocol": "redis",
        "k8sext.io/tls": "disable",
        "k8sext.io/credentials": "x-auth",
    }
    assert built["EndpointSlice/x-1"]["endpoints"] == [{"addresses": ["198.51.100.100"]}]
    assert built["Secret/x-auth"]["stringData"] == {"password": "p", "k8sext.service": "x"}


def test_a_server_with_tls_is_verified_by_the_labs_authority() -> None:
    built = made(to="safe")
    notes = built["Service/x"]["metadata"]["annotations"]
    assert (notes["k8sext.io/tls"], notes["k8sext.io/tls-ca"]) == ("verify-full", "lab-ca#ca.crt")
    assert built["Secret/lab-ca"]["stringData"] == {"ca.crt": "CA"}


def test_what_the_bridge_says_is_written_over_the_defaults() -> None:
    built = made(
        to=["cache", "198.51.100.22"],
        port=7,
        service_port=8,
        port_name="",
        login={"username": "u"},
        expect={"role": "master"},
        annotations={"k8sext.io/tls": None, "a": 1},
    )
    service, ends = built["Service/x"], built["EndpointSlice/x-1"]
    assert service["spec"]["ports"] == [{"name": "", "port": 8, "targetPort": 7}]
    assert ends["ports"] == [{"name": "", "port": 7}]
    assert [e["addresses"] for e in ends["endpoints"]] == [["198.51.100.100"], ["198.51.100.22"]]
    notes = service["metadata"]["annotations"]
    assert json.loads(notes["k8sext.io/expect"]) == {"role": "master"}
    assert notes["a"] == "1"
    assert "k8sext.io/tls" not in notes
    assert built["Secret/x-auth"]["stringData"]["username"] == "u"


@pytest.mark.parametrize(
    ("bridge", "kinds"),
    [
        ({"to": "cache", "login": False}, ["Service", "EndpointSlice"]),
        ({"to": "cache", "kind": "endpoints"}, ["Service", "Endpoints", "Secret"]),
        ({"protocol": "redis", "port": 1}, ["Service"]),
        (
            {"to": "cache", "kind": "external-name", "external_name": "a.example"},
            ["Service", "Secret"],
        ),
    ],
)
def test_kinds_of_bridges(bridge: dict[str, Any], kinds: list[str]) -> None:
    assert [name.split("/")[0] for name in made(**bridge)] == kinds


def edit(**step: Any) -> list[dict[str, Any]]:
    base = [{"kind": "Secret", "metadata": {"name": "x-auth"}, "stringData": {"a": "1", "b": "2"}}]
    return actions.edited(base, [step])


def test_edits_of_objects() -> None:
    assert edit(login={"bridge": "x", "set": {"a": "9"}, "drop": ["b"]})[0]["stringData"] == {
        "a": "9"
    }
    assert edit(login={"bridge": "x", "delete": True}) == []
    assert len(edit(add=[{"kind": "ConfigMap", "metadata": {"name": "c"}}])) == 2
    assert edit(policy={})[1]["spec"] == {"podSelector": {}, "policyTypes": ["Egress"]}
    with pytest.raises(LookupError, match=r"no Service/y .* Secret/x-auth"):
        edit(delete={"kind": "Service", "name": "y"})


def test_merge_patch_does_not_touch_what_it_was_given() -> None:
    before = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    after = merged(before, {"a": {"b": None, "c": [3]}, "e": {"f": None}})
    assert after == {"a": {"c": [3]}, "d": 1, "e": {}}
    assert before == {"a": {"b": 1, "c": [1, 2]}, "d": 1}


def test_marks_are_written_out_everywhere() -> None:
    fill = objects.filler({"a.b": "1"})
    assert fill({"x": ["${a.b}", {"${a.b}": 2}]}) == {"x": ["1", {"1": 2}]}
    with pytest.raises(LookupError, match=r"\$\{c\} is not known; known: a.b"):
        fill("${c}")


def test_every_role_has_its_row_in_the_readme() -> None:
    text = Path("tests/gym/README.md").read_text()
    for role in roles().values():
        extra = "*extra*: " if role.extra else ""
        assert f"| `{role.name}` | {role.port} | {extra}" in text


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ({"a"}, {"b"}, True),
        ({"a"}, {"a", "b"}, False),
        ({"a"}, {actions.CLUSTER_LOCK}, False),
        ({actions.CLUSTER_LOCK}, {"a"}, False),
        (set[str](), set[str](), True),
    ],
)
def test_locks(first: set[str], second: set[str], together: bool) -> None:
    locks, inside = Locks(), threading.Event()

    def other() -> None:
        with locks.holding(second):
            inside.set()

    with locks.holding(first):
        thread = threading.Thread(target=other)
        thread.start()
        assert inside.wait(5 if together else 0.1) is together
    thread.join(5)
    assert inside.is_set()
