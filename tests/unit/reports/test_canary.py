"""The attack on masking: servers of every protocol say the password that they were sent, in every
form; no form of it may stand in any report or in what is logged.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from k8sext import registry
from k8sext.agent.login.credentials import GivenValues
from k8sext.agent.run.turns import Pace
from k8sext.doctor import running as doctor
from k8sext.doctor.cluster import Cluster
from k8sext.doctor.request import Request
from k8sext.model.bridge import Bridge, Endpoint, Kind, Port
from k8sext.model.plan import Budget
from k8sext.model.report import Report
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.selftest.servers import ServerPort, Talk, opened
from tests.support.reflecting import CANARY, USER, forms, talks

BUDGET = Budget(stage_s=5, resolve_s=5, probe_s=10, run_s=120)
FORMS = forms(CANARY)
# What anybody can buy in a table, or read with a decoder: none of these may be told. As "cut" only
# what is no part of our own words counts.
SPELLINGS = {name: form for name, form in FORMS.items() if name != "base64 in a path"}


def _runs() -> list[tuple[str, str, Talk]]:
    """(name, protocol, server): each protocol with a third of the forms, the place in turn."""
    found: list[tuple[str, str, Talk]] = []
    for first, protocol in enumerate(registry.wire_checks()):
        for number, said in enumerate(list(FORMS.values())[first % 3 :: 3], first):
            places = sorted(talks(protocol, said).items())
            place, talk = places[number % len(places)]
            found.append((f"{protocol}-{number}-{place.replace(' ', '-')}", protocol, talk))
    return found


def _bridge(name: str, protocol: str, port: int) -> Bridge:
    return Bridge(
        namespace="dev", service=name, kind=Kind.SELECTORLESS, source="test",
        ports=(Port(name="", port=port, protocol=protocol, protocol_source="test"),),
        endpoints=(Endpoint(address="127.0.0.1", port=port, source="test"),),
        tls=TlsSpec(mode=TlsMode.DISABLE), expect={},
    )  # fmt: skip


async def _at_once(_pace: Pace, _address: str) -> float:
    return 0.0


@pytest.fixture(scope="module")
def looked() -> Iterator[tuple[Report, int, str]]:
    """One run over all of them, and what was logged meanwhile. All are one host, to which a run is
    polite: not here.
    """
    runs = _runs()
    hurry = pytest.MonkeyPatch()
    hurry.setattr(Pace, "wait", _at_once)
    said: list[str] = []
    ear = logging.Handler()
    ear.emit = lambda record: said.append(logging.Formatter().format(record))  # type: ignore[method-assign]
    root = logging.getLogger()
    root.addHandler(ear)
    root.setLevel(logging.DEBUG)
    try:
        with opened([ServerPort(talk=talk) for _, _, talk in runs]) as doors:
            bridges = [
                _bridge(n, p, port) for (n, p, _), port in zip(runs, doors.ports, strict=True)
            ]
            password = Secret(CANARY)
            # A user each: one rejected login ends those of the same user.
            given = GivenValues({
                n: {"username": Secret(f"{USER}{at}"), "password": password}
                for at, (n, _, _) in enumerate(runs)
            })  # fmt: skip
            request = Request(vantage="local", budget=BUDGET)
            report = doctor.probe(bridges, Cluster(), request, lambda _: given, lambda _n, _t: None)
    finally:
        hurry.undo()
        root.removeHandler(ear)
        root.setLevel(logging.WARNING)
    yield report, len(runs), "\n".join(said)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (key, *_strings(item))
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _leaks(text: str) -> list[str]:
    """Names of the forms that stand in a text, whatever its line breaks and blanks."""
    bare = re.sub(r"\s+", "", text)
    return [name for name, form in SPELLINGS.items() if re.sub(r"\s+", "", form) in bare]


def test_there_are_enough_runs_and_the_servers_are_believed(
    looked: tuple[Report, int, str],
) -> None:
    report, count, _ = looked
    assert count >= 178
    masked = [b for b in report.bridges if "***" in json.dumps(_facts(b))]
    assert len(masked) > count * 0.5, len(masked)  # what is masked was told: the attack arrives
    talking = {b.bridge.ports[0].protocol for b in masked}
    assert set(registry.wire_checks()) - talking == set()


def _facts(bridge: Any) -> Any:
    return [[s.detail, dict(s.evidence)] for o in bridge.observations for s in o.stages]


@pytest.mark.parametrize("name", registry.report_names())
def test_no_form_of_the_password_is_told(name: str, looked: tuple[Report, int, str]) -> None:
    report, _, _ = looked
    text: str = registry.report(name).render(report, registry.report_options())
    assert _leaks(text) == []
    if name == "json":
        assert [_leaks(t) for t in _strings(json.loads(text)) if _leaks(t)] == []


def test_no_form_of_the_password_is_logged(looked: tuple[Report, int, str]) -> None:
    assert _leaks(looked[2]) == []
