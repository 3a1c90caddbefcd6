"""`python -m tests.gym --cases DIR [--only ID] [--json FILE]`: the fault gym."""

from __future__ import annotations

import argparse
import json
import random
import secrets
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.gym.case import Case, load
from tests.gym.reader import CaseError
from tests.gym.run import Gym
from tests.gym.score import Board
from tests.lab import guise, turn
from tests.lab.lab import up
from tests.lab.place import LabError

CASES = Path(__file__).with_name("cases")


def main(argv: Sequence[str]) -> int:
    """Run the cases; 0 only if the bars hold, 2 for a case that cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m tests.gym", description=__doc__)
    parser.add_argument("--cases", type=Path, default=CASES, help="folder (or one file) of cases")
    parser.add_argument("--only", action="append", default=[], metavar="ID", help="repeatable")
    parser.add_argument("--times", type=int, help="run doctor so often on what each case builds")
    parser.add_argument("--json", type=Path, help="also write the scoreboard here")
    parser.add_argument("--seed", type=int, help="order of the cases; without it another one")
    parser.add_argument("--reports", type=Path, help="folder for doctor's JSON of every run")
    parser.add_argument("--check", action="store_true", help="read the cases, run nothing")
    options = parser.parse_args(argv)
    cases = _chosen(load(options.cases), options.only)
    if options.times:
        cases = [replace(c, times=options.times) for c in cases]
    if options.check:
        print(f"{len(cases)} cases can be read")
        return 0
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    random.Random(seed).shuffle(cases)
    _say(f"{len(cases)} cases in the order of --seed {seed}")
    lab = up()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with turn.taken(lab.place, "make gym"):
        try:
            board = Gym.on(lab, _say, options.reports).run(cases)
        finally:
            guise.clear(lab.place)
    _print(board)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(board.as_json(), indent=1) + "\n")
    return board.exit_code


def _chosen(cases: Sequence[Case], only: Sequence[str]) -> list[Case]:
    unknown = set(only) - {c.id for c in cases}
    if unknown:
        raise CaseError(f"there is no case {', '.join(sorted(unknown))}")
    return [c for c in cases if not only or c.id in only]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _print(board: Board) -> None:
    found = board.summary
    _say(
        f"\n{found['cases']} faults, {found['localised']} localised "
        f"({100 * board.accuracy:.0f} %), {found['false_ok']} false OK; "
        f"{found['controls']} controls; {found['false_alarms']} false alarms "
        f"(controls, and faults taken away); {found['seconds']:.0f} s"
    )


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (CaseError, LabError) as problem:
        sys.stderr.write(f"gym: {problem}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
