"""One report of each bridge from what several vantages said of it: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from k8sext.model.diagnosis import Diagnosis, heavier
from k8sext.model.report import BridgeReport
from k8sext.model.result import worst
from k8sext.model.words import Stage


def merged(reports: Sequence[BridgeReport]) -> tuple[BridgeReport, ...]:
    """Each bridge once, in the order in which the vantages were asked for."""
    by_bridge: dict[str, list[BridgeReport]] = {}
    for report in reports:
        by_bridge.setdefault(report.bridge.ref, []).append(report)
    return tuple(_one(found) for found in by_bridge.values())


def _one(found: Sequence[BridgeReport]) -> BridgeReport:
    if len(found) == 1:
        return found[0]
    return replace(
        found[0],
        status=worst(r.status for r in found),
        depth=_depth([r.depth for r in found]),
        observations=tuple(o for r in found for o in r.observations),
        diagnoses=_told_once([d for r in found for d in r.diagnoses]),
        skipped=next((r.skipped for r in found if r.skipped), ""),
    )


def _depth(depths: Sequence[Stage | None]) -> Stage | None:
    """What was proved from everywhere."""
    if any(d is None for d in depths):
        return None
    return min((d for d in depths if d), key=list(Stage).index)


def _told_once(said: Sequence[Diagnosis]) -> tuple[Diagnosis, ...]:
    """What two vantages say in the same words is one diagnosis at its heaviest, with the evidence
    of both.
    """
    kept: dict[tuple[str, str], Diagnosis] = {}
    for one in said:
        key = (one.code, one.summary)
        first = kept.get(key)
        because = (*first.because, *one.because) if first else one.because
        kept[key] = replace(heavier(first or one, one), because=tuple(dict.fromkeys(because)))
    return tuple(kept.values())
