"""Every report format: a name, a media type, pure rendering, and the golden files.

The golden files are written anew with `K8SEXT_GOLDEN=1 pytest tests/contract/test_reports.py`.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from k8sext import registry
from k8sext.model.secret import Secret
from k8sext.model.workload import WorkloadView
from tests.support.sample_report import not_started, sample, with_workloads

GOLDEN = Path(__file__).parents[1] / "golden"
FILES = {
    "table-120.txt": ("table", {"width": 120}),
    "table-80.txt": ("table", {"width": 80}),
    "table-80-ascii.txt": ("table", {"width": 80, "unicode": False}),
    "wide-120.txt": ("wide", {"width": 120}),
    "report.json": ("json", {}),
    "junit.xml": ("junit", {}),
}
WITH_WORKLOADS = {
    "workloads-table-120.txt": ("table", {"width": 120}),
    "workloads-table-80-ascii.txt": ("table", {"width": 80, "unicode": False}),
    "workloads-wide-120.txt": ("wide", {"width": 120}),
    "workloads-report.json": ("json", {}),
    "workloads-junit.xml": ("junit", {}),
}
NAMES = registry.report_names()


@pytest.mark.parametrize("name", sorted({**FILES, **WITH_WORKLOADS}))
def test_golden(name: str) -> None:
    form, options = {**FILES, **WITH_WORKLOADS}[name]
    report = with_workloads() if name in WITH_WORKLOADS else sample()
    text = registry.report(form).render(report, registry.report_options(**options))
    file = GOLDEN / name
    if os.environ.get("K8SEXT_GOLDEN"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def test_every_format_has_a_golden_file() -> None:
    assert {form for form, _ in FILES.values()} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_format_says_what_it_is_and_renders_anything(name: str) -> None:
    module = registry.report(name)
    assert name == module.NAME
    assert "/" in module.MEDIA_TYPE
    empty = sample(bridges=(), vantages=(), workloads=WorkloadView())
    for report in (sample(), not_started(), with_workloads(), empty):
        text = module.render(report, registry.report_options())
        assert text == module.render(report, registry.report_options())
        assert text.endswith("\n")


@pytest.mark.parametrize("name", NAMES)
def test_the_environment_changes_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = registry.report(name).render(sample(), registry.report_options())
    for key, value in {
        "COLUMNS": "40",
        "FORCE_COLOR": "1",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }.items():
        monkeypatch.setenv(key, value)
    assert registry.report(name).render(sample(), registry.report_options()) == before


@pytest.mark.parametrize("name", ["json", "junit"])
def test_formats_for_machines_do_not_import_rich(name: str) -> None:
    code = (
        "import sys; from k8sext import registry;"
        f"registry.report({name!r}); sys.exit('rich' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_secret_that_slipped_in_shows_as_stars(name: str) -> None:
    """Nothing in a report holds a Secret; if a message is made of one, it shows `***`."""
    canary = Secret("canary-7131")
    report = sample(context=f"lab {canary}")
    text = registry.report(name).render(report, registry.report_options())
    assert "canary-7131" not in text
