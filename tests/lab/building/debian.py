"""A small Debian in a folder, by mmdebstrap."""

from __future__ import annotations

from pathlib import Path

from tests.lab.building.artifact import run


def small_root(suite: str, packages: str, root: Path, *options: str) -> None:
    """Debian with these packages (separated by commas).

    In a mount namespace of its own: however it ends, what mmdebstrap had mounted in there is gone.
    """
    kind = ["--variant=minbase", "--mode=root", f"--include={packages}", "--quiet"]
    run(["unshare", "--mount", "mmdebstrap", *kind, *options, suite, str(root)])
