"""Standard output for data, standard error for talk, and the line that says what is waited for."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
import time
from typing import Any

from k8sext import registry
from k8sext.model.clean import screened
from k8sext.model.guard import guarded
from k8sext.model.secret import printable

QUIET_S = 0.3  # what takes less is not worth a line


def data(text: str) -> None:
    """Write data to standard output. Whoever has stopped reading it wants no more, and no error.

    What cannot be seen does not get through, whoever wrote it; colours do, on a terminal.
    """
    try:
        sys.stdout.write(screened(text, styled=_coloured()))
        sys.stdout.flush()
    except BrokenPipeError:
        nobody_reads()


def _coloured() -> bool:
    return bool(getattr(sys.stdout, "isatty", bool)())


def nobody_reads() -> None:
    """What is still to be written goes nowhere: Python's last flush would complain (sys.stdout)."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())


def see_to_streams() -> None:
    """A stream that the caller has closed (`>&-`) is None in Python; one that cannot take a
    character gets it escaped.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Write talk to standard error; that nobody hears it stops nothing."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(screened(guarded(text)) + "\n")
        sys.stderr.flush()


def plain() -> Any:
    """Options for a file."""
    return registry.report_options()


def options(*, no_color: bool) -> Any:
    """Options for standard output: its width, colour and characters."""
    if not sys.stdout.isatty():
        return registry.report_options(unicode=_has_utf8())
    width = shutil.get_terminal_size((120, 24)).columns
    color = not (no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb")
    return registry.report_options(width=max(width, 40), color=color, unicode=_has_utf8())


def _has_utf8() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


class Progress:
    """One line on a terminal that changes; in CI one line per phase; nothing when quiet."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.live = sys.stderr.isatty() and not os.environ.get("CI")
        self.began = time.monotonic()
        self.status: Any = None
        self.early: dict[str, str] = {}  # said too soon to be worth a line, if it ends soon as well
        self.timer: threading.Timer | None = None

    def phase(self, namespace: str, text: str) -> None:
        """Say what is being done or waited for."""
        if self.quiet:
            return
        left = QUIET_S - (time.monotonic() - self.began)
        if left > 0:
            self.early[namespace] = text
            self._later(left)
            return
        self.early.pop(namespace, None)
        if not self.live:
            say(f"{namespace}: {text}")
            return
        if self.status is None:
            from rich.console import Console

            self.status = Console(stderr=True).status("")
            self.status.start()
        from rich.text import Text  # nothing in it is markup

        self.status.update(Text(printable(guarded(f"{namespace}: {text}"))))

    def _later(self, seconds: float) -> None:
        """What was said last before there was reason to say anything must not be lost."""
        if self.timer is None:
            self.timer = threading.Timer(seconds + 0.01, self._catch_up)
            self.timer.daemon = True
            self.timer.start()

    def _catch_up(self) -> None:
        for namespace, text in list(self.early.items()):
            self.phase(namespace, text)

    def again(self, text: str) -> None:
        """Say why it is looked at once more (`--wait`)."""
        self.phase("waiting", text)

    def close(self) -> None:
        """Take the line away."""
        if self.timer is not None:
            self.timer.cancel()
        self.early.clear()
        if self.status is not None:
            self.status.stop()
            self.status = None
