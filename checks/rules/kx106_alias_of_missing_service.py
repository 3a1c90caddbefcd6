"""KX106: an ExternalName leads to a Service of this cluster that does not exist."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.model.bridge import Bridge, Kind
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Key, Rule, Subject
from k8sext.model.service_names import DOMAIN, whole
from k8sext.model.words import Severity


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each such alias, where the Services of that namespace are known."""
    objects = subject.objects
    for bridge in subject.bridges:
        key = whole(bridge.external_name) if bridge.kind is Kind.EXTERNAL_NAME else None
        if key is None or key in objects.service_of:
            continue
        if objects.all_services is not None or (objects.complete and key[0] == bridge.namespace):
            yield _finding(bridge, key, subject)


def _finding(bridge: Bridge, key: Key, subject: Subject) -> Finding:
    namespace, service = key
    elsewhere = sorted(n for n, s in subject.objects.service_of if s == service)
    where = f"; there is one in namespace {', '.join(elsewhere)}" if elsewhere else ""
    meant = f"{service}.{elsewhere[0]}{DOMAIN}" if elsewhere else "a Service that exists"
    return Finding(
        code=RULE.code,
        severity=Severity.FAIL,
        object=f"Service/{bridge.ref}",
        summary=f"Service {bridge.service} is an alias of Service {service} in namespace "
        f"{namespace}, and there is none{where}",
        fix=f"make Service {service} in namespace {namespace}, or let spec.externalName of "
        f"{bridge.service} name {meant}",
        bridge=bridge.ref,
        explains=("KX201", "KX202", "KX205", "KX206"),
    )


RULE = Rule(
    code="KX106",
    line="an ExternalName leads to a Service of this cluster that does not exist",
    judge=judge,
)
