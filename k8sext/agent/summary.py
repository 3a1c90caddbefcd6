"""The verdicts of a run in a termination message, for when the log cannot be read.

The kubelet keeps 4096 bytes of it. Each probe is one short text, `o1 s p s p p f:auth_rejected`:
its id (with its address where the plan does not know it, and `=http` where it was looked at as
something else than planned), then one word for each stage in order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from k8sext.model.plan import Plan, Target
from k8sext.model.result import Observation, StageResult
from k8sext.model.words import STAGES, Reason, Route, Status

LIMIT = 4096  # bytes; kubelet: MaxContainerTerminationMessageLength
_LETTERS = {s.value[0]: s for s in Status}
_WORST_FIRST = (Status.FAIL, Status.INCONCLUSIVE, Status.WARN, Status.PASS, Status.SKIP)


def encode(
    seen: Sequence[Observation], control: Mapping[str, object] | None, *, interrupted: bool = False
) -> str:
    """A JSON list of records, worst verdicts first, as many as fit."""
    ordered = sorted(seen, key=lambda o: _WORST_FIRST.index(o.status))
    words = [_word(o) for o in ordered]
    extra = [{"type": "control", **control}] if control else []
    for count in range(len(words), -1, -1):
        told: dict[str, object] = {"type": "summary", "total": len(words), "seen": words[:count]}
        told["interrupted"] = interrupted
        text = json.dumps([told, *extra], separators=(",", ":"))
        if len(text.encode()) <= LIMIT:
            return text
    return "[]"


def _word(seen: Observation) -> str:
    expanded = f"@{seen.target}" if "." in seen.id else ""
    instead = f"={seen.protocol}" if seen.fact("guess") else ""
    return " ".join((f"{seen.id}{expanded}{instead}", *(_stage(s) for s in seen.stages)))


def _stage(result: StageResult) -> str:
    reason = f":{result.reason}" if result.reason else ""
    return f"{result.status.value[0]}{reason}"


def decode(text: str, plan: Plan, node: str) -> tuple[list[dict[str, Any]], list[Observation]]:
    """The records of a message, and the probes they tell of; what is not ours gives nothing."""
    try:
        data: Any = json.loads(text or "[]")
    except ValueError:
        return [], []
    found: Iterable[Any] = data if isinstance(data, list) else ()
    records = [r for r in found if isinstance(r, dict)]
    targets = {t.id: t for t in plan.targets}
    words = [str(w) for r in records for w in r.get("seen") or ()]
    return records, list(_observations(words, targets, plan, node))


def _observations(
    words: Iterable[str], targets: Mapping[str, Target], plan: Plan, node: str
) -> Iterator[Observation]:
    for word in words:
        head, *stages = word.split()
        head, _, protocol = head.partition("=")
        name, _, address = head.partition("@")
        target = targets.get(name.partition(".")[0])
        results = tuple(_results(stages))
        if target is None or len(results) != len(STAGES):
            continue
        yield Observation(
            id=name,
            namespace=plan.namespace,
            service=target.service,
            port=target.port_key,
            protocol=protocol or target.protocol,
            vantage=plan.vantage,
            route=Route.ENDPOINT if address else target.route,
            target=address or target.address,
            stages=results,
            node=node,
            via=target.via,
        )


def _results(words: Sequence[str]) -> Iterator[StageResult]:
    for stage, word in zip(STAGES, words, strict=False):
        letter, _, reason = word.partition(":")
        try:
            known = Reason(reason) if reason else None
        except ValueError:
            known = Reason.INTERNAL_ERROR
        yield StageResult(
            stage=stage, status=_LETTERS.get(letter, Status.INCONCLUSIVE), reason=known
        )
