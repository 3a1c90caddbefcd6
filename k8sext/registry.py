"""The plug-ins: found by walking their folders, loaded when asked for.

`checks.protocols` speak a protocol, `checks.clients` drive a library, `checks.rules` judge objects,
`reports` write formats, `k8sext.vantage.places` are places to stand. Two of one name are an error.
Nothing else imports them.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from k8sext.agent.check import CheckInfo, Fingerprint, WireCheck
from k8sext.errors import K8sextError
from k8sext.model.data import dataclass

if TYPE_CHECKING:  # loaded where drivers are asked for
    from k8sext.agent.drive.client import ClientInfo, ClientProbe
    from k8sext.vantage.vantage import Vantage

PROTOCOLS = "k8sext.checks.protocols"
CLIENTS = "k8sext.checks.clients"
RULES = "k8sext.checks.rules"
REPORTS = "k8sext.reports"
PLACES, VANTAGE = "k8sext.vantage.places", "k8sext.vantage.vantage"
P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class WireCheckEntry:
    """A wire check: what it is, its class, and the module that holds it."""

    info: CheckInfo
    cls: type[WireCheck]
    module: str

    @property
    def in_plan(self) -> str:
        """The file or folder under checks.protocols, as a plan names it."""
        return self.module.removeprefix(f"{PROTOCOLS}.").removesuffix(".check")


@functools.cache
def wire_checks() -> Mapping[str, WireCheckEntry]:
    """Every wire check by protocol, in the order of names."""
    found: dict[str, WireCheckEntry] = {}
    for module in _modules(PROTOCOLS, inside="check"):
        for cls in _own(module, WireCheck):
            _once(found, cls.info.name, module.__name__)
            found[cls.info.name] = WireCheckEntry(cls.info, cls, module.__name__)
    return MappingProxyType(dict(sorted(found.items())))


def fingerprints() -> tuple[Fingerprint, ...]:
    """By which first bytes each product that a check knows is recognised."""
    return tuple(f for entry in wire_checks().values() for f in entry.info.fingerprints)


def _own(module: Any, base: type[P], mark: str = "info") -> Iterator[type[P]]:
    """The plug-ins that a module itself defines; what it imports or keeps private is none."""
    for name, value in vars(module).items():
        public = isinstance(value, type) and not name.startswith("_")
        if public and issubclass(value, base) and value.__module__ == module.__name__:
            if mark in vars(value):
                yield value


@dataclass(frozen=True, slots=True)
class ClientEntry:
    """A client probe: the driver it runs, its class, and the module that holds it."""

    info: ClientInfo
    cls: type[ClientProbe]
    module: str


@functools.cache
def clients() -> Mapping[str, ClientEntry]:
    """Every client probe by driver; importing them imports no driver."""
    from k8sext.agent.drive.client import ClientProbe

    found: dict[str, ClientEntry] = {}
    for module in _modules(CLIENTS):
        for cls in _own(module, ClientProbe):
            _once(found, cls.info.driver, module.__name__)
            found[cls.info.driver] = ClientEntry(cls.info, cls, module.__name__)
    return MappingProxyType(dict(sorted(found.items())))


@functools.cache
def clients_by_protocol() -> Mapping[str, type[ClientProbe]]:
    """The client probe of each protocol that has one; two of one protocol are an error."""
    found: dict[str, type[ClientProbe]] = {}
    for entry in clients().values():
        for protocol in entry.info.protocols:
            _once(found, protocol, entry.module)
            found[protocol] = entry.cls
    return MappingProxyType(found)


@functools.cache
def vantages() -> Mapping[str, Vantage]:
    """Every vantage by the name that `--from` has for it."""
    base: type[Vantage] = importlib.import_module(VANTAGE).Vantage
    found: dict[str, Vantage] = {}
    for module in _modules(PLACES):
        for cls in _own(module, base, mark="name"):
            _once(found, cls.name, module.__name__)
            found[cls.name] = cls()
    return MappingProxyType(found)


@functools.cache
def rules() -> Mapping[str, Any]:
    """Lint rules by file name (`kxNNN_slug`)."""
    return _by_stem(RULES)


def _by_stem(package: str) -> Mapping[str, Any]:
    return MappingProxyType({m.__name__.rpartition(".")[2]: m for m in _modules(package)})


@functools.cache
def _report_files() -> Mapping[str, str]:
    """Format to file name: `json_v1` writes `json`, `table` writes `table`."""
    found: dict[str, str] = {}
    for stem in _stems(REPORTS):
        if not _is_format(stem):
            continue
        name = stem.partition("_")[0]
        _once(found, name, stem)
        found[name] = stem
    return MappingProxyType(found)


def _is_format(stem: str) -> bool:
    """Whether the file has a renderer; told by its text, because importing one may be dear."""
    loader: Any = getattr(importlib.util.find_spec(f"{REPORTS}.{stem}"), "loader", None)
    return "\ndef render(" in (loader.get_source(f"{REPORTS}.{stem}") or "")


def report_names() -> tuple[str, ...]:
    """The formats there are; imports none of them."""
    return tuple(sorted(_report_files()))


def report(name: str) -> Any:
    """The module of one format (`NAME`, `MEDIA_TYPE`, `render(report, options)`); no other.

    Raises K8sextError when there is no such format.
    """
    stem = _report_files().get(name)
    if stem is None:
        known = ", ".join(report_names())
        raise K8sextError(f"no output format {name!r}", fix=f"there are: {known}")
    return importlib.import_module(f"{REPORTS}.{stem}")


def reports() -> Mapping[str, Any]:
    """Every format by its own `NAME`; imports them all."""
    found: dict[str, Any] = {}
    for name in report_names():
        module = report(name)
        _once(found, module.NAME, module.__name__)
        found[module.NAME] = module
    return MappingProxyType(found)


def _once(found: Mapping[str, object], name: str, where: str) -> None:
    if name in found:
        raise K8sextError(f"two plug-ins are called {name!r}", where=where)


def _stems(package: str, inside: str = "") -> list[str]:
    """The modules of a package; for a folder in it the one that is called `inside`."""
    try:
        folder = importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise K8sextError(
            f"{package} is not installed", fix="run `pip install -e .` in the checkout"
        ) from error
    found = (m for m in pkgutil.iter_modules(folder.__path__) if not m.name.startswith("_"))
    return sorted(f"{m.name}.{inside}" if m.ispkg else m.name for m in found)


def _modules(package: str, inside: str = "") -> Iterator[Any]:
    for stem in _stems(package, inside):
        yield importlib.import_module(f"{package}.{stem}")


def report_options(**values: object) -> Any:
    """Options of the report formats (width, color, unicode)."""
    return importlib.import_module(f"{REPORTS}._options").Options(**values)
