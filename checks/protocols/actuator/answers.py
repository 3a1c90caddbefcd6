"""How Actuator's answers are read: pure.

Shapes: Spring Boot's reference, "Actuator / health" (`status`, `components` or, before 2.2,
`details`; `groups`); 503 stands for DOWN and OUT_OF_SERVICE, 200 for all other words. Measured
with 3.5; 1.x has the components beside `status`; Gson writes each status as an object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from k8sext.agent.wire.http import Response
from k8sext.agent.wire.http_api import mapping, sequence
from k8sext.agent.wire.spring import ACTUATOR, status_word, without_secrets
from k8sext.model.data import dataclass
from k8sext.model.result import Json

UP, DOWN, OUT, UNKNOWN = "UP", "DOWN", "OUT_OF_SERVICE", "UNKNOWN"
WORDS = (UP, DOWN, OUT, UNKNOWN)
DEEPEST, MOST = 4, 64
NAME = 80
_CAUSES = ("error", "exception", "message", "reason")  # in the details of a component


@dataclass(frozen=True, slots=True)
class HealthPart:
    """One component of the health, `db` or `db/primary`; `why` is the application's own word."""

    name: str
    status: str
    why: str = ""

    @property
    def well(self) -> bool:
        """UNKNOWN counts for nothing in Spring's own sum either."""
        return self.status in (UP, UNKNOWN)

    def __str__(self) -> str:
        return f"{self.name} is {self.status}" + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True, slots=True)
class Health:
    """One answer of `/health` or of a group."""

    status: str
    parts: tuple[HealthPart, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def unwell(self) -> tuple[HealthPart, ...]:
        """What drags it down: the leaves, not the nodes above them."""
        bad = [p for p in self.parts if not p.well]
        return tuple(p for p in bad if not any(o.name.startswith(f"{p.name}/") for o in bad))

    @property
    def facts(self) -> dict[str, Json]:
        """As evidence."""
        return {"health": self.status, "components": {p.name: p.status for p in self.parts}}


def health_of(answer: Response) -> Health | None:
    """The health in an answer; None where it is none."""
    if answer.status not in (200, 503) and not _is_actuators(answer):
        return None
    found = mapping(answer.json())
    status = status_word(found.get("status"))
    if not status or not (status in WORDS or _is_actuators(answer)):
        return None
    groups = tuple(str(g)[:NAME] for g in sequence(found.get("groups"))[:MOST])
    inner = found.get("components", found.get("details"))
    parts = _parts(mapping(inner if inner is not None else _old(found)), "", 0)
    return Health(
        status[:NAME], tuple(part for part, _ in zip(parts, range(MOST), strict=False)), groups
    )


def _is_actuators(answer: Response) -> bool:
    return ACTUATOR in answer.headers.get("content-type", "")


def _old(found: Mapping[str, Any]) -> dict[str, Any]:
    """Spring Boot 1.x: each component beside the word for the whole."""
    return {k: v for k, v in found.items() if status_word(mapping(v).get("status"))}


def _parts(found: Mapping[str, Any], above: str, depth: int) -> Iterator[HealthPart]:
    for key, value in found.items():
        inner = mapping(value)
        status = status_word(inner.get("status"))
        if not status:
            continue
        name = f"{above}/{key}" if above else str(key)
        yield HealthPart(name[:NAME], status[:NAME], _why(inner))
        nested = inner.get("components", inner.get("details"))
        if depth < DEEPEST:
            yield from _parts(mapping(nested), name, depth + 1)


def _why(part: Mapping[str, Any]) -> str:
    details = {**part, **mapping(part.get("details"))}
    said = (details.get(key) for key in _CAUSES)
    return next((without_secrets(text) for text in said if isinstance(text, str)), "")


def endpoints_of(value: Any) -> tuple[str, ...]:
    """What the index lists, without itself and templates."""
    names = (str(n)[:NAME] for n in mapping(mapping(value).get("_links")))
    return tuple(sorted(n for n in names if n != "self" and "-" not in n))[:MOST]


def has_metrics(answer: Response) -> bool:
    """Whether this is Prometheus' text format, or the one of OpenMetrics."""
    return answer.status == 200 and (b"# TYPE " in answer.body or b"# HELP " in answer.body)
