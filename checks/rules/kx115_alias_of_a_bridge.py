"""KX115: an ExternalName leads to another bridge of this cluster."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.bridges.aliases import leads_out
from k8sext.model.bridge import Kind
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Rule, Subject
from k8sext.model.service_names import whole
from k8sext.model.shell import word
from k8sext.model.words import Severity


def judge(subject: Subject) -> Iterator[Finding]:
    """A note for each: what fails at the other bridge fails here."""
    services = subject.objects.service_of
    for bridge in subject.bridges:
        key = whole(bridge.external_name) if bridge.kind is Kind.EXTERNAL_NAME else None
        if key and key in services and leads_out(key, services[key]):
            namespace, service = key
            yield Finding(
                code=RULE.code,
                severity=Severity.NOTE,
                object=f"Service/{bridge.ref}",
                summary=f"Service {bridge.service} is an alias of the bridge {service} in "
                f"namespace {namespace}, so it was checked through that one",
                fix=f"k8sext doctor -n {word(namespace)} {word(service)}",
                bridge=bridge.ref,
            )


RULE = Rule(
    code="KX115", line="an ExternalName leads to another bridge of this cluster", judge=judge
)
