"""The end of the process, with threads still about."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """Exit with `code`.

    A thread may be left behind: it reads a watch that is open for minutes, or a driver hangs in it.
    If it wakes up while the interpreter is being torn down, the process may crash (CPython
    gh-87135), so there is no tearing down then. One run in some thousand had ended by signal 6,
    its report complete; that this was why is likely and was not reproduced.
    """
    if threading.active_count() > 1:
        # Files of the official client's configuration loader are still to be removed.
        atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # whoever read it has gone
                stream.flush()
        os._exit(code)
    sys.exit(code)
