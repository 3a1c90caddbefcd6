"""Where the time of a gym goes: seconds by part, of all cases that ran side by side."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Generator


class Clock:
    """Adds up what each part took."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def part(self, name: str) -> Generator[None]:
        """This block belongs to that part."""
        began = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._seconds[name] += time.monotonic() - began

    def words(self, cases: int) -> str:
        """Seconds of each part for one case in the mean, the longest first."""
        parts = sorted(self._seconds.items(), key=lambda item: -item[1])
        return ", ".join(f"{name} {seconds / max(cases, 1):.1f} s" for name, seconds in parts)
