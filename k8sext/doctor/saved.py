"""A run that was saved as JSON, read back and judged again: no cluster, no network."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

from k8sext.diagnose import judge
from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.codes import rows
from k8sext.errors import K8sextError
from k8sext.model.bridge import Bridge
from k8sext.model.codec import from_json
from k8sext.model.diagnosis import Diagnosis, Finding
from k8sext.model.report import BridgeReport, Gate, Place, Report, VantageReport, untested
from k8sext.model.result import Observation
from k8sext.model.words import Stage, Status
from k8sext.model.workload import WorkloadView
from k8sext.reading import bounds, files

from . import merge

T = TypeVar("T")
SCHEMA = "k8sext.report/v1"
_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # of a surrogate pair
_MISFITS = (TypeError, ValueError, LookupError, AttributeError, RecursionError)
# What a judgement says of a whole place; everything else there was known before it.
OVERALL = (rows.UNPROVEN.code, "KX203")


def read(path: Path) -> Report:
    """The report in a file that `-o json` wrote. Raises K8sextError (exit code 2)."""
    try:
        text = files.text(path, bounds.REPORT)
    except bounds.Unreadable as error:
        raise _refused(path, "cannot be read", error.why) from None
    try:
        data: Any = json.loads(text, parse_constant=_no_number)
        if _HALF.search(text):
            json.dumps(data, ensure_ascii=False).encode()  # what could never be written again
    except (ValueError, RecursionError) as error:
        raise _refused(path, "is not JSON", type(error).__name__) from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise _refused(path, f"is no report of schema {SCHEMA}")
    document = cast("dict[str, Any]", data)
    if "basis" not in document:
        raise _refused(path, "was written by a k8sext that did not save what it judged by")
    try:
        return _report(document)
    except _MISFITS as error:
        raise _refused(path, "is not a whole report", type(error).__name__) from error


@contextmanager
def guarded(path: Path) -> Generator[None]:
    """Around judging and showing a saved report. Its shape was looked at when it was read; what the
    evidence of each protocol may hold is known to the judges alone, and they trust our own agent.
    """
    try:
        yield
    except (*_MISFITS, ArithmeticError, AssertionError) as error:
        what = "holds facts that no k8sext writes: it was altered or damaged"
        raise _refused(path, what, type(error).__name__) from error


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is not JSON")  # Python takes NaN and Infinity


def _refused(path: Path, what: str, why: str = "") -> K8sextError:
    fix = "write one with: k8sext doctor --output-file json=FILE"
    return K8sextError(f"the file {what}", where=str(path), why=why, fix=fix)


def _report(data: Mapping[str, Any]) -> Report:
    run, cluster, basis = data["run"], data["cluster"], data["basis"]
    bridges = {b.ref: b for b in (_strict(Bridge, b) for b in basis["bridges"])}
    report = Report(
        run_id=_strict(str, run["id"]),
        started=_strict(str, run["started"]),
        duration_s=_strict(float, run["duration_s"]),
        tool_version=_strict(str, data["tool"]["version"]),
        vantages=_strict(tuple[VantageReport, ...], data["vantages"]),
        bridges=tuple(_bridge(b, bridges) for b in data["bridges"]),
        findings=_strict(tuple[Finding, ...], data["findings"]),
        context=_strict(str, cluster["context"]),
        server_version=_strict(str, cluster["server_version"]),
        gate=_strict(Gate, basis["gate"]),
        interrupted=run["exit_code"] == 130,
        cautions=_strict(tuple[str, ...], run.get("cautions", [])),
        places=_strict(tuple[Place, ...], basis["places"]),
        workloads=_strict(WorkloadView, basis["workloads"]) if "workloads" in basis else None,
    )
    if report.gate.fail_on not in ("warn", "fail", "never"):
        raise ValueError("the gate of the report does not exist")
    return report


def _strict(cls: type[T], data: object) -> T:
    return from_json(cls, data, strict=True)


def _bridge(data: Mapping[str, Any], known: Mapping[str, Bridge]) -> BridgeReport:
    return BridgeReport(
        bridge=known[f"{data['namespace']}/{data['service']}"],
        status=Status(data["status"]),
        depth=Stage(data["depth"]) if data["depth"] else None,
        observations=_strict(tuple[Observation, ...], data["observations"]),
        diagnoses=_strict(tuple[Diagnosis, ...], data["diagnoses"]),
        skipped=_strict(str, data["skipped"]),
    )


def judged_again(report: Report) -> Report:
    """The same facts, judged by the rules of this version."""
    bridges = {b.bridge.ref: b for b in report.bridges}
    found: list[BridgeReport] = []
    said: dict[tuple[str, str], list[Diagnosis]] = {}
    for vantage in dict.fromkeys((v.namespace, v.vantage) for v in report.vantages):
        places = [p for p in report.places if (p.namespace, p.vantage) == vantage]
        judgements = [_judged(place, bridges) for place in places]
        said[vantage] = [d for j in judgements for d in j.overall]
        judged = [b for j in judgements for b in j.bridges]
        found += [*judged, *_untested(report.bridges, vantage[0], judged)]
    again = {b.bridge.ref: b for b in merge.merged(found)}
    return replace(
        report,
        bridges=tuple(again.get(b.bridge.ref, b) for b in report.bridges),
        vantages=tuple(_said_again(report.vantages, said)),
    )


def _judged(place: Place, bridges: Mapping[str, BridgeReport]) -> judge.Judgement:
    here = [bridges[f"{place.namespace}/{s}"] for s in place.services]
    seen = [o for b in here for o in b.observations if o.vantage == place.vantage]
    context = _strict(PlaceFacts, place.context)
    return judge.judge([b.bridge for b in here], seen, place.controls, context)


def _untested(
    bridges: Sequence[BridgeReport], namespace: str, judged: Sequence[BridgeReport]
) -> Iterable[BridgeReport]:
    """What a vantage could not look at."""
    known = {b.bridge.ref for b in judged}
    left = (b.bridge for b in bridges if b.bridge.namespace == namespace)
    return (untested(b) for b in left if b.ref not in known)


def _said_again(
    vantages: Iterable[VantageReport], said: Mapping[tuple[str, str], list[Diagnosis]]
) -> Iterable[VantageReport]:
    for vantage in vantages:
        kept = [d for d in vantage.diagnoses if d.code not in OVERALL]
        new = said.get((vantage.namespace, vantage.vantage), [])
        yield replace(vantage, diagnoses=tuple(dict.fromkeys((*kept, *new))))
