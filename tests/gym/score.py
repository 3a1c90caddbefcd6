"""What was said against what should have been said, and the sums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.gym import verdict
from tests.gym.case import Case, Look
from tests.gym.verdict import Verdict, listed

BAR = 0.95
"""Least share of faults whose code and culprit must both be right."""


ONCE = Look()


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

    def codes(self, name: str, *severities: str) -> set[str]:
        """Codes of the bridge's diagnoses, of some severities or of all."""
        said = self.bridge(name).get("diagnoses", [])
        return {d["code"] for d in said if not severities or d["severity"] in severities}

    def status(self, name: str) -> str:
        """How the bridge came out."""
        return str(self.bridge(name).get("status", "absent"))

    @property
    def findings(self) -> set[str]:
        """Codes of what is wrong with objects."""
        return {f["code"] for f in self.report.get("findings", [])}


@dataclass(frozen=True)
class Result:
    """How one case came out."""

    case: Case
    got: str
    wrong: tuple[str, ...] = ()
    """All that is not as the case says."""
    twin: str = ""
    """What the run without the fault said when it was not healthy."""
    recovery_s: int = 0
    """How much longer than the fault its verdict was waited out, seconds."""
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
        """The sums; `cases` counts faults only."""
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
        """The scoreboard as a document (tests/gym/README.md)."""
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

    def among(self, what: str, got: object, wanted: Sequence[object]) -> None:
        """Note what is none of those that are right."""
        if got not in wanted:
            self.wrong.append(f"{what} is {got}, expected is {' or '.join(map(str, wanted))}")

    def bridge(self, seen: Seen, name: str, wanted: Verdict, *, about: str = "") -> None:
        """What is said of one bridge."""
        code, culprit = seen.root(name)
        if wanted.codes:
            self.among(f"{about}code", code, wanted.codes)
            self.among(f"{about}culprit", culprit, wanted.culprits)
        self.among(f"{about}status", seen.status(name), wanted.statuses)
        more = seen.codes(name, "fail") - {*wanted.codes, *wanted.also}
        if more:
            self.wrong.append(f"{about}also said: {', '.join(sorted(more))}")
        self.rest(seen, name, wanted, about)

    def rest(self, seen: Seen, name: str, wanted: Verdict, about: str = "") -> None:
        """Notes and depth of a bridge."""
        unsaid = set(wanted.notes) - seen.codes(name)
        if unsaid:
            self.wrong.append(f"{about}not said: {', '.join(sorted(unsaid))}")
        if wanted.depths:
            self.among(f"{about}depth", seen.bridge(name).get("depth"), wanted.depths)

    def around(self, expect: Mapping[str, Any], seen: Seen) -> None:
        """Bridges with a verdict of their own, findings, and texts."""
        for name, part in expect.get("bridges", {}).items():
            wanted = verdict.of(part or {}, control=not (part or {}).get("code"))
            self.bridge(seen, name, wanted, about=f"bridge {name}: ")
        unsaid = set(expect.get("findings", ())) - seen.findings
        if unsaid:
            self.wrong.append(f"no finding {', '.join(sorted(unsaid))}")
        says, never = expect.get("says", []), expect.get("never", [])
        self.wrong += [f"it does not say {t!r}" for t in says if t not in seen.text]
        self.wrong += [f"it says {t!r}" for t in never if t in seen.text]

    def others(self, case: Case, expect: Mapping[str, Any], seen: Seen) -> None:
        """A fault of one bridge must not be seen at another."""
        wanted, own = (
            listed(expect.get("others", "pass")),
            {case.bridge, *expect.get("bridges", {})},
        )
        for bridge in seen.report.get("bridges", []) if "any" not in wanted else ():
            if bridge["service"] not in own:
                self.among(f"bridge {bridge['service']}", bridge["status"], wanted)


def judge_fault(case: Case, seen: Seen, look: Look = ONCE) -> Result:
    """One run with the fault."""
    expect, name = verdict.on_node(case.expect, look.node), case.bridge
    wanted = verdict.of(expect, control=False)
    above = bool(expect.get("above"))
    code, culprit = seen.root(name, above=above)
    status, judged = seen.status(name), Judged()
    if above:
        judged.among("code", code, wanted.codes)
        judged.among("culprit", culprit, wanted.culprits)
        judged.among("status", status, wanted.statuses)
    else:
        judged.bridge(seen, name, wanted)
    judged.among("exit code", seen.exit, _exits(expect, wanted.exit_code(status)))
    judged.others(case, expect, seen)
    judged.around(expect, seen)
    return Result(
        case,
        f"{code} {culprit}" if code else status,
        tuple(judged.wrong),
        localised=wanted.localised(code, culprit, status),
        false_ok=status not in wanted.statuses and unnoticed(status, seen),
    )


def unnoticed(status: str, seen: Seen) -> bool:
    """Whether nobody would see that something is wrong: it passed, or nobody looked or said so."""
    return status == "pass" or (status in ("skip", "absent") and seen.exit == 0)


def _exits(expect: Mapping[str, Any], usual: int) -> Sequence[int]:
    given = expect.get("exit", usual)
    return [int(code) for code in given] if isinstance(given, list) else [int(given)]


def judge_healthy(
    case: Case, seen: Seen, wanted: Sequence[str], exits: Sequence[int] = (0,)
) -> tuple[str, tuple[str, ...]]:
    """A run without a fault: what it said, and what is wrong with that."""
    judged = Judged()
    bridges: Iterable[Mapping[str, Any]] = seen.report.get("bridges", [])
    said = [_told(b) for b in bridges if b["status"] not in ("pass", *wanted)]
    said += [f"{d['code']} {d['culprit']}" for d in seen.above()]
    judged.wrong += said
    judged.among("exit code", seen.exit, exits)
    if not seen.report.get("bridges") and seen.exit == 0:
        judged.wrong.append("no bridge was looked at")
    return ", ".join(said) or wanted[0], tuple(judged.wrong)


def _told(bridge: Mapping[str, Any]) -> str:
    first = next(iter(bridge["diagnoses"]), None)
    words = f"{first['code']} {first['culprit']}" if first else bridge["status"]
    return f"{bridge['service']}: {words}"


def judge_control(case: Case, seen: Seen, look: Look = ONCE) -> Result:
    """One run of a healthy control."""
    expect = verdict.on_node(case.expect, look.node)
    wanted = verdict.of(expect, control=True)
    got, wrong = judge_healthy(case, seen, wanted.statuses, _exits(expect, 0))
    judged = Judged(list(wrong))
    judged.among("status", seen.status(case.bridge), wanted.statuses)
    if wanted.codes:
        code, culprit = seen.root(case.bridge)
        judged.among("code", code, wanted.codes)
        judged.among("culprit", culprit, wanted.culprits)
        got = f"{code} {culprit}".strip() or got
    judged.rest(seen, case.bridge, wanted)
    judged.around(expect, seen)
    return Result(case, got, tuple(judged.wrong), false_alarm=bool(wrong))


def judge_twin(case: Case, seen: Seen) -> str:
    """One run with the fault taken away: what is wrong with it, empty where nothing is."""
    got, wrong = judge_healthy(case, seen, [str(case.expect.get("healthy", "pass"))])
    return f"{got} ({'; '.join(wrong)})" if wrong else ""


def is_after_effect(result: Result, twin: str) -> bool:
    """Whether what is wrong without the fault is what was right with it."""
    return result.ok and f": {result.got}" in twin


def all_of(case: Case, results: Sequence[tuple[Look, Result]]) -> Result:
    """A case whose runs are all there: each of them must be right."""
    worst = next((r for _, r in results if not r.ok), results[0][1])
    wrong = [f"{look.words(case)}: {w}".removeprefix(": ") for look, r in results for w in r.wrong]
    return replace(
        worst,
        wrong=tuple(wrong),
        localised=all(r.localised for _, r in results),
        false_ok=any(r.false_ok for _, r in results),
        false_alarm=any(r.false_alarm for _, r in results),
    )
