"""KX110: one endpoint of a slice has two addresses, and only the first is used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from k8sext.model.bridge import Bridge, Kind
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Object, Rule, Subject
from k8sext.model.shell import part, word
from k8sext.model.words import Severity

from ._pieces import key_of_bridge


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each slice; DNS of a headless Service publishes all of them.

    kube-proxy takes addresses[0] (kubernetes/kubernetes 106267; API text of EndpointSlice).
    """
    for bridge in subject.bridges:
        if bridge.kind is Kind.SELECTORLESS:
            for item in subject.objects.slices_of.get(key_of_bridge(bridge), ()):
                unused = list(_unused(item, bridge))
                if unused:
                    yield _finding(bridge, item, unused)


def _unused(item: Object, bridge: Bridge) -> Iterator[str]:
    """Addresses that stand behind another one and nowhere else."""
    used = {e.address for e in bridge.endpoints}
    for endpoint in item.get("endpoints") or ():
        yield from (str(a) for a in (endpoint.get("addresses") or ())[1:] if a not in used)


def _finding(bridge: Bridge, item: Object, unused: list[str]) -> Finding:
    name = item["metadata"]["name"]
    body = part(json.dumps({"endpoints": _apart(item)}, separators=(",", ":")))
    where = f"-n {word(bridge.namespace)} {word(name)}"
    command = f"kubectl patch endpointslice {where} --type=merge -p {body}"
    return Finding(
        code=RULE.code,
        severity=Severity.WARN,
        object=f"EndpointSlice/{bridge.namespace}/{name}",
        summary=f"{', '.join(unused)} of EndpointSlice {name} is never used: it is the second "
        "address of an endpoint, and kube-proxy takes the first one",
        fix=f"write one endpoint for each address: {command}",
        command=command,
        bridge=bridge.ref,
    )


def _apart(item: Object) -> list[dict[str, Any]]:
    """The same endpoints with one address each."""
    return [
        {**e, "addresses": [a]}
        for e in item.get("endpoints") or ()
        for a in e.get("addresses") or ()
    ]


RULE = Rule(
    code="KX110",
    line="one endpoint of a slice has two addresses, and only the first is used",
    judge=judge,
)
