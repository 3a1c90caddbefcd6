"""Every code that speaks of a bridge has its trigger in the gym, or a reason why it has none."""

import re

from k8sext.diagnose.codes import table
from tests.e2e.test_gym_sample import CONTROLS, SAMPLE, sample
from tests.gym.__main__ import CASES
from tests.gym.case import load

ALL = load(CASES)
KINDS = {c.kind for c in ALL if c.kind and not c.extra}
README = (CASES.parent / "README.md").read_text()


def test_every_code_has_a_case_or_a_reason() -> None:
    listed = README.partition("Codes of the ranges")[2]
    excused = set(re.findall(r"KX\d{3}", listed))
    triggered = {c.codes[0] for c in ALL if c.codes}
    triggered |= {code for c in ALL for code in c.expect.get("notes", [])}
    codes = {r.code for r in table.all_rows() if "KX2" <= r.code < "KX9"}
    assert codes - triggered == excused


def test_there_are_enough_cases() -> None:
    assert sum(not c.control for c in ALL) >= 70
    assert sum(c.control for c in ALL) >= 12


def test_every_row_of_the_catalogue_is_cited_or_excused() -> None:
    """The catalogue of failure modes has 73 rows."""
    table = README.partition("## Explain only, or later")[2].partition("Codes of the")[0]
    excused = {int(n) for n in re.findall(r"\d+", _first_cells(table))}
    rows_of = (re.search(r"rows? ([\d, and]+)", c.source) for c in ALL)
    cited = {int(n) for found in rows_of if found for n in re.findall(r"\d+", found[1])}
    assert set(range(1, 74)) - cited - excused == set()


def _first_cells(table: str) -> str:
    lines = [x.split("|")[1] for x in table.splitlines() if x.startswith("| ")]
    return " ".join(re.sub(r"(\d+) to (\d+)", _range, cell) for cell in lines)


def _range(match: re.Match[str]) -> str:
    return " ".join(str(n) for n in range(int(match[1]), int(match[2]) + 1))


def test_another_commit_has_another_sample() -> None:
    one, two = (sample(ALL, seed) for seed in ("a", "b"))
    assert len(one) == len(two) == SAMPLE + CONTROLS + len(KINDS)
    assert {c.id for c in one} != {c.id for c in two}
    assert one == sample(list(reversed(ALL)), "a")


def test_a_sample_has_a_case_of_each_kind() -> None:
    assert all({c.kind for c in sample(ALL, str(n))} >= KINDS for n in range(5))


def test_a_sample_needs_no_more_than_the_default_build() -> None:
    assert any(c.extra for c in ALL)
    assert not [c.id for n in range(30) for c in sample(ALL, str(n)) if c.extra]
