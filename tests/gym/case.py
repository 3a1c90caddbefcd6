"""A case: what is built, what is broken, what must be said. See README.md for the format."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from tests.gym import actions, verdict
from tests.gym.reader import CaseError, Document, Schema, parse, read
from tests.gym.verdict import listed
from tests.lab.building import java
from tests.lab.certificates import KINDS
from tests.lab.guise import FIRST, LAST, roles
from tests.lab.hosts import NEAR_NET, NODES

_TEXTS: Schema = {"type": "list", "items": {"type": "text"}}
_NODES = tuple(node.name for node in NODES)
_IMAGE = re.compile(r"\$\{image\.([^}]*)\}")
_NEAR = re.compile(rf"\b{re.escape(NEAR_NET)}\.(\d+)\b")
TLS: Schema = {
    "type": "mapping",
    "keys": {
        "certificate": {"type": "text", "enum": list(KINDS)},
        "names": _TEXTS,
        "client": {"type": "text", "enum": ["required"]},
        "versions": {"type": "text"},
        "ciphers": {"type": "text"},
    },
}
KINDS_OF_CASE = tuple(
    f"{letter}{number}"
    for letter, last in (("A", 10), ("B", 7), ("C", 8))
    for number in range(1, last + 1)
)
"""Kinds of situations that field work got wrong once; README.md has a line on each."""
KINDS_OF_BRIDGE = ("selectorless", "headless", "external-name", "endpoints")
BRIDGE: Schema = {
    "type": "mapping",
    "required": ["name"],
    "keys": {
        "name": {"type": "text"},
        "to": {"type": ["text", "list"], "items": {"type": "text"}},
        "kind": {"type": "text", "enum": KINDS_OF_BRIDGE},
        "external_name": {"type": "text"},
        "protocol": {"type": "text"},
        "port": {"type": "number"},
        "service_port": {"type": "number"},
        "port_name": {"type": "text"},
        "tls": {"type": "text", "enum": ["disable", "require", "verify-full"]},
        "ca": {"type": "boolean"},
        "server_name": {"type": "text"},
        "expect": {"type": "mapping"},
        "login": {"type": ["boolean", "mapping"]},
        "annotations": {"type": "mapping"},
    },
}
_EVERY_SERVER: dict[str, Schema] = {
    "role": {"type": "text"},
    "port": {"type": "number"},
    "tls": TLS,
    "copy": {"type": ["text", "number"]},
}


def _server() -> Schema:
    """Every option of every role; `_wrong_servers` sees which role has which."""
    keys = dict(_EVERY_SERVER)
    for role in roles().values():
        for name, rule in role.options.items():
            types = (*listed(keys.get(name, {}).get("type", [])), *listed(rule["type"]))
            before: Any = keys.get(name, rule)
            merged: dict[str, Any] = {**before, **rule, "type": list(dict.fromkeys(types))}
            if before.get("enum") != rule.get("enum"):  # two roles have different words for it
                merged.pop("enum", None)
            keys[name] = merged
    return {"type": "mapping", "keys": keys}


def schema() -> Schema:
    """The schema of a case."""
    step = {"type": "mapping", "one_key": True, "keys": actions.schemas()}
    steps: Schema = {"type": "list", "items": step}
    return {
        "required": ["title", "source", "bridges", "expect"],
        "keys": {
            "id": {"type": "text"},
            "title": {"type": "text"},
            "source": {"type": "text"},
            "notes": {"type": "text"},
            "kind": {"type": "text", "enum": list(KINDS_OF_CASE)},
            "servers": {"type": "mapping", "values": _server()},
            "bridges": {"type": "list", "items": BRIDGE},
            "objects": {"type": "list", "items": {"type": "mapping"}},
            "setup": steps,
            "fault": steps,
            "doctor": {"type": "list"},
            "files": {"type": "mapping"},
            "apart": {"type": "boolean"},
            "times": {"type": "number"},
            "expect": verdict.EXPECT,
        },
    }


@dataclass(frozen=True)
class Look:
    """One run of doctor."""

    number: int = 1
    node: str = ""
    """The node that its pod must be on; empty: any."""

    def words(self, case: Case) -> str:
        """Which one of a case it is; empty where there is only one."""
        run = f"run {self.number}" if case.times > 1 else ""
        return ", ".join(filter(None, (run, self.node)))


@dataclass(frozen=True)
class Case:
    """One file. Without `fault` it is a healthy control."""

    id: str
    title: str
    source: str
    servers: Mapping[str, Mapping[str, Any]]
    bridges: tuple[Mapping[str, Any], ...]
    objects: tuple[Mapping[str, Any], ...]
    setup: tuple[Mapping[str, Any], ...]
    fault: tuple[Mapping[str, Any], ...]
    doctor: tuple[str, ...]
    expect: Mapping[str, Any]
    files: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Files that doctor may be given: `${file.NAME}` is the path of one."""
    kind: str = ""
    """Of the kinds of README.md; the sample of `make test` has a case of each."""
    times: int = 1
    """How often doctor is run on what was built once; every run must be right."""
    apart: bool = False
    """Whether each of its runs has servers of its own, one after the other: its pods register."""

    @property
    def control(self) -> bool:
        """Whether nothing is broken in it."""
        return not self.fault

    @property
    def extra(self) -> bool:
        """Whether a server or an image of it needs more than the lab's default build."""
        names = (str(spec.get("role", name)) for name, spec in self.servers.items())
        return bool(self.apps) or any(roles()[name].extra for name in names)

    @property
    def apps(self) -> tuple[str, ...]:
        """The Java apps whose images its pods run: `${image.NAME}`."""
        found = {name for _, text in _texts("", self.with_pods) for name in _IMAGE.findall(text)}
        return tuple(sorted(found))

    @property
    def with_pods(self) -> dict[str, Any]:
        """The parts that may speak of pods."""
        return {"objects": self.objects, "setup": self.setup, "fault": self.fault}

    @property
    def bridge(self) -> str:
        """The bridge that is spoken of."""
        return str(self.expect.get("bridge", self.bridges[0]["name"] if self.bridges else ""))

    @property
    def expected(self) -> str:
        """In one word or two: `KX302 path`, or `pass`."""
        return self.verdict.words

    @property
    def verdict(self) -> verdict.Verdict:
        """What must be said of its bridge."""
        return verdict.of(self.expect, control=self.control)

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes that are right as its root; the best one first."""
        return self.verdict.codes

    @property
    def looks(self) -> tuple[Look, ...]:
        """How often doctor is run in each namespace, and where its pod stands each time."""
        nodes = [*self.expect.get("nodes", {})] or [""]
        return tuple(Look(n, node) for n in range(1, self.times + 1) for node in nodes)


def load(folder: Path) -> list[Case]:
    """The cases of a folder (or the one case of a file). Raises CaseError."""
    if not folder.exists():
        raise CaseError(f"{folder}: there is no such folder")
    files = [folder] if folder.is_file() else sorted(folder.rglob("*.y*ml"))
    if not files:
        raise CaseError(f"{folder}: there is no case (*.yaml) in it")
    cases = [of_file(file) for file in files]
    seen: dict[str, Path] = {}
    for case, file in zip(cases, files, strict=True):
        if case.id in seen:
            raise CaseError(f"{file}:1:1: id {case.id} is also that of {seen[case.id]}")
        seen[case.id] = file
    return cases


def of_file(file: Path) -> Case:
    """One case; its id is the file's name unless it gives another."""
    return _case(read(file, schema()), file.stem)


def of_text(text: str, name: str = "case.yaml") -> Case:
    """The same of a text."""
    return _case(parse(text, name, schema()), Path(name).stem)


def _case(document: Document, id: str) -> Case:
    data = document.data
    case = Case(
        id=data.get("id", id),
        title=data["title"],
        source=data["source"],
        servers={k: v or {} for k, v in data.get("servers", {}).items()},
        bridges=tuple(data["bridges"]),
        objects=tuple(data.get("objects", ())),
        setup=tuple(data.get("setup", ())),
        fault=tuple(data.get("fault", ())),
        doctor=tuple(str(word) for word in data.get("doctor", ())),
        expect=data["expect"],
        files=data.get("files", {}),
        kind=data.get("kind", ""),
        times=int(data.get("times", 1)),
        apart=data.get("apart", False),
    )
    found = (
        _wrong_servers(case), _wrong_names(case), _wrong_images(case), _lent_addresses(document),
    )  # fmt: skip
    for path, what in (*chain.from_iterable(found), *_wrong_expectation(case)):
        raise document.error(path, what)
    return case


Wrong = Iterator[tuple[str, str]]


def _wrong_servers(case: Case) -> Wrong:
    """Roles and options are those of the files in tests/lab/guises."""
    for name, spec in case.servers.items():
        path = f"servers.{name}"
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            yield path, "the name of a server is a to z, 0 to 9 and -"
        role = roles().get(str(spec.get("role", name)))
        if role is None:
            yield f"{path}.role", f"a role is one of {', '.join(roles())}"
            continue
        known = {*_EVERY_SERVER, *role.options}
        for option in (o for o in spec if o not in known):
            yield f"{path}.{option}", f"{role.name} has no such option; it has {sorted(known)}"
        for option in role.leans_on:
            for other in (o for o in listed(spec.get(option, [])) if o not in case.servers):
                yield f"{path}.{option}", f"there is no server {other} in this case"


def _wrong_names(case: Case) -> Wrong:
    """Servers that bridges and actions speak of must be there."""
    for number, bridge in enumerate(case.bridges):
        for name in listed(bridge.get("to", [])):
            if name not in case.servers and not is_address(name):
                yield f"bridges[{number}].to", f"{name}: no server of this case and no address"
        if not {"to", "external_name", "protocol"} & set(bridge):
            yield f"bridges[{number}]", "`to` is missing (or `protocol`, for one without addresses)"
    for part, steps in (("setup", case.setup), ("fault", case.fault)):
        for number, step in enumerate(steps):
            yield from _wrong_step(case, f"{part}[{number}]", step)


def _wrong_step(case: Case, path: str, step: Mapping[str, Any]) -> Wrong:
    ((word, value),) = step.items()
    for name in actions.TABLE[word].servers(value):
        if name not in case.servers:
            yield f"{path}.{word}", f"there is no server {name} in this case"
    late: Sequence[Mapping[str, Any]] = value["do"] if word == "later" else []
    for number, inner in enumerate(late):
        ((name, _),) = inner.items()
        if name not in actions.TABLE or actions.TABLE[name].during is None:
            yield f"{path}.later.do[{number}]", f"{name} is nothing that can be done to the lab"
        else:
            yield from _wrong_step(case, f"{path}.later.do[{number}]", inner)


def _wrong_images(case: Case) -> Wrong:
    """Images are those of the projects in tests/lab/java."""
    for path, text in _texts("", case.with_pods):
        for name in _IMAGE.findall(text):
            if name not in java.apps():
                yield path, f"there is no app {name}; there are {', '.join(java.apps())}"


def _lent_addresses(document: Document) -> Wrong:
    """Where nobody should be, a server of another case may stand by then."""
    for path, text in _texts("", document.data):
        for number in map(int, _NEAR.findall(text)):
            if FIRST <= number <= LAST:
                lent = f"{NEAR_NET}.{FIRST} to .{LAST}"
                yield path, f"{NEAR_NET}.{number}: {lent} are lent to servers of any case"


def _texts(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every text in a value, and where it stands."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(f"{path}.{key}" if path else str(key), inner)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _texts(f"{path}[{number}]", inner)


def _wrong_expectation(case: Case) -> Wrong:
    yield from verdict.wrong(case.expect, control=case.control)
    known = _services(case)
    if case.bridge not in known:
        yield "expect.bridge", f"there is no bridge {case.bridge or 'at all'}"
    for name in (n for n in case.expect.get("bridges", {}) if n not in known):
        yield f"expect.bridges.{name}", f"there is no bridge {name}"
    for name in (n for n in case.expect.get("nodes", {}) if n not in _NODES):
        yield f"expect.nodes.{name}", f"there is no node {name}; there are {', '.join(_NODES)}"


def _services(case: Case) -> set[str]:
    added = chain.from_iterable(step.get("add", ()) for step in (*case.setup, *case.fault))
    raw = (o for o in (*case.objects, *added) if o.get("kind") == "Service")
    written = (f.get("bridges", ()) for f in case.files.values() if isinstance(f, Mapping))
    named = (*case.bridges, *chain.from_iterable(written))
    return {str(b["name"]) for b in named} | {str(o["metadata"]["name"]) for o in raw}


def is_address(text: str) -> bool:
    """Whether it is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
