"""Whose an address is: pods, nodes, node ports, cluster IPs, nobody."""

from __future__ import annotations

from typing import Any

import pytest

from k8sext.bridges.owners import OwnerObjects, owners
from k8sext.model.owner import Owner


def pod(name: str, ip: str, node: str = "node1", **more: Any) -> dict[str, Any]:
    ready = {"type": "Ready", "status": "True"}
    return {
        "metadata": {"namespace": "dev", "name": name, "labels": {"app": "shop"}},
        "spec": {"nodeName": node, "containers": [], **more},
        "status": {"phase": "Running", "podIPs": [{"ip": ip}], "conditions": [ready]},
    }


def service(name: str, ip: str, node_port: int | None = None) -> dict[str, Any]:
    ports = [{"port": 80, **({"nodePort": node_port} if node_port else {})}]
    spec = {"clusterIPs": [ip], "ports": ports, "selector": {"app": "shop"}}
    return {"metadata": {"namespace": "dev", "name": name}, "spec": spec}


NODES = [
    {
        "metadata": {"name": "node1"},
        "spec": {"podCIDRs": ["198.18.1.0/24"]},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.11"}]},
    }
]
DONE = pod("job-1", "198.18.1.50")
DONE["status"]["phase"] = "Succeeded"
HOST = pod(
    "agent-1", "192.0.2.11", hostNetwork=True, containers=[{"ports": [{"containerPort": 9100}]}]
)
PORTS = pod("sentinel-1", "198.18.1.9", containers=[{"ports": [{"hostPort": 8719}]}])
OBJECTS = OwnerObjects(
    pods=[pod("shop-1", "198.18.1.7"), pod("shop-2", "198.18.1.8"), DONE, HOST, PORTS],
    nodes=NODES,
    services=[service("gateway", "198.19.3.3", 31208)],
)
KNOWN = [
    ("198.18.1.7:8719", "pod", "dev/shop-1", 1),
    ("198.18.1.50:80", "gone", "", 1),
    ("198.18.1.99:80", "gone", "", 1),
    ("192.0.2.11:31208", "node-port", "dev/gateway", 4),
    ("192.0.2.11:9100", "host-port", "dev/agent-1", 1),
    ("192.0.2.11:8719", "host-port", "dev/sentinel-1", 1),
    ("192.0.2.11:1", "node", "node1", 1),
    ("192.0.2.77:31208", "stranger", "", 1),
    ("198.19.3.3:80", "service", "dev/gateway", 4),
    ("203.0.113.5:80", "outside", "", 1),
]


@pytest.mark.parametrize(("address", "kind", "name", "replicas"), KNOWN)
def test_whose(address: str, kind: str, name: str, replicas: int) -> None:
    assert owners([address], OBJECTS) == (
        Owner(address=address, kind=kind, name=name, replicas=replicas),
    )


@pytest.mark.parametrize("text", ["shop.dev.svc:80", "", ":", "x", "198.18.1.7", "[::1"])
def test_what_is_no_address_has_no_owner(text: str) -> None:
    assert owners([text], OBJECTS) == ()


def test_where_pods_could_not_be_read_nobody_is_called_gone() -> None:
    (found,) = owners(["198.18.1.99:80"], OwnerObjects(nodes=NODES))
    assert found.kind == "unknown"
