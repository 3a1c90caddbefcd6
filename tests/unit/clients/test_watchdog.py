"""Drivers keep no deadline, so the engine does; and when it sends no driver at all."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from k8sext import registry
from k8sext.agent.check import Login
from k8sext.agent.drive import drivers as clients
from k8sext.agent.drive.client import ClientInfo, ClientProbe, Dial, Fault, Notes
from k8sext.agent.drive.drivers import watched
from k8sext.agent.drive.scene import DialPoint, Scene
from k8sext.agent.login.credentials import GivenValues
from k8sext.model.plan import Budget, Target
from k8sext.model.result import Observation, StageResult
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import STAGES, Reason, Route, Stage, Status
from tests.support.drivers import both, logins, plan_of, target
from tests.support.standins import dripping, serving, silent

CANARY = "canary-4711"
LOGIN = {"username": "shop", "password": CANARY}
DIAL = Dial(
    host="127.0.0.1", port=9, server_name="svc", protocol="redis",
    login=Login({"password": Secret(CANARY)}),
)  # fmt: skip
SHORT = Budget(stage_s=0.3, resolve_s=0.5, probe_s=0.6, run_s=20)
PROTOCOLS = ("postgresql", "mysql", "rabbitmq", "redis", "elasticsearch", "http")


@pytest.fixture
def until() -> Iterator[threading.Event]:
    """Ends the stand-ins of a test, however it came out."""
    event = threading.Event()
    yield event
    event.set()


def scripted(run: Callable[[Dial, Notes], None], **more: Any) -> type[ClientProbe]:
    """A driver that is none."""

    class Scripted(ClientProbe):
        info = ClientInfo(driver="json", package="pytest", protocols=("redis",))

        def look(self, dial: Dial, notes: Notes) -> None:
            run(dial, notes)

    for name, value in more.items():
        setattr(Scripted, name, value)
    return Scripted


def last(stages: tuple[StageResult, ...]) -> StageResult:
    found = [s for s in stages if s.status in (Status.FAIL, Status.INCONCLUSIVE)]
    assert len(found) == 1
    return found[0]


# -- drivers that do not come back -----------------------------------------------------------------


def test_a_driver_that_hangs_is_left_behind(until: threading.Event) -> None:
    going, ended = threading.Event(), threading.Event()

    def hang(dial: Dial, notes: Notes) -> None:
        notes.passed(Stage.CONNECT)
        going.set()
        until.wait(30)
        notes.passed(Stage.HANDSHAKE, Stage.AUTH, Stage.VERIFY)
        ended.set()

    stages = watched(scripted(hang)(), DIAL, 0.3)
    assert going.is_set()
    assert not ended.is_set()
    assert [s.stage for s in stages] == list(STAGES)
    end = last(stages)
    assert (end.stage, end.status, end.reason) == (
        Stage.HANDSHAKE, Status.INCONCLUSIVE, Reason.TIMED_OUT,
    )  # fmt: skip
    assert stages[1].status is Status.PASS


def test_what_it_says_afterwards_changes_nothing(until: threading.Event) -> None:
    kept: list[Notes] = []
    ended = threading.Event()

    def hang(dial: Dial, notes: Notes) -> None:
        kept.append(notes)
        until.wait(30)
        notes.passed(Stage.CONNECT, Stage.HANDSHAKE, Stage.AUTH, Stage.VERIFY)
        ended.set()

    before = watched(scripted(hang)(), DIAL, 0.3)
    until.set()
    assert ended.wait(10)
    assert kept[0].results() == before


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_server_that_accepts_and_is_silent(protocol: str, until: threading.Event) -> None:
    with serving(silent(until)) as port:
        pair = both(protocol, port, LOGIN, budget=SHORT)
        assert not until.is_set()
    assert pair.wire.status is Status.FAIL
    assert pair.reasons[1] is Reason.TIMED_OUT
    assert CANARY not in repr(pair)


# As much of an honest beginning as makes the driver wait for more.
BEGINNINGS = {
    "postgresql": b"NR\x00\x00\x01\x00",
    "mysql": b"\xff\xff\x00\x00\x0a",
    "rabbitmq": b"\x01\x00\x00\x00\x00\x7f\xff",
    "redis": b"$65536\r\n",
    "elasticsearch": b"HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n{",
    "http": b"HTTP/1.1 200 OK\r\nX-Slow: ",
}


@pytest.mark.parametrize("protocol", sorted(BEGINNINGS))
def test_a_server_that_drips(protocol: str, until: threading.Event) -> None:
    """PyMySQL's time-outs are per read: a byte now and then held it for as long as it came."""
    with serving(dripping(BEGINNINGS[protocol], until)) as port:
        probe = registry.clients_by_protocol()[protocol]()
        probe.load()
        dial = replace(DIAL, port=port, protocol=protocol, seconds=0.5)
        stages = watched(probe, dial, 1.5)
        assert not until.is_set()
    end = last(stages)
    assert end.status in (Status.INCONCLUSIVE, Status.FAIL)
    assert end.reason in (Reason.TIMED_OUT, Reason.WRONG_PROTOCOL, Reason.SERVER_ERROR)


def test_the_drip_that_only_the_watchdog_ends(until: threading.Event) -> None:
    with serving(dripping(BEGINNINGS["mysql"], until)) as port:
        probe = registry.clients_by_protocol()["mysql"]()
        probe.load()
        stages = watched(probe, replace(DIAL, port=port, protocol="mysql", seconds=0.5), 1.5)
    assert (last(stages).status, last(stages).reason) == (Status.INCONCLUSIVE, Reason.TIMED_OUT)


# -- what drivers raise ----------------------------------------------------------------------------


def test_secrets_are_masked_and_words_bounded() -> None:
    def fail(dial: Dial, notes: Notes) -> None:
        notes.passed(Stage.CONNECT, detail=f"as {CANARY}", words=f"x{CANARY}")
        raise Fault(Reason.AUTH_REJECTED, f"\x1b[31m{CANARY} " + "x" * 5000, words=CANARY)

    stages = watched(scripted(fail)(), DIAL, 5)
    assert CANARY not in repr(stages)
    assert "***" in last(stages).detail
    assert "\x1b" not in last(stages).detail
    assert len(last(stages).detail) <= 400


def test_an_error_that_nobody_knows_is_a_defect_of_ours() -> None:
    def fail(dial: Dial, notes: Notes) -> None:
        raise KeyError(CANARY)

    end = last(watched(scripted(fail)(), DIAL, 5))
    assert (end.status, end.reason) == (Status.INCONCLUSIVE, Reason.INTERNAL_ERROR)
    assert CANARY not in end.detail


def test_a_driver_that_trips_over_the_answer_failed() -> None:
    import json

    def fail(dial: Dial, notes: Notes) -> None:
        json.loads("{")

    end = last(watched(scripted(fail)(), DIAL, 5))
    assert (end.status, end.reason) == (Status.FAIL, Reason.WRONG_PROTOCOL)


def test_an_error_while_an_error_is_read() -> None:
    def fail(dial: Dial, notes: Notes) -> None:
        raise ValueError

    def fault_for(self: ClientProbe, error: Exception) -> Fault:
        raise AttributeError("fault_for")

    end = last(watched(scripted(fail, fault_for=fault_for)(), DIAL, 5))
    assert (end.status, end.reason) == (Status.INCONCLUSIVE, Reason.INTERNAL_ERROR)


def test_a_name_that_libc_does_not_know() -> None:
    dial = replace(DIAL, host="nothing.invalid")
    end = last(watched(scripted(lambda _d, _n: None)(), dial, 10))
    assert end.stage is Stage.RESOLVE
    assert end.reason in (Reason.NAME_NOT_FOUND, Reason.DNS_SERVER_FAILURE)


# -- which drivers are sent, where, and with what --------------------------------------------------


def wire(of: Target, *ends: tuple[Stage, Status, Reason | None]) -> Observation:
    """A wire probe that passed, but for `ends`."""
    changed = {stage: (status, reason) for stage, status, reason in ends}
    normal = {Stage.TLS: (Status.SKIP, Reason.NOT_APPLICABLE)}
    stages = tuple(
        StageResult(stage=s, status=changed[s][0], reason=changed[s][1])
        if s in changed
        else StageResult(stage=s, status=normal.get(s, (Status.PASS, None))[0],
                         reason=normal.get(s, (Status.PASS, None))[1])
        for s in STAGES
    )  # fmt: skip
    return Observation(
        id=of.id, namespace="dev", service=of.service, port=of.port_key, protocol=of.protocol,
        vantage="local", route=of.route, target=of.address, stages=stages,
    )  # fmt: skip


def sent(
    *targets: Target,
    seen: Mapping[str, Observation] | None = None,
    **more: Any,
) -> tuple[list[Observation], list[Dial]]:
    """What was observed, and every dial that a driver was given."""
    dials: list[Dial] = []

    def note(dial: Dial, notes: Notes) -> None:
        dials.append(dial)
        notes.passed(Stage.VERIFY)

    found = {t.id: wire(t) for t in targets} if seen is None else seen
    base: dict[str, Any] = {
        "plan": plan_of(*targets),
        "wire": found,
        "clients": {"redis": scripted(note)},
        "checks": {n: e.cls for n, e in registry.wire_checks().items()},
        "logins": logins(LOGIN),
        "until": float("inf"),
    }
    return clients.observe(Scene(**{**base, **more})), dials


def test_one_driver_a_port_by_name_where_there_is_one() -> None:
    name = target("redis", 6379, id="o1", route=Route.NAME, host="svc")
    first = target("redis", 6379, id="o2", host="127.0.0.2")
    other = target("redis", 6380, id="o3", port_key="other", host="127.0.0.3")
    seen, dials = sent(first, name, other, door=lambda t: DialPoint("127.0.0.9", t.port))
    assert [(o.id, o.route, o.target) for o in seen] == [
        ("o1-client", Route.NAME, "svc:6379"),
        ("o3-client", Route.ENDPOINT, "127.0.0.3:6380"),
    ]
    assert sorted((d.host, d.port, d.server_name) for d in dials) == [
        ("127.0.0.9", 6379, "svc"),
        ("127.0.0.9", 6380, "svc"),
    ]
    assert all(o.client.startswith("json ") for o in seen)


def test_an_address_that_works_before_one_that_does_not() -> None:
    dead, good = target("redis", 1, id="o1"), target("redis", 2, id="o2")
    ends = {"o1": wire(dead, (Stage.CONNECT, Status.FAIL, Reason.REFUSED)), "o2": wire(good)}
    assert [o.id for o in sent(dead, good, seen=ends)[0]] == ["o2-client"]


def test_a_protocol_without_a_driver_is_left_alone() -> None:
    assert sent(target("tcp", 1)) == ([], [])


AT_HOME = [
    ((Stage.AUTH, Status.FAIL, Reason.AUTH_REJECTED), Reason.LOGIN_REJECTED_BEFORE),
    ((Stage.AUTH, Status.FAIL, Reason.PASSWORD_EXPIRED), Reason.LOGIN_REJECTED_BEFORE),
    ((Stage.AUTH, Status.FAIL, Reason.LOCKED_OUT), Reason.LOGIN_REJECTED_BEFORE),
    ((Stage.AUTH, Status.SKIP, Reason.LOGIN_REJECTED_BEFORE), Reason.LOGIN_REJECTED_BEFORE),
    ((Stage.AUTH, Status.SKIP, Reason.AUTH_REQUIRED), Reason.NO_CREDENTIALS),
    ((Stage.AUTH, Status.SKIP, Reason.NO_CONSENT), Reason.NO_CONSENT),
    ((Stage.AUTH, Status.SKIP, Reason.SECRET_MISSING), Reason.SECRET_MISSING),
    ((Stage.AUTH, Status.SKIP, Reason.SECRET_KEY_MISSING), Reason.SECRET_KEY_MISSING),
    ((Stage.TLS, Status.FAIL, Reason.TLS_NOT_OFFERED), Reason.NOT_REACHED),
    ((Stage.HANDSHAKE, Status.FAIL, Reason.TOO_MUCH), Reason.NOT_REACHED),
]


@pytest.mark.parametrize(("end", "reason"), AT_HOME)
def test_when_no_driver_is_sent(end: tuple[Stage, Status, Reason | None], reason: Reason) -> None:
    one = target("redis", 1)
    (seen,), dials = sent(one, seen={"o1": wire(one, end)})
    assert (seen.status, seen.stages[0].reason, dials) == (Status.SKIP, reason, [])
    assert [s.stage for s in seen.stages] == list(STAGES)


def test_no_driver_is_sent_where_nothing_may_be_reached() -> None:
    (seen,), dials = sent(target("redis", 1, expect={"unreachable": True}))
    assert (seen.status, seen.stages[0].reason, dials) == (
        Status.SKIP, Reason.NOT_APPLICABLE, [],
    )  # fmt: skip


def test_a_login_rejected_at_one_address_is_rejected_at_all_of_the_server() -> None:
    bad = target("redis", 1, id="o1", server="s", host="127.0.0.2")
    good = target("redis", 2, id="o2", server="s", port_key="other")
    ends = {"o1": wire(bad, (Stage.AUTH, Status.FAIL, Reason.AUTH_REJECTED)), "o2": wire(good)}
    seen, dials = sent(bad, good, seen=ends)
    assert [o.status for o in seen] == [Status.SKIP, Status.SKIP]
    assert dials == []


def test_a_driver_whose_login_is_rejected_is_the_last_on_that_server() -> None:
    dials: list[Dial] = []

    def reject(dial: Dial, notes: Notes) -> None:
        dials.append(dial)
        raise Fault(Reason.AUTH_REJECTED, "no")

    ports = [target("redis", n, id=f"o{n}", port_key=str(n), server="s") for n in (1, 2, 3)]
    seen, _ = sent(*ports, clients={"redis": scripted(reject)})
    assert [o.status for o in seen] == [Status.FAIL, Status.SKIP, Status.SKIP]
    assert len(dials) == 1


def test_a_driver_that_is_not_installed_is_a_skip_with_a_reason() -> None:
    absent = scripted(lambda _d, _n: None)
    absent.info = ClientInfo(driver="no_such_driver", package="no-such", protocols=("redis",))
    (seen,), _ = sent(target("redis", 1), clients={"redis": absent})
    assert (seen.status, seen.client) == (Status.SKIP, "no_such_driver")
    assert seen.stages[0].reason is Reason.DRIVER_MISSING
    assert "no-such" in seen.stages[0].detail


def test_no_time_is_left_for_it() -> None:
    (seen,), dials = sent(target("redis", 1), until=0.0)
    assert (seen.status, dials) == (Status.INCONCLUSIVE, [])
    assert seen.ended_by is not None
    assert seen.ended_by.reason is Reason.OUT_OF_TIME


TLS = [
    (None, (Status.SKIP, Reason.NOT_APPLICABLE), TlsMode.DISABLE),
    (None, (Status.PASS, None), TlsMode.REQUIRE),
    (TlsMode.REQUIRE, (Status.PASS, None), TlsMode.REQUIRE),
    (TlsMode.VERIFY_FULL, (Status.FAIL, Reason.CERTIFICATE_EXPIRED), TlsMode.VERIFY_FULL),
    (TlsMode.VERIFY_FULL, (Status.SKIP, Reason.NOT_REACHED), TlsMode.VERIFY_FULL),
    (TlsMode.DISABLE, (Status.SKIP, Reason.NOT_APPLICABLE), TlsMode.DISABLE),
]


def test_a_driver_asks_for_a_name_of_the_bridge_that_the_certificate_has() -> None:
    names = ("svc", "svc.dev", "svc.dev.svc.cluster.local")
    one = target("redis", 1, tls=TlsSpec(mode=TlsMode.VERIFY_FULL), tls_names=names)
    passed = wire(one, (Stage.TLS, Status.PASS, None))
    stages = tuple(
        replace(s, evidence={"matching": ["svc.dev", "x"]}) if s.stage is Stage.TLS else s
        for s in passed.stages
    )
    _, dials = sent(one, seen={"o1": replace(passed, stages=stages)})
    assert [(d.server_name, d.verified, d.named) for d in dials] == [("svc.dev", True, True)]


CANNOT: list[tuple[dict[str, Any], TlsSpec, dict[str, Any]]] = [
    ({"failed_tls_counts": True}, TlsSpec(mode=TlsMode.VERIFY_FULL), {"status": Status.FAIL}),
    ({"presents": False}, TlsSpec(mode=TlsMode.REQUIRE),
     {"evidence": {"client_certificate": "presented"}}),
    ({}, TlsSpec(mode=TlsMode.VERIFY_FULL, ca_secret="absent", ca_key="ca.crt"), {}),
    ({"chain_alone": False}, TlsSpec(mode=TlsMode.REQUIRE, ca_secret="svc", ca_key="ca.crt"), {}),
]  # fmt: skip


@pytest.mark.parametrize(("info", "spec", "change"), CANNOT)
def test_a_driver_that_cannot_do_tls_as_the_wire_probe_does_is_not_sent(
    info: dict[str, Any], spec: TlsSpec, change: dict[str, Any]
) -> None:
    one = target("redis", 1, tls=spec)
    passed = wire(one, (Stage.TLS, Status.PASS, None))
    stages = tuple(replace(s, **change) if s.stage is Stage.TLS else s for s in passed.stages)
    probe = scripted(lambda _d, notes: notes.passed(Stage.VERIFY))
    for able in (True, False):
        probe.info = replace(probe.info, **(info if not able else {}))
        files = {} if spec.ca_secret == "absent" and not able else {"ca.crt": "x"}
        given = {**logins(LOGIN, **files).by_service}
        if spec.ca_secret == "absent" and able:
            given["absent"] = given["svc"]
        (seen,), _ = sent(
            one,
            seen={"o1": replace(passed, stages=stages)},
            clients={"redis": probe},
            logins=GivenValues(given),
        )
        assert seen.status is (Status.PASS if able else Status.SKIP), seen.stages[0]


@pytest.mark.parametrize(("asked", "met", "given"), TLS)
def test_a_driver_is_told_the_tls_that_the_wire_probe_had(
    asked: TlsMode | None, met: tuple[Status, Reason | None], given: TlsMode
) -> None:
    one = target("redis", 1, tls=TlsSpec(mode=asked))
    _, dials = sent(one, seen={"o1": wire(one, (Stage.TLS, *met))})
    assert [d.tls for d in dials] == [given]
