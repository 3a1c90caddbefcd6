"""A probe's Job and its pod as an API server has them, and the records of its log."""

from __future__ import annotations

import copy
import json
from typing import Any

from k8sext.model.plan import Plan
from k8sext.vantage import job, pack
from k8sext.vantage.job import PodOptions

UID = "3f0c2b1e-0000-4000-8000-000000000001"
INDEX = "batch.kubernetes.io/job-completion-index"
NONCE = "5eed5eed5eed5eed"


def manifest_of(plan: Plan, options: PodOptions | None = None) -> dict[str, Any]:
    """What is sent."""
    entry = pack.entry_of(plan)
    env = {"K8SEXT_CODE_0": "code", "K8SEXT_PLAN_0": "plan"}
    return job.manifest(plan, pack.command(entry), env, options or PodOptions())


def job_of(plan: Plan, options: PodOptions | None = None, uid: str = UID) -> dict[str, Any]:
    """What the API server answers: the same with its defaults."""
    return defaulted(manifest_of(plan, options), uid)


def defaulted(manifest: dict[str, Any], uid: str = UID) -> dict[str, Any]:
    """A Job as the API server answers its creation."""
    made = copy.deepcopy(manifest)
    made["metadata"]["uid"] = uid
    spec = made["spec"]["template"]["spec"]
    spec |= {"dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler"}
    for container in spec["containers"]:
        container["terminationMessagePath"] = "/dev/termination-log"
        for entry in container.get("env", []):
            if "valueFrom" in entry:
                entry["valueFrom"]["fieldRef"]["apiVersion"] = "v1"
    for volume in spec["volumes"]:
        volume["secret"]["defaultMode"] = 420
    return made


def pod_of(made: dict[str, Any], shard: int = 0, uid: str = "", name: str = "") -> dict[str, Any]:
    """The pod that the Job controller makes of it, on a node, its container running."""
    template: dict[str, Any] = copy.deepcopy(made["spec"]["template"])
    owner: dict[str, Any] = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": made["metadata"]["name"],
        "uid": made["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    path = f"metadata.annotations['{INDEX}']"
    ref = {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}
    for container in template["spec"]["containers"]:
        container.setdefault("env", []).append({"name": "JOB_COMPLETION_INDEX", "valueFrom": ref})
    meta: dict[str, Any] = {
        **template["metadata"],
        "name": name or f"{made['metadata']['name']}-{shard}-x",
        "namespace": made["metadata"].get("namespace", "dev"),
        "uid": uid or f"pod-{shard}",
        "ownerReferences": [owner],
        "annotations": {**template["metadata"]["annotations"], INDEX: str(shard)},
        "finalizers": ["batch.kubernetes.io/job-tracking"],
    }
    meta["labels"] = {**meta["labels"], INDEX: str(shard), "controller-uid": owner["uid"]}
    tolerations = [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}]
    spec = {
        **template["spec"],
        "nodeName": "node2",
        "hostname": f"{made['metadata']['name']}-{shard}",
        "serviceAccountName": "default",
        "tolerations": tolerations,
        "priority": 0,
    }
    state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    status = {
        "podIP": "198.18.1.7",
        "containerStatuses": [{"name": "probe", "restartCount": 0, "state": state}],
    }
    return {"metadata": meta, "spec": spec, "status": status}


def records(*kinds: str, nonce: str = NONCE, **last: Any) -> list[dict[str, Any]]:
    """The records of a log, numbered; an end record says how many they are."""
    made: list[dict[str, Any]] = [
        {"seq": n, "nonce": nonce, "type": kind} for n, kind in enumerate(kinds)
    ]
    if kinds and kinds[-1] == "end":
        made[-1]["records"] = len(kinds)
    made[-1] |= last
    return made


def lines(made: list[dict[str, Any]]) -> list[bytes]:
    """Records as they stand in a log."""
    return [json.dumps(r).encode() for r in made]
