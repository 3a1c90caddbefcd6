"""Where one lab instance keeps its things, and the name that sets it apart."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


class LabError(Exception):
    """The lab cannot do what was asked; the text says why and what to try."""


def default_instance() -> str:
    """Two checkouts must not share a lab, so the name comes from the checkout's path."""
    return hashlib.sha256(str(PROJECT).encode()).hexdigest()[:6]


@dataclass(frozen=True)
class Place:
    """The folders of one instance.

    `state` exists only while the lab is up; `log` of the last run stays for reading.
    The path is kept short: unix sockets below it may have 107 characters.
    """

    instance: str

    @property
    def root(self) -> Path:
        """The instance's own folder."""
        base = os.environ.get("K8SEXT_LAB_RUN") or "/var/tmp/k8sext-lab"
        return Path(base) / self.instance

    @property
    def state(self) -> Path:
        """Data, configuration and keys of the running lab; removed by `down`."""
        return self.root / "state"

    @property
    def log(self) -> Path:
        """What every process wrote, one file each."""
        return self.root / "log"

    @property
    def pki(self) -> Path:
        """The lab's own certificate authority and what it signed."""
        return self.state / "pki"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, with everything embedded."""
        return self.state / "admin.kubeconfig"

    @property
    def cgroup(self) -> str:
        """Name of the cgroup that holds every process of this instance."""
        return f"k8x-{self.instance}"

    @contextmanager
    def locked(self) -> Generator[None]:
        """`up` and `down` of one instance never run at the same time."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def place(instance: str | None = None) -> Place:
    """The instance that was asked for, by argument, environment or checkout."""
    name = instance or os.environ.get("K8SEXT_LAB_INSTANCE") or default_instance()
    if not (name.isascii() and name.replace("-", "").isalnum() and len(name) <= 16):
        raise LabError(f"instance name {name!r}: at most 16 letters, digits and hyphens")
    return Place(name)


def cache() -> Path:
    """What `build` made; outside the tree and shared by all instances."""
    chosen = os.environ.get("K8SEXT_CACHE")
    if chosen:
        return Path(chosen) / "lab"
    xdg = os.environ.get("XDG_CACHE_HOME")
    return (Path(xdg) if xdg else Path.home() / ".cache") / "k8sext" / "lab"
