"""YAML of others is read by one loader, whose bounds hold for all."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWN = ROOT / "k8sext" / "reading" / "yaml_text.py"
READS = re.compile(
    r"\byaml\.(safe_)?(load|load_all|parse|scan|compose|compose_all)\b|\b(C?Safe|C?Full|C?Base|C|Unsafe)Loader\b"
)


def lines(folder: str) -> list[str]:
    files = (p for p in (ROOT / folder).rglob("*.py") if p != OWN)
    numbered = ((p, n, t) for p in files for n, t in enumerate(p.read_text().splitlines(), 1))
    return [f"{p.relative_to(ROOT)}:{n}" for p, n, text in numbered if READS.search(text)]


@pytest.mark.parametrize("folder", ["k8sext", "checks", "reports"])
def test_nobody_else_reads_yaml(folder: str) -> None:
    assert lines(folder) == []


def test_the_search_finds_what_it_looks_for() -> None:
    assert READS.search("data = yaml.safe_load(text)")
    assert READS.search("yaml.load(text, Loader=yaml.CSafeLoader)")
    assert READS.search(OWN.read_text())
