"""etcd, API server, controller manager and scheduler: four processes on node1."""

from __future__ import annotations

import json
from pathlib import Path

from tests.lab import wire
from tests.lab.building.golang import binary
from tests.lab.cluster import kubeapi
from tests.lab.component import Component, folder_for, spawn
from tests.lab.hosts import NODE1, SERVICE_NET
from tests.lab.pki import kubeconfig_file
from tests.lab.place import Place

_ETCD = "http://127.0.0.1:2379"
_ETCD_PEER = "http://127.0.0.1:2380"


def _start_etcd(place: Place) -> None:
    data = folder_for(place, "etcd")
    argv = [
        binary("etcd"),
        f"--data-dir={data}/data",
        f"--listen-client-urls={_ETCD}",
        f"--advertise-client-urls={_ETCD}",
        f"--listen-peer-urls={_ETCD_PEER}",
        f"--initial-advertise-peer-urls={_ETCD_PEER}",
        f"--initial-cluster=default={_ETCD_PEER}",
        # Nothing in the lab must survive a power cut.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]
    spawn(place, "etcd", NODE1.name, argv)


def _etcd_ready(place: Place) -> bool:
    reply = wire.http_request(place, NODE1.name, "127.0.0.1", 2379, "/readyz")
    return reply.status == 200


def _audit_policy() -> dict[str, object]:
    """Who wrote what, without the daily talk of the cluster's own parts."""
    own = [
        "system:kube-controller-manager",
        "system:kube-scheduler",
        "system:kube-proxy",
        "system:coredns",
        "system:apiserver",
    ]
    reading = ["get", "list", "watch"]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "users": own, "verbs": reading},
            {
                "level": "None",
                "userGroups": ["system:nodes", "system:serviceaccounts:kube-system"],
                "verbs": reading,
            },
            {
                "level": "None",
                "resources": [
                    {"group": "coordination.k8s.io", "resources": ["leases"]},
                    {"group": "", "resources": ["events"]},
                    {"group": "events.k8s.io", "resources": ["events"]},
                ],
            },
            {"level": "None", "nonResourceURLs": ["/readyz*", "/livez*", "/healthz*"]},
            {"level": "Metadata"},
        ],
    }


def audit_log(place: Place) -> Path:
    """One JSON object a line: every write, and every read that is not the cluster's own."""
    return place.log / "audit.log"


def _start_apiserver(place: Place) -> None:
    pki = place.pki
    policy = folder_for(place, "apiserver") / "audit.json"
    policy.write_text(json.dumps(_audit_policy()))
    argv = [
        binary("kube-apiserver"),
        f"--etcd-servers={_ETCD}",
        f"--bind-address={NODE1.address}",
        f"--advertise-address={NODE1.address}",
        "--secure-port=6443",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        f"--service-account-key-file={pki}/sa.key",
        f"--service-account-signing-key-file={pki}/sa.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-cluster-ip-range={SERVICE_NET}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        # No DNS knows the nodes' names.
        "--kubelet-preferred-address-types=InternalIP",
        "--allow-privileged=true",
        f"--audit-policy-file={policy}",
        f"--audit-log-path={audit_log(place)}",
        # Written at once: tests read it right after the call.
        "--audit-log-mode=blocking",
    ]
    spawn(place, "apiserver", NODE1.name, argv)


def _apiserver_ready(place: Place) -> bool:
    return kubeapi.request(place, "/readyz").status == 200


def _start_controller_manager(place: Place) -> None:
    pki = place.pki
    argv = [
        binary("kube-controller-manager"),
        f"--kubeconfig={kubeconfig_file(place, 'controller-manager')}",
        f"--service-account-private-key-file={pki}/sa.key",
        f"--root-ca-file={pki}/ca.crt",
        "--allocate-node-cidrs=false",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        "--bind-address=127.0.0.1",
    ]
    spawn(place, "controller-manager", NODE1.name, argv)


def _controller_manager_ready(place: Place) -> bool:
    """Pods can be made only when their service account and the CA's ConfigMap are there."""
    namespace = "/api/v1/namespaces/default"
    account = kubeapi.get(place, f"{namespace}/serviceaccounts/default")
    return bool(account and kubeapi.get(place, f"{namespace}/configmaps/kube-root-ca.crt"))


def _start_scheduler(place: Place) -> None:
    kubeconfig = kubeconfig_file(place, "scheduler")
    argv = [
        binary("kube-scheduler"),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
    ]
    spawn(place, "scheduler", NODE1.name, argv)


def _scheduler_ready(place: Place) -> bool:
    # Its certificate is made by itself at each start; only the answer matters.
    with wire.connect(place, NODE1.name, "127.0.0.1", 10259):
        return True


COMPONENTS = (
    Component("etcd", NODE1.name, _start_etcd, _etcd_ready, part="kubernetes"),
    Component(
        "apiserver",
        NODE1.name,
        _start_apiserver,
        _apiserver_ready,
        needs=("etcd",),
        part="kubernetes",
    ),
    Component(
        "controller-manager",
        NODE1.name,
        _start_controller_manager,
        _controller_manager_ready,
        needs=("apiserver",),
        part="kubernetes",
    ),
    Component(
        "scheduler",
        NODE1.name,
        _start_scheduler,
        _scheduler_ready,
        needs=("apiserver",),
        part="kubernetes",
    ),
)
