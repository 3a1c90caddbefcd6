"""Every job, run by an account that has exactly what `k8sext rbac` prints for it.

The API server's audit log tells both ways: nothing that the job asked for was denied, and no right
of the printed roles stayed unused.
"""

import shlex
import uuid
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.lab import Lab
from tests.support.cluster import REDIS, deploy, k8sext, with_token

pytestmark = pytest.mark.lab

Right = tuple[str, str, str]  # verb, resource with its subresource, API group

# Rights that no run can be made to need here, each with the reason.
UNSEEN = {
    "*": {
        # The audit policy of the lab leaves events out: everybody writes them all the time.
        ("list", "events", ""),
        ("watch", "events", ""),
        # Only where the answer to the Job's POST was lost.
        ("get", "jobs", "batch"),
    },
    "resolve": {("list", "pods", "")},  # only where the watch is cut
    # From Kubernetes 1.35 on the GET of a WebSocket is asked for `create` as well (feature
    # AuthorizePodWebsocketUpgradeCreatePermission); the audit log tells the GET only.
    "relay": {("create", "pods/portforward", "")},
    "provision": {
        # Only OpenShift's admission asks for it.
        ("create", "endpointslices/restricted", "discovery.k8s.io"),
        # Asked for within a PATCH (server-side apply) of what is not there yet, which the audit log
        # tells as `patch`.
        ("create", "services", ""),
        ("create", "endpointslices", "discovery.k8s.io"),
        ("create", "ingresses", "networking.k8s.io"),
    },
}
_BACKEND = {"service": {"name": "web-svc", "port": {"number": 80}}}
_PATHS = [{"path": "/", "pathType": "Prefix", "backend": _BACKEND}]
INGRESS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": {"name": "shop"},
    "spec": {
        "ingressClassName": "nobodys",
        "rules": [{"host": "shop.example.com", "http": {"paths": _PATHS}}],
    },
}
WEB = ("web-svc", "http", "198.51.100.31", 80)
CLOSED = ("closed-svc", "redis", "198.51.100.23", 26379)


def bridges(to: list[str], ingress: str) -> str:
    """A file for `provision`; the slice of addresses goes when a name takes their place."""
    one: dict[str, Any] = {
        "name": "made-svc",
        "protocol": "http",
        "to": to,
        "ports": [{"name": "http", "port": 80}],
    }
    if ingress:
        one["ingress"] = {"host": ingress, "class": "nobodys"}
    file = {"apiVersion": "k8sext.io/v1", "kind": "Bridges", "bridges": [one]}
    return yaml.safe_dump(file)


# The job, and the commands that it stands for.
JOBS = {
    "doctor": ["doctor --image {image}"],
    "relay": ["doctor --from relay --image {image}"],
    "like": ["doctor --like shop --image {image}"],
    "workloads": ["doctor --workloads --image {image}"],
    "list": ["list"],
    "graph": ["graph"],
    "provision": ["provision -f {addresses}", "provision -f {name}"],
    "resolve": ["provision old-svc --to redis.corp.example --port 26379 --protocol redis"
                " --resolve --image {image} --dry-run=server"],
    "cleanup": ["cleanup --all"],
}  # fmt: skip


def granted(documents: Iterable[Any]) -> set[Right]:
    return {
        (verb, resource, group)
        for d in documents
        if d["kind"] in ("Role", "ClusterRole")
        for rule in d["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def asked(lab: Lab, user: str) -> list[tuple[Right, str, int]]:
    """What an account asked for: right, namespace and the answer's code."""
    found: list[tuple[Right, str, int]] = []
    for entry in lab.audit():
        ref = entry.get("objectRef") or {}
        if entry["user"]["username"] != user or ref.get("resource", "").startswith("selfsubject"):
            continue
        if not ref:
            continue  # /version, /apis
        resource = "/".join(filter(None, (ref["resource"], ref.get("subresource"))))
        right = (entry["verb"], resource, ref.get("apiGroup", ""))
        code = entry.get("responseStatus", {}).get("code", 0)
        found.append((right, ref.get("namespace", ""), code))
    return found


@contextmanager
def account(
    lab: Lab, job: str, namespace: str, path: Path
) -> Generator[tuple[str, str, set[Right]]]:
    """An account with the printed roles: its user name, a kubeconfig, and what the roles grant."""
    name = f"ci-{uuid.uuid4().hex[:6]}"
    more = ["provision"] if job == "resolve" else []  # what comes in addition to that
    printed = [roles(lab, one, namespace, name) for one in (job, *more)]
    documents = [d for part in printed for d in part]
    lab.apply(documents)
    token = lab.kubectl("create", "token", name, "-n", namespace).strip()
    try:
        config = with_token(lab, path, token, namespace)
        yield f"system:serviceaccount:{namespace}:{name}", config, granted(printed[0])
    finally:
        for document in documents:
            if document["kind"].startswith("Cluster"):
                wide = document["metadata"]["name"]
                lab.kubectl("delete", document["kind"], wide, "--ignore-not-found")


def roles(lab: Lab, job: str, namespace: str, name: str) -> list[Any]:
    """What is printed for a job; what is of the whole cluster under a name of this test's own."""
    words = ["rbac", "--for", job, "-n", namespace, "--service-account", name]
    documents = list(yaml.safe_load_all(k8sext(lab, *words).out))
    for document in documents:
        if document["kind"].startswith("ClusterRole"):
            document["metadata"]["name"] += f"-{name}"
        if document["kind"] == "ClusterRoleBinding":
            document["roleRef"]["name"] += f"-{name}"
    return documents


@pytest.mark.parametrize("job", JOBS)
def test_the_printed_roles_are_what_the_job_uses(
    lab: Lab, namespace: str, tmp_path: Path, job: str
) -> None:
    if job not in ("provision", "resolve"):
        deploy(lab, namespace, [REDIS, CLOSED, WEB])
        lab.apply([INGRESS], namespace=namespace)
    if job == "like":
        lab.kubectl("create", "deployment", "shop", "--image", "none.example/shop", "--replicas=0",
                    "-n", namespace)  # fmt: skip
    if job == "cleanup":
        leave_a_job(lab, namespace)
    files = {
        "addresses": bridges(["198.51.100.31"], "shop.example.com"),
        "name": bridges(["web.corp.example"], ""),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    paths = {name: shlex.quote(str(tmp_path / name)) for name in files}
    with account(lab, job, namespace, tmp_path / "config") as (user, config, rights):
        for line in JOBS[job]:
            words = shlex.split(line.format(image=lab.probe_image, **paths))
            ran = k8sext(lab, *words, "-n", namespace, "--kubeconfig", config)
            assert ran.code in (0, 1), ran.out
    seen = asked(lab, user)
    assert {(right, where) for right, where, code in seen if code == 403} == set()
    unused = rights - {right for right, _, _ in seen} - UNSEEN["*"] - UNSEEN.get(job, set())
    assert unused == set()


def leave_a_job(lab: Lab, namespace: str) -> None:
    """As an interrupted run leaves one."""
    labels = {"app.kubernetes.io/managed-by": "k8sext", "k8sext.io/run": "abcd1234"}
    container = {"name": "probe", "image": lab.probe_image, "command": ["sleep", "60"]}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "k8sext-left", "labels": labels},
        "spec": {"template": {"metadata": {"labels": labels},
                              "spec": {"containers": [container], "restartPolicy": "Never"}}},
    }  # fmt: skip
    lab.apply([job], namespace=namespace)
