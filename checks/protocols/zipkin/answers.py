"""The pure half of the Zipkin check: its health report, and the span that is sent for a test.

Facts: Zipkin 3.5.1's own answers; https://zipkin.io/zipkin-api/ for the span.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from k8sext.agent.wire.http_api import mapping
from k8sext.model.data import dataclass
from k8sext.model.result import Json

MANY = 16
LENGTH = 300
SERVICE = "k8sext-probe"  # the marked service name
_NAMED = re.compile(r"(\w+)\{(.*)\}", re.DOTALL)
_SETTING = re.compile(r"(?:^|, )(\w+)=(\[[^\]]*\]|[^,]*)")
_USER = re.compile(r"(//)[^/@\s,]*@")  # a login inside an address


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A part of Zipkin as /health names it: `ElasticsearchStorage{initialEndpoints=…, index=…}`."""

    kind: str
    settings: dict[str, str]
    up: bool
    error: str = ""

    @property
    def storage(self) -> bool:
        """Whether it is where spans are kept."""
        return "Storage" in self.kind

    @property
    def where(self) -> str:
        """The addresses it leads to; "" where it says none."""
        keys = ("initialEndpoints", "addresses", "hosts", "contactPoints", "bootstrapServers")
        return next((self.settings[k].strip("[]") for k in keys if k in self.settings), "")

    @property
    def sentence(self) -> str:
        """In a sentence."""
        return f"{self.kind} ({self.where})" if self.where else self.kind


def components(health: Any) -> tuple[Component, ...]:
    """The parts that a health report names; before 2.16 without `details` around them."""
    told = mapping(mapping(health).get("zipkin"))
    parts = mapping(told.get("details")) or told
    found = (_component(name, mapping(about)) for name, about in list(parts.items())[: 2 * MANY])
    return tuple(c for c in found if c)[:MANY]


def _component(name: str, about: dict[str, Any]) -> Component | None:
    if "status" not in about:
        return None
    named = _NAMED.fullmatch(name[:2000])
    error = mapping(about.get("details")).get("error") or about.get("details.error") or ""
    return Component(
        kind=(named[1] if named else name)[:80],
        settings={k: without_login(v) for k, v in _SETTING.findall(named[2] if named else "")},
        up=about.get("status") == "UP",
        error=without_login(str(error))[:LENGTH],
    )


def without_login(text: str) -> str:
    """`http://user:password@host` without its login."""
    return _USER.sub(r"\1", text)


def version_of(info: Any) -> str:
    """What /info says, "" where that is not Zipkin's."""
    version = mapping(mapping(info).get("zipkin")).get("version")
    return version[:40] if isinstance(version, str) else ""


def facts_of(parts: Iterable[Component]) -> dict[str, Json]:
    """As evidence: where spans are kept and come from."""
    found = list(parts)
    store = next((c for c in found if c.storage), None)
    facts: dict[str, Json] = {"collectors": [c.kind for c in found if not c.storage]}
    if store:
        facts |= {"storage": store.kind, "storage_at": store.where}
        facts |= {"index": store.settings["index"]} if "index" in store.settings else {}
    return facts


def stored_in(parts: Iterable[Component], wanted: str) -> bool:
    """Whether the storage is of that kind: `elasticsearch`, `mysql`, `cassandra`, `mem`."""
    alias = {"mem": "inmemory", "memory": "inmemory", "opensearch": "elasticsearch"}
    word = alias.get(wanted.lower(), wanted.lower())
    return any(c.storage and c.kind.lower().startswith(word) for c in parts)


def span(trace: str, way: str, now_s: float) -> Json:
    """A span in the JSON of Zipkin's v2 API; `debug` lets it past any sampling rate."""
    return {
        "traceId": trace,
        "id": trace[-16:],
        "name": f"k8sext doctor --active by {way}",
        "kind": "SERVER",
        "timestamp": int(now_s * 1e6),
        "duration": 1000,
        "debug": True,
        "localEndpoint": {"serviceName": SERVICE},
        "tags": {"k8sext": "a test span, to be deleted"},
    }


def is_ours(answer: Any, trace: str) -> bool:
    """Whether a trace is the one that was sent; a server may cut an id to its last 16 digits."""
    spans = answer if isinstance(answer, list) else []
    ids = (str(mapping(s).get("traceId")) for s in spans)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return any(len(one) >= 16 and trace.endswith(one) for one in ids)
