"""Whether NetworkPolicies isolate the probe's egress and leave a target out, and whether anything
enforces them.

Semantics: Kubernetes documentation, Network Policies: policies add up; a pod that any policy with
policyType Egress selects may go only where some such policy allows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from k8sext.model.bridge import Bridge, BridgeClass, Kind
from k8sext.model.egress import isolating
from k8sext.model.plan import is_address
from k8sext.model.result import Observation, StageResult
from k8sext.model.words import Reason, Route, Stage

from .case import Case, PlaceFacts, connected, split

# How a packet that a policy denies ends, by data plane: dropped, or answered with a reset or ICMP.
DENIED = (
    Reason.TIMED_OUT, Reason.REFUSED, Reason.NO_ROUTE, Reason.NOT_PERMITTED, Reason.RESET,
)  # fmt: skip
UNREAD = "NetworkPolicies could not be read, so a policy may be the cause instead"
NONE_FORBIDS = "no NetworkPolicy that applies to the probe blocks it"


def forbidding(case: Case, seen: Observation, ended: StageResult) -> tuple[str, ...]:
    """The policies that keep a probe from its target; () where none does, or where none of them is
    enforced.
    """
    if case.context.unenforced:
        return ()
    return _not_allowing(case, seen, ended)


def words(case: Case, seen: Observation, ended: StageResult) -> str:
    """What is known of policies for one connection that failed; "" where nothing is, or where it
    adds nothing.
    """
    if not case.context.inside or not _denied(ended) or not _host(case, seen):
        return ""
    if case.context.policies is None:
        return "" if ended.reason is Reason.REFUSED else UNREAD
    names = _not_allowing(case, seen, ended)
    if names and case.context.unenforced:
        return (
            f"NetworkPolicy {', '.join(names)} does not allow it, and is no cause: "
            f"{case.context.unenforced} is not allowed either and accepts"
        )
    said = not names and ended.reason is not Reason.REFUSED
    return NONE_FORBIDS if said else ""


def unenforced(
    bridges: Sequence[Bridge], observations: Iterable[Observation], context: PlaceFacts
) -> str:
    """A target that accepted the probe although no policy allows it: then nothing enforces them
    here (flannel, kube-proxy alone). "" where no such connection was seen.

    Only addresses outside the cluster prove it: traffic to a pod's own node is always allowed, and
    what selectors of pods allow is not known of cluster IPs and pods.
    """
    inside = {(b.namespace, b.service) for b in bridges if b.bridge_class is BridgeClass.INTERNAL}
    virtual = {address for b in bridges for address in b.virtual}
    proofs = (
        o.target
        for o in observations
        if o.route is Route.ENDPOINT and connected(o) and (o.namespace, o.service) not in inside
    )
    for target in sorted(proofs):
        host, port = split(target)
        if host in virtual or host in (context.host, context.address):
            continue
        if isolating(context.policies or (), context.labels, host, port):
            return target
    return ""


def _denied(ended: StageResult) -> bool:
    return ended.stage is Stage.CONNECT and ended.reason in DENIED


def _not_allowing(case: Case, seen: Observation, ended: StageResult) -> tuple[str, ...]:
    host = _host(case, seen)
    if not case.context.policies or not host or not _denied(ended):
        return ()
    return isolating(case.context.policies, case.context.labels, host, split(seen.target)[1])


def _host(case: Case, seen: Observation) -> str:
    """The address that a connection was made to; "" where that is a cluster IP, behind which
    policies see the endpoint that kube-proxy chose.
    """
    host, _ = split(seen.target)
    if is_address(host):
        return host if seen.route in (Route.ENDPOINT, Route.ORIGIN) else ""
    resolved = seen.stage(Stage.RESOLVE)
    found = cast("Sequence[str]", resolved.evidence.get("addresses") or ()) if resolved else ()
    return found[0] if found and case.bridge.kind is not Kind.SELECTORLESS else ""
