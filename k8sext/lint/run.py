"""Runs the lint rules over facts: pure, no cluster."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from k8sext import registry
from k8sext.errors import K8sextError
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Rule, Subject
from k8sext.model.workload import Workload


@functools.cache
def rules() -> Mapping[str, Rule]:
    """Every rule by code. Raises K8sextError where a file and its rule have different codes."""
    found: dict[str, Rule] = {}
    for stem, module in registry.rules().items():
        rule = module.RULE
        if stem.partition("_")[0].upper() != rule.code or rule.code in found:
            raise K8sextError(f"the rule {rule.code} is not the one of its file", where=stem)
        found[rule.code] = rule
    return MappingProxyType(found)


def findings(subject: Subject) -> tuple[Finding, ...]:
    """What the rules find, the heaviest first, each once; what is ignored is left out."""
    found = (
        f for rule in rules().values() for f in rule.judge(_without_ignored(subject, rule.code))
    )
    each = dict.fromkeys(found)
    return tuple(sorted(each, key=lambda f: (f.severity.order, f.code, f.object)))


def _without_ignored(subject: Subject, code: str) -> Subject:
    """The facts without those of whom `k8sext.io/ignore` says that the code does not matter."""
    deaf = {b.ref for b in subject.bridges if code in dict(b.ignore)}
    workloads = tuple(_without(subject.workloads, deaf, code))
    bridges = tuple(b for b in subject.bridges if b.ref not in deaf)
    return replace(subject, bridges=bridges, workloads=workloads)


def _without(workloads: tuple[Workload, ...], deaf: set[str], code: str) -> Iterator[Workload]:
    for workload in workloads:
        if code not in dict(workload.ignore):
            uses = tuple(u for u in workload.uses if u.bridge not in deaf)
            yield replace(workload, uses=uses) if deaf else workload
