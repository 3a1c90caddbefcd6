"""Puts code and plan into environment variables, so that any image with Python can be the agent.

One environment string may hold 131,071 bytes (MAX_ARG_STRLEN, Linux), so what is longer is cut
into numbered chunks.
"""

from __future__ import annotations

import base64
import functools
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from importlib import resources

from k8sext import registry
from k8sext.model.codec import to_json
from k8sext.model.data import dataclass
from k8sext.model.plan import Plan

CHUNK = 120_000
# Statements as they are written here; a list of names may go over several lines. (Parsing each file
# takes ten times as long.)
_IMPORT = re.compile(
    r"^[ \t]*from (?P<module>(?:k8sext|\.)[\w.]*) import (?:\((?P<lines>[^)]*)\)|(?P<line>.*))",
    re.MULTILINE,
)
_NAME = re.compile(r"\b[a-z_]\w*")  # no module's name begins with a capital, as classes' do
# What only type checkers read is not there when the code runs.
_FOR_CHECKERS = re.compile(r"^if TYPE_CHECKING:.*\n(?:(?:[ \t]+.*)?\n)+", re.MULTILINE)
MAIN, RELAY = "main", "relay"
# The agent loads these by name, and the archive holds them where the plan asks for them.
PROTOCOLS, CLIENTS, DRIVERS = (
    "k8sext.checks.protocols",
    "k8sext.checks.clients",
    "k8sext.agent.drive.drivers",
)

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
    """The agent's entry point that carries out a plan in the pod."""
    return registry.vantages()[plan.vantage].entry


def sources(
    modules: Iterable[str], entry: str = MAIN, clients: Iterable[str] = ()
) -> dict[str, str]:
    """Path in the archive to source text: what runs in the pod for a plan with these modules.

    That is the entry point, the checks and the driver probes, and all that these import: a plan
    without Redis does not carry Redis' wire format. Raises FileNotFoundError for a module that is
    not there.
    """
    drivers = tuple(clients)
    named = [
        f"k8sext.agent.{entry}",
        *(_check(module) for module in modules),
        *(f"{CLIENTS}.{module}" for module in drivers),
        *((DRIVERS,) if drivers else ()),
    ]
    found, seen = dict[str, str](), set[str]()
    waiting = [(module, _read(module)) for module in named]
    for module, file in waiting:
        if file is None:
            raise FileNotFoundError(module)
    while waiting:
        module, file = waiting.pop()
        if file is None or file.path in found:
            continue
        found[file.path] = file.text
        for package in _packages(module):
            path = f"{package.replace('.', '/')}/__init__.py"
            if path not in found:
                found[path] = _opening(package)
        for name in _imports(module, file.text):
            if name not in seen:
                seen.add(name)
                waiting.append((name, _read(name)))
    return dict(sorted(found.items()))


def _check(name: str) -> str:
    """The module of a check that has a file, or a folder, of its own."""
    module = f"{PROTOCOLS}.{name}"
    return module if _read(module) else f"{module}.check"


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    text: str


def _read(module: str) -> _File | None:
    """The source of a module of ours; None where there is no such file, as for a package's."""
    top, _, rest = module.partition(".")
    if top != "k8sext":
        return None
    plugin, _, inside = rest.partition(".")
    package = f"k8sext.{plugin}" if plugin == "checks" else "k8sext"
    path = f"{(inside if plugin == 'checks' else rest).replace('.', '/')}.py"
    try:
        text = _folder(package).joinpath(path).read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _File(f"{module.replace('.', '/')}.py", text)


_folder = functools.cache(resources.files)


def _packages(module: str) -> list[str]:
    """Those that a module lies in, from the outermost."""
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _opening(package: str) -> str:
    """A package's own file: of checks an empty one, since in the pod nothing is loaded late."""
    if package.startswith("k8sext.checks"):
        return ""
    return _folder(package).joinpath("__init__.py").read_text("utf-8")


def _imports(module: str, text: str) -> Iterator[str]:
    """Every module that a file may import by a statement, however late it is carried out."""
    if "TYPE_CHECKING:" in text:
        text = _FOR_CHECKERS.sub("", text)
    for statement in _IMPORT.finditer(text):
        source = statement["module"]
        if source.startswith("."):
            inner = source.lstrip(".")
            package = module.rsplit(".", len(source) - len(inner))[0]
            source = f"{package}.{inner}" if inner else package
        yield source
        for name in _NAME.findall((statement["lines"] or statement["line"]).partition("#")[0]):
            yield f"{source}.{name}"


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
