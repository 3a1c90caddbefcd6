"""`make demo`: the main job on the lab: provision the five base bridges, then doctor on them,
from a pod and, with the official drivers, through a port-forward.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from tests.lab.lab import Lab

PROJECT = Path(__file__).resolve().parents[2]
BRIDGES = PROJECT / "tests" / "testdata" / "demo" / "bridges.yaml"
K8SEXT = str(PROJECT / ".venv" / "bin" / "k8sext")
JUNIT = "k8sext-report/k8sext.xml"
RELAY = ("--from", "relay", "--credentials", "cluster")
SERVERS = ("postgresql", "mysql", "rabbitmq", "redis")


def secret(service: str, namespace: str, password: str) -> dict[str, Any]:
    """The login of one demo server; `k8sext.service` is the Secret's own consent."""
    values = {"username": "shop", "password": password, "k8sext.service": f"{service}-svc"}
    if service in ("postgresql", "mysql"):
        values["database"] = "shop"
    if service == "redis":
        del values["username"]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"{service}-auth", "namespace": namespace},
        "stringData": values,
    }


def prepare(lab: Lab, namespace: str = "dev") -> None:
    """The namespace and the Secrets of the five base bridges."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    lab.apply([space, *(secret(s, namespace, lab.passwords[s]) for s in SERVERS)])


def main() -> int:
    """Run the demo in the lab's laptop namespace; returns doctor's exit code."""
    lab = Lab.current()
    prepare(lab)
    shown = [
        ["provision", "-f", str(BRIDGES)],
        ["doctor", "-n", "dev", "--image", lab.probe_image, "--junit", JUNIT],
        ["doctor", "-n", "dev", "--image", lab.probe_image, *RELAY],
    ]
    code = 0
    for arguments in shown:
        words = [os.path.relpath(a) if a == str(BRIDGES) else a for a in arguments]
        sys.stdout.write(f"\n$ k8sext {' '.join(words)}\n")
        sys.stdout.flush()
        code = lab.run([K8SEXT, *arguments], capture=False).returncode
        if code:
            return code
    sys.stdout.write(
        f"\nJUnit: {JUNIT}. The lab is still up; `make lab-down` ends it.\n"
        "Try it yourself: python -m tests.lab run -- .venv/bin/k8sext list -A\n"
    )
    return code


if __name__ == "__main__":
    sys.exit(main())
