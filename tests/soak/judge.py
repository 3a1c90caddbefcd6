"""What is wrong with what a run did when it was ended, and with what is left of it: pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .schedule import End, Mode, Run

CONTROLLERS_S = 20.0  # the Job controller's, the TTL controller's and the collector's own delay
ENDS_S = 15.0  # from the last signal to the end of the process: within it the Job is deleted
STAYS = "kubectl delete job"  # in the sentence that says what stays


@dataclass(frozen=True)
class Ended:
    """How a run ended. `took_s` is counted from the last signal; `left` are Jobs not deleted."""

    run: Run
    code: int
    took_s: float
    err: str = ""
    hit: bool = True  # False: it had ended by itself before
    left: tuple[str, ...] = ()
    hung: bool = False
    after_cleanup: tuple[str, ...] = ()


def complaints(ended: Ended) -> list[str]:
    """What is wrong, in sentences."""
    run = ended.run
    found: list[str] = []
    if ended.hung or ended.took_s > ENDS_S:
        found.append(f"it went on for {ended.took_s:.1f} s after {run.end}")
    if "Traceback" in ended.err or "internal error" in ended.err:
        found.append(f"it ended in an error of its own: {ended.err.strip()[-300:]}")
    if not ended.hit:
        return found
    expected = -9 if run.end is End.KILL else 130
    # Between its last line and its end a run may still be hit: then its own code stands. Before
    # its first line the interpreter may: then the signal ends it, and there is nothing to leave.
    done = (0, 1, 3) if ended.left else (0, 1, 3, -run.end.number)
    if ended.code != expected and (run.end is End.KILL or ended.code not in done):
        found.append(f"it ended with {ended.code}, not with {expected}")
    if run.end is not End.KILL and ended.left and STAYS not in ended.err:
        found.append(f"it left {', '.join(ended.left)} and did not say so")
    if run.cleanup and ended.after_cleanup:
        found.append(f"cleanup left {', '.join(ended.after_cleanup)}")
    return found


def going(item: Mapping[str, Any]) -> bool:
    """Whether an object has been deleted already, and only ends."""
    return "deletionTimestamp" in item["metadata"]


def due(job: Mapping[str, Any]) -> datetime:
    """When a Job has to be gone, whoever forgot it: its deadline, its time to live, some lag."""
    spec = job["spec"]
    seconds = spec["activeDeadlineSeconds"] + spec["ttlSecondsAfterFinished"] + CONTROLLERS_S
    return datetime.fromisoformat(job["metadata"]["creationTimestamp"]) + timedelta(seconds=seconds)


def named(item: Mapping[str, Any]) -> str:
    """`Job/NAMESPACE/NAME`."""
    return f"{item['kind']}/{item['metadata']['namespace']}/{item['metadata']['name']}"


def overdue(items: Iterable[Mapping[str, Any]], now: datetime) -> list[str]:
    """Jobs that should be gone by now."""
    return [named(i) for i in items if i["kind"] == "Job" and now > due(i)]


def table(done: Sequence[Ended]) -> list[str]:
    """For each mode and end: how many, how many were hit while they ran, how fast they ended."""
    lines = [f"{'mode':<9}{'ended by':<14}{'runs':>5}{'hit':>5}{'median':>9}{'longest':>9}"]
    for mode in Mode:
        for end in End:
            mine = [e for e in done if (e.run.mode, e.run.end) == (mode, end)]
            took = [e.took_s for e in mine if e.hit]
            middle, longest = (statistics.median(took), max(took)) if took else (0.0, 0.0)
            lines.append(
                f"{mode:<9}{end:<14}{len(mine):>5}{len(took):>5}{middle:>7.2f} s{longest:>7.2f} s"
            )
    return lines
