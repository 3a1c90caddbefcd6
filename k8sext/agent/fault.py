"""Why a stage cannot go on."""

from __future__ import annotations

from k8sext.model.result import Json
from k8sext.model.secret import printable
from k8sext.model.words import Reason


class Fault(Exception):
    """A stage cannot go on, and why. `detail` is one sentence; `evidence` as in StageResult."""

    def __init__(self, reason: Reason, detail: str = "", **evidence: Json) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = printable(detail)
        self.evidence: dict[str, Json] = dict(evidence)
