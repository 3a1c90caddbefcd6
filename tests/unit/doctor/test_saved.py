"""A saved run: shown as it was, and judged again by what was seen."""

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k8sext import registry
from k8sext.cli import app
from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.judge import judge
from k8sext.doctor import saved
from k8sext.errors import K8sextError
from k8sext.model.codec import to_json
from k8sext.model.report import Gate, Place, Report, VantageReport
from k8sext.model.result import Json
from k8sext.model.words import Reason, Stage
from tests.support.seen import at, bridge, by_name

DENY: dict[str, Any] = {
    "metadata": {"name": "deny"},
    "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
}
HERE = PlaceFacts(
    namespace="dev", vantage="pod", node="node2", policies=[DENY], lost=frozenset({("x", "y")})
)
CONTROL: dict[str, Json] = {"type": "control", "dns": True, "api": True, "connected": False}


def report(**more: Any) -> Report:
    """A time-out that a policy explains."""
    silent = [by_name(Stage.CONNECT, Reason.TIMED_OUT), at("198.51.100.21", Stage.CONNECT,
                                                           Reason.TIMED_OUT)]  # fmt: skip
    judgement = judge([bridge()], silent, [CONTROL], HERE)
    place = Place(
        namespace="dev",
        vantage="pod",
        services=("redis-svc",),
        context=to_json(HERE),
        controls=(CONTROL,),
    )
    whole = Report(
        run_id="r1",
        started="2026-11-24T02:00:00Z",
        duration_s=1.5,
        tool_version="0.1.0",
        vantages=(VantageReport(namespace="dev", vantage="pod", node="node2"),),
        bridges=judgement.bridges,
        context="lab",
        server_version="v1.35.4",
        gate=Gate(require=Stage.AUTH),
        places=(place,),
    )
    return replace(whole, **more)


def write(path: Path, what: Report) -> Path:
    path.write_text(registry.report("json").render(what, registry.report_options()))
    return path


def test_what_was_saved_is_read_back_whole(tmp_path: Path) -> None:
    before = report()
    assert [d.code for d in before.bridges[0].diagnoses] == ["KX309"]
    assert saved.read(write(tmp_path / "r.json", before)) == before


def test_the_facts_are_judged_again_policies_controls_and_all(tmp_path: Path) -> None:
    before = report()
    data = json.loads(write(tmp_path / "r.json", before).read_text())
    data["bridges"][0] |= {"diagnoses": [], "status": "pass"}
    (tmp_path / "r.json").write_text(json.dumps(data))
    assert saved.judged_again(saved.read(tmp_path / "r.json")) == before


def test_a_place_that_is_not_proven_is_so_again(tmp_path: Path) -> None:
    dead: dict[str, Json] = {**CONTROL, "api": False, "words": "timed out"}
    place = replace(report().places[0], controls=(dead,))
    again = saved.judged_again(saved.read(write(tmp_path / "r", report(places=(place,)))))
    assert [d.code for d in again.vantages[0].diagnoses] == ["KX909"]
    assert again.exit_code == 3


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def test_the_command_says_what_the_run_said(
    listening: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = {"open": ("127.0.0.1", listening), "shut": ("127.0.0.1", 1)}
    bridges = [
        {"name": name, "protocol": "tcp", "to": [host], "ports": [{"port": port}]}
        for name, (host, port) in to.items()
    ]
    (tmp_path / "bridges.yaml").write_text(
        json.dumps({"apiVersion": "k8sext.io/v1", "kind": "Bridges", "bridges": bridges})
    )
    file = str(tmp_path / "run.json")
    asked = ["doctor", "--from", "local", "-f", str(tmp_path / "bridges.yaml")]
    assert app.run([*asked, "--output-file", f"json={file}"]) == 1
    said = capsys.readouterr().out
    for how in ([], ["--as-saved"]):
        assert app.run(["report", file, *how]) == 1
        assert capsys.readouterr().out == said
    assert app.run(["report", file, "--fail-on", "never", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["run"]["exit_code"] == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read"),
        ("{", "not JSON"),
        ("[]", "no report"),
        ('{"schema": "k8sext.report/v2"}', "no report"),
        ('{"schema": "k8sext.report/v1"}', "did not save"),
        ('{"schema": "k8sext.report/v1", "basis": {"bridges": [1]}, "run": {}}', "not a whole"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str | None, words: str) -> None:
    file = tmp_path / "r.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(K8sextError, match=words) as caught:
        saved.read(file)
    assert caught.value.exit_code == 2
