"""KX107: addresses belong to no Service, and a bridge of nearly that name has none."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.bridges import handmade
from k8sext.model.bridge import Bridge, Kind
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import SERVICE_NAME, Object, Objects, Rule, Subject, key_of
from k8sext.model.nearest import near
from k8sext.model.shell import part, word
from k8sext.model.words import Severity

LEADER = "control-plane.alpha.kubernetes.io/leader"


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each bridge without endpoints that stray addresses were likely meant for."""
    strays = list(_strays(subject.objects)) if subject.objects.complete else []
    for bridge in subject.bridges:
        if strays and not bridge.endpoints and bridge.kind is not Kind.EXTERNAL_NAME:
            here = [s for s in strays if s[0]["metadata"]["namespace"] == bridge.namespace]
            meant = [s for s in here if near(s[2], bridge.service)]
            if meant:
                yield _finding(bridge, *meant[0])


def _strays(objects: Objects) -> Iterator[tuple[Object, str, str]]:
    """Objects with addresses that people made and no Service has: object, kind and name used."""
    for item in objects.endpoints:
        elected = LEADER in (item["metadata"].get("annotations") or {})
        if item.get("subsets") and not elected and key_of(item) not in objects.service_of:
            yield item, "Endpoints", str(item["metadata"]["name"])
    for item in objects.endpointslices:
        meta = item["metadata"]
        label = str((meta.get("labels") or {}).get(SERVICE_NAME) or "")
        known = (meta["namespace"], label) in objects.service_of
        if not known and item.get("endpoints") and handmade.slice_by_hand(item):
            yield item, "EndpointSlice", label or str(meta["name"])


def _finding(bridge: Bridge, item: Object, kind: str, used: str) -> Finding:
    name, command = item["metadata"]["name"], ""
    labelled = SERVICE_NAME in (item["metadata"].get("labels") or {})
    if kind == "Endpoints":
        said = f"Endpoints {name} belong to no Service: their name must be {bridge.service}"
        fix = f"kubectl get endpoints -n {word(bridge.namespace)} {word(name)} -o yaml, and apply "
        fix += f"it again with metadata.name {bridge.service}"
    else:
        said = f"EndpointSlice {name} belongs to no Service: its label {SERVICE_NAME} " + (
            f"says {used}, and there is no such Service" if labelled else "is missing"
        )
        command = f"kubectl label endpointslice -n {word(bridge.namespace)} {word(name)} "
        command += f"{SERVICE_NAME}={part(bridge.service)} --overwrite"
        fix = f"if {name} is meant for Service {bridge.service}: {command}"
    return Finding(
        code=RULE.code,
        severity=Severity.WARN,
        object=f"{kind}/{bridge.namespace}/{name}",
        summary=f"{said}; it is likely meant for Service {bridge.service}, which has no endpoints",
        fix=fix,
        command=command,
        confidence="likely",
        bridge=bridge.ref,
        refines=("KX305", "KX201", "KX202", "KX206"),
    )


RULE = Rule(
    code="KX107",
    line="addresses belong to no Service, and a bridge of nearly that name has none",
    judge=judge,
)
