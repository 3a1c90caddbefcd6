"""`python -m tests.compat`: every server of the table, one after another, and what was said of it.

    python -m tests.compat [--only MARK]… [--list] [--to FILE]

Exit code 0: each verdict was right. 1: one was not, or a server did not start.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.compat.judge import judged
from tests.compat.server import Server, running
from tests.compat.table import TABLE

HEAD = "| server | healthy | wrong password | version told | |\n|---|---|---|---|---|"


def main() -> int:
    """Run, print, judge."""
    arguments = _arguments()
    chosen = [s for s in TABLE if not arguments.only or s.mark.startswith(tuple(arguments.only))]
    if arguments.list:
        print("\n".join(server.mark for server in TABLE))
        return 0
    lines, bad = [HEAD], 0
    print(HEAD, flush=True)
    for server in chosen:
        line, right = _look(server)
        print(line, flush=True)
        lines.append(line)
        bad += not right
    if arguments.to:
        Path(arguments.to).write_text("\n".join(lines) + "\n")
    print(f"{len(chosen) - bad} of {len(chosen)} right", file=sys.stderr)
    return 1 if bad or not chosen else 0


def _look(server: Server) -> tuple[str, bool]:
    try:
        with running(server) as port:
            row = judged(server, port)
    except Exception as error:  # the next ones are to be looked at all the same
        words = " ".join(str(error).split())[-300:]
        return f"| {server.mark} | not tested: {words} | | | WRONG |", False
    return row.line, row.right


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.compat")
    parser.add_argument("--only", action="append", metavar="MARK", help="those that begin so")
    parser.add_argument("--list", action="store_true", help="what there is")
    parser.add_argument("--to", metavar="FILE", help="write the table there, too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
