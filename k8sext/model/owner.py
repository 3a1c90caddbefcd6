"""Whose an address is that something outside calls."""

from __future__ import annotations

from .data import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose an address is that something outside calls, as the cluster's objects say.

    `kind`: `pod` (alive), `gone` (in a node's pod range, and nobody has it), `node` (a node's, at a
    port that nothing is known to listen on), `node-port`, `host-port`, `service` (a cluster IP),
    `stranger` (beside the nodes, in their network), `outside`, `unknown` (could not be read).
    """

    address: str  # as it was registered: host:port
    kind: str
    name: str = ""  # NAMESPACE/NAME of the pod or Service, or the node's name
    replicas: int = 1  # ready pods behind it
