"""The check against the real dashboard 0.1.1, and the real client 1.8.8 as the oracle of both the
dashboard and its stand-in. On loopback; the command centres of the real ones listen at every
address of the machine, which no option of theirs changes.
"""

import contextlib
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from k8sext.agent.wire.http_api import mapping, sequence
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Stage, Status
from tests.support import sentinel_servers as servers
from tests.support.converse import end_of, observe


@contextlib.contextmanager
def needed(what: AbstractContextManager[int]) -> Generator[int]:
    try:
        with what as port:
            yield port
    except servers.NotBuilt as why:
        pytest.skip(str(why))


@pytest.fixture(scope="module")
def dashboard() -> Iterator[int]:
    with needed(servers.dashboard()) as port:
        yield port


def see(port: int, **options: Any) -> Observation:
    return observe("sentinel", "sentinel", "127.0.0.1", port, **options)


def entries(seen: Observation) -> dict[str, str]:
    found = sequence(mapping(seen.fact("callbacks")).get("entries"))
    return {e["address"]: e["state"] for e in found}


def test_the_dashboard_is_recognised(dashboard: int) -> None:
    seen = see(dashboard, expect={"version": ">=1.7"})
    greeting = seen.stage(Stage.HANDSHAKE)
    assert greeting and greeting.detail == "Sentinel's dashboard before 1.6"
    end = end_of(seen)
    assert end and end.reason is Reason.UNSUPPORTED_VERSION


def test_the_client_registers_and_is_called_back(dashboard: int) -> None:
    with needed(servers.client(dashboard, "shop")) as number:
        servers.beat(dashboard, "shop", "127.0.0.1", 9)
        seen = see(dashboard, expect={"applications": "shop", "machines": 2})
    assert (seen.status, seen.depth) == (Status.PASS, Stage.VERIFY), seen
    assert entries(seen) == {f"127.0.0.1:{number}": "up", "127.0.0.1:9": "down"}


def test_nobody_else_is_registered(dashboard: int) -> None:
    end = end_of(see(dashboard, expect={"applications": "till"}))
    assert end and end.reason is Reason.NOT_REGISTERED
    assert end.detail.startswith("till has not registered")


@pytest.mark.parametrize("version", ["1.6.3", "1.8.8"])
def test_the_real_client_accepts_the_stand_in(version: str) -> None:
    """Its heartbeat is taken, and what it is asked for is what the real one answers."""
    login = {"username": "shop", "password": "canary-4711"}
    with servers.standin(version=version, **login) as port:
        with needed(servers.client(port, "shop")) as number:
            seen = see(port, login=login, expect={"applications": "shop"})
        gone = see(port, login=login, expect={"applications": "shop"})
    assert seen.depth is Stage.VERIFY, seen
    assert entries(seen) == {f"127.0.0.1:{number}": "up"}
    assert seen.fact("client_versions") == ["1.8.8"]
    assert entries(gone) == {f"127.0.0.1:{number}": "down"}


def test_real_and_stand_in_answer_alike(dashboard: int) -> None:
    """What both have is written the same way, but for the names of the heartbeat's time."""
    told: list[Callable[[int], Any]] = [
        lambda port: servers.get(port, "/app/names.json"),
        lambda port: servers.get(port, "/app/till/machines.json"),
        lambda port: servers.get(port, "/resource/machineResource.json?ip=127.0.0.1&port=9"),
        lambda port: _names(servers.get(port, "/app/briefinfos.json")),
    ]
    with servers.standin(login=False) as standin:
        for port in (standin, dashboard):
            servers.beat(port, "shop", "127.0.0.1", 9)
        assert [ask(standin) for ask in told] == [ask(dashboard) for ask in told]


def _names(apps: Any) -> Any:
    return [(app["app"], {(m["ip"], m["app"]) for m in app["machines"]}) for app in apps]
