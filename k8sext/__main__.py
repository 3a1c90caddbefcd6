"""The `k8sext` command, and `python -m k8sext`: nothing of it is imported before signals are seen
to. Whoever presses Ctrl-C in the first moments gets no traceback of an import.
"""

from __future__ import annotations

import os
import signal
from typing import NoReturn


def _leave(_number: int, _frame: object) -> NoReturn:
    """Nothing has been made yet that would have to be taken away."""
    os._exit(130)


def main() -> None:
    """Run the command line and exit."""
    kept = [s for s in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(s) != signal.SIG_IGN]
    before = {number: signal.signal(number, _leave) for number in kept}
    from .cli.app import main as run

    for number, handler in before.items():
        signal.signal(number, handler)
    try:
        run()
    except KeyboardInterrupt:  # as the very last thing, after the exit code was known
        os._exit(130)


if __name__ == "__main__":
    main()
