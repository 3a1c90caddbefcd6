"""Whether the lines of a probe's log add up: pure, fed line by line.

The agent numbers its records from 0, writes the run's nonce into each, and says at the end how many
there were. A log may be read several times from its start (streams are cut), so that the same line
may come twice; what may not be is a number with two contents, a record with another nonce, or an
end before all numbers were seen. The nonce is no secret from whoever reads the log or the Job: it
tells our lines from what else an image prints, and an old log from this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8sext.kube.answers import decoded
from k8sext.model.codec import from_json
from k8sext.model.result import Observation

Record = Mapping[str, Any]
# What the agent and the relay write (k8sext.agent.output).
KINDS = frozenset({"hello", "ready", "heartbeat", "observation", "control", "dropped", "end"})
MAX_RECORDS = 100_000  # a heartbeat each 5 s and an observation for each probe: some thousand


class Ledger:
    """The records of one pod. `begin` where the log is read from its start again."""

    def __init__(self, nonce: str) -> None:
        self.nonce = nonce
        self.records: dict[int, Record] = {}
        self.end: Record | None = None
        self.odd = ""  # what did not add up in the reading under way
        self._last, self._ended = -1, False

    def begin(self) -> None:
        """What did not add up before may have been the way here: the next reading counts."""
        self.odd, self._last, self._ended = "", -1, False

    def take(self, line: bytes) -> Record | None:
        """The record of a line, where it is a new one; None for what is known, odd or not ours."""
        record = _record(line)
        if record is None:
            return None
        number = int(record["seq"])
        known = self.records.get(number)
        why = self._why(number, record, known)
        if why:
            self.odd = self.odd or why
            return None
        self._last = number
        self._ended = self._ended or record.get("type") == "end"
        if known is not None or number >= MAX_RECORDS:
            return None
        self.records[number] = record
        if record.get("type") == "end":
            self.end = record
        return record

    def _why(self, number: int, record: Record, known: Record | None) -> str:
        """What is odd about a record; "" where nothing is."""
        if record.get("nonce") != self.nonce:
            return "a record of another run is in it"
        if not _fits(record):
            return f"record {number} is not as the probe writes it"
        if known is not None and known != record:
            return f"there are two records {number}"
        if number <= self._last:
            return f"record {number} comes after record {self._last}"
        return ""

    @property
    def missing(self) -> str:
        """What is missing before the end record; "" where all is there, or there is no end yet."""
        if self.end is None:
            return ""
        said = self.end.get("records")
        number = int(self.end["seq"])
        gaps = [n for n in range(number) if n not in self.records]
        if gaps:
            return f"{len(gaps)} of its {number + 1} records did not arrive"
        if said != number + 1:
            return f"its end says that there were {said} records, and there are {number + 1}"
        if max(self.records) > number:
            return "there are records after its end"
        return ""

    @property
    def whole(self) -> bool:
        """Whether the log has been read to its end, and adds up."""
        return self._ended and not self.missing and not self.odd


def _record(line: bytes) -> Record | None:
    """A JSON line of the agent; a stray line of the image's own is not ours to judge."""
    try:
        record = decoded(line)
    except ValueError:
        return None
    number = record.get("seq")
    counted = isinstance(number, int) and not isinstance(number, bool) and number >= 0
    return record if counted and record.get("type") in KINDS else None


def _fits(record: Record) -> bool:
    """Whether it says what a record of its type says: whoever reads it further relies on that."""
    kind = record["type"]
    if kind == "ready":
        return isinstance(record.get("port"), int) and 0 < record["port"] < 1 << 16
    if kind != "observation":
        return True
    try:
        from_json(Observation, record.get("observation"))
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError):
        return False
    return True
