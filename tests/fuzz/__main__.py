"""`python -m tests.fuzz`: hostile servers of every protocol, thousands of them, by seed."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.fuzz import hostile, runs

MOST_MIB = 150
KINDS = ("heavy", "tls")


def main(argv: Sequence[str]) -> int:
    """0 only if nothing crashed, everything was printable, and the memory held."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=2000, help="servers of each protocol")
    parser.add_argument("--more", type=int, default=400, help="of floods and bombs; of ends of TLS")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--only", help="one protocol, heavy or tls: in this process")
    options = parser.parse_args(argv)
    if options.only:
        print(json.dumps(one(options.only, options.each, options.more, options.seed)))
        return 0
    figures = dict[str, dict[str, Any]]()
    for name in (*hostile.protocols(), *KINDS):
        words = ["--only", name, "--seed", options.seed, "--each", options.each,
                 "--more", options.more]  # fmt: skip
        # A process each: its memory is its own.
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzz", *map(str, words)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            figures[name] = {"defects": [f"ended by {done.returncode}: {done.stderr[-500:]}"]}
        else:
            figures[name] = json.loads(done.stdout)
        print(f"{name:22} {json.dumps(figures[name])}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    defects = [d for f in figures.values() for d in f["defects"]]
    most = max(f.get("peak_mib", 0) for f in figures.values())
    count = sum(f.get("servers", 0) for f in figures.values())
    print(f"{count} servers, {len(defects)} defects, at most {most} MiB")
    return 1 if defects or most > MOST_MIB else 0


def one(name: str, each: int, more: int, seed: int) -> dict[str, object]:
    """The figures of one kind."""
    began = time.monotonic()
    if name == "heavy":
        outcome = runs.run(runs.heavies(more, seed), runs.PATIENT)
    elif name == "tls":
        outcome = runs.run(runs.tls_ends(more, seed), runs.PATIENT)
    else:
        outcome = runs.run(runs.mutants(name, each, seed), runs.BRIEF)
    return {
        "servers": outcome.count,
        "defects": outcome.defects,
        "peak_mib": outcome.peak_mib,
        "seconds": round(time.monotonic() - began, 1),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
