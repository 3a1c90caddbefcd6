"""What a bridge's annotations ask for and cannot get: said whatever the probes came to; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from k8sext.bridges.annotations import PREFIX
from k8sext.diagnose.codes.row import Row
from k8sext.model.bridge import Bridge
from k8sext.model.diagnosis import Diagnosis

from .codes import rows_annotations as rows
from .saying import say_without


def judge(bridge: Bridge, said: Sequence[Diagnosis]) -> Iterator[Diagnosis]:
    """One diagnosis a sentence; expectations only where no probe has said so already."""
    known = any(d.code == rows.BAD_EXPECTATION.code for d in said)
    for problem in bridge.unread:
        expected = problem.startswith((f"{PREFIX}expect", "expect."))
        if not (expected and known):
            yield _say(bridge, rows.BAD_EXPECTATION if expected else rows.UNREAD, problem)
    for problem in bridge.unknown:
        yield _say(bridge, rows.UNKNOWN, problem)


def _say(bridge: Bridge, row: Row, problem: str) -> Diagnosis:
    facts = {"service": bridge.service, "namespace": bridge.namespace, "detail": problem}
    return say_without(row, f"Service/{bridge.ref}", facts)
