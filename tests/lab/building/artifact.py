"""A folder in the cache whose name says what determines its content."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.place import LabError, cache

_BEGAN = time.monotonic()


@dataclass(frozen=True)
class Artifact:
    """Something built once; the same recipe gives the same folder name."""

    name: str
    version: str
    recipe: str
    """Everything besides the version that changes the result."""

    @property
    def folder(self) -> Path:
        """Where it is once it was made."""
        digest = hashlib.sha256(self.recipe.encode()).hexdigest()[:10]
        return cache() / f"{self.name}-{self.version}-{digest}"

    def made(self) -> bool:
        """Whether nothing is left to do."""
        return self.folder.is_dir()

    def need(self) -> Path:
        """The folder, for those who use it."""
        if not self.made():
            raise LabError(f"{self.name} is not built: `python -m tests.lab build` first")
        return self.folder

    def make(self, into: Callable[[Path], None]) -> None:
        """Fill a temporary folder and rename it: what has the name is complete."""
        if self.made():
            return
        cache().mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f".{self.name}-", dir=cache()) as temporary:
            result = Path(temporary) / "result"
            result.mkdir(mode=0o755)
            into(result)
            try:
                result.rename(self.folder)
            except OSError:  # another build of the same thing was quicker
                if not self.made():
                    raise
        say(f"{self.name} {self.version}: done in {time.monotonic() - began:.0f} s")


def say(text: str) -> None:
    """Progress, with the seconds since the build began."""
    print(f"lab build {time.monotonic() - _BEGAN:4.0f} s  {text}", file=sys.stderr, flush=True)


def run(
    argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> str:
    """Run a tool of the build; when it fails, say what it said last."""
    done = subprocess.run(
        list(argv), cwd=cwd, env=dict(env) if env else None, capture_output=True, text=True
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-3000:]
        raise LabError(f"{' '.join(argv[:4])} … ended with {done.returncode}:\n{said}")
    return done.stdout


def clone_tree(source: Path, target: Path, prefix: Sequence[str] = ()) -> None:
    """Copy a folder of files that nobody will change: by hard links where that is possible."""
    copy = [*prefix, "cp"]
    linked = subprocess.run([*copy, "-al", str(source), str(target)], capture_output=True)
    if linked.returncode:
        shutil.rmtree(target, ignore_errors=True)
        run([*copy, "-a", str(source), str(target)])
