"""KX108: a label tells kube-proxy to pass over the Service."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.model.bridge import Kind
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Rule, Subject
from k8sext.model.shell import word
from k8sext.model.words import Severity

from ._pieces import key_of_bridge

LABEL = "service.kubernetes.io/service-proxy-name"


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each bridge with the label, whatever its value (kube-proxy's informer)."""
    for bridge in subject.bridges:
        service = subject.objects.service_of.get(key_of_bridge(bridge), {})
        labels = (service.get("metadata") or {}).get("labels") or {}
        if LABEL in labels and bridge.kind is Kind.SELECTORLESS:
            service_name = f"-n {word(bridge.namespace)} {word(bridge.service)}"
            command = f"kubectl label service {service_name} {LABEL}-"
            yield Finding(
                code=RULE.code,
                severity=Severity.NOTE,
                object=f"Service/{bridge.ref}",
                summary=f"Service {bridge.service} has the label {LABEL}={labels[LABEL]}: "
                "kube-proxy makes no rules for it and leaves it to a proxy of that name",
                fix=f"if no such proxy runs here, leave the Service to kube-proxy: {command}",
                command=command,
                bridge=bridge.ref,
                explains=("KX303", "KX306"),
            )


RULE = Rule(code="KX108", line="a label tells kube-proxy to pass over the Service", judge=judge)
