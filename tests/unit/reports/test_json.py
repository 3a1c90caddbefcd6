"""k8sext.report/v1: what CLI.md promises is there."""

import json
from typing import Any

import pytest

from k8sext import registry
from k8sext.model.report import Gate, Report
from tests.support.sample_report import not_started, sample


def document(report: Report) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(
        registry.report("json").render(report, registry.report_options())
    )
    return data


def test_the_promised_keys() -> None:
    data = document(sample())
    assert data["schema"] == "k8sext.report/v1"
    assert data["tool"] == {"name": "k8sext", "version": "0.1.0"}
    assert {"id", "started", "duration_s", "vantages", "exit_code"} <= set(data["run"])
    assert {"context", "server_version"} <= set(data["cluster"])
    bridge = next(b for b in data["bridges"] if b["service"] == "redis-svc")
    keys = {"namespace", "service", "kind", "status", "depth", "ports", "endpoints",
            "observations", "diagnoses"}  # fmt: skip
    assert keys <= set(bridge)
    assert set(bridge["ports"][0]) >= {"name", "port", "protocol", "protocol_source"}
    assert set(bridge["endpoints"][0]) >= {"address", "port", "ready", "source"}
    seen = bridge["observations"][0]
    assert {"id", "vantage", "node", "route", "target", "port", "status", "stages"} <= set(seen)
    assert {"stage", "status"} <= set(seen["stages"][0])
    said = bridge["diagnoses"][0]
    assert {"code", "severity", "culprit", "summary", "because", "fix"} <= set(said)


def test_because_names_stages_that_are_in_the_document() -> None:
    for bridge in document(sample())["bridges"]:
        there = {f"{o['id']}/{s['stage']}" for o in bridge["observations"] for s in o["stages"]}
        for said in bridge["diagnoses"]:
            assert set(said["because"]) <= there


@pytest.mark.parametrize("fail_on", ["warn", "fail", "never"])
def test_the_summary_counts_what_the_gate_sees(fail_on: str) -> None:
    report = sample(gate=Gate(fail_on=fail_on))
    counts = document(report)["summary"]
    assert counts["bridges"] == sum(v for k, v in counts.items() if k != "bridges") == 8
    assert document(report)["run"]["exit_code"] == report.exit_code


def test_a_run_that_could_not_start_says_why() -> None:
    data = document(not_started())
    assert data["run"]["exit_code"] == 3
    assert data["vantages"][0]["diagnoses"][0]["code"] == "KX903"
