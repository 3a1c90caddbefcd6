"""The drivers as installed in this environment, with what they need: for an image that has them."""

from __future__ import annotations

import re
import shutil
from importlib import metadata
from pathlib import Path

PACKAGES = ("psycopg", "psycopg-binary", "pymysql", "redis", "pika", "elasticsearch", "httpx")


def closure() -> dict[str, metadata.Distribution]:
    """The drivers and all that they need, by name."""
    found: dict[str, metadata.Distribution] = {}
    left = [*PACKAGES]
    while left:
        name = left.pop().lower().replace("_", "-")
        if name in found:
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # for another Python, or an extra
            continue
        wanted = (r for r in found[name].requires or [] if "extra ==" not in r)
        left += [re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0] for requirement in wanted]
    return found


def recipe() -> str:
    """Names and versions."""
    return " ".join(sorted(f"{name}={made.version}" for name, made in closure().items()))


def copy(into: Path) -> None:
    """Their files, as pip would install them into a folder of its own."""
    for made in closure().values():
        for file in made.files or ():
            if ".." in file.parts or "__pycache__" in file.parts:
                continue
            target = into / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(str(file.locate()), target)
    if "async-timeout" not in closure():
        # redis wants it before Python 3.11.3: Debian's is 3.11.2, this environment's may be newer.
        (into / "async_timeout.py").write_text("from asyncio import timeout, timeout_at\n")
