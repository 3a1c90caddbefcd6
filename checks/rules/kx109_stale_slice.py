"""KX109: slices of a controller are left from the time when the Service had a selector."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.bridges import handmade
from k8sext.model.bridge import Bridge, Kind
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Object, Rule, Subject
from k8sext.model.plan import join_address
from k8sext.model.shell import word
from k8sext.model.words import Severity

from ._pieces import ANOTHER_ANSWERS, NOBODY_THERE, key_of_bridge


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each bridge that still has such slices with addresses in them.

    The controller leaves Services without a selector alone (kubernetes,
    pkg/controller/endpointslice: syncService), so that nobody ever corrects them.
    """
    for bridge in subject.bridges:
        slices = subject.objects.slices_of.get(key_of_bridge(bridge), ())
        stale = [s for s in slices if _stale(s)]
        if stale and not bridge.selector and bridge.kind is not Kind.EXTERNAL_NAME:
            yield _finding(bridge, stale)


def _stale(item: Object) -> bool:
    return handmade.managed_by(item) == handmade.CONTROLLER and bool(item.get("endpoints"))


def _finding(bridge: Bridge, stale: list[Object]) -> Finding:
    names = " ".join(str(s["metadata"]["name"]) for s in stale)
    addresses = [
        join_address(str(e["addresses"][0]), int(p["port"]))
        for s in stale
        for e in s["endpoints"]
        for p in s.get("ports") or ()
        if e.get("addresses") and p.get("port")
    ]
    which = " ".join(word(s["metadata"]["name"]) for s in stale)
    command = f"kubectl delete endpointslice -n {word(bridge.namespace)} {which}"
    return Finding(
        code=RULE.code,
        severity=Severity.WARN,
        object=f"EndpointSlice/{bridge.namespace}/{stale[0]['metadata']['name']}",
        summary=f"Service {bridge.service} has no selector any more, and what its pods were is "
        f"still in EndpointSlice {names}: {', '.join(addresses[:3])} get a share of the "
        "connections, and no controller corrects that",
        fix=f"delete what is left: {command}",
        command=command,
        bridge=bridge.ref,
        addresses=tuple(addresses),
        explains=("KX307", "KX507", "KX508", "KX509", *NOBODY_THERE, *ANOTHER_ANSWERS),
    )


RULE = Rule(
    code="KX109",
    line="slices of a controller are left from the time when the Service had a selector",
    judge=judge,
)
