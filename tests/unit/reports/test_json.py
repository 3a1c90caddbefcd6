"""k8sext.report/v1: what its schema promises is there."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from k8sext import registry
from k8sext.cli import app
from k8sext.model.report import Gate, Report
from tests.support.sample_report import FINDING, not_started, sample

SCHEMA = registry.report("json").SCHEMA
GOLDEN = Path(__file__).parents[2] / "golden" / "report.json"


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
            stages = {mark for mark in said["because"] if not mark.startswith("Service/")}
            assert stages <= there


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


# -- the published schema -------------------------------------------------------------------------


def closed(schema: Any) -> Any:
    """The schema without its room for additions: what it does not name is an error."""
    if isinstance(schema, list):
        return [closed(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    out = {k: closed(v) for k, v in schema.items()}
    return {"additionalProperties": False, **out} if "required" in schema else out


STRICT = jsonschema.Draft202012Validator(closed(SCHEMA))


def test_it_is_a_schema_and_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert app.run(["schema", "report"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA


def test_the_golden_report_is_valid() -> None:
    STRICT.validate(json.loads(GOLDEN.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "report",
    [sample(), not_started(), sample(findings=(FINDING,)), sample(bridges=(), vantages=()),
     sample(interrupted=True)],
)  # fmt: skip
def test_every_report_is_valid(report: Report) -> None:
    STRICT.validate(document(report))


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def test_a_report_of_a_real_run_is_valid(
    listening: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One bridge that answers, one that refuses, one whose name is none."""
    to = {"open": ("127.0.0.1", listening), "shut": ("127.0.0.1", 1), "gone": ("x.invalid", 80)}
    bridges = [
        {"name": name, "protocol": "tcp", "to": [host], "ports": [{"port": port}]}
        for name, (host, port) in to.items()
    ]
    file = tmp_path / "bridges.yaml"
    file.write_text(
        json.dumps({"apiVersion": "k8sext.io/v1", "kind": "Bridges", "bridges": bridges})
    )
    assert app.run(["doctor", "--from", "local", "-f", str(file), "-o", "json"]) == 1
    data = json.loads(capsys.readouterr().out)
    STRICT.validate(data)
    statuses = {b["service"]: b["status"] for b in data["bridges"]}
    assert statuses["open"] == "pass"
    assert statuses["shut"] == "fail"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "k8sext.report/v2"), (("run", "exit_code"), 2), (("run",), {}),
        (("bridges", 0, "status"), "ok"), (("bridges", 0, "ports", 0, "port"), "80"),
        (("bridges", 0, "observations", 0, "stages", 0, "stage"), "ping"),
        (("bridges", 0, "observations", 0, "route"), None), (("summary", "pass"), -1),
    ],
)  # fmt: skip
def test_the_schema_can_fail(path: tuple[str | int, ...], value: Any) -> None:
    data: Any = document(sample())
    at = data
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(data)


def test_additions_are_allowed() -> None:
    data = document(sample())
    data["bridges"][0]["new"] = data["new"] = 1
    jsonschema.Draft202012Validator(SCHEMA).validate(data)
    assert not STRICT.is_valid(data)
