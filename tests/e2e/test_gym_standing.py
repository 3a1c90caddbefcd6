"""Objects of the gym that reach beyond a namespace go away with it, also those of a killed run."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.gym import standing
from tests.lab import leftovers
from tests.lab.cluster import dns, kubeapi
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab
CLAIMED = "203.0.113.77"


def service(name: str, **spec: Any) -> dict[str, Any]:
    meta = {"name": name}
    ports = {"ports": [{"port": 8099}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {**ports, **spec}}


def far_objects(namespace: str) -> list[dict[str, Any]]:
    """A role of the cluster, a Service elsewhere, one that claims an address."""
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"{namespace}-reader"},
        "rules": [],
    }
    elsewhere = service("legacy-web")
    elsewhere["metadata"]["namespace"] = f"{namespace}-legacy"
    return [role, elsewhere, service("claims", externalIPs=[CLAIMED]), service("plain")]


def test_what_reaches_beyond_is_removed_by_the_next_run(lab: Lab) -> None:
    namespace = f"{standing.PREFIX}{secrets.token_hex(4)}"
    far: list[str] = []
    standing.stand(lab.place, namespace, far_objects(namespace), far)
    try:
        names = {path.rpartition("/")[2] for path in far}
        assert names == {f"{namespace}-legacy", f"{namespace}-reader", "legacy-web", "claims"}
        assert set(far) <= set(standing.noted(lab.place))
        lab.await_rules(namespace)
        rules = lab.run(["iptables-save"], host="node1").stdout
        assert f"-d {CLAIMED}/32" in rules
    finally:  # as the next run does, which knows nothing but what was written down
        standing.clear(lab.place)
    gone = [p for p in far if kubeapi.get(lab.place, p) is not None]
    assert [p for p in gone if not p.endswith("-legacy")] == []
    assert standing.noted(lab.place) == []
    space = kubeapi.get(lab.place, f"/api/v1/namespaces/{namespace}")
    assert space is None or "deletionTimestamp" in space["metadata"]


PASSED_OVER = [
    {"labels": {"service.kubernetes.io/service-proxy-name": "other"}},
    {"addressType": "FQDN", "addresses": ["db.corp.example"]},
    {"protocol": "UDP"},
    {"port": "elsewhere"},
    {"selector": {"app": "nobody"}},
]


@pytest.mark.parametrize("way", PASSED_OVER, ids=lambda way: next(iter(way)))
def test_rules_that_cannot_come_are_not_waited_for(
    lab: Lab, namespace: str, way: dict[str, Any]
) -> None:
    spec: dict[str, Any] = {"ports": [{"name": "redis", "port": 6379}]}
    if "selector" in way:
        spec["selector"] = way["selector"]
    meta = {"name": "cache", "namespace": namespace}
    port = {"name": way.get("port", "redis"), "port": 6379, "protocol": way.get("protocol", "TCP")}
    named = {"labels": {"kubernetes.io/service-name": "cache"}}
    lab.apply(
        [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {**meta, "labels": way.get("labels", {})},
                "spec": spec,
            },
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {**meta, **named},
                "addressType": way.get("addressType", "IPv4"),
                "endpoints": [{"addresses": way.get("addresses", ["198.51.100.21"])}],
                "ports": [port],
            },
        ]
    )
    began = time.monotonic()
    lab.await_rules(namespace)
    assert time.monotonic() - began < 15
    services = lab.get("services", "-n", namespace)["items"]
    assert [s["metadata"]["name"] for s in services] == ["cache"]


PUTS_IN = """
import contextlib, sys
from tests.lab import firewall
from tests.lab.cluster import dns, records
from tests.lab.lab import running
place, server = running().place, sys.argv[1]
with contextlib.ExitStack() as stack:
    for put_in in (
        firewall.rule(place, "DROP", destination=server),
        firewall.unreachable(place, "198.51.100.99"),
        firewall.routed_to_pods(place, server),
        firewall.dialled(place, "DROP", server),
        firewall.dialled(place, "RESET", server),
        records.name_has(place, "left.example", ["A 192.0.2.1"]),
        dns.name_set_to(place, "kept.example", "192.0.2.2"),
    ):
        stack.enter_context(put_in)
    print("in", flush=True)
    sys.stdin.read()
"""


def test_what_was_put_in_the_way_by_a_killed_process_is_taken_out(lab: Lab) -> None:
    place, server = lab.place, "198.51.100.21"
    argv = [sys.executable, "-c", PUTS_IN, server]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "in\n"
        process.kill()
    assert server in in_the_way(lab)
    leftovers.clear(place)
    assert server not in in_the_way(lab)
    assert "unreachable" not in lab.run(["ip", "route"], host="router").stdout
    assert [dns.lookup(place, n) for n in ("left.example", "kept.example")] == [(), ()]
    assert dns.lookup(place, "redis.corp.example") == (server,)


def in_the_way(lab: Lab) -> str:
    """Rules of the router and of a node's own chains that speak of what is led or dropped."""
    router = lab.run(["sh", "-c", "iptables -S FORWARD; ip rule"], host="router").stdout
    chains = "iptables -S FORWARD | grep ctorigdst; iptables -t nat -S PREROUTING"
    return router + lab.run(["sh", "-c", chains], host="node1").stdout
