"""The check of Sentinel's dashboard against the stand-in and scripted answers.

test_sentinel_real.py has the real dashboard and the real client.
"""

import asyncio
import contextlib
import importlib
import json
import random
import socket
import threading
from collections.abc import Generator
from typing import Any

import pytest

from k8sext.agent.check import Login
from k8sext.agent.wire.http_api import mapping, sequence
from k8sext.model.result import Observation
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Stage, Status
from tests.lab.standins.sentinel import Front
from tests.support import sentinel_servers
from tests.support.converse import against, end_of, left_to_itself, observe, on
from tests.support.sentinel_servers import beat, standin

read = importlib.import_module("k8sext.checks.protocols.sentinel.answers")
SECRET = "canary-4711"
LOGIN = {"username": "shop", "password": SECRET}
CALM: dict[str, Any] = {"login": LOGIN, "tls": TlsSpec(mode=TlsMode.DISABLE)}
DEFAULT = {"username": "sentinel", "password": "sentinel"}


def see(port: int, **options: Any) -> Observation:
    seen = observe("sentinel", "sentinel", "127.0.0.1", port, **options)
    assert SECRET not in repr(seen)
    return seen


def entries(seen: Observation) -> list[tuple[str, str, str]]:
    """App, address and state of what is called back."""
    found = sequence(mapping(seen.fact("callbacks")).get("entries"))
    return [(e.get("app", ""), e["address"], e["state"]) for e in found]


@contextlib.contextmanager
def machine(answer: bytes = b"[]", status: str = "200 OK") -> Generator[tuple[int, list[str]]]:
    """A command centre: its port, and what it was asked."""
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = server.accept()
                    with peer:
                        asked.append(peer.recv(4096).split(b"\r\n")[0].decode())
                        head = f"HTTP/1.0 {status}\r\nContent-Length: {len(answer)}\r\n\r\n"
                        peer.sendall(head.encode() + answer)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], asked
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


# -- versions and logins ---------------------------------------------------------------------------


def test_a_dashboard_that_reaches_its_machine() -> None:
    nodes = json.dumps([{"resource": "hello"}]).encode()
    with standin(**LOGIN) as port, machine(nodes) as (number, asked):
        beat(port, "shop", "127.0.0.1", number)
        seen = see(port, expect={"applications": "shop", "version": ">=1.8"}, **CALM)
    assert (seen.status, seen.depth) == (Status.PASS, Stage.VERIFY), seen
    assert (seen.fact("product"), seen.fact("version")) == ("sentinel-dashboard", "1.8.8")
    assert entries(seen) == [("shop", f"127.0.0.1:{number}", "up")]
    assert asked[0] == "GET /clusterNode?type=zero HTTP/1.1"
    assert seen.fact("applications") == {"shop": 1}
    verify = seen.stage(Stage.VERIFY)
    assert verify and verify.detail == "shop: 1 machine, of 1 asked the dashboard reaches 1"


@pytest.mark.parametrize("answer", [(b"[]", "404 No"), (b"<html>", "200 OK"), (b"{}", "200 OK")])
def test_a_machine_that_is_none(answer: tuple[bytes, str]) -> None:
    """Asked twice: the first time may have been too early."""
    with standin(login=False) as port, machine(*answer) as (number, asked):
        beat(port, "shop", "127.0.0.1", number)
        seen = see(port)
    assert entries(seen) == [("shop", f"127.0.0.1:{number}", "down")]
    assert len([line for line in asked if line]) == 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"version": "1.8.8"}, "Sentinel's dashboard 1.8.8"),
        ({"version": "1.6.3"}, "Sentinel's dashboard of 1.6"),
        ({"version": "1.6.3", "login": False}, "Sentinel's dashboard before 1.6"),
    ],
)
def test_versions(options: dict[str, Any], told: str) -> None:
    with standin(**options, **LOGIN) as port:
        seen = see(port, **CALM)
    greeting = seen.stage(Stage.HANDSHAKE)
    assert seen.status is Status.PASS, seen
    assert greeting and greeting.detail == told


@pytest.mark.parametrize("login", [None, LOGIN])
def test_a_login_that_is_switched_off_is_a_warning(login: dict[str, str] | None) -> None:
    """Fact: with auth.enabled=false a dashboard of 1.7 and later tells everybody everything."""
    with standin(login=False, version="1.7.2") as port:
        seen = see(port, login=login)
    auth = seen.stage(Stage.AUTH)
    assert auth and (auth.status, auth.reason) == (Status.WARN, Reason.LOGIN_SWITCHED_OFF)
    assert seen.depth is Stage.VERIFY


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        ({**LOGIN, "password": "wrong"}, Reason.AUTH_REJECTED),
        (None, Reason.AUTH_REQUIRED),
    ],
)
def test_logins_that_do_not_get_in(login: dict[str, str] | None, expected: Reason) -> None:
    with standin(**LOGIN) as port:
        seen = see(port, login=login)
    end = end_of(seen)
    assert end and (end.stage, end.reason) == (Stage.AUTH, expected)


def test_the_default_login_is_a_warning_where_it_is_the_configured_one() -> None:
    with standin() as port:
        seen = see(port, login=DEFAULT)
    auth = seen.stage(Stage.AUTH)
    assert auth and (auth.status, auth.reason) == (Status.WARN, Reason.DEFAULT_LOGIN)
    assert seen.depth is Stage.VERIFY


@pytest.mark.parametrize("active", [False, True])
def test_nobody_guesses_without_leave(active: bool) -> None:
    """What nobody configured is tried with --active only, and once."""
    with standin() as port:
        seen = see(port, active=active)
    auth = seen.stage(Stage.AUTH)
    assert auth
    assert auth.reason is (Reason.DEFAULT_LOGIN if active else Reason.AUTH_REQUIRED)


def test_a_default_that_was_changed_is_no_rejected_login() -> None:
    with standin(**LOGIN) as port:
        seen = see(port, active=True)
    end = end_of(seen)
    assert end and (end.reason, end.status) == (Reason.AUTH_REQUIRED, Status.SKIP)


def test_a_password_in_clear() -> None:
    with standin(**LOGIN) as port:
        seen = see(port, login=LOGIN)
    auth = seen.stage(Stage.AUTH)
    assert auth and auth.reason is Reason.PASSWORD_IN_CLEAR


def test_the_session_is_ended() -> None:
    with Front(("127.0.0.1", 0), LOGIN) as front:
        threading.Thread(target=front.serve_forever, args=(0.05,), daemon=True).start()
        assert see(int(front.server_address[1]), **CALM).status is Status.PASS
        assert front.dashboard().sessions == {}
        front.shutdown()


@pytest.mark.parametrize("replicas", [2, 3])
def test_several_dashboards_behind_one_address(replicas: int) -> None:
    """The article's second finding: each has sessions of its own, and nobody stays logged in."""
    with standin(replicas=replicas, **LOGIN) as port:
        end = end_of(see(port, **CALM))
    assert end and (end.stage, end.reason) == (Stage.VERIFY, Reason.UNHEALTHY)
    assert "several dashboards behind one address" in end.detail


# -- applications ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ({"applications": "till"}, "till has not registered; registered beside: shop"),
        ({"applications": ["shop", "till"]}, "till has not registered"),
        ({"applications": "shop", "machines": 2}, "shop has 1 of 2 machines (127.0.0.1:9)"),
    ],
)
def test_an_application_that_is_missing(expect: dict[str, Any], said: str) -> None:
    with standin(login=False) as port:
        beat(port, "shop", "127.0.0.1", 9)
        end = end_of(see(port, expect=expect))
    assert end and end.reason is Reason.NOT_REGISTERED
    assert end.detail == said


def test_only_the_expected_applications_are_judged() -> None:
    """A dashboard may serve more than one cluster."""
    with standin(login=False) as port, machine() as (number, _):
        beat(port, "shop", "127.0.0.1", number)
        beat(port, "elsewhere", "127.0.0.1", 9)
        beat(port, "sentinel-dashboard", "127.0.0.1", 9)
        mine = see(port, expect={"applications": "shop"})
        all_of_them = see(port)
    assert [app for app, _, _ in entries(mine)] == ["shop"]
    assert sorted(app for app, _, _ in entries(all_of_them)) == ["elsewhere", "shop"]


def test_no_application_at_all() -> None:
    with standin(login=False) as port:
        seen = see(port)
    verify = seen.stage(Stage.VERIFY)
    assert verify and (verify.status, verify.detail) == (
        Status.PASS,
        "no application is registered",
    )


def test_a_version_that_is_not_the_wanted_one() -> None:
    with standin(login=False, version="1.7.2") as port:
        end = end_of(see(port, expect={"version": ">=1.8"}))
    assert end and end.reason is Reason.UNSUPPORTED_VERSION


# -- the way back ----------------------------------------------------------------------------------

REVERSE: dict[str, Any] = {"active": True, "reverse_app": "probe"}


def test_the_dashboard_comes_to_our_listener() -> None:
    """Nothing is registered for it: afterwards the dashboard knows what it knew."""
    with standin(login=False) as port:
        seen = see(port, **REVERSE)
        known = sentinel_servers.get(port, "/app/names.json")
    ((app, address, state),) = entries(seen)
    reverse = mapping(seen.fact("reverse"))
    assert (app, address, state) == ("probe", reverse["address"], "up")
    assert reverse["called_from"].startswith("127.0.0.1:")
    assert known == []


def test_a_dashboard_that_does_not_come() -> None:
    """It says that it has an answer: what counts is who has called."""
    pages = {
        "/": (200, PAGE),
        "/app/briefinfos.json": old([]),
        "/resource/machineResource.json": old([]),
    }
    seen = scripted(pages, **REVERSE)
    assert [(app, state) for app, _, state in entries(seen)] == [("probe", "down")]


def test_an_address_that_means_the_dashboards_own_host() -> None:
    for host in ("127.0.0.1", "127.8.0.1", "::1", "0.0.0.0", "localhost", "Localhost."):
        assert read.means_the_caller(host)
    for host in ("198.51.100.7", "shop", "::2", ""):
        assert not read.means_the_caller(host)


# -- scripted answers ------------------------------------------------------------------------------

PAGE = b'<title>Sentinel</title><div ng-app="sentinelDashboardApp">'
DATE = "Tue, 24 Nov 2026 13:14:41 GMT"
NOW_MS = 1795526081000
REFUSED = {"success": False, "code": 1, "msg": "out of paper", "data": None}


def scripted(pages: dict[str, tuple[int, Any]], **options: Any) -> Observation:
    """A stand-in that answers by path, as 0.1.1 writes its answers; a list: one after the other."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            path = (await reader.readuntil(b"\r\n\r\n")).decode().split(" ")[1].split("?")[0]
            status, body = pages.get(path, (404, {"status": 404}))
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            head = f"HTTP/1.1 {status} X\r\nDate: {DATE}\r\nContent-Length: {len(text)}\r\n\r\n"
            writer.write(head.encode() + text)

    return against(handle, "sentinel", "sentinel", **options)


def old(data: Any) -> tuple[int, Any]:
    return 200, {"code": 0, "msg": "success", "data": data}


def row(ip: str, age_s: float, **more: Any) -> dict[str, Any]:
    beat_ms = NOW_MS - int(age_s * 1000)
    return {"app": "shop", "ip": ip, "port": 8719, "version": beat_ms, **more}


def test_machines_that_have_gone_are_no_fault() -> None:
    """0.1.1 keeps them for ever, and calls them well for five minutes."""
    rows = [row("127.0.0.9", 4), row("127.0.0.8", 100), row("127.0.0.7", 900)]
    pages = {
        "/": (200, PAGE),
        "/app/briefinfos.json": old([{"app": "shop", "machines": rows}]),
        "/resource/machineResource.json": old([]),
    }
    seen = scripted(pages)
    assert entries(seen) == [("shop", "127.0.0.9:8719", "up")]
    assert (seen.fact("applications"), seen.fact("silent")) == ({"shop": 1}, 2)
    silent = {**pages, "/app/briefinfos.json": old([{"app": "shop", "machines": rows[1:]}])}
    end = end_of(scripted(silent, expect={"applications": "shop"}))
    assert end and end.reason is Reason.NOT_REGISTERED
    assert end.detail == "shop has gone silent, its last heartbeat came 100 s ago"


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ({"/": (200, b"<title>nginx</title>")}, Reason.WRONG_PRODUCT),
        ({"/": (404, b"")}, Reason.WRONG_PRODUCT),
        ({"/": (302, b"")}, Reason.WRONG_PRODUCT),
        ({"/": (502, b"<html>")}, Reason.UNHEALTHY),
        ({"/": (200, PAGE), "/app/briefinfos.json": (500, {})}, Reason.SERVER_ERROR),
        ({"/": (200, PAGE), "/app/briefinfos.json": (200, [])}, Reason.SERVER_ERROR),
        ({"/": (200, PAGE), "/app/briefinfos.json": (200, REFUSED)}, Reason.SERVER_ERROR),
    ],
)
def test_other_servers(pages: dict[str, tuple[int, Any]], expected: Reason) -> None:
    end = end_of(scripted(pages))
    assert end and end.reason is expected, end


def test_what_the_dashboard_does_not_tell_is_unknown() -> None:
    pages = {
        "/": (200, PAGE),
        "/app/briefinfos.json": old([{"app": "shop", "machines": [row("127.0.0.9", 4)]}]),
        "/resource/machineResource.json": (500, {"error": "out of paper"}),
    }
    seen = scripted(pages)
    assert seen.status is Status.PASS
    assert entries(seen) == [("shop", "127.0.0.9:8719", "unknown")]


ROWS: list[Any] = [
    None,
    1,
    "x",
    [None],
    [{}],
    [{"ip": 1}],
    [{"ip": "a", "port": True}],
    {"a": [1]},
    [[[]]],
]


@pytest.mark.parametrize("value", [*ROWS, *([{"app": "shop", "machines": r}] for r in ROWS)])
def test_hostile_machines(value: Any) -> None:
    assert read.machines_of(value, 0.0) == []


def test_a_machine_may_have_any_name() -> None:
    odd = 'a b/../?x=1&y#%\r\nX: 1" \x00'
    pages = {
        "/": (200, PAGE),
        "/app/briefinfos.json": old([{"app": odd, "machines": [row(odd, 4), row("::1", 4)]}]),
        "/resource/machineResource.json": old(None),
    }
    seen = scripted(pages)
    assert len(entries(seen)) == 2
    assert {state for _, _, state in entries(seen)} == {"down"}


def test_the_clock_is_the_dashboards() -> None:
    assert read.seconds_of(DATE, 0.0) == NOW_MS / 1000
    for wrong in (
        "",
        "yesterday",
        "Tue, 24 Nov 2026 25:14:41 GMT",
        "Tue, 24 Brr 2026 13:14:41 GMT",
    ):
        assert read.seconds_of(wrong, 7.0) == 7.0


def test_cookies() -> None:
    several = "a=1; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT, route=x.y; HttpOnly, c=\r3"
    assert read.cookies_of(several) == "a=1; route=x.y; c="
    assert read.cookies_of("") == ""


def test_each_application_has_its_turn() -> None:
    one = {"app": "one", "machines": [row("a", 1), row("b", 1), row("c", 1)]}
    two = {"app": "two", "machines": [row("d", 1)]}
    machines = read.machines_of([one, two], NOW_MS / 1000)
    assert [m.host for m in read.in_turn(machines)] == ["a", "d", "b", "c"]


def test_noise() -> None:
    """Whatever bytes come: Fault or a result that is fit for JSON."""
    dice = random.Random(20)
    good = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(PAGE), PAGE)
    apps = [{"app": "shop", "machines": [row("127.0.0.9", 4)]}]
    rest = json.dumps({"code": 0, "data": apps}).encode()
    more = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(rest), rest)
    whole = good + more * 6

    async def once() -> None:
        data = bytearray(whole)
        for _ in range(dice.randrange(1, 20)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        check = on("sentinel", "sentinel", bytes(data[: dice.randrange(len(data))]))
        check.login = Login({"username": Secret("shop"), "password": Secret(SECRET)})
        await left_to_itself(check, Stage.HANDSHAKE, Stage.AUTH, Stage.VERIFY)

    async def often() -> None:
        for _ in range(300):
            await once()

    asyncio.run(often())
