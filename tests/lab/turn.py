"""One at a time: who starts servers of their own in a lab, and clears away those of others."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Generator

from tests.lab.place import LabError, Place

_ours: set[str] = set()
"""Instances that this process has already taken."""


@contextlib.contextmanager
def taken(place: Place, user: str) -> Generator[None]:
    """Have the lab for oneself inside this block. LabError if somebody else has it.

    The lock ends with the process that holds it, however it ends. Within one process it is taken
    once: what is run inside another's block has the lab already.
    """
    if place.instance in _ours:
        yield
        return
    place.root.mkdir(parents=True, exist_ok=True)
    with (place.root / "turn").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            file.seek(0)
            raise LabError(_refusal(place, file.read().strip())) from problem
        file.truncate(0)
        file.write(f"{user} (process {os.getpid()})")
        file.flush()
        _ours.add(place.instance)
        try:
            yield
        finally:
            _ours.discard(place.instance)


def _refusal(place: Place, holder: str) -> str:
    return (
        f"the lab {place.instance} is in use by {holder or 'another process'}, which would lose "
        "its servers; wait until it has ended, or use another lab: K8SEXT_LAB_INSTANCE=another"
    )
