"""What NetworkPolicies say of the way out of a pod: pure.

Semantics: Kubernetes documentation, Network Policies: policies add up; a pod that any policy with
policyType Egress selects may go only where some such policy allows it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

Policy = Mapping[str, Any]
DNS = 53


def isolating(
    policies: Sequence[Policy], labels: Mapping[str, str], address: str, port: int
) -> tuple[str, ...]:
    """Names of the policies that isolate egress of a pod with `labels`, if none of them allows
    TCP `port` at `address`; () when the pod is not isolated or the target is allowed.
    """
    selecting = selecting_egress(policies, labels)
    if any(_allows(p, address, port) for p in selecting):
        return ()
    return tuple(str(p["metadata"]["name"]) for p in selecting)


def selecting_egress(policies: Sequence[Policy], labels: Mapping[str, str]) -> list[Policy]:
    """The policies that isolate egress of a pod with these labels."""
    return [p for p in policies if _egress(p) and _selects(p, labels)]


def allows_dns(policy: Policy) -> bool:
    """Whether some rule may let a pod ask cluster DNS, whose address is not known here: port 53
    over UDP, as resolvers begin, to more than the single address of some other server.
    """
    return any(
        _port_allows(rule, DNS, "UDP") and (rule.get("ports") or _to_several(rule))
        for rule in policy.get("spec", {}).get("egress") or []
    )


def _to_several(rule: Mapping[str, Any]) -> bool:
    blocks = [p.get("ipBlock") for p in rule.get("to") or []]
    networks = (ipaddress.ip_network(b["cidr"], strict=False) for b in blocks if b)
    return not blocks or None in blocks or any(n.num_addresses > 1 for n in networks)


def _egress(policy: Policy) -> bool:
    spec = policy.get("spec", {})
    return "Egress" in (spec.get("policyTypes") or []) or bool(spec.get("egress"))


def _selects(policy: Policy, labels: Mapping[str, str]) -> bool:
    selector = policy.get("spec", {}).get("podSelector") or {}
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(k) != v for k, v in wanted.items()):
        return False
    return all(_matches(e, labels) for e in selector.get("matchExpressions") or [])


def _matches(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = str(expression["key"]), expression.get("values") or []
    operator = expression["operator"]
    return {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }.get(operator, False)


def _allows(policy: Policy, address: str, port: int) -> bool:
    return any(
        _to_allows(rule, address) and _port_allows(rule, port)
        for rule in policy.get("spec", {}).get("egress") or []
    )


def _to_allows(rule: Mapping[str, Any], address: str) -> bool:
    peers = rule.get("to") or []
    return not peers or any(_block_holds(p.get("ipBlock"), address) for p in peers)


def _block_holds(block: Mapping[str, Any] | None, address: str) -> bool:
    """Pod and namespace selectors never match an address outside the cluster."""
    if not block:
        return False
    try:
        host = ipaddress.ip_address(address)
    except ValueError:
        return False
    if host not in ipaddress.ip_network(block["cidr"], strict=False):
        return False
    left_out = (ipaddress.ip_network(c, strict=False) for c in block.get("except") or [])
    return not any(host in network for network in left_out)


def _port_allows(rule: Mapping[str, Any], port: int, transport: str = "TCP") -> bool:
    ports = rule.get("ports") or []
    return not ports or any(_one_port_allows(p, port, transport) for p in ports)


def _one_port_allows(entry: Mapping[str, Any], port: int, transport: str) -> bool:
    if entry.get("protocol", "TCP") != transport:
        return False
    first = entry.get("port")
    if first is None:
        return True
    if not isinstance(first, int):
        return False  # a named port belongs to pods
    last = entry.get("endPort", first)
    return first <= port <= int(last)
