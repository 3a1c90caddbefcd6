"""What a lint rule is, and what it sees. A rule is one file of `checks/rules/`: `kxNNN_slug.py`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import Any, TypeAlias

from .bridge import Bridge
from .data import dataclass
from .diagnosis import Finding
from .words import Culprit
from .workload import Workload, WorkloadView

Object: TypeAlias = Mapping[str, Any]
Key: TypeAlias = tuple[str, str]  # namespace and name
SERVICE_NAME = "kubernetes.io/service-name"


@dataclass(frozen=True, kw_only=True)  # no slots: its indexes are made when a rule asks for them
class Objects:
    """Kubernetes objects as the API gives them. None: nobody could read them, or nobody asked.

    Services, Endpoints and EndpointSlices are those of the namespaces that were looked at.
    """

    services: tuple[Object, ...] = ()
    endpoints: tuple[Object, ...] = ()
    endpointslices: tuple[Object, ...] = ()
    complete: bool = True  # False: the Services were chosen by label, so others exist
    all_services: tuple[Object, ...] | None = None  # of every namespace
    namespaces: tuple[Object, ...] | None = None
    nodes: tuple[Object, ...] | None = None
    pods: tuple[Object, ...] | None = None  # of the namespaces that were looked at
    networkpolicies: tuple[Object, ...] | None = None
    secrets: tuple[Object, ...] = ()  # metadata only, of those that bridges name; with workloads

    @functools.cached_property
    def service_of(self) -> Mapping[Key, Object]:
        """The Services that are known, of other namespaces too."""
        return {key_of(s): s for s in (*(self.all_services or ()), *self.services)}

    @functools.cached_property
    def endpoints_of(self) -> Mapping[Key, Object]:
        """The Endpoints object of each Service: it has the Service's name."""
        return {key_of(e): e for e in self.endpoints}

    @functools.cached_property
    def slices_of(self) -> Mapping[Key, tuple[Object, ...]]:
        """The slices of each Service: those that carry its name in their label."""
        found: dict[Key, list[Object]] = {}
        for item in self.endpointslices:
            service = (item["metadata"].get("labels") or {}).get(SERVICE_NAME)
            if service:
                found.setdefault((item["metadata"]["namespace"], service), []).append(item)
        return {key: tuple(items) for key, items in found.items()}


def key_of(item: Object) -> Key:
    """Namespace and name of an object."""
    return str(item["metadata"].get("namespace") or ""), str(item["metadata"]["name"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The facts that rules judge. `workloads` is empty where nobody asked for them."""

    bridges: tuple[Bridge, ...] = ()
    workloads: tuple[Workload, ...] = ()
    objects: Objects = field(default_factory=Objects)

    def bridge(self, ref: str) -> Bridge | None:
        """The bridge `NAMESPACE/SERVICE`, if it is one of those looked at."""
        return next((b for b in self.bridges if b.ref == ref), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: `judge` is pure, and every Finding that it gives has this `code`."""

    code: str
    line: str  # what it looks for, in one line
    judge: Callable[[Subject], Iterable[Finding]]
    culprit: Culprit = Culprit.MANIFEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Linted:
    """What the lint rules found of the objects. `skips` names what could not be read for them."""

    findings: tuple[Finding, ...] = ()
    workloads: WorkloadView | None = None  # None: nobody asked for them
    skips: tuple[str, ...] = ()
