"""Which protocol a port speaks, and how we know: the first hit wins. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from k8sext.agent.check import CheckInfo
from k8sext.agent.expect import Declared

_BREAK = re.compile(r"[^a-z0-9]+")
FALLBACK = "tcp"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words and ports to protocol, made once from what the checks say of themselves."""

    names: frozenset[str]
    app_protocols: Mapping[str, str]
    port_words: Mapping[str, str]
    service_words: Mapping[str, str]
    ports: Mapping[int, str]
    default_ports: Mapping[str, int]
    expects: Mapping[str, Declared]


def vocabulary(infos: Iterable[CheckInfo]) -> Vocabulary:
    """The words of some checks. Of two checks that claim a port, the first by name has it."""
    known = list(infos)
    return Vocabulary(
        names=frozenset(i.name for i in known),
        app_protocols={w.lower(): i.name for i in reversed(known) for w in i.app_protocols},
        port_words={w: i.name for i in reversed(known) for w in i.port_names},
        service_words={w: i.name for i in reversed(known) for w in i.service_names},
        ports={p: i.name for i in reversed(known) for p in i.ports},
        default_ports={i.name: i.ports[0] for i in known if i.ports},
        expects={i.name: i.expects for i in known},
    )


def protocol(
    words: Vocabulary,
    *,
    annotation: str,
    app_protocol: str,
    port_name: str,
    port: int,
    service: str,
) -> tuple[str, str]:
    """`(protocol, source)` of one port."""
    if annotation:
        return annotation, "annotation"
    by_app = words.app_protocols.get(app_protocol.lower())
    if by_app:
        return by_app, "appProtocol"
    by_name = by_words(words.port_words, port_name)
    if by_name:
        return by_name, "port name"
    if port in words.ports:
        return words.ports[port], "well-known port"
    by_service = by_words(words.service_words, service)
    return (by_service, "service name") if by_service else (FALLBACK, "fallback")


def by_words(known: Mapping[str, str], name: str) -> str:
    """The protocol that a whole word of `name` (or several, joined by dashes) stands for."""
    lowered = name.lower()
    if lowered in known:
        return known[lowered]
    parts = _BREAK.split(lowered)
    hit = next((known[p] for p in parts if p in known), "")
    return hit or next((v for w, v in known.items() if "-" in w and f"-{w}-" in f"-{lowered}-"), "")
