"""The probe pod: where it goes, whom it looks like, what an unfriendly cluster does to it."""

import json
import os
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.lab import Lab
from tests.support import cluster
from tests.support.cluster import ELASTIC, FIVE, MYSQL, PG, REDIS, deploy, doctor, k8sext
from tests.support.rough_proxy import rough_proxy
from tests.support.watch import watched

pytestmark = pytest.mark.lab
OUTSIDE = "198.51.100.21"


@contextmanager
def taint(lab: Lab, node: str) -> Generator[None]:
    lab.kubectl("taint", "node", node, "k8sext-test=db:NoExecute")
    lab.kubectl("label", "node", node, "k8sext-test=db")
    try:
        yield
    finally:
        lab.kubectl("taint", "node", node, "k8sext-test-")
        lab.kubectl("label", "node", node, "k8sext-test-")


def test_the_pod_lands_on_the_node_that_was_asked_for(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, [REDIS])
    selector = ["--node-selector", "k8sext-test=db"]
    with taint(lab, "node2"):
        tolerated = doctor(lab, namespace, *selector, "--toleration", "k8sext-test=db:NoExecute")
        refused = doctor(lab, namespace, *selector, "--pod-start-timeout", "3")
    assert tolerated.code == 0, tolerated.out + tolerated.err
    assert tolerated.report["vantages"][0]["node"] == "node2"
    assert (refused.code, refused.overall()) == (3, ["KX905"])


def test_a_pull_secret_that_does_not_exist_does_no_harm_to_a_cached_image(
    lab: Lab, namespace: str
) -> None:
    deploy(lab, namespace, [REDIS])
    assert doctor(lab, namespace, "--image-pull-secret", "registry-login").code == 0


SHOP = {"app": "shop", "app.kubernetes.io/name": "shop"}


def workload(replicas: int = 0) -> dict[str, Any]:
    container = {"name": "main", "image": "lab.k8sext.io/python:3.11", "command": ["sleep", "600"]}
    template = {"metadata": {"labels": SHOP}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": SHOP}, "template": template},
    }


def shop_service(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "shop"},
        "spec": {"selector": {"app": "shop"}, "ports": [{"port": 80}], **spec},
    }


def test_a_probe_like_a_workload_gets_no_traffic_and_is_not_adopted(
    lab: Lab, namespace: str, tmp_path: Path
) -> None:
    """While the probe runs (the path is silent), the Service that selects it has nobody ready."""
    deploy(lab, namespace, [REDIS])
    lab.apply([workload(), shop_service()], namespace=namespace)
    with (
        lab.firewall("DROP", destination=OUTSIDE),
        watched(lab, namespace, tmp_path, ("pods", "endpointslices")) as seen,
    ):
        ran = doctor(lab, namespace, "--like", "deploy/shop")
    assert ran.code == 1
    slices = [s for s in seen.objects("endpointslices")
              if s["metadata"]["labels"]["kubernetes.io/service-name"] == "shop"]  # fmt: skip
    there = [e for s in slices for e in s.get("endpoints") or []]
    assert there, "the probe was never selected: the test proves nothing"
    assert not any(e["conditions"].get("ready") for e in there)
    states = seen.objects("pods")
    owners = {o["kind"] for p in states for o in p["metadata"]["ownerReferences"]}
    assert owners == {"Job"}
    labels = states[0]["metadata"]["labels"]
    assert labels["app"] == "shop"
    assert "pod-template-hash" not in labels


def test_a_policy_for_the_workload_speaks_of_a_probe_like_it(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, [REDIS])  # another bridge that works would prove it unenforced
    deny = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "shop-egress"},
        "spec": {"podSelector": {"matchLabels": SHOP}, "policyTypes": ["Egress"]},
    }
    lab.apply([workload(), deny], namespace=namespace)
    with lab.firewall("DROP", destination=OUTSIDE, port=26379):
        like = doctor(lab, namespace, "--like", "shop", "redis-svc")
        plain = doctor(lab, namespace)
    assert like.said("redis-svc") == [("KX309", "cluster-network")]
    assert plain.said("redis-svc") == [("KX302", "path")]


@pytest.mark.parametrize(
    ("words", "spec", "said"),
    [
        (["--like", "nothing"], {}, "is no Deployment"),
        (["--like", "pod/shop"], {}, "is none of"),
        (["--like", "shop"], {"publishNotReadyAddresses": True}, "Service shop publishes"),
        (["--toleration", "a:Never"], {}, "--toleration"),
        (["--node-selector", "a"], {}, "--node-selector"),
        (["--shards", "0"], {}, "--shards"),
    ],
)
def test_what_cannot_be_done_is_exit_2_in_one_sentence(
    lab: Lab, namespace: str, words: list[str], spec: dict[str, Any], said: str
) -> None:
    deploy(lab, namespace, [REDIS])
    lab.apply([workload(), shop_service(**spec)], namespace=namespace)
    ran = doctor(lab, namespace, *words)
    assert (ran.code, ran.out) == (2, "")
    (sentence,) = [line for line in ran.err.splitlines() if line.startswith("k8sext: ")]
    assert said in sentence


def test_a_patch_that_changes_what_runs_is_exit_2(lab: Lab, namespace: str, tmp_path: Path) -> None:
    deploy(lab, namespace, [REDIS])
    file = tmp_path / "patch.yaml"
    file.write_text(json.dumps({"spec": {"containers": [{"name": "probe", "command": ["sh"]}]}}))
    ran = doctor(lab, namespace, "--pod-patch", str(file))
    assert (ran.code, ran.out) == (2, "")
    assert "probe's command" in ran.err


# -- shards --------------------------------------------------------------------------------------


def test_shards_see_together_what_one_pod_sees(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace)
    ran = doctor(lab, namespace, "--shards", "3")
    assert ran.code == 0, ran.out + ran.err
    assert {v["pod"].rsplit("-", 2)[1] for v in ran.report["vantages"]} == {"0", "1", "2"}
    routes = {(o["service"], o["route"]) for b in ran.report["bridges"] for o in b["observations"]}
    assert routes == {(b[0], r) for b in FIVE for r in ("name", "endpoint")}


def test_a_shard_that_does_not_start_leaves_its_own_bridges_untested(
    lab: Lab, namespace: str
) -> None:
    deploy(lab, namespace, [REDIS, PG])
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "one"},
        "spec": {"hard": {"pods": "1"}},
    }
    lab.apply([quota], namespace=namespace)
    time.sleep(1)
    ran = doctor(lab, namespace, "--shards", "2")
    assert (ran.code, ran.overall()) == (3, ["KX903"])
    assert sorted(b["status"] for b in ran.report["bridges"]) == ["inconclusive", "pass"]


def test_a_shard_that_is_killed_leaves_its_own_bridges_untested(lab: Lab, namespace: str) -> None:
    """PostgreSQL's shard waits for a silent path when its pod is deleted; Redis has passed."""
    deploy(lab, namespace, [REDIS, PG])
    with lab.firewall("DROP", destination="198.51.100.9"):
        process = cluster.started(
            lab, "doctor", "-n", namespace, "--shards", "2", "--stage-timeout", "15", "-o", "json"
        )
        victim = _pod_that_probes(lab, namespace, "postgresql-svc")
        lab.kubectl("delete", "pod", "-n", namespace, victim, "--wait=false")
        ran = cluster.ended(process)
    assert ran.code == 3, ran.out + ran.err
    assert ran.overall() == ["KX911"]
    assert ran.bridge("redis-svc")["status"] == "pass"
    assert ran.said("postgresql-svc") == [("KX907", "tool-environment")]


def test_an_agent_that_is_killed_keeps_what_was_seen(lab: Lab, namespace: str) -> None:
    """As the kernel does when memory is short: no last word, no end record."""
    deploy(lab, namespace, [REDIS, PG])
    with lab.firewall("DROP", destination="198.51.100.9"):
        process = cluster.started(
            lab, "doctor", "-n", namespace, "--stage-timeout", "15", "-o", "json"
        )
        _pod_that_probes(lab, namespace, min(REDIS[0], PG[0]))
        os.kill(_agent(lab, namespace), signal.SIGKILL)
        ran = cluster.ended(process)
    assert (ran.code, ran.overall()) == (3, ["KX911"]), ran.out + ran.err
    assert "137" in ran.report["vantages"][0]["diagnoses"][0]["summary"]
    assert ran.bridge("redis-svc")["status"] == "pass"
    assert ran.said("postgresql-svc") == [("KX907", "tool-environment")]


def _agent(lab: Lab, namespace: str) -> int:
    """The process of the namespace's only probe, as this machine numbers it."""
    (pod,) = lab.get("pods", "-n", namespace)["items"]
    mark = f"K8SEXT_POD_IP={pod['status']['podIP']}\0".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes():
                return int(folder.name)
        except OSError:
            continue
    raise AssertionError("no such process")


def _pod_that_probes(lab: Lab, namespace: str, service: str) -> str:
    """Heaviest first, in the order of discovery: the first shard has the first bridge's name."""
    shard = "0" if service == min(REDIS[0], PG[0]) else "1"
    for _ in range(100):
        for pod in lab.get("pods", "-n", namespace)["items"]:
            index = pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]
            running = pod["status"].get("phase") == "Running"
            if index == shard and running:
                time.sleep(1.0)
                return str(pod["metadata"]["name"])
        time.sleep(0.1)
    raise AssertionError("no such pod")


# -- an unfriendly cluster -----------------------------------------------------------------------


def test_a_forbidden_namespace_has_its_own_preflight_and_failure(
    lab: Lab, namespace: str, tmp_path: Path
) -> None:
    """Everything may be read; probes may run in one of two namespaces."""
    deploy(lab, namespace, [REDIS])
    lab.kubectl("create", "serviceaccount", "ci", "-n", namespace)
    subject = {"kind": "ServiceAccount", "name": "ci", "namespace": namespace}
    printed = list(yaml.safe_load_all(k8sext(lab, "rbac", "-n", namespace).out))
    role = printed[0]
    reads = [{"apiGroups": ["", "discovery.k8s.io"], "verbs": ["list"],
              "resources": ["services", "endpoints", "endpointslices"]}]  # fmt: skip
    name = f"reads-{namespace}"
    group = "rbac.authorization.k8s.io"
    objects = [
        role,
        {"kind": "ClusterRole", "metadata": {"name": name}, "rules": reads},
        _binding("RoleBinding", role["metadata"]["name"], "Role", subject),
        _binding("ClusterRoleBinding", name, "ClusterRole", subject),
    ]
    for item in objects:
        item["apiVersion"] = f"{group}/v1"
    try:
        with lab.namespace() as other:
            deploy(lab, other, [REDIS])
            for space in (namespace, other):
                lab.kubectl("label", "services", "--all", "-n", space, f"test={namespace}")
            lab.apply(objects, namespace=namespace)
            token = lab.kubectl("create", "token", "ci", "-n", namespace).strip()
            config = _with_token(lab, tmp_path / "config", token)
            ran = k8sext(lab, "doctor", "-A", "-l", f"test={namespace}", "-o", "json",
                         "--image", lab.probe_image, "--kubeconfig", config)  # fmt: skip
    finally:
        lab.kubectl("delete", "clusterrole,clusterrolebinding", name, "--ignore-not-found")
    by = {b["namespace"]: b["status"] for b in ran.report["bridges"]}
    assert (by[namespace], by[other]) == ("pass", "inconclusive"), ran.out
    said = {v["namespace"]: v["diagnoses"] for v in ran.report["vantages"]}
    assert said[namespace] == []
    assert [d["code"] for d in said[other]] == ["KX902"]
    assert f"-n {other}" in said[other][0]["fix"]
    assert "create jobs" in said[other][0]["summary"]
    assert ran.code == 3


def _binding(kind: str, name: str, ref: str, subject: dict[str, str]) -> dict[str, Any]:
    group = "rbac.authorization.k8s.io"
    return {
        "kind": kind,
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": ref, "name": name},
        "subjects": [subject],
    }


def _with_token(lab: Lab, path: Path, token: str) -> str:
    data: Any = yaml.safe_load(lab.kubeconfig.read_text())
    data["users"][0]["user"] = {"token": token}
    path.write_text(yaml.safe_dump(data))
    path.chmod(0o600)
    return str(path)


UID_RANGE = "1000650000/10000"


@contextmanager
def uid_policy(lab: Lab, namespace: str) -> Generator[None]:
    """What OpenShift's restricted SCC does about numbers that a pod asks for."""
    name = f"uid-{namespace}"
    asks = "object.spec.?securityContext.?runAsUser.orValue(1000650000)"
    inside = f"({asks}) >= 1000650000 && ({asks}) < 1000660000"
    none = "!has(object.spec.securityContext) || !has(object.spec.securityContext.fsGroup)"
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["pods"],
                    }
                ]
            },
            "validations": [
                {"expression": inside, "message": "runAsUser is outside of the range"},
                {"expression": none, "message": "fsGroup is not allowed"},
            ],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
            },
        },
    }
    lab.apply([policy, binding])
    try:
        _await_denial(lab, namespace)
        yield
    finally:
        kinds = "validatingadmissionpolicybinding,validatingadmissionpolicy"
        lab.kubectl("delete", kinds, name, "--ignore-not-found")


def _await_denial(lab: Lab, namespace: str) -> None:
    """Policies count a moment after they were written."""
    words = ["kubectl", "run", "x", "-n", namespace, "--image=x", "--dry-run=server"]
    asked = '--overrides={"spec":{"securityContext":{"runAsUser":65532}}}'
    for _ in range(100):
        if lab.run([*words, asked]).returncode:
            return
        time.sleep(0.2)
    raise AssertionError("the policy never denied anything")


def test_where_the_platform_assigns_the_user_the_probe_asks_for_none(
    lab: Lab, namespace: str
) -> None:
    deploy(lab, namespace, [REDIS])
    # The lab's image runs as root, and nobody fills the number in as OpenShift's admission would.
    with uid_policy(lab, namespace):
        refused = doctor(lab, namespace)
        note = f"openshift.io/sa.scc.uid-range={UID_RANGE}"
        lab.kubectl("annotate", "namespace", namespace, note)
        patch = {"spec": {"securityContext": {"runAsUser": 1000650000}}}
        file = Path(lab.place.log) / f"{namespace}.yaml"
        file.write_text(json.dumps(patch))
        admitted = doctor(lab, namespace, "--pod-patch", str(file))
        plain = doctor(lab, namespace, "--pod-start-timeout", "6")
    assert (refused.code, refused.overall()) == (3, ["KX903"])
    assert "outside of the range" in refused.report["vantages"][0]["diagnoses"][0]["why"]
    assert admitted.code == 0, admitted.out + admitted.err
    # Admitted without a number of ours; that the image's own user is root is the kubelet's refusal.
    assert plain.overall() == ["KX912"]


def test_a_sidecar_is_found_and_connecting_is_no_evidence(
    lab: Lab, namespace: str, tmp_path: Path
) -> None:
    """A listener that accepts and hangs up plays the proxy that accepts before it dials."""
    deploy(lab, namespace, [REDIS])
    sidecar = {
        "name": "istio-proxy",
        "image": lab.probe_image,
        "command": ["sleep", "60"],
        "securityContext": {"allowPrivilegeEscalation": False},
    }
    file = tmp_path / "patch.yaml"
    file.write_text(json.dumps({"spec": {"containers": [sidecar]}}))
    with cluster.hangs_up(lab, "closed", 26379):
        target = cluster.slice_of(REDIS, "198.51.100.23")
        lab.apply([target], namespace=namespace)
        with_mesh = doctor(lab, namespace, "--pod-patch", str(file))
        without = doctor(lab, namespace)
    assert "Istio sidecar" in " ".join(with_mesh.report["vantages"][0]["notes"])
    assert with_mesh.said("redis-svc") == [("KX316", "cluster-network")]
    assert (with_mesh.code, with_mesh.bridge("redis-svc")["status"]) == (3, "inconclusive")
    assert not without.report["vantages"][0].get("notes")
    assert (without.code, without.said("redis-svc")) == (1, [("KX311", "server-config")])


# -- a rough way to the API server ---------------------------------------------------------------


def test_a_log_that_is_cut_is_read_on_without_loss_or_doubles(
    lab: Lab, namespace: str, tmp_path: Path
) -> None:
    deploy(lab, namespace)
    with rough_proxy(lab, "cut", tmp_path) as (config, said):
        ran = doctor(lab, namespace, "--kubeconfig", config)
    assert ran.code == 0, ran.out + ran.err
    assert said.count("cut") >= 2
    seen = [(o["service"], o["route"]) for b in ran.report["bridges"] for o in b["observations"]]
    assert sorted(seen) == sorted((b[0], r) for b in FIVE for r in ("name", "endpoint"))
    assert not ran.report["vantages"][0].get("notes")


def test_verdicts_survive_a_blocked_log_path(lab: Lab, namespace: str, tmp_path: Path) -> None:
    deploy(lab, namespace, [REDIS, PG, MYSQL, ELASTIC])
    wrong = cluster.secret_of("mysql-auth", password="not-the-password-7131")
    lab.apply([wrong], namespace=namespace)
    with rough_proxy(lab, "refuse", tmp_path) as (config, _):
        ran = doctor(lab, namespace, "--kubeconfig", config)
    assert ran.code == 1, ran.out + ran.err
    assert ran.said("mysql-svc") == [("KX601", "credentials")]
    assert {b["depth"] for b in ran.report["bridges"] if b["status"] == "pass"} == {"verify"}
    assert ran.overall() == []
    assert "termination message" in ran.report["vantages"][0]["notes"][-1]


def test_a_pod_that_nobody_says_anything_of_is_given_up_in_time(
    lab: Lab, namespace: str, tmp_path: Path
) -> None:
    deploy(lab, namespace, [REDIS])
    waits = {"name": "waits", "image": lab.probe_image, "command": ["sleep", "60"]}
    restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    patch = tmp_path / "patch.yaml"
    spec = {"initContainers": [{**waits, "securityContext": restricted}]}
    patch.write_text(yaml.safe_dump({"spec": spec}))
    ran = doctor(lab, namespace, "--pod-patch", str(patch), "--pod-start-timeout", "5")
    assert (ran.code, ran.overall()) == (3, ["KX906"])


def test_what_was_not_done_when_the_time_was_up_blames_nobody(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, [REDIS, PG])
    with lab.firewall("DROP", destination=OUTSIDE, port=26379):
        ran = doctor(lab, namespace, "--timeout", "1.5")
    assert ran.code == 3
    assert ran.said("redis-svc") == [("KX908", "tool-environment")]
    assert ran.bridge("postgresql-svc")["status"] == "pass"
