"""A server that is compared with what k8sext says of it, and how it is started."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.building.artifact import Artifact, clone_tree, run

HOST = "127.0.0.1"
USER, PASSWORD = "shop", "canary-4711"
NOBODY = "nobody"  # several of them refuse to run as root
START_S = 120.0


@dataclass(frozen=True)
class Started:
    """What runs a server: a command, and the environment it gets besides PATH and HOME."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    user: str | None = None


Start = Callable[[Path, Path, int], Started]
"""Makes a server ready to be started: its files, an empty folder of its own, its port."""


@dataclass(frozen=True)
class Server:
    """One row of the table."""

    name: str
    version: str  # what k8sext must call it, as a beginning
    protocol: str
    artifact: Artifact
    fetch: Callable[[Path], None]
    start: Start
    login: Mapping[str, str] = field(default_factory=dict[str, str])
    copied: bool = False  # it must be able to read its own files as `nobody`

    @property
    def mark(self) -> str:
        """What it is called on the command line."""
        return f"{self.name}-{self.version}"


@contextlib.contextmanager
def running(server: Server) -> Generator[int]:
    """The server on a free port of loopback, which is given; it ends with the block."""
    server.artifact.make(server.fetch)
    folder = Path(tempfile.mkdtemp(prefix="k8sext-compat-"))
    folder.chmod(0o755)
    try:
        home = server.artifact.need()
        if server.copied:
            clone_tree(home, folder / "home")
            home = folder / "home"
        port = free_port()
        own = folder / "own"
        own.mkdir()
        with _process(server.start(home, own, port), folder / "log", own, port):
            yield port
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _process(started: Started, log: Path, folder: Path, port: int) -> Generator[None]:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", **started.env}
    with log.open("wb") as out:
        process = subprocess.Popen(
            started.argv, env=env, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=folder,
            user=started.user, start_new_session=True,
        )  # fmt: skip
        try:
            _await(process, port, log)
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up = time.monotonic() + START_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
            return
        if process.poll() is not None or time.monotonic() > give_up:
            raise RuntimeError(f"it does not start: {log.read_text(errors='replace')[-1500:]}")
        time.sleep(0.2)


def free_port() -> int:
    """A port of loopback that nothing listens on at this moment."""
    with socket.create_server((HOST, 0)) as one:
        return int(one.getsockname()[1])


def give(folder: Path, user: str = NOBODY) -> None:
    """Let `folder` and all that is in it be the user's."""
    known = pwd.getpwnam(user)
    run(["chown", "-R", f"{known.pw_uid}:{known.pw_gid}", str(folder)])
