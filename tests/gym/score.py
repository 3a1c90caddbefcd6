"""What was said against what should have been said, and the sums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.gym.case import Case

BAR = 0.95
"""Least share of faults whose code and culprit must both be right."""


@dataclass(frozen=True)
class Seen:
    """One run of doctor."""

    exit: int
    report: Mapping[str, Any]
    text: str
    """All it wrote, for strings that must and must not appear."""

    def bridge(self, name: str) -> Mapping[str, Any]:
        """A bridge of the report; empty where there is none."""
        return next((b for b in self.report.get("bridges", []) if b["service"] == name), {})

    def root(self, name: str, *, above: bool = False) -> tuple[str, str]:
        """Code and culprit of the heaviest diagnosis of a bridge, or above all of them."""
        said = self.above() if above else self.bridge(name).get("diagnoses", [])
        return (said[0]["code"], said[0]["culprit"]) if said else ("", "")

    def above(self) -> list[Mapping[str, Any]]:
        """Diagnoses above all bridges."""
        return [d for v in self.report.get("vantages", []) for d in v.get("diagnoses", [])]

    def codes(self, name: str) -> set[str]:
        """Codes of the bridge's diagnoses of severity fail."""
        said = self.bridge(name).get("diagnoses", [])
        return {d["code"] for d in said if d["severity"] == "fail"}


@dataclass(frozen=True)
class Result:
    """How one case came out."""

    case: Case
    got: str
    wrong: tuple[str, ...] = ()
    """All that is not as the case says."""
    twin: str = ""
    """What the run without the fault said when it was not healthy."""
    localised: bool = False
    false_ok: bool = False
    false_alarm: bool = False
    error: str = ""
    """The gym itself could not run the case."""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Nothing to object to."""
        return not (self.wrong or self.twin or self.error)


@dataclass(frozen=True)
class Board:
    """All results."""

    results: Sequence[Result]
    seconds: float = 0.0

    @property
    def faults(self) -> list[Result]:
        """Those of cases with a fault."""
        return [r for r in self.results if not r.case.control]

    @property
    def controls(self) -> list[Result]:
        """Those of healthy controls."""
        return [r for r in self.results if r.case.control]

    @property
    def summary(self) -> dict[str, Any]:
        """The sums, under the names of CLI.md. `cases` counts faults only."""
        return {
            "cases": len(self.faults),
            "localised": sum(r.localised for r in self.faults),
            "false_ok": sum(r.false_ok for r in self.faults),
            "false_alarms": sum(r.false_alarm for r in self.results),
            "controls": len(self.controls),
            "seconds": round(self.seconds, 1),
        }

    @property
    def accuracy(self) -> float:
        """Share of faults whose code and culprit are both right; 1 without any fault."""
        return sum(r.localised for r in self.faults) / len(self.faults) if self.faults else 1.0

    @property
    def exit_code(self) -> int:
        """0 only if the bar holds, nothing passed wrongly, nobody was alarmed for nothing."""
        found = self.summary
        broken = found["false_ok"] or found["false_alarms"] or any(r.error for r in self.results)
        return 0 if self.results and self.accuracy >= BAR and not broken else 1

    def as_json(self) -> dict[str, Any]:
        """The document of CLI.md, "Scoreboards"."""
        return {
            "summary": self.summary,
            "cases": [
                {"id": r.case.id, "expected": r.case.expected, "got": r.got, "ok": r.ok}
                for r in self.results
            ],
        }


@dataclass
class Judged:
    """What is found wrong with one run, while it is looked for."""

    wrong: list[str] = field(default_factory=list[str])

    def equal(self, what: str, got: object, wanted: object) -> None:
        """Note a difference."""
        if got != wanted:
            self.wrong.append(f"{what} is {got}, expected is {wanted}")


def judge_fault(case: Case, seen: Seen) -> Result:
    """The run with the fault."""
    expect, name = case.expect, case.bridge
    above = bool(expect.get("above"))
    code, culprit = seen.root(name, above=above)
    status = str(seen.bridge(name).get("status", "absent"))
    judged = Judged()
    judged.equal("code", code, expect["code"])
    judged.equal("culprit", culprit, expect["culprit"])
    judged.equal("status", status, expect.get("status", "fail"))
    judged.equal("exit code", seen.exit, expect.get("exit", _usual_exit(expect)))
    more = seen.codes(name) - {expect["code"], *expect.get("also", [])}
    if more and not above:
        judged.wrong.append(f"also said: {', '.join(sorted(more))}")
    _others(case, seen, judged, expect.get("others", "pass"))
    _texts(expect, seen, judged)
    wanted = expect.get("status", "fail")
    return Result(
        case,
        f"{code} {culprit}" if code else status,
        tuple(judged.wrong),
        localised=(code, culprit) == (expect["code"], expect["culprit"]),
        false_ok=status == "pass" and wanted != "pass",
    )


def _usual_exit(expect: Mapping[str, Any]) -> int:
    return {"fail": 1, "inconclusive": 3}.get(str(expect.get("status", "fail")), 0)


def _others(case: Case, seen: Seen, judged: Judged, wanted: str) -> None:
    """A fault of one bridge must not be seen at another."""
    if wanted == "any":
        return
    for bridge in seen.report.get("bridges", []):
        if bridge["service"] != case.bridge:
            judged.equal(f"bridge {bridge['service']}", bridge["status"], wanted)


def _texts(expect: Mapping[str, Any], seen: Seen, judged: Judged) -> None:
    judged.wrong += [f"it does not say {t!r}" for t in expect.get("says", []) if t not in seen.text]
    judged.wrong += [f"it says {t!r}" for t in expect.get("never", []) if t in seen.text]


def judge_healthy(case: Case, seen: Seen, wanted: str) -> tuple[str, tuple[str, ...]]:
    """A run without a fault: what it said, and what is wrong with that."""
    judged = Judged()
    bridges: Iterable[Mapping[str, Any]] = seen.report.get("bridges", [])
    said = [_told(b) for b in bridges if b["status"] not in ("pass", wanted)]
    said += [f"{d['code']} {d['culprit']}" for d in seen.above()]
    judged.wrong += said
    judged.equal("exit code", seen.exit, case.expect.get("exit", 0) if case.control else 0)
    if not seen.report.get("bridges") and seen.exit == 0:
        judged.wrong.append("no bridge was looked at")
    return ", ".join(said) or wanted, tuple(judged.wrong)


def _told(bridge: Mapping[str, Any]) -> str:
    first = next(iter(bridge["diagnoses"]), None)
    words = f"{first['code']} {first['culprit']}" if first else bridge["status"]
    return f"{bridge['service']}: {words}"


def judge_control(case: Case, seen: Seen) -> Result:
    """A healthy control."""
    wanted = str(case.expect.get("status", "pass"))
    got, wrong = judge_healthy(case, seen, wanted)
    judged = Judged(list(wrong))
    bridge = seen.bridge(case.bridge)
    judged.equal("status", bridge.get("status"), wanted)
    if "code" in case.expect:
        root = seen.root(case.bridge)
        judged.equal("code", " ".join(root), case.expected)
        got = " ".join(root).strip() or got
    if "depth" in case.expect:
        judged.equal("depth", bridge.get("depth"), case.expect["depth"])
    _texts(case.expect, seen, judged)
    return Result(case, got, tuple(judged.wrong), false_alarm=bool(wrong))
