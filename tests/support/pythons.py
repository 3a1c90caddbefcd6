"""Other Pythons on this machine, for what must be the same on all of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SUPPORTED = ("3.11", "3.12", "3.13")


@cache
def find(version: str) -> str:
    """A Python `3.x` that runs and has ssl; "" where there is none.

    Looked for on PATH (pyenv's shims there may lead nowhere), in pyenv's and in uv's folders.
    """
    return next((path for path in _candidates(version) if _runs(path, version)), "")


def _candidates(version: str) -> Iterator[str]:
    name = f"python{version}"
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        found = shutil.which(name, path=folder)
        if found and "shims" not in Path(found).parts:
            yield found
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local/share/uv/python")
    for root, pattern in ((pyenv / "versions", f"{version}.*"), (uv, f"cpython-{version}.*")):
        for folder_found in sorted(root.glob(pattern), reverse=True):
            yield str(folder_found / "bin" / name)


def _runs(path: str, version: str) -> bool:
    code = "import ssl, asyncio, sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([path, "-I", "-S", "-c", code], capture_output=True, text=True)
    except OSError:
        return False
    return done.stdout.strip() == version
