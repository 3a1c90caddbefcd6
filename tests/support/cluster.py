"""What the e2e tests share: the lab, the tool inside it, bridges with their logins."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.demo.base import secret
from tests.lab.lab import K8SEXT, Lab

PG = ("postgresql-svc", "postgresql", "198.51.100.9", 5432)
MYSQL = ("mysql-svc", "mysql", "198.51.100.9", 3306)
RABBIT = ("rabbitmq-svc", "rabbitmq", "198.51.100.32", 5672)
REDIS = ("redis-svc", "redis", "198.51.100.21", 26379)
ELASTIC = ("elasticsearch-svc", "elasticsearch", "198.51.100.32", 9200)
FIVE = (PG, MYSQL, RABBIT, REDIS, ELASTIC)
Bridge = tuple[str, str, str, int]


@dataclass(frozen=True)
class Run:
    """One run of the tool: exit code, what it said, and the JSON report where it was asked for."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON report on standard output."""
        data: dict[str, Any] = json.loads(self.out)
        return data

    def __repr__(self) -> str:
        """What a failed assertion needs: the verdicts, not the whole document."""
        try:
            said = [
                f"{b['service']} {b['status']}: {d['code']} {d['summary']} ({d['why']})"
                for b in self.report["bridges"]
                for d in b["diagnoses"]
            ]
            return f"Run({self.code}, {[*said, *self.overall()]}, {self.err!r})"
        except (ValueError, KeyError, AssertionError):
            return f"Run({self.code}, {self.out[-2000:]!r}, {self.err!r})"

    def bridge(self, name: str) -> dict[str, Any]:
        """One bridge of the report."""
        return next(b for b in self.report["bridges"] if b["service"] == name)

    def said(self, name: str) -> list[tuple[str, str]]:
        """(code, culprit) of a bridge's diagnoses."""
        return [(d["code"], d["culprit"]) for d in self.bridge(name)["diagnoses"]]

    def overall(self) -> list[str]:
        """Codes above all bridges."""
        return [d["code"] for v in self.report["vantages"] for d in v["diagnoses"]]


def k8sext(lab: Lab, *args: str, env: Mapping[str, str] | None = None) -> Run:
    """Run the tool on the laptop of the lab."""
    done = lab.run(
        [K8SEXT, *args],
        env=env,
    )
    return Run(done.returncode, done.stdout, done.stderr)


def started(lab: Lab, *args: str) -> subprocess.Popen[str]:
    """The tool, started on the laptop with the lab's probe image; `ended` waits for it."""
    return lab.popen([K8SEXT, *args, "--image", lab.probe_image])


def ended(process: subprocess.Popen[str], timeout: float = 90) -> Run:
    """What a started tool said until its end."""
    out, err = process.communicate(timeout=timeout)
    return Run(process.returncode, out, err)


_HANGS_UP = """
import socket, sys
server = socket.create_server(("", int(sys.argv[1])))
print("ready", flush=True)
while True:
    one = server.accept()[0]
    one.settimeout(5)
    try:
        one.recv(4096)  # closed with unread bytes, a connection is reset instead
    except OSError:
        pass
    one.close()
"""


@contextmanager
def hangs_up(lab: Lab, host: str, port: int) -> Generator[None]:
    """A listener on an outside host that accepts, and hangs up when it is spoken to."""
    process = lab.popen([sys.executable, "-c", _HANGS_UP, str(port)], host=host)
    try:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield
    finally:
        process.terminate()
        process.communicate(timeout=10)


def doctor(lab: Lab, namespace: str, *args: str) -> Run:
    """`doctor -o json` with the lab's probe image, on what the nodes know of by then."""
    lab.await_rules(namespace)
    image = [] if "--image" in args else ["--image", lab.probe_image]
    return k8sext(lab, "doctor", "-n", namespace, "-o", "json", *image, *args)


def secret_of(name: str, **values: str) -> dict[str, Any]:
    """A Secret with these keys."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": values,
    }


def service(bridge: Bridge, **spec: Any) -> dict[str, Any]:
    """A selectorless Service as people write it."""
    name, protocol, _, port = bridge
    notes = {"k8sext.io/protocol": protocol, "k8sext.io/tls": "disable"}
    if protocol != "elasticsearch":
        notes["k8sext.io/credentials"] = f"{protocol}-auth"
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "annotations": notes},
        "spec": {"ports": [{"name": protocol, "port": port}], **spec},
    }


def slice_of(bridge: Bridge, *addresses: str, port_name: str | None = None) -> dict[str, Any]:
    """Its EndpointSlice."""
    name, protocol, address, port = bridge
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [a]} for a in addresses or (address,)],
        "ports": [{"name": protocol if port_name is None else port_name, "port": port}],
    }


def logins(lab: Lab, namespace: str, bridges: Sequence[Bridge]) -> list[dict[str, Any]]:
    """The Secrets of some bridges, each with its consent."""
    wanted = [protocol for _, protocol, _, _ in bridges if protocol != "elasticsearch"]
    return [secret(p, namespace, lab.passwords[p]) for p in wanted]


def deploy(lab: Lab, namespace: str, bridges: Sequence[Bridge] = FIVE) -> None:
    """Bridges as they should be."""
    objects = [o for b in bridges for o in (service(b), slice_of(b))]
    lab.apply([*objects, *logins(lab, namespace, bridges)], namespace=namespace)
    lab.await_rules(namespace)


def service_account(
    lab: Lab, namespace: str, without: str = "-", purpose: str = "doctor", more: Sequence[Any] = ()
) -> str:
    """The token of a service account that has the printed Role, less one verb of one resource."""
    printed = list(yaml.safe_load_all(k8sext(lab, "rbac", "--for", purpose, "-n", namespace).out))
    role: dict[str, Any] = printed[0]
    role["rules"] = [r for r in role["rules"] if without not in r["resources"]]
    role["rules"] += more
    name = role["metadata"]["name"]
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": "ci", "namespace": namespace}],
    }
    lab.kubectl("create", "serviceaccount", "ci", "-n", namespace)
    lab.apply([role, binding], namespace=namespace)
    return lab.kubectl("create", "token", "ci", "-n", namespace).strip()


def with_token(lab: Lab, path: Path, token: str, namespace: str) -> str:
    """A kubeconfig with that token."""
    data: Any = yaml.safe_load(lab.kubeconfig.read_text())
    data["users"][0]["user"] = {"token": token}
    data["contexts"][0]["context"]["namespace"] = namespace
    path.write_text(yaml.safe_dump(data))
    path.chmod(0o600)
    return str(path)
