"""The reference of codes: a row for each, with what triggers it in the tests.

Written anew with `K8SEXT_GOLDEN=1 pytest tests/contract/test_reference.py`.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from k8sext.cli.explain_command import culprits
from k8sext.diagnose.codes import texts
from tests.gym.__main__ import CASES
from tests.gym.case import Case, load

ROOT = Path(__file__).parents[2]
FILE = ROOT / "k8sext" / "diagnose" / "CODES.md"
HEAD = """# Codes

What `doctor` can say, of bridges and (KX1xx) of the objects around them. `k8sext explain CODE` has
the whole text: what it means, how we know, how to see it yourself, how to repair it, and when the
verdict may mislead. The last column names what triggers the code in the tests: a case of the
[fault gym](../../tests/gym/README.md), else a test.

| code | culprit | it means | triggered by |
|---|---|---|---|
"""


def triggers(code: str, cases: Sequence[Case]) -> list[str]:
    """Gym cases that must say the code; without any, tests that name it, real ones first."""
    return [c.id for c in cases if code in c.codes[:1]] or list(_tests(code))


def _tests(code: str) -> Iterator[str]:
    for folder in ("e2e", "unit"):
        files = sorted((ROOT / "tests" / folder).rglob("test_*.py"))
        naming = [f for f in files if re.search(rf"\b{code}\b", f.read_text(encoding="utf-8"))]
        if naming:
            yield from (str(f.relative_to(ROOT)) for f in naming[:2])
            return


def reference() -> str:
    rows, cases = [], load(CASES)
    for code, text in texts.texts().items():
        named = triggers(code, cases)
        assert named, f"nothing in the tests triggers {code}"
        shown = ", ".join(f"`{name}`" for name in named[:3])
        more = f" and {len(named) - 3} more" if len(named) > 3 else ""
        rows.append(f"| {code} | {culprits(code)} | {text.line} | {shown}{more} |\n")
    return HEAD + "".join(rows)


def test_every_code_has_its_row_and_its_trigger() -> None:
    made = reference()
    if os.environ.get("K8SEXT_GOLDEN"):
        FILE.write_text(made, encoding="utf-8")
    assert FILE.read_text(encoding="utf-8") == made
