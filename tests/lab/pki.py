"""The lab's certificate authority: one for Kubernetes and the outside servers alike.

Elliptic keys, because making RSA keys would take longer than starting etcd.
"""

from __future__ import annotations

import base64
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.lab.component import write_private
from tests.lab.hosts import NODE1, NODE2, SERVICE_NET, ours
from tests.lab.place import LabError, Place

SERVER = f"https://{NODE1.address}:6443"
_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
_FIRST_SERVICE = SERVICE_NET.replace("0.0/16", "0.1")


@dataclass(frozen=True)
class Certificate:
    """One key pair that the lab's authority signs."""

    name: str
    common_name: str
    organisation: str = ""
    names: tuple[str, ...] = ()
    """Subject alternative names, as openssl writes them."""


_KUBERNETES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost")
CERTIFICATES = (
    Certificate(
        "apiserver",
        "kube-apiserver",
        names=(
            *(f"DNS:{name}" for name in _KUBERNETES),
            "IP:127.0.0.1",
            f"IP:{NODE1.address}",
            f"IP:{_FIRST_SERVICE}",
        ),
    ),
    Certificate("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
    Certificate("admin", "admin", "system:masters"),
    Certificate("controller-manager", "system:kube-controller-manager"),
    Certificate("scheduler", "system:kube-scheduler"),
    Certificate("kube-proxy", "system:kube-proxy"),
    Certificate("coredns", "system:coredns"),
    *(
        Certificate(
            node.name,
            f"system:node:{node.name}",
            "system:nodes",
            (f"DNS:{node.name}", f"IP:{node.address}"),
        )
        for node in (NODE1, NODE2)
    ),
    Certificate("www.example.com", "www.example.com", names=("DNS:www.example.com",)),
)


def make_pki(place: Place) -> None:
    """Make the authority, everything it signs, and a kubeconfig for each client."""
    place.pki.mkdir(parents=True, exist_ok=True)
    place.pki.chmod(0o700)
    authority = ["-keyout", "ca.key", "-out", "ca.crt", "-days", "30", "-subj", "/CN=lab-ca"]
    usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    _openssl(place, ["req", "-x509", *_KEY, *authority, *usage])
    _openssl(place, ["genrsa", "-out", "sa.key", "2048"])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(partial(sign, place), CERTIFICATES))
    for certificate in CERTIFICATES:
        _write_kubeconfig(place, certificate.name, kubeconfig_file(place, certificate.name))
    _write_kubeconfig(place, "admin", place.kubeconfig)


def sign(place: Place, certificate: Certificate) -> tuple[Path, Path]:
    """Make a key and a certificate; where they are. Servers and tests may want more of them."""
    name = certificate.name
    subject = f"/CN={certificate.common_name}"
    if certificate.organisation:
        subject = f"/O={certificate.organisation}" + subject
    extensions = ["extendedKeyUsage=serverAuth,clientAuth", "authorityKeyIdentifier=keyid"]
    if certificate.names:
        extensions.append(f"subjectAltName={','.join(certificate.names)}")
    (place.pki / f"{name}.ext").write_text("\n".join(extensions) + "\n")
    request = ["-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject]
    _openssl(place, ["req", *_KEY, *request])
    signer = ["-CA", "ca.crt", "-CAkey", "ca.key", "-days", "30", "-extfile", f"{name}.ext"]
    _openssl(place, ["x509", "-req", "-in", f"{name}.csr", *signer, "-out", f"{name}.crt"])
    return place.pki / f"{name}.crt", place.pki / f"{name}.key"


def kubeconfig_file(place: Place, name: str) -> Path:
    """The kubeconfig of one of Kubernetes' own clients."""
    return place.pki / f"{name}.kubeconfig"


def _write_kubeconfig(place: Place, name: str, file: Path) -> None:
    def data(kind: str) -> str:
        return base64.b64encode((place.pki / kind).read_bytes()).decode()

    cluster = {"server": SERVER, "certificate-authority-data": data("ca.crt")}
    user = {
        "client-certificate-data": data(f"{name}.crt"),
        "client-key-data": data(f"{name}.key"),
    }
    context = {"cluster": "lab", "user": name, "namespace": "default"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": "lab", "context": context}],
        "current-context": "lab",
    }
    write_private(file, json.dumps(config, indent=1))


def _openssl(place: Place, argv: list[str]) -> None:
    done = subprocess.run(
        [*ours(place), "openssl", *argv], cwd=place.pki, capture_output=True, text=True
    )
    if done.returncode:
        raise LabError(f"openssl {argv[0]}: {done.stderr.strip()[-500:]}")
