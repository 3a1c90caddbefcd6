"""Runs over hostile servers: what the whole tool makes of them, in every format."""

from __future__ import annotations

import itertools
import random
import resource
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from unittest import mock

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
from k8sext.model.words import Reason
from k8sext.selftest.cases import GOOD
from k8sext.selftest.certificates import Authority, KeyPair
from k8sext.selftest.run import formats, server_context
from k8sext.selftest.servers import HOST, ServerPort, Talk, opened
from tests.fuzz import hostile

AT_ONCE = 100
# Short where most answer, and what hangs is waited for in each batch.
BRIEF = Budget(stage_s=0.5, resolve_s=1, probe_s=1.5, run_s=100)
# Long enough for a flood to be one, and for a hundred TLS clients of one process.
PATIENT = Budget(stage_s=5, resolve_s=5, probe_s=8, run_s=100)


@dataclass(frozen=True)
class Attack:
    """One hostile server."""

    name: str
    protocol: str
    talk: Talk
    tls: TlsMode = TlsMode.DISABLE


@dataclass
class Outcome:
    """What went wrong with us."""

    count: int = 0
    defects: list[str] = field(default_factory=list[str])

    @property
    def peak_mib(self) -> int:
        """The most memory that this process ever had, stand-ins included."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def mutants(protocol: str, count: int, seed: int) -> Iterator[Attack]:
    """Servers that are well but for some bytes."""
    for number, case in zip(range(count), itertools.cycle(hostile.good(protocol)), strict=False):
        one = random.Random(f"{protocol} {seed} {number}").getrandbits(40)
        yield Attack(f"{protocol}-{number}", protocol, hostile.mutant(case, one))


def heavies(count: int, seed: int) -> Iterator[Attack]:
    """Floods, drips, bombs, each protocol in turn."""
    names = hostile.protocols()
    for number in range(count):
        protocol = names[number % len(names)]
        cases = hostile.good(protocol)
        case = cases[number // len(names) % len(cases)]
        # The kind goes round with the seed; the number of protocols must not go round with it.
        one = seed * 1009 + number + number // len(names)
        yield Attack(f"heavy-{number}-{protocol}", protocol, hostile.heavy(case, one))


def tls_ends(count: int, seed: int) -> Iterator[Attack]:
    """Servers whose TLS goes wrong."""
    authority, key = Authority.make("fuzz"), KeyPair.make()
    context = server_context(authority.issue(key, "localhost", -1, 1), key)
    for number in range(count):
        protocol = hostile.TLS_PROTOCOLS[number % len(hostile.TLS_PROTOCOLS)]
        before = hostile.BEFORE.get(protocol, b"")
        one = seed * 1009 + number + number // len(hostile.TLS_PROTOCOLS)
        talk = hostile.hostile_tls(one, context, before)
        mode = (TlsMode.REQUIRE, TlsMode.VERIFY_FULL)[number % 2]
        yield Attack(f"tls-{number}-{protocol}", protocol, talk, mode)


def run(attacks: Iterator[Attack], budget: Budget) -> Outcome:
    """All of them, some at once. All are one host, to which a run is polite: not here."""
    outcome = Outcome()
    with mock.patch.object(Pace, "wait", _at_once):
        while some := list(itertools.islice(attacks, AT_ONCE)):
            outcome.count += len(some)
            outcome.defects += _defects(*looked(some, budget))
    return outcome


async def _at_once(_pace: Pace, _address: str) -> float:
    return 0.0


def looked(attacks: Sequence[Attack], budget: Budget) -> tuple[Report, list[str]]:
    """The report, and what broke of the stand-ins."""
    with opened([ServerPort(talk=a.talk) for a in attacks]) as doors:
        bridges = [_bridge(a, port) for a, port in zip(attacks, doors.ports, strict=True)]
        # A user each: one rejected login ends those of the same user.
        logins = GivenValues({a.name: {k: Secret(v) for k, v in GOOD.items()} for a in attacks})
        request = Request(vantage="local", budget=budget)
        said = doctor.probe(bridges, Cluster(), request, lambda _: logins, lambda *_: None)
    return said, doors.broken


def _bridge(attack: Attack, port: int) -> Bridge:
    return Bridge(
        namespace="fuzz",
        service=attack.name,
        kind=Kind.SELECTORLESS,
        ports=(Port(name="", port=port, protocol=attack.protocol, protocol_source="fuzz"),),
        endpoints=(Endpoint(address=HOST, port=port, source="fuzz"),),
        tls=TlsSpec(mode=attack.tls),
        source="fuzz",
    )


def _defects(report: Report, broken: Sequence[str]) -> Iterator[str]:
    yield from broken
    for bridge in report.bridges:
        name = bridge.bridge.service
        if not bridge.observations:
            yield f"{name}: nobody looked"
        for observation in bridge.observations:
            for stage in observation.stages:
                if stage.reason is Reason.INTERNAL_ERROR:
                    yield f"{name}: {stage.stage}: {stage.detail}"
        if any(d.code == "KX910" for d in bridge.diagnoses):
            yield f"{name}: KX910"
    yield from (f"{c.id}: {c.got}" for c in formats(report) if not c.ok)
