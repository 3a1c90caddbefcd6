"""A sample of `make fuzz`: nothing crashes, all is printable, and every step is reached broken."""

import gc
import itertools
import random
from collections import Counter

import pytest

from k8sext.agent.tls.handshake import TlsContext
from k8sext.model.words import Stage, Status
from tests.fuzz import hostile, runs

EACH = 15


def test_servers_with_broken_bytes() -> None:
    made = (runs.mutants(name, EACH, 7) for name in hostile.protocols())
    outcome = runs.run(itertools.chain.from_iterable(made), runs.BRIEF)
    assert outcome.count == EACH * len(hostile.protocols())
    assert outcome.defects == []


def test_floods_drips_and_bombs() -> None:
    assert runs.run(runs.heavies(40, 7), runs.PATIENT).defects == []


def test_ends_of_tls_and_nothing_stays_of_them() -> None:
    """Each context holds the system's authorities, nearly a megabyte: 400 of them were 290 MiB."""
    assert runs.run(runs.tls_ends(36, 7), runs.PATIENT).defects == []
    gc.collect()
    assert not [o for o in gc.get_objects() if isinstance(o, TlsContext)]


def test_what_is_broken_lies_at_every_depth() -> None:
    """A fuzzer that never comes past the greeting would prove little."""
    report, broken = runs.looked(list(runs.mutants("redis", 60, 3)), runs.PATIENT)
    assert broken == []
    ends = Counter(
        next((s.stage for s in o.stages if s.status is Status.FAIL), None)
        for b in report.bridges
        for o in b.observations
    )
    assert all(ends[stage] >= 2 for stage in (Stage.HANDSHAKE, Stage.AUTH, Stage.VERIFY)), ends


def test_a_crash_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle works: a check that raises is a defect."""
    from k8sext import registry

    cls = registry.wire_checks()["redis"].cls

    async def bad(_self: object) -> None:
        raise RecursionError

    monkeypatch.setattr(cls, "handshake", bad)
    outcome = runs.run(runs.mutants("redis", 2, 1), runs.BRIEF)
    assert outcome.defects


def test_the_same_seed_is_the_same_server() -> None:
    whole = b"+PONG\r\n" * 9
    again = [[hostile.broken(random.Random(n), whole) for n in range(50)] for _ in range(2)]
    assert again[0] == again[1]
    assert len(set(again[0])) > 40
