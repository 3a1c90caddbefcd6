"""The walk-through for a first check shows code that is in the check it speaks of."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "first-check.md").read_text()
CHECK = (ROOT / "checks" / "protocols" / "memcached.py").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_every_piece_of_code_is_in_the_file() -> None:
    assert len(BLOCKS) >= 4
    for block in BLOCKS:
        assert block in CHECK, block


def test_every_file_that_it_links_to_is_there() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / link).exists(), link
