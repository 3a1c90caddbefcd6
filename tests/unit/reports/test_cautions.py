"""What a reader must know of how a run was made stands in the head of every format."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from k8sext import registry
from k8sext.cli import app
from k8sext.doctor import saved
from tests.support.sample_report import sample

SAID = (
    "k8sext.yaml of this folder sets fail-on never",
    'the certificate of the API server is "not" verified \x1b[2J',
)


def rendered(form: str, width: int = 120) -> str:
    report = replace(sample(), cautions=SAID)
    return str(registry.report(form).render(report, registry.report_options(width=width)))


@pytest.mark.parametrize("form", ["table", "wide"])
@pytest.mark.parametrize("width", [40, 120])
def test_on_a_terminal(form: str, width: int) -> None:
    head = rendered(form, width).split("BRIDGE")[0]
    assert " ! k8sext.yaml of this folder" in head
    assert "fail-on never" in " ".join(head.split())
    assert "\x1b" not in head


def test_in_json() -> None:
    assert json.loads(rendered("json"))["run"]["cautions"] == list(SAID)
    plain = registry.report("json").render(sample(), registry.report_options())
    assert "cautions" not in json.loads(plain)["run"]


def test_in_junit() -> None:
    import xml.etree.ElementTree as ET

    for suite in ET.fromstring(rendered("junit")):
        assert suite[0].tag == "properties"
        assert [p.get("name") for p in suite[0]] == ["k8sext.caution.1", "k8sext.caution.2"]
        assert suite[0][0].get("value") == SAID[0]


def test_a_saved_report_keeps_them_and_gets_those_of_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.json").write_text(rendered("json"))
    assert saved.read(tmp_path / "run.json").cautions == SAID
    (tmp_path / "k8sext.yaml").write_text("require: connect\n")
    app.run(["report", "run.json", "--as-saved"])
    out = capsys.readouterr().out
    assert "sets fail-on never" in out
    assert "sets require connect" in out
