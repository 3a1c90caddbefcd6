"""What a case says must be said: the keys of `expect`, and the same read as verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from k8sext.model.words import Culprit, Status
from tests.gym.reader import Schema

STATUSES = [s.value for s in Status]
_TEXTS: Schema = {"type": "list", "items": {"type": "text"}}


def _one_or_more(words: list[str] | None = None) -> Schema:
    """A word or a list of words, any of which is right."""
    text: Schema = {"type": "text", **({"enum": words} if words else {})}
    return {"type": ["text", "list"], "items": text, **({"enum": words} if words else {})}


_OF_A_BRIDGE: dict[str, Schema] = {
    "code": _one_or_more(),
    "culprit": _one_or_more([c.value for c in Culprit]),
    "status": _one_or_more(STATUSES),
    "also": _TEXTS,
    "notes": _TEXTS,
    "depth": _one_or_more(["connect", "handshake", "auth", "verify"]),
}
BRIDGE: Schema = {"type": "mapping", "keys": _OF_A_BRIDGE}
NODE: Schema = {
    "type": "mapping",
    "keys": {
        **_OF_A_BRIDGE,
        "exit": {"type": ["number", "list"], "items": {"type": "number"}},
        "says": _TEXTS,
        "never": _TEXTS,
    },
}
EXPECT: Schema = {
    "type": "mapping",
    "keys": {
        **NODE["keys"],
        "bridge": {"type": "text"},
        "above": {"type": "boolean"},
        "others": _one_or_more([*STATUSES, "any"]),
        "bridges": {"type": "mapping", "values": BRIDGE},
        "nodes": {"type": "mapping", "values": NODE},
        "findings": _TEXTS,
        "healthy": {"type": "text", "enum": ["pass", "warn", "skip"]},
    },
}
HEALTHY = ("pass", "warn", "skip")
"""What a control may come out as: a `skip` says what was not tested, and why."""
_EXITS = {"fail": 1, "inconclusive": 3}


def listed(value: Any) -> list[str]:
    """A name or a list of names, as a list."""
    return [value] if isinstance(value, str) else [str(v) for v in value]


@dataclass(frozen=True)
class Verdict:
    """What must be said of one bridge. Of several codes, culprits or statuses any is right."""

    codes: tuple[str, ...] = ()
    culprits: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ("fail",)
    also: tuple[str, ...] = ()
    """Further codes of severity fail that may be said."""
    notes: tuple[str, ...] = ()
    """Codes that must be said, at whatever severity."""
    depths: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """In one word or two: `KX302 path`, `KX302/KX307 path`, or `pass`."""
        if self.codes:
            return f"{'/'.join(self.codes)} {'/'.join(self.culprits)}"
        return "/".join(self.statuses)

    def localised(self, code: str, culprit: str, status: str) -> bool:
        """Whether the root that was named is a right one; where none is wanted, the status."""
        if not self.codes:
            return status in self.statuses
        return code in self.codes and culprit in self.culprits

    def exit_code(self, status: str) -> int:
        """What doctor ends with where a bridge with this status is the worst there is."""
        return _EXITS.get(status if status in self.statuses else self.statuses[0], 0)


def of(expect: Mapping[str, Any], *, control: bool) -> Verdict:
    """The verdict that a mapping of these keys asks for."""
    default = "pass" if control or not expect.get("code") else "fail"
    return Verdict(
        codes=tuple(listed(expect.get("code", []))),
        culprits=tuple(listed(expect.get("culprit", []))),
        statuses=tuple(listed(expect.get("status", default))),
        also=tuple(listed(expect.get("also", []))),
        notes=tuple(listed(expect.get("notes", []))),
        depths=tuple(listed(expect.get("depth", []))),
    )


def on_node(expect: Mapping[str, Any], node: str) -> Mapping[str, Any]:
    """What is expected of doctor on one node: what stands under `nodes`, written over the rest.

    A node that is given a status and no code of its own does not take the other nodes' code.
    """
    own: Mapping[str, Any] = expect.get("nodes", {}).get(node) or {}
    rest = {k: v for k, v in expect.items() if k != "nodes"}
    if "status" in own and "code" not in own:
        rest = {k: v for k, v in rest.items() if k not in ("code", "culprit", "also")}
    return {**rest, **own}


def wrong(expect: Mapping[str, Any], *, control: bool) -> Iterator[tuple[str, str]]:
    """Where an expectation contradicts itself or its case: the key's path, and what is wrong."""
    whole = of(expect, control=control)
    if control and not set(whole.statuses) <= set(HEALTHY):
        words = ", ".join(HEALTHY)
        yield "expect.status", f"a case without `fault` is a control: it must come out as {words}"
    untested = set(whole.statuses) <= {"skip", "inconclusive"}
    if not (control or untested or {"code", "culprit"} <= set(expect)):
        yield "expect", "a fault needs `code` and `culprit`"
    parts = {f"expect.bridges.{name}": v or {} for name, v in expect.get("bridges", {}).items()}
    parts |= {f"expect.nodes.{name}": v or {} for name, v in expect.get("nodes", {}).items()}
    for path, part in {"expect": expect, **parts}.items():
        if ("code" in part) != ("culprit" in part):
            yield path, "`code` and `culprit` go together"
