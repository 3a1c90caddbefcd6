"""What Kibana's `/api/status` says, in all its shapes: read here, asked for in `kibana.py`.

7.x: `overall.state` in colours and a list `statuses`; 8.x: `overall.level`, `core` and `plugins`;
to those who are not logged in 8.x tells the overall level alone; before its start is over it tells
a bare word (elastic/kibana: packages/core/status/core-status-server-internal/src/routes and
src/legacy_status.ts; src/legacy/server/status of 7.1). OpenSearch Dashboards says what 7.x does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Any
from urllib.parse import urlsplit

from k8sext.agent.wire.http import Response
from k8sext.agent.wire.http_api import mapping, sequence, text_of
from k8sext.model.data import dataclass
from k8sext.model.words import Reason

MAX_WORDS = 200
NOT_READY = b"server is not ready yet"
# Words of both generations, from good to bad.
WELL, HALF, STARTING, BAD = "available", "degraded", "starting", "unavailable"
_MEANING = {
    "available": WELL, "green": WELL, "disabled": WELL,
    "degraded": HALF, "yellow": HALF,
    "uninitialized": STARTING,
    "unavailable": BAD, "critical": BAD, "red": BAD,
}  # fmt: skip
_ORDER = (WELL, HALF, STARTING, BAD)
REASONS = {HALF: Reason.DEGRADED, STARTING: Reason.LOADING, BAD: Reason.UNHEALTHY}
# Where the pages of Kibana are, below its base path.
_PAGES = ("/app", "/spaces", "/login", "/internal", "/api", "/security", "/status")
LISTED = 4


@dataclass(frozen=True, slots=True)
class KibanaPart:
    """Elasticsearch's link, saved objects, or a plug-in."""

    name: str
    word: str  # the server's own: green, critical, …
    text: str = ""

    @property
    def meaning(self) -> str:
        """One of the four words; a word that nobody knows is no good one."""
        return _MEANING.get(self.word, BAD)

    def sentence(self) -> str:
        """Its name, its word and its own sentence."""
        return f"{self.name} is {self.word}" + (f" ({self.text})" if self.text else "")


@dataclass(frozen=True, slots=True)
class StatusReport:
    """One answer. `parts` is empty where only the overall level is told."""

    overall: KibanaPart
    parts: tuple[KibanaPart, ...] = ()
    version: str = ""
    name: str = ""
    uuid: str = ""
    starting: bool = False  # said by the server that runs before Kibana is up

    @property
    def elasticsearch(self) -> KibanaPart | None:
        """Its link to Elasticsearch (OpenSearch), where it is told."""
        return next((p for p in self.parts if p.name in ("elasticsearch", "opensearch")), None)

    @property
    def meaning(self) -> str:
        """The worse of overall and the link: nobody's pages are well without their data."""
        link = self.elasticsearch
        told = (self.overall.meaning, link.meaning if link else WELL)
        return max(told, key=_ORDER.index)

    def unwell(self) -> tuple[KibanaPart, ...]:
        """What is not available, Elasticsearch first, then the worst."""
        bad = [p for p in self.parts if p.meaning != WELL]
        return tuple(sorted(bad, key=lambda p: (p != self.elasticsearch, -_ORDER.index(p.meaning))))

    def sentence(self) -> str:
        """Overall and what is not well, bounded."""
        bad = self.unwell()
        more = (f"{len(bad) - LISTED} more",) if len(bad) > LISTED else ()
        return "; ".join((self.overall.sentence(), *(p.sentence() for p in bad[:LISTED]), *more))


@dataclass(frozen=True, slots=True)
class BasePath:
    """Where Kibana was found: base path, and what it said there."""

    base: str
    answer: Response = field(repr=False)


def not_ready(answer: Response) -> bool:
    """Whether it is the page of the server that runs until Kibana is up."""
    return answer.status == 503 and NOT_READY in answer.body


def product_of(answer: Response) -> str:
    """By the headers that every answer carries; "" where there is none of them."""
    if "osd-name" in answer.headers:
        return "opensearch-dashboards"
    return "kibana" if "kbn-name" in answer.headers else ""


def report_of(answer: Response) -> StatusReport | None:
    """The status; None where the body is none."""
    data = mapping(answer.json())
    if isinstance(data.get("status"), str):
        return StatusReport(_part("overall", data["status"]), starting=True)
    status = mapping(data.get("status"))
    overall = mapping(status.get("overall"))
    word = overall.get("level") or overall.get("state")
    if not isinstance(word, str):
        return None
    return StatusReport(
        _part("overall", word, overall),
        tuple(_parts(status)),
        text_of(mapping(data.get("version")).get("number"), MAX_WORDS),
        text_of(data.get("name"), MAX_WORDS),
        text_of(data.get("uuid"), MAX_WORDS),
    )


def base_in(location: str) -> str | None:
    """The base path that a redirection of `/` shows; None where it shows none."""
    try:
        path = urlsplit(location).path
    except ValueError:
        return None
    hits = [path.index(page) for page in _PAGES if f"{page}/" in f"{path}/"]
    return path[: min(hits)] if hits else None


def _parts(status: dict[str, Any]) -> Iterator[KibanaPart]:
    for name, one in mapping(status.get("core")).items():
        yield _part(name, mapping(one).get("level"), mapping(one))
    for name, one in mapping(status.get("plugins")).items():
        yield _part(f"plug-in {name}", mapping(one).get("level"), mapping(one))
    for one in map(mapping, sequence(status.get("statuses"))):
        kind, _, rest = text_of(one.get("id"), MAX_WORDS).partition(":")
        name = (rest or kind).split("@")[0]
        link = kind == "core" or name in ("elasticsearch", "opensearch")
        yield _part(name if link else f"plug-in {name}", one.get("state"), one)


def _part(name: str, word: Any, told: dict[str, Any] | None = None) -> KibanaPart:
    said = told or {}
    text = text_of(said.get("summary"), MAX_WORDS) or text_of(said.get("message"), MAX_WORDS)
    part = KibanaPart(name, text_of(word, MAX_WORDS) or "unknown", text)
    return part if part.meaning != WELL else KibanaPart(name, part.word)
