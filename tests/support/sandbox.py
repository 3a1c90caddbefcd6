"""Pastes lines that reports print into a shell in which nothing but recording stubs can run."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

PROGRAMS = ("kubectl", "k8sext", "getent", "openssl", "ping", "ip", "timeout", "chmod", "python3")
# Each stub writes its own name and arguments, ended by NUL, and an empty one at the end.
_STUB = """#!/bin/sh
printf '%s\\000' "${0##*/}" "$@" >> "$RECORD"
printf '\\000' >> "$RECORD"
"""
_BEGIN = re.compile(rf"(?:^|(?<=[ (:])|(?<=· ))(?:{'|'.join(PROGRAMS)}) (?=\S)")
# What ends a command in a sentence of ours, outside of quotes.
_END = re.compile(
    r"; | · |, | \(|\)(?=[ ,;]|$)| with (?:the|a) | shows the | and apply | in place of | … |…| \| "
    r"|$"
)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|\\.")


def lines_of(text: str) -> Iterator[str]:
    """The commands that stand in a text, each as somebody would select it with the mouse."""
    at = 0
    while begin := _BEGIN.search(text, at):
        at = end = begin.start()
        while end < len(text):
            if quoted := _QUOTED.match(text, end):
                end = quoted.end()
            elif _END.match(text, end):
                break
            else:
                end += 1
        yield text[at:end]
        at = max(end, begin.end())


def pasted(lines: Sequence[str], folder: Path) -> list[list[str]]:
    """What ran: one argv for each call of a stub, in order. A shell that cannot read the lines, or
    leaves anything in its folder, is an AssertionError.
    """
    stubs, here, record = folder / "stubs", folder / "here", folder / "record"
    stubs.mkdir(parents=True)
    here.mkdir()
    record.touch()
    for name in PROGRAMS:
        (stubs / name).write_text(_STUB)
        (stubs / name).chmod(0o755)
    script = folder / "script"
    script.write_text("\n".join(lines) + "\n", encoding="utf-8")
    environment = {
        "PATH": str(stubs),
        "RECORD": str(record),
        "HOME": str(here),
        "LC_ALL": "C.UTF-8",
    }
    for options in (["-n"], []):
        done = subprocess.run(["/bin/sh", *options, str(script)], cwd=here, env=environment,
                              capture_output=True, text=True, timeout=120)  # fmt: skip
        assert not options or done.returncode == 0, (done.stderr, lines)
        assert "not found" not in done.stderr, done.stderr
    assert not list(here.iterdir()), [p.name for p in here.iterdir()]
    calls = record.read_text(encoding="utf-8", errors="surrogateescape").split("\0\0")
    return [call.split("\0") for call in calls if call]
