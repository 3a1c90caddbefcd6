"""One process of the lab (with its children): how it is started, seen and stopped."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import secrets
import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab import cgroups
from tests.lab.hosts import as_user, enter, enter_cgroup
from tests.lab.place import LabError, Place

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/root",
}


@dataclass(frozen=True)
class Component:
    """Something that runs on a host of the lab.

    `start` may be called again after a stop and then finds the data of before.
    """

    name: str
    host: str
    start: Callable[[Place], None]
    ready: Callable[[Place], bool]
    needs: tuple[str, ...] = ()
    """Components that must be ready before this one is started."""
    part: str = "servers"
    """What `up --only` names: `kubernetes` or `servers`."""
    grace: float = field(default=3.0, compare=False)
    """Seconds between SIGTERM and SIGKILL when it alone is stopped."""

    def group(self, place: Place) -> Path:
        """Its cgroup."""
        return cgroups.tracking() / place.cgroup / self.name

    def pid(self, place: Place) -> int | None:
        """Its oldest process."""
        pids = cgroups.members(self.group(place))
        return pids[0] if pids else None

    def is_ready(self, place: Place) -> bool:
        """Whether it runs and answers."""
        try:
            return self.pid(place) is not None and self.ready(place)
        except (OSError, LabError, ValueError):
            return False

    def stop(self, place: Place, grace: float | None = None) -> None:
        """End it with all its children."""
        cgroups.end(self.group(place), self.grace if grace is None else grace)

    def await_ready(self, place: Place, seconds: float = 90) -> None:
        """Wait until it answers; LabError with the end of its log when it does not."""
        give_up = time.monotonic() + seconds
        pause = 0.05
        while not self.is_ready(place):
            dead = self.pid(place) is None
            if dead or time.monotonic() > give_up:
                what = "ended" if dead else f"not ready after {seconds:.0f} s"
                raise LabError(f"{self.name} on {self.host}: {what}\n{self._last_words(place)}")
            time.sleep(pause)
            pause = min(pause * 1.3, 0.3)

    def _last_words(self, place: Place) -> str:
        log = place.log / f"{self.name}.log"
        if not log.exists():
            return "it wrote no log"
        lines = log.read_text(errors="replace").splitlines()[-12:]
        return f"{log}:\n  " + "\n  ".join(lines)


def spawn(
    place: Place,
    name: str,
    host: str,
    argv: Sequence[str],
    *,
    user: str | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Start a process that outlives us, inside its host and its component's cgroup."""
    group = cgroups.component(place.cgroup, name)
    prefix = [*enter_cgroup(group), "setsid", "--fork", *enter(place, host), *as_user(user)]
    place.log.mkdir(parents=True, exist_ok=True)
    with (place.log / f"{name}.log").open("ab") as log:
        subprocess.run(
            [*prefix, *argv],
            cwd="/",
            env={**_ENVIRONMENT, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=True,
        )
    # The new process may not have been executed yet, but it is in the cgroup already.


def password(place: Place, name: str) -> str:
    """The password of a server: made once for each lab run, kept readable by root only.

    A caller who needs a certain one puts `secrets/<name>` there before `up`, or sets
    `K8SEXT_LAB_PASSWORD_<NAME>`.
    """
    file = place.state / "secrets" / name
    if not file.exists():
        variable = f"K8SEXT_LAB_PASSWORD_{name.upper().replace('-', '_')}"
        value = os.environ.get(variable) or secrets.token_urlsafe(18)
        made = write_private(file.with_name(f".{name}-{secrets.token_hex(4)}"), value)
        with contextlib.suppress(FileExistsError):  # another thread was first: its word counts
            os.link(made, file)
        made.unlink()
    return file.read_text()


def write_private(file: Path, text: str, user: str | None = None) -> Path:
    """Write a file that nobody but its owner can read, not even for a moment."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as stream:
        if user is not None:
            give(file, user)
        stream.write(text)
    return file


def folder_for(place: Place, name: str, user: str | None = None) -> Path:
    """The folder of a component's data, made when missing."""
    folder = place.state / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    if user is not None:
        give(folder, user)
    return folder


@contextlib.contextmanager
def alone(folder: Path) -> Generator[None]:
    """Nobody else is inside this block for that folder: what is made once is made by one."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def give(path: Path, user: str) -> None:
    """Make a file or folder the property of a user and of nobody else."""
    entry = pwd.getpwnam(user)
    os.chown(path, entry.pw_uid, entry.pw_gid)
