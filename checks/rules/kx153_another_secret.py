"""KX153: a workload logs in with another Secret than the one that the bridge names."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.model.bridge import Bridge, CredentialRef
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Rule, Subject
from k8sext.model.shell import part, word
from k8sext.model.words import Severity
from k8sext.model.workload import Use, place_and_text


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each workload and bridge; Secrets are names here, and stay unread."""
    bridges = {b.ref: b for b in subject.bridges}
    for workload in subject.workloads:
        for ref in workload.bridges:
            bridge = bridges.get(ref)
            if bridge is None or bridge.namespace != workload.namespace:
                continue  # a Secret of another namespace cannot be the same one
            named = {r.secret for r in _credentials(bridge)}
            other = [u for u in workload.uses_of(ref) if u.secret and u.secret not in named]
            if named and other and not named & set(workload.secrets):
                yield _finding(workload.ref, bridge, other[0], sorted(named))


def _credentials(bridge: Bridge) -> Iterator[CredentialRef]:
    if bridge.credentials:
        yield bridge.credentials
    yield from (ref for _, ref in bridge.credentials_by_port)


def _finding(ref: str, bridge: Bridge, use: Use, named: list[str]) -> Finding:
    known = " or ".join(named)
    return Finding(
        code=RULE.code,
        severity=Severity.NOTE,
        object=ref,
        summary=f"{place_and_text(use)} takes its login from Secret {use.secret}, "
        f"and {bridge.service} is tested with Secret {known}: "
        "that the one works says nothing of the other",
        fix=f"let both use one Secret, or test with this one too: kubectl annotate service -n "
        f"{word(bridge.namespace)} {word(bridge.service)} k8sext.io/credentials={part(use.secret)} "
        "--overwrite",
        bridge=bridge.ref,
    )


RULE = Rule(
    code="KX153",
    line="a workload logs in with another Secret than the one that the bridge names",
    judge=judge,
)
