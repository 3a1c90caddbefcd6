"""One judgement of the table.

Texts are templates over the facts of one bridge (see `saying.facts_of`). A code is never reused.
"""

from __future__ import annotations

from k8sext.model.data import dataclass
from k8sext.model.words import Culprit, Severity

FAIL, WARN, NOTE = Severity.FAIL, Severity.WARN, Severity.NOTE


@dataclass(frozen=True, slots=True)
class Row:
    """One judgement: what is said (summary) and what puts it right (fix).

    `command` is a shell line that mends the object as it stands, with nothing left to choose; it
    follows the words of `fix`. The gym executes each and looks again.
    """

    code: str
    culprit: Culprit
    summary: str
    fix: str
    severity: Severity = FAIL
    command: str = ""
