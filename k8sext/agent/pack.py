"""Puts code and plan into environment variables, so that any image with Python can be the agent.

One environment string may hold 131,071 bytes (MAX_ARG_STRLEN, Linux), so what is longer is cut
into numbered chunks.
"""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable

from k8sext.model.codec import to_json
from k8sext.model.plan import Plan

CHUNK = 120_000
PACKAGES = ("k8sext.model", "k8sext.agent")
# `from .stream import`, `from k8sext.agent.stream import`, `from k8sext.model.words import`
_MODULE = re.compile(r"from (?:k8sext\.(agent|model))?\.(\w+) import")
# `from . import expect, resolver`, `from k8sext.agent import (…)`
_MODULES = re.compile(r"from (?:k8sext\.(agent|model)|\.) import (?:\(([^)]*)\)|([\w, ]+))")
# What only type checkers read is not there when the code runs.
_FOR_CHECKERS = re.compile(r"^if TYPE_CHECKING:.*\n(?:(?:[ \t]+.*)?\n)+", re.MULTILINE)
MAIN, RELAY = "main", "relay"
NOT_IN_THE_POD = ("k8sext/agent/pack.py",)

# The code is imported from memory: the root file system is read-only and /tmp may not exist.
BOOTSTRAP = """
import base64, os, sys, zlib
code, n = "", 0
while f"K8SEXT_CODE_{n}" in os.environ:
    code += os.environ[f"K8SEXT_CODE_{n}"]
    n += 1
fd = os.memfd_create("k8sext")
os.write(fd, zlib.decompress(base64.b64decode(code)))
sys.path.insert(0, f"/proc/self/fd/{fd}")
from k8sext.agent.ENTRY import main
main()
""".strip()


def command(entry: str = MAIN) -> tuple[str, ...]:
    """What the container runs: one of the agent's modules that have a `main`."""
    return ("python3", "-I", "-c", BOOTSTRAP.replace("ENTRY", entry))


COMMAND = command()


def entry_of(plan: Plan) -> str:
    """The entry point that carries out a plan."""
    return RELAY if plan.vantage == RELAY else MAIN


def sources(
    modules: Iterable[str], entry: str = MAIN, clients: Iterable[str] = ()
) -> dict[str, str]:
    """Path in the archive to source text: what runs in the pod for a plan with these modules.

    Of the agent's and the model's files only those that somebody imports: a plan without Redis
    does not carry Redis' wire format.
    """
    drivers = tuple(clients)
    found = _everything(modules, drivers)
    needed = _imported(found, entry, "from .drivers import load" if drivers else "")
    return {p: text for p, text in found.items() if not _package(p) or p in needed}


def _package(path: str) -> str:
    """`agent` or `model` for a file of these packages; of all others everything travels."""
    return next((p for p in ("agent", "model") if path.startswith(f"k8sext/{p}/")), "")


def _imported(found: Mapping[str, str], entry: str, more: str) -> set[str]:
    """The files of both packages that the entry point and the checks reach, however late."""
    checks = [text for path, text in found.items() if path.startswith("k8sext/checks/")]
    reached = {f"k8sext/{package}/__init__.py" for package in ("agent", "model")}
    texts = [("agent", text) for text in (f"from .{entry} import main", more, *checks)]
    while texts:
        for package, name in _names(*texts.pop()):
            path = f"k8sext/{package}/{name}.py"
            if path in found and path not in reached:
                reached.add(path)
                texts.append((package, found[path]))
    return reached


def _names(package: str, text: str) -> list[tuple[str, str]]:
    """Modules that a file of a package imports, by the ways in which that is written here."""
    text = _FOR_CHECKERS.sub("", text)
    one = [(where or package, name) for where, name in _MODULE.findall(text)]
    lists = ((where or package, words) for where, *pair in _MODULES.findall(text) for words in pair)
    return [*one, *((where, n) for where, words in lists for n in re.findall(r"\w+", words))]


def _everything(modules: Iterable[str], clients: Sequence[str]) -> dict[str, str]:
    found = {"k8sext/__init__.py": _text("k8sext", "__init__.py")}
    for package in PACKAGES:
        for entry in sorted(resources.files(package).iterdir(), key=lambda e: e.name):
            if entry.name.endswith(".py"):
                found[f"{package.replace('.', '/')}/{entry.name}"] = entry.read_text("utf-8")
    for folder in ("k8sext/checks", "k8sext/checks/protocols"):
        found[f"{folder}/__init__.py"] = ""
    protocols = resources.files("k8sext.checks.protocols")
    for module in modules:
        for name in (f"{module}.py", *_parts(module, protocols)):
            found[f"k8sext/checks/protocols/{name}"] = protocols.joinpath(name).read_text("utf-8")
    for name in ("__init__", *clients) if clients else ():
        found[f"k8sext/checks/clients/{name}.py"] = _text("k8sext.checks.clients", f"{name}.py")
    return {path: text for path, text in found.items() if path not in NOT_IN_THE_POD}


def _parts(module: str, protocols: Traversable) -> list[str]:
    """The other files of a large check: `_NAME.py`, `_NAME_….py`."""
    part = re.compile(rf"_{re.escape(module)}(_\w+)?\.py")
    return sorted(entry.name for entry in protocols.iterdir() if part.fullmatch(entry.name))


def _text(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text("utf-8")


def bundle(modules: Iterable[str], entry: str = MAIN, clients: Iterable[str] = ()) -> bytes:
    """The archive: the same bytes for the same sources, whenever it is made.

    Its files are stored as they are: `packed` compresses them all together, which leaves three
    quarters of what each by itself would be, and importing from it unpacks nothing.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, text in sources(modules, entry, clients).items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return out.getvalue()


def packed(modules: Iterable[str], entry: str = MAIN, clients: Iterable[str] = ()) -> bytes:
    """The archive as it travels."""
    return zlib.compress(bundle(modules, entry, clients))


def environment(plan: Plan) -> dict[str, str]:
    """The variables that carry the code and the plan."""
    planned = zlib.compress(json.dumps(to_json(plan), separators=(",", ":")).encode(), 9)
    return {
        **_chunks("K8SEXT_CODE", packed(plan.modules, entry_of(plan), plan.clients)),
        **_chunks("K8SEXT_PLAN", planned),
    }


def _chunks(name: str, data: bytes) -> dict[str, str]:
    text = base64.b64encode(data).decode()
    pieces = [text[at : at + CHUNK] for at in range(0, len(text), CHUNK)]
    return {f"{name}_{number}": piece for number, piece in enumerate(pieces)}
