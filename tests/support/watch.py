"""Everything that objects of a namespace were, from one moment to another."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.lab import Lab


@dataclass
class Watched:
    """`text` is what the API server sent, complete after the block."""

    folder: Path
    text: dict[str, str] = field(default_factory=dict[str, str])

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """Every state of every object of a kind."""
        decoder, text, at = json.JSONDecoder(), self.text[kind], 0
        found: list[dict[str, Any]] = []
        while (at := text.find("{", at)) >= 0:
            try:
                item, at = decoder.raw_decode(text, at)
            except ValueError:  # the last one, cut
                break
            found.append(item)
        return found


@contextmanager
def watched(
    lab: Lab, namespace: str, folder: Path, kinds: Sequence[str] = ("pods", "jobs", "events")
) -> Generator[Watched]:
    """Watch kinds of objects (`kubectl get KIND --watch`) while the block runs."""
    seen = Watched(folder)
    with ExitStack() as stack:
        processes = []
        for kind in kinds:
            out = stack.enter_context((folder / f"watched-{kind}").open("w"))
            argv = ["kubectl", "get", kind, "-n", namespace, "--watch", "-o", "json"]
            processes.append(lab.popen(argv, stdout=out))
        time.sleep(1.0)  # kubectl has listed
        try:
            yield seen
        finally:
            time.sleep(0.5)
            for process in processes:
                process.terminate()
                process.communicate(timeout=10)
    for kind in kinds:
        seen.text[kind] = (folder / f"watched-{kind}").read_text()
