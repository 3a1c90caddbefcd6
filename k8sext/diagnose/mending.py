"""What commands that mend a bridge must know of its objects: places in lists, names, modes. Pure.

A command is printed only where nothing is left to choose. Where a fact cannot be known, its value
is "" and the command with it is left out (`saying.command_of`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable

from k8sext.model import shell
from k8sext.model.bridge import Bridge, Port
from k8sext.model.plan import is_address, join_address

from .case import Case

IN_CLUSTER = "cluster"  # Bridge.source of what was discovered; a file's is FILE:LINE


def facts(case: Case, detail: str) -> dict[str, str]:
    """Values for the commands of one bridge port; "" where somebody has to choose.

    `detail` is what the stage said that failed.
    """
    bridge, port = case.bridge, case.port
    return {
        "annotate": "annotate" if bridge.source == IN_CLUSTER else "",
        "port_index": str(bridge.ports.index(port)) if port in bridge.ports else "",
        "endpoint_port": _port_name(bridge, port),
        "tls_key": _annotation(bridge, port, "tls"),
        "tls_mode": _tls_mode(bridge, port),
        "alias_address": _address_of_alias(bridge, port),
        "service_base64": base64.b64encode(bridge.service.encode()).decode(),
        "ca": _authority(bridge, port, detail),
        "make_ready": _readiness_patches(bridge, port),
    }


def _port_name(bridge: Bridge, port: Port) -> str:
    """The name that the Service's port must have to meet its endpoints.

    That of the endpoints' port with the number that the Service leads to, or of their only one; ""
    where several fit, or where another port of the Service has that name already.
    """
    wanted = {str(port.port), port.target_port}
    names = {e.port_name for e in bridge.endpoints if str(e.port) in wanted}
    names = names or {e.port_name for e in bridge.endpoints}
    if len(names) != 1:
        return ""
    name = next(iter(names))
    return "" if name in {p.name for p in bridge.ports if p != port} else name


def _annotation(bridge: Bridge, port: Port, word: str) -> str:
    """The annotation that decides for the port: its own, where it has one."""
    own = word == "tls" and port.key in dict(bridge.tls_by_port)
    return f"k8sext.io/{word}.{port.key}" if own else f"k8sext.io/{word}"


def _tls_mode(bridge: Bridge, port: Port) -> str:
    """verify-full where an authority is named; without one it would trade one failure for another,
    as few servers of this kind have a certificate of a public authority.
    """
    spec = bridge.tls_of(port.key)
    return "verify-full" if spec and spec.ca_secret else "require"


def _authority(bridge: Bridge, port: Port, detail: str) -> str:
    """What to do about the authority that a certificate is verified with."""
    spec = bridge.tls_of(port.key)
    where = f"(namespace {bridge.namespace})"
    if not spec or not spec.ca_secret:
        facts = {
            "namespace": bridge.namespace,
            "service": bridge.service,
            "secret": f"{bridge.service}-ca",
        }
        return shell.filled(
            "kubectl create secret generic -n {namespace!q} {secret!q} --from-file=ca.crt=FILE "
            "with the authority's certificate, then say so: kubectl annotate --overwrite service "
            "-n {namespace!q} {service!q} k8sext.io/tls-ca={secret!p}#ca.crt",
            facts,
        )
    named = f"Secret {spec.ca_secret} {where}"
    if f"has no {spec.ca_key}" in detail:
        return (
            f"put the authority's certificate under the key {spec.ca_key} into {named}, or name "
            f"the key that it has: {_annotation(bridge, port, 'tls-ca')}={spec.ca_secret}#KEY"
        )
    return (
        f"put the authority that signed it into the key {spec.ca_key} of {named}, or let the "
        "server send its whole chain"
    )


def _address_of_alias(bridge: Bridge, port: Port) -> str:
    """`ADDRESS:PORT` where spec.externalName is an address and the Service has that one port."""
    if not is_address(bridge.external_name) or len(bridge.ports) != 1:
        return ""
    return join_address(bridge.external_name, port.port)


def _readiness_patches(bridge: Bridge, port: Port) -> str:
    """Commands that take `conditions` away from the port's endpoints in every slice of the bridge;
    "" where they do not stand in slices: unset means ready (EndpointConditions, discovery/v1).
    """
    sources: dict[str, set[int]] = {}
    for endpoint in bridge.endpoints_of(port):
        sources.setdefault(endpoint.source, set()).add(endpoint.index)
    if not sources or not all(s.startswith("EndpointSlice/") for s in sources):
        return ""
    return " && ".join(_unset(bridge, s.partition("/")[2], sorted(i)) for s, i in sources.items())


def _unset(bridge: Bridge, name: str, indexes: list[int]) -> str:
    steps = [{"op": "remove", "path": f"/endpoints/{i}/conditions/ready"} for i in indexes]
    return _patch(bridge, name, "json", steps)


def lead_to(bridge: Bridge, addresses: Iterable[str]) -> str:
    """The command that gives the bridge's one slice these addresses in place of its own.

    "" where several slices, or legacy Endpoints, hold them: which of them is to have which?
    """
    sources = {e.source for e in bridge.endpoints}
    if len(sources) != 1 or not next(iter(sources)).startswith("EndpointSlice/"):
        return ""
    name = next(iter(sources)).partition("/")[2]
    endpoints = [{"addresses": [a]} for a in addresses]
    return _patch(bridge, name, "merge", {"endpoints": endpoints})


def _patch(bridge: Bridge, name: str, kind: str, patch: object) -> str:
    """ "" for what can be no argument: somebody must look."""
    if not (shell.is_fit(bridge.namespace) and shell.is_fit(name)):
        return ""
    where = ("kubectl", "patch", "endpointslice", "-n", bridge.namespace, name, f"--type={kind}")
    return shell.line(*where, "-p", json.dumps(patch, separators=(",", ":")))
