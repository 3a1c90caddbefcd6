"""KX101: a Service has a selector beside addresses that people wrote for it."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.bridges import handmade
from k8sext.model.bridge import Bridge
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Rule, Subject
from k8sext.model.words import Severity

from ._pieces import NO_BACKEND, key_of_bridge, patch

NO_NAME = ("KX201", "KX202", "KX206")  # a headless Service without endpoints has none


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each bridge that has a selector."""
    for bridge in subject.bridges:
        if bridge.selector:
            yield _finding(bridge, subject)


def _finding(bridge: Bridge, subject: Subject) -> Finding:
    emptied = not _written(bridge, subject)
    command = patch(
        "service", bridge.namespace, bridge.service, {"op": "remove", "path": "/spec/selector"}
    )
    words = ", ".join(f"{k}={v}" for k, v in bridge.selector)
    return Finding(
        code=RULE.code,
        severity=Severity.FAIL,
        object=f"Service/{bridge.ref}",
        summary=f"Service {bridge.service} has a selector ({words}), so Kubernetes fills "
        f"its endpoints: {_harm(bridge, subject)}",
        fix=f"{'apply the addresses again after' if emptied else 'take it out'}: {command}",
        command="" if emptied else command,
        bridge=bridge.ref,
        explains=(*NO_BACKEND, *NO_NAME),
    )


def _harm(bridge: Bridge, subject: Subject) -> str:
    """The Endpoints of a Service with a selector are overwritten; slices of others are not."""
    written = _written(bridge, subject)
    if not written:
        return f"it replaces the addresses that were written into Endpoints {bridge.service}"
    slices = subject.objects.slices_of[key_of_bridge(bridge)]
    pods = any(s.get("endpoints") for s in slices if handmade.managed_by(s) == handmade.CONTROLLER)
    share = "pods get a share" if pods else "pods that match it would get a share"
    return f"beside EndpointSlice {written[0]}, {share} of the connections"


def _written(bridge: Bridge, subject: Subject) -> list[str]:
    """The slices that people made."""
    slices = subject.objects.slices_of.get(key_of_bridge(bridge), ())
    return [str(s["metadata"]["name"]) for s in slices if handmade.slice_by_hand(s)]


RULE = Rule(
    code="KX101",
    line="a Service has a selector beside addresses that people wrote for it",
    judge=judge,
)
