"""KX112: a slice has a kind of address that nothing routes, beside others or alone."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.model.bridge import Bridge, Kind
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Object, Rule, Subject
from k8sext.model.shell import word
from k8sext.model.words import Severity

from ._pieces import key_of_bridge


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each slice whose addresses nobody is led to."""
    for bridge in subject.bridges:
        service = subject.objects.service_of.get(key_of_bridge(bridge))
        if service is None or bridge.kind is Kind.EXTERNAL_NAME:
            continue
        families = (service.get("spec") or {}).get("ipFamilies") or ("IPv4", "IPv6")
        for item in subject.objects.slices_of.get(key_of_bridge(bridge), ()):
            kind = str(item.get("addressType") or "IPv4")
            if kind not in families and item.get("endpoints"):
                yield _finding(bridge, item, kind, " and ".join(families))


def _finding(bridge: Bridge, item: Object, kind: str, families: str) -> Finding:
    name = item["metadata"]["name"]
    held = ", ".join(str(a) for e in item["endpoints"][:3] for a in e.get("addresses") or ())
    why = "nothing routes names" if kind == "FQDN" else f"the Service has {families} only"
    fix = (
        f"make a slice of the addresses of {held} (addressType IPv4 or IPv6), or an ExternalName"
        if kind == "FQDN"
        else "add the family to the Service (spec.ipFamilyPolicy: PreferDualStack), or delete the "
        "slice"
    )
    return Finding(
        code=RULE.code,
        severity=Severity.WARN if kind == "FQDN" else Severity.NOTE,
        object=f"EndpointSlice/{bridge.namespace}/{name}",
        summary=f"EndpointSlice {name} has addressType {kind}, so {held} gets no connection: {why}",
        fix=f"{fix}; to remove it: kubectl delete endpointslice "
        f"-n {word(bridge.namespace)} {word(name)}",
        bridge=bridge.ref,
        refines=("KX305", "KX201", "KX202", "KX206"),
    )


RULE = Rule(
    code="KX112",
    line="a slice has a kind of address that nothing routes",
    judge=judge,
)
