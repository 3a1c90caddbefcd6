"""A node: containerd, kubelet and kube-proxy in the node's own namespaces.

They use their usual paths, because /run, /var/lib and /var/log are private to the node.
"""

from __future__ import annotations

import json
import socket
from functools import partial
from pathlib import Path

from tests.lab import cgroups, wire
from tests.lab.building import imagestore
from tests.lab.building.golang import binary
from tests.lab.building.images import PAUSE
from tests.lab.cluster import kubeapi
from tests.lab.component import Component, folder_for, spawn
from tests.lab.hosts import CLUSTER_DNS, NODES, POD_NET, POD_NETS, Host, holder, ours
from tests.lab.pki import kubeconfig_file
from tests.lab.place import Place

_SOCKET = "/run/containerd/containerd.sock"


def prepare_images(place: Place) -> None:
    """Give every node its images; before its namespaces are made, which mount the folder."""
    for node in NODES:
        imagestore.clone(place.state / node.name / "containerd", ours(place))


def _start_containerd(node: Host, place: Place) -> None:
    folder = folder_for(place, node.name)
    networks = folder / "cni"
    networks.mkdir(exist_ok=True)
    (networks / "10-lab.conflist").write_text(json.dumps(_pod_network(node)))
    cri = f"""
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE.reference}"
  stream_server_address = "127.0.0.1"
  # Without CAP_SYS_RESOURCE (a lab in a container or small VM) runc could not start a pod.
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = {json.dumps(str(networks))}
"""
    config = folder / "containerd.toml"
    root, state = Path("/var/lib/containerd"), Path("/run/containerd")
    config.write_text(imagestore.configuration(root, state, _SOCKET, cri))
    spawn(place, f"containerd-{node.name}", node.name, ["containerd", "--config", str(config)])


def _pod_network(node: Host) -> dict[str, object]:
    """Masquerading is done by one rule of `network`: CNI's would hide pods from pods too."""
    bridge: dict[str, object] = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": "/run/cni-addresses",
            "ranges": [[{"subnet": POD_NETS[node.name]}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "lab", "plugins": [bridge, ports]}


def _containerd_ready(node: Host, place: Place) -> bool:
    """Its socket is in the node's private /run, which its holder shows under /proc."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"/proc/{holder(place, node.name)}/root{_SOCKET}")
    return True


def _kubelet_configuration(place: Place, node: Host) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroups.make_node_root(place.cgroup, node.name),
        "cgroupsPerQOS": True,
        "enforceNodeAllocatable": [],
        # 1.35 refuses cgroup v1 unless told otherwise.
        "failCgroupV1": False,
        "failSwapOn": False,
        "authentication": {
            "anonymous": {"enabled": False},
            "x509": {"clientCAFile": str(place.pki / "ca.crt")},
            "webhook": {"enabled": True},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(place.pki / f"{node.name}.crt"),
        "tlsPrivateKeyFile": str(place.pki / f"{node.name}.key"),
        "containerRuntimeEndpoint": f"unix://{_SOCKET}",
        "clusterDNS": [CLUSTER_DNS],
        "clusterDomain": "cluster.local",
        "resolvConf": "/etc/resolv.conf",
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%"},
        # No registry could give a collected image back.
        "imageGCHighThresholdPercent": 100,
        "serializeImagePulls": False,
        "nodeStatusUpdateFrequency": "4s",
        "syncFrequency": "10s",
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        "healthzBindAddress": "127.0.0.1",
    }


def _start_kubelet(node: Host, place: Place) -> None:
    config = folder_for(place, node.name) / "kubelet.json"
    config.write_text(json.dumps(_kubelet_configuration(place, node)))
    argv = [
        binary("kubelet"),
        f"--config={config}",
        f"--kubeconfig={kubeconfig_file(place, node.name)}",
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
        "--v=2",
    ]
    spawn(place, f"kubelet-{node.name}", node.name, argv)


def _kubelet_ready(node: Host, place: Place) -> bool:
    found = kubeapi.get(place, f"/api/v1/nodes/{node.name}")
    if found is None or found["spec"].get("taints"):
        return False
    conditions = {c["type"]: c["status"] for c in found["status"].get("conditions", [])}
    if not found["spec"].get("podCIDR"):
        _tell_range(node, place)
    return conditions.get("Ready") == "True"


def _tell_range(node: Host, place: Place) -> None:
    """The node's pod range, as the controller writes it where it allocates them."""
    net = POD_NETS[node.name]
    named = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name}}
    spec = {"podCIDR": net, "podCIDRs": [net]}
    kubeapi.apply(place, f"/api/v1/nodes/{node.name}", {**named, "spec": spec})


def _start_proxy(node: Host, place: Place) -> None:
    config = folder_for(place, node.name) / "kube-proxy.json"
    kubeconfig = str(kubeconfig_file(place, "kube-proxy"))
    settings = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": POD_NET,
        "clientConnection": {"kubeconfig": kubeconfig},
        "hostnameOverride": node.name,
        "bindAddress": "0.0.0.0",
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        # These limits belong to the whole machine; the lab leaves them alone.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
        # A sync that failed (another's change of the tables came in between) is tried again after
        # syncPeriod; until then a new Service refuses everybody.
        "iptables": {"minSyncPeriod": "0s", "syncPeriod": "2s"},
    }
    config.write_text(json.dumps(settings))
    argv = [binary("kube-proxy"), f"--config={config}"]
    spawn(place, f"kube-proxy-{node.name}", node.name, argv)


def _proxy_ready(node: Host, place: Place) -> bool:
    reply = wire.http_request(place, node.name, "127.0.0.1", 10256, "/livez")
    return reply.status == 200


def _components(node: Host) -> tuple[Component, ...]:
    name = node.name
    runtime = f"containerd-{name}"
    return (
        Component(
            runtime,
            name,
            partial(_start_containerd, node),
            partial(_containerd_ready, node),
            part="kubernetes",
        ),
        Component(
            f"kubelet-{name}",
            name,
            partial(_start_kubelet, node),
            partial(_kubelet_ready, node),
            needs=("apiserver", runtime),
            part="kubernetes",
        ),
        Component(
            f"kube-proxy-{name}",
            name,
            partial(_start_proxy, node),
            partial(_proxy_ready, node),
            needs=("apiserver",),
            part="kubernetes",
        ),
    )


COMPONENTS = tuple(component for node in NODES for component in _components(node))
