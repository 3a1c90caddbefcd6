"""A pod is ours if our Job made it and it does as the template says: attacks, and the usual."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from k8sext.model.bridge import CredentialRef
from k8sext.model.plan import Plan, Target
from k8sext.model.words import Route
from k8sext.vantage import proof
from k8sext.vantage.job import PodOptions
from tests.support.probe_pods import INDEX, job_of, manifest_of, pod_of

TARGET = Target(
    id="o1",
    service="redis-svc",
    port_key="redis",
    protocol="redis",
    route=Route.NAME,
    host="redis-svc",
    port=6379,
    credentials=CredentialRef(secret="redis-auth"),
)
PLAN = Plan(run_id="r1", namespace="dev", targets=(TARGET,), modules=())
SIDECAR = {"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.24", "env": []}
OPTIONS = PodOptions(
    node_selector={"zone": "a"}, patch={"spec": {"containers": [{"name": "helper", "image": "h"}]}}
)
JOB = job_of(PLAN, OPTIONS)
Change = Callable[[dict[str, Any]], object]


def made() -> proof.Made:
    found = proof.made_of(JOB)
    assert found
    return found


def probe(pod: dict[str, Any]) -> dict[str, Any]:
    return next(c for c in pod["spec"]["containers"] if c["name"] == "probe")


def env(name: str, value: str = "x") -> Change:
    return lambda pod: probe(pod)["env"].append({"name": name, "value": value})


def field(name: str, value: Any) -> Change:
    return lambda pod: probe(pod).update({name: value})


def spec(name: str, value: Any) -> Change:
    return lambda pod: pod["spec"].update({name: value})


def mount(path: str) -> Change:
    def change(pod: dict[str, Any]) -> None:
        pod["spec"]["volumes"].append({"name": "more", "emptyDir": {}})
        probe(pod)["volumeMounts"].append({"name": "more", "mountPath": path})

    return change


def both(*changes: Change) -> Change:
    return lambda pod: [change(pod) for change in changes]


def plan_of_another(pod: dict[str, Any]) -> None:
    next(e for e in probe(pod)["env"] if e["name"] == "K8SEXT_PLAN_0")["value"] = "forged"


def second_value(pod: dict[str, Any]) -> None:
    """The last of two entries of one name is what the container gets."""
    probe(pod)["env"].append({"name": "K8SEXT_CODE_0", "value": "forged"})


def other_secret(pod: dict[str, Any]) -> None:
    pod["spec"]["volumes"][0]["secret"]["secretName"] = "another"


def other_keys(pod: dict[str, Any]) -> None:
    items = [{"key": "admin", "path": "password"}]
    pod["spec"]["volumes"][0]["secret"]["items"] = items


def fixed_index(pod: dict[str, Any]) -> None:
    entry = next(e for e in probe(pod)["env"] if e["name"] == "JOB_COMPLETION_INDEX")
    entry.clear()
    entry |= {"name": "JOB_COMPLETION_INDEX", "value": "1"}


EXEC = {"exec": {"command": ["sh", "-c", "evil"]}}

ATTACKS: dict[str, tuple[Change, str]] = {
    "image of a registry that ends in the same words": (
        field("image", "evil.example/library/python:3.13-slim"), "image is evil.example"),
    "another tag": (field("image", "docker.io/library/python:3.12-slim"), "image is"),
    "command": (field("command", ["python3", "-c", "evil"]), "command was changed"),
    "arguments": (field("args", ["evil"]), "args was changed"),
    "plan": (plan_of_another, "K8SEXT_PLAN_0 was changed"),
    "the same variable once more": (second_value, "K8SEXT_CODE_0 was changed"),
    "a further piece of code": (env("K8SEXT_CODE_1"), "K8SEXT_CODE_1 was added"),
    "a library that is loaded first": (env("LD_PRELOAD"), "LD_PRELOAD was added"),
    "Python's path": (env("PYTHONPATH"), "PYTHONPATH was added"),
    "where python3 is looked for": (env("PATH", "/evil"), "PATH was added"),
    "libpq's address": (env("PGHOSTADDR"), "PGHOSTADDR was added"),
    "OpenSSL's configuration": (env("OPENSSL_CONF"), "OPENSSL_CONF was added"),
    "authorities": (env("SSL_CERT_FILE"), "SSL_CERT_FILE was added"),
    "variables of a Secret": (
        field("envFrom", [{"secretRef": {"name": "evil"}}]), "envFrom was changed"),
    "index by value": (fixed_index, "JOB_COMPLETION_INDEX was changed"),
    "a command after the start": (field("lifecycle", {"postStart": EXEC}), "lifecycle"),
    "a command as a health probe": (field("livenessProbe", EXEC), "livenessProbe"),
    "a mount over Python's library": (mount("/usr/local/lib/python3.13"), "mounted at"),
    "the name service cache's socket": (mount("/var/run/nscd"), "mounted at /var/run/nscd"),
    "a mount over our Secret": (
        mount("/k8sext/credentials/./redis-auth"), "credentials/redis-auth twice"),
    "all of /run": (mount("/run"), "mounted at /run"),
    "a mount that looks like a token's": (
        mount("/var/run/secrets/../../../usr/lib"), "mounted at /usr/lib"),
    "another Secret": (other_secret, "credentials/redis-auth was changed"),
    "other keys of the Secret": (other_keys, "credentials/redis-auth was changed"),
    "names of its own": (
        spec("hostAliases", [{"ip": "192.0.2.66", "hostnames": ["redis-svc"]}]), "hostAliases"),
    "a resolver of its own": (spec("dnsConfig", {"nameservers": ["192.0.2.66"]}), "dnsConfig"),
    "no cluster DNS": (spec("dnsPolicy", "None"), "dnsPolicy"),
    "the node's network": (spec("hostNetwork", True), "hostNetwork"),
    "processes in common": (spec("shareProcessNamespace", True), "shareProcessNamespace"),
    "another node": (spec("nodeSelector", {}), "nodeSelector"),
    "a sidecar": (lambda p: p["spec"]["containers"].append(SIDECAR), "istio-proxy was added"),
    "an init container": (spec("initContainers", [SIDECAR]), "istio-proxy was added"),
    "a debugger": (spec("ephemeralContainers", [{"name": "debugger"}]), "debugger was added"),
    "the probe taken away": (
        lambda p: p["spec"]["containers"].remove(probe(p)), "probe is missing"),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_a_pod_with_our_jobs_uid_that_does_something_else_is_found_out(name: str) -> None:
    change, said = ATTACKS[name]
    pod = pod_of(JOB)
    change(pod)
    assert proof.foreign(pod, made()) == ""  # who made it can be forged
    found = proof.differences(made().spec, pod["spec"])
    assert any(said in f for f in found), found


def token(pod: dict[str, Any]) -> None:
    """What EKS Pod Identity adds."""
    path = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
    volume = {"name": "eks-token", "projected": {"sources": []}}
    pod["spec"]["volumes"].append(volume)
    probe(pod)["volumeMounts"].append({"name": "eks-token", "mountPath": path, "readOnly": True})
    env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials")(pod)
    env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", f"{path}/eks-pod-identity-token")(pod)


def account(pod: dict[str, Any]) -> None:
    path = "/var/run/secrets/kubernetes.io/serviceaccount"
    pod["spec"]["volumes"].append({"name": "kube-api-access-8xk2p", "projected": {}})
    mounted = {"name": "kube-api-access-8xk2p", "readOnly": True, "mountPath": path}
    probe(pod)["volumeMounts"].append(mounted)


USUAL: dict[str, Change] = {
    "as the Job controller makes it": lambda _pod: None,
    "EKS Pod Identity": token,
    "a service account's token": account,
    "variables of a policy": both(env("HTTPS_PROXY"), env("TZ"), env("OTEL_SERVICE_NAME")),
    "an agent's socket": mount("/var/run/datadog"),
    "a writable /tmp": mount("/tmp"),
    "a digest for a tag": field("image", "docker.io/library/python:3.13-slim@sha256:" + "a" * 64),
    "a digest in place of a tag": field("image", "docker.io/library/python@sha256:" + "a" * 64),
    "a short name": field("image", "python:3.13-slim"),
    "AlwaysPullImages": field("imagePullPolicy", "Always"),
    "a LimitRange": field("resources", {"limits": {"cpu": "1", "memory": "256Mi"}}),
    "OpenShift's security context": both(
        field("securityContext", {"runAsUser": 1000680000}),
        spec("securityContext", {"fsGroup": 1000680000, "seLinuxOptions": {"level": "s0:c26"}}),
    ),
    "pull secrets of the account": spec("imagePullSecrets", [{"name": "registry"}]),
    "a runtime class": both(spec("runtimeClassName", "gvisor"), spec("overhead", {"cpu": "1m"})),
    "a priority": both(spec("priorityClassName", "low"), spec("priority", -1)),
    "a node selector of the namespace": lambda p: p["spec"]["nodeSelector"].update(pool="ci"),
    "defaults written out": both(
        spec("dnsPolicy", "ClusterFirst"), spec("hostNetwork", False), spec("hostAliases", [])
    ),
}


@pytest.mark.parametrize("name", USUAL)
def test_what_clusters_do_to_every_pod_raises_no_alarm(name: str) -> None:
    pod = pod_of(JOB)
    USUAL[name](pod)
    assert proof.differences(made().spec, pod["spec"]) == ()
    assert proof.shard_of(pod) == 0


def test_the_template_counts_as_admission_left_it_in_the_job() -> None:
    """Kyverno rewrites images in the templates of controllers as well."""
    rewritten = copy.deepcopy(JOB)
    probe(rewritten["spec"]["template"])["image"] = "mirror.example/library/python:3.13-slim"
    found = proof.made_of(rewritten)
    assert found
    assert proof.differences(found.spec, pod_of(rewritten)["spec"]) == ()
    assert proof.differences(found.spec, pod_of(JOB)["spec"]) != ()


def test_what_was_sent_is_found_in_what_the_api_server_has_with_its_defaults() -> None:
    sent = manifest_of(PLAN, OPTIONS)["spec"]["template"]["spec"]
    assert proof.differences(sent, made().spec) == ()


# -- who made it ----------------------------------------------------------------------------------


def owners(*found: dict[str, Any]) -> Change:
    return lambda pod: pod["metadata"].update(ownerReferences=list(found))


OURS = {"kind": "Job", "name": "k8sext-r1", "uid": JOB["metadata"]["uid"], "controller": True}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (owners(), "no controller made it"),
        (lambda p: p["metadata"].pop("ownerReferences"), "no controller made it"),
        (owners({**OURS, "controller": False}), "no controller made it"),
        (owners({**OURS, "uid": "another"}), "another Job k8sext-r1"),
        (owners({**OURS, "kind": "Pod"}), "its controller is another"),
        (owners({"kind": "ReplicaSet", "name": "shop-1", "uid": "u", "controller": True}),
         "ReplicaSet/shop-1"),
        (owners(OURS, {"kind": "ReplicaSet", "name": "s", "uid": "u", "controller": True}),
         "its controller is"),
    ],
)  # fmt: skip
def test_a_pod_that_only_carries_the_label_is_foreign(change: Change, said: str) -> None:
    pod = pod_of(JOB)
    change(pod)
    assert said in proof.foreign(pod, made())


@pytest.mark.parametrize("text", ["x", "-1", "1e9", "999999999", "", None, 3])
def test_an_index_that_is_no_number_is_nobodys(text: Any) -> None:
    pod = pod_of(JOB)
    pod["metadata"]["annotations"][INDEX] = pod["metadata"]["labels"][INDEX] = text
    assert proof.shard_of(pod) is None or text == 3


def test_two_indexes_are_none() -> None:
    pod = pod_of(JOB)
    pod["metadata"]["labels"][INDEX] = "1"
    assert proof.shard_of(pod) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("python", "docker.io/library/python:latest", True),
        ("me/tool:1", "docker.io/me/tool:1", True),
        ("localhost/tool:1", "docker.io/localhost/tool:1", False),
        ("registry:5000/python:1", "registry:5000/python:1", True),
        ("registry:5000/python", "registry:5000/python:latest", True),
        ("registry:5000/python:1", "registry:5001/python:1", False),
        ("r.example/a@sha256:1", "r.example/a@sha256:2", False),
        ("r.example/a@sha256:1", "r.example/a:1", False),
        ("r.example/a:1", "r.example/b@sha256:2", False),
    ],
)
def test_images_are_the_same_by_the_runtimes_own_rules(one: str, other: str, same: bool) -> None:
    assert proof.same_image(one, other) is same


@pytest.mark.parametrize("odd", [None, [], "x", 7, {"name": None}, {"containers": "x"}])
def test_what_is_no_pod_is_not_ours_and_breaks_nothing(odd: Any) -> None:
    pod = {"metadata": odd, "spec": odd, "status": odd}
    assert proof.foreign(pod, made()) != ""
    assert proof.shard_of(pod) in (0, None)
    assert proof.restarted(pod) is False
