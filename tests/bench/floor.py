"""The floor under `doctor`: one Job created and its log followed over raw HTTPS, then deleted."""

from __future__ import annotations

import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from k8sext.errors import K8sextError
from k8sext.kube.session import Session

JOBS = "/apis/batch/v1/namespaces/dev/jobs"
PODS = "/api/v1/namespaces/dev/pods"


def job(name: str, image: str) -> dict[str, Any]:
    """A Job of one line."""
    container = {"name": "c", "image": image, "command": ["python3", "-c", "print('ok')"]}
    pod = {"restartPolicy": "Never", "containers": [container]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }


def main() -> None:
    """Create, follow, delete."""
    session = Session.load(Path(os.environ["KUBECONFIG"]), None, None, ())
    name = f"floor-{uuid.uuid4().hex[:8]}"
    session.post(JOBS, job(name, sys.argv[1]))
    end = time.monotonic() + 30
    while time.monotonic() < end and not _followed(session, name):
        time.sleep(0.02)
    session.delete(f"{JOBS}/{name}", {"propagationPolicy": "Background"})


def _followed(session: Session, name: str) -> bool:
    pods = session.get(PODS, labelSelector=f"job-name={name}")["items"]
    if not pods or not pods[0]["spec"].get("nodeName"):
        return False
    try:
        with session.open(f"{PODS}/{pods[0]['metadata']['name']}/log", follow="true") as lines:
            return any(b"ok" in line for line in lines)
    except K8sextError:
        return False


if __name__ == "__main__":
    main()
