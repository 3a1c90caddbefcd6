"""The wires: one router with a bridge for each network, every host on one bridge.

No network has an uplink. Nodes and laptop are in 192.0.2.0/24, the outside world in
198.51.100.0/24 and 203.0.113.0/24; whatever crosses passes the router's FORWARD chain, where
`firewall` puts its rules. Pods leave with their node's address.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.lab.hosts import (
    FAR_NET,
    HOSTS,
    NEAR_NET,
    NODES,
    NODES_NET,
    POD_NET,
    POD_NETS,
    ROUTER,
    SILENT,
    Host,
    holder,
    inside,
    make_host,
)
from tests.lab.place import Place

BRIDGES = {NODES_NET: "nodes", NEAR_NET: "near", FAR_NET: "far"}
_NOBODY = "02:00:00:00:00:22"


def make_network(place: Place) -> None:
    """Make all hosts and connect them."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(partial(make_host, place), (ROUTER, *HOSTS)))
    inside(place, ROUTER.name, ["ip", "-batch", "-"], script="\n".join(_router(place)))
    _sysctl(place, ROUTER, "net.ipv4.ip_forward=1")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(partial(_connect, place), HOSTS))


def _router(place: Place) -> list[str]:
    lines: list[str] = []
    for net, bridge in BRIDGES.items():
        lines += [f"link add {bridge} type bridge", f"addr add {net}.1/24 dev {bridge}"]
        lines += [f"link set {bridge} up"]
    for host in HOSTS:
        bridge = BRIDGES[host.address.rpartition(".")[0]]
        wire = f"w-{host.name}"
        pid = holder(place, host.name)
        lines += [f"link add {wire} type veth peer name eth0 netns {pid}"]
        lines += [f"link set {wire} master {bridge}", f"link set {wire} up"]
    # Without this the router would answer "host unreachable" after three seconds.
    lines += [f"neigh add {SILENT} lladdr {_NOBODY} dev near nud permanent"]
    return lines


def _connect(place: Place, host: Host) -> None:
    lines = [f"addr add {host.address}/24 dev eth0", "link set eth0 up"]
    lines += [f"route add default via {host.gateway}"]
    if host.node:
        others = [node for node in NODES if node != host]
        lines += [f"route add {POD_NETS[node.name]} via {node.address}" for node in others]
    inside(place, host.name, ["ip", "-batch", "-"], script="\n".join(lines))
    if host.node:
        _sysctl(place, host, "net.ipv4.ip_forward=1")
        leave = ["-s", POD_NET, "!", "-d", POD_NET, "-j", "MASQUERADE"]
        inside(place, host.name, ["iptables", "-t", "nat", "-A", "POSTROUTING", *leave])


def _sysctl(place: Place, host: Host, setting: str) -> None:
    inside(place, host.name, ["sysctl", "-qw", setting])
