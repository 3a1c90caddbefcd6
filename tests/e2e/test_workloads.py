"""`doctor --workloads` and `graph` with real Deployments, whose pods do what the report says."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.lab.lab import Lab
from tests.support.cluster import (
    RABBIT,
    REDIS,
    Run,
    deploy,
    doctor,
    k8sext,
    service_account,
    with_token,
)

pytestmark = pytest.mark.lab

# What the application does with what it is told: connect, and say so once.
APP = """
import os, socket, sys, time
for name, value in os.environ.items():
    if not name.endswith("_ADDRESS"):
        continue
    host, _, port = value.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 3).close()
        print(name, "connected", flush=True)
    except OSError as error:
        print(name, "failed", type(error).__name__, flush=True)
time.sleep(3600)
"""
YML = """\
spring:
  rabbitmq:
    host: rabbitmq-svc.{namespace}.svc.cluster.local
    port: 5672
    username: shop
# svcname.namespace.svc.cluster.local:port
rabbitmq-svc.{namespace}.svc.cluster.local:9411
"""


def pod(lab: Lab, env: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A pod template of the lab's image."""
    listed = [
        {"name": name, **({"value": value} if isinstance(value, str) else {"valueFrom": value})}
        for name, value in env.items()
    ]
    container = {
        "name": "app",
        "image": lab.probe_image,
        "command": ["python3", "-c", APP],
        "env": listed,
        **{k: v for k, v in more.items() if k != "volumes"},
    }
    spec = {"containers": [container], "volumes": more.get("volumes", []),
            "terminationGracePeriodSeconds": 0}  # fmt: skip
    return {"spec": spec}


def workload(kind: str, name: str, template: Mapping[str, Any], **spec: Any) -> dict[str, Any]:
    labels = {"app": name}
    if kind == "CronJob":
        inner = {**template, "spec": {**template["spec"], "restartPolicy": "Never"}}
        body = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": inner}}}
        return {"apiVersion": "batch/v1", "kind": kind, "metadata": {"name": name}, "spec": body}
    body = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, **template},
        **spec,
    }
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": body}


def secret(name: str, key: str = "password") -> dict[str, Any]:
    return {"secretKeyRef": {"name": name, "key": key}}


def shop(lab: Lab) -> dict[str, Any]:
    """Two pods that use both bridges as they should."""
    env = {"CACHE_ADDRESS": "redis-svc:26379", "CACHE_PASSWORD": secret("redis-auth")}
    mounts = [{"name": "config", "mountPath": "/config"}]
    volumes = [{"name": "config", "configMap": {"name": "shop-config"}}]
    template = pod(lab, env, volumeMounts=mounts, volumes=volumes)
    return workload("Deployment", "shop", template, replicas=2)


def config(namespace: str, text: str = YML) -> dict[str, Any]:
    data = {"application.yml": text.replace("{namespace}", namespace)}
    meta = {"name": "shop-config"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def faulty(lab: Lab) -> list[dict[str, Any]]:
    """One fault each: the article's port, an address, a misspelt name, another login."""
    other = {"CACHE_HOST": "redis-svc", "CACHE_PORT": "26379", "CACHE_PASSWORD": secret("other")}
    return [
        workload("CronJob", "nightly", pod(lab, {}, args=["--rabbit-host", "rabbitmq-svc",
                                                          "--rabbit-port", "9411"])),
        workload("Deployment", "direct", pod(lab, {"CACHE_ADDRESS": "198.51.100.21:26379"})),
        workload("StatefulSet", "typo", pod(lab, {"CACHE_ADDRESS": "redis-scv:26379",
                                                  "CACHE_URL": "redis://redis-scv:26379"})),
        workload("Deployment", "port", pod(lab, {"CACHE_ADDRESS": "redis-svc:6379"})),
        workload("DaemonSet", "login", pod(lab, other)),
        workload("Deployment", "lonely", pod(lab, {"COLOUR": "blue"})),
    ]  # fmt: skip


def ready(lab: Lab, namespace: str, *names: str) -> None:
    """Until the pods of these have been scheduled and run."""
    for name in names:
        lab.kubectl("rollout", "status", name, "-n", namespace, "--timeout=90s")


def items(ran: Run) -> dict[str, dict[str, Any]]:
    return {f"{i['kind']}/{i['name']}": i for i in ran.report["workloads"]["items"]}


def codes(ran: Run) -> dict[str, list[str]]:
    return {name: item["findings"] for name, item in items(ran).items()}


def nodes(lab: Lab, namespace: str, app: str) -> list[str]:
    found = lab.get("pods", "-n", namespace, "-l", f"app={app}")["items"]
    return sorted({p["spec"]["nodeName"] for p in found})


def said(lab: Lab, namespace: str, name: str) -> str:
    """What the application itself saw."""
    return lab.kubectl("logs", name, "-n", namespace)


def test_each_fault_is_told_of_its_workload_and_of_no_other(
    lab: Lab, namespace: str, tmp_path: Path
) -> None:
    deploy(lab, namespace, [REDIS, RABBIT])
    lab.apply([config(namespace), shop(lab), *faulty(lab)], namespace=namespace)
    ready(lab, namespace, "deploy/shop", "deploy/port", "deploy/direct", "statefulset/typo")
    junit = tmp_path / "k8sext.xml"
    ran = doctor(lab, namespace, "--workloads", "--junit", str(junit))
    assert ran.code == 1, ran.out + ran.err
    assert {b["status"] for b in ran.report["bridges"]} == {"pass"}
    assert codes(ran) == {
        "CronJob/nightly": ["KX150"],
        "DaemonSet/login": ["KX153"],
        "Deployment/direct": ["KX152"],
        "Deployment/port": ["KX150"],
        "Deployment/shop": ["KX150"],
        "StatefulSet/typo": ["KX151"],
    }
    assert {name: i["status"] for name, i in items(ran).items()} == {
        "CronJob/nightly": "fail",
        "DaemonSet/login": "pass",
        "Deployment/direct": "warn",
        "Deployment/port": "fail",
        "Deployment/shop": "warn",  # the line of the article is no setting
        "StatefulSet/typo": "warn",
    }
    assert ran.report["workloads"]["without"] == 1
    for name in ("shop", "port", "direct"):
        assert items(ran)[f"Deployment/{name}"]["nodes"] == nodes(lab, namespace, name)
    logins = {b["service"]: b["login"] for b in items(ran)["Deployment/shop"]["bridges"]}
    assert logins["redis-svc"] == "Secret redis-auth"
    assert lab.passwords["redis"] not in ran.out + junit.read_text()
    # The applications agree.
    assert "CACHE_ADDRESS connected" in said(lab, namespace, "deploy/shop")
    assert "CACHE_ADDRESS connected" in said(lab, namespace, "deploy/direct")
    assert "CACHE_ADDRESS failed" in said(lab, namespace, "deploy/port")
    assert "CACHE_ADDRESS failed gaierror" in said(lab, namespace, "statefulset/typo")
    suite = next(s for s in ET.parse(junit).getroot() if s.get("name") == "k8sext.workloads")
    failed = {c.get("name") for c in suite if c.find("failure") is not None}
    assert failed == {"CronJob/nightly", "Deployment/port"}


def test_workloads_that_reach_all_are_a_pass(lab: Lab, namespace: str, tmp_path: Path) -> None:
    deploy(lab, namespace, [REDIS, RABBIT])
    good = YML.rpartition("rabbitmq-svc")[0]
    lab.apply([config(namespace, good), shop(lab)], namespace=namespace)
    ran = doctor(lab, namespace, "--workloads")
    assert ran.code == 0, ran.out + ran.err
    assert codes(ran) == {"Deployment/shop": []}
    assert items(ran)["Deployment/shop"]["status"] == "pass"
    assert {b["service"] for b in items(ran)["Deployment/shop"]["bridges"]} == {
        "redis-svc", "rabbitmq-svc",
    }  # fmt: skip
    file = tmp_path / "run.json"
    file.write_text(ran.out)
    drawn = k8sext(lab, "graph", "--from-report", str(file))
    assert drawn.code == 0
    assert "class w1 pass" in drawn.out


def test_a_bridge_that_fails_fails_its_workloads_alone(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, [REDIS, RABBIT])
    other = workload("Deployment", "other", pod(lab, {"Q": "amqp://rabbitmq-svc"}))
    lab.apply([config(namespace, "a: b"), shop(lab), other], namespace=namespace)
    with lab.server("redis").stopped():
        ran = doctor(lab, namespace, "--workloads")
    assert ran.code == 1
    assert {n: i["status"] for n, i in items(ran).items()} == {
        "Deployment/other": "pass", "Deployment/shop": "fail",
    }  # fmt: skip


def test_the_picture(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, [REDIS, RABBIT])
    lab.apply([config(namespace), shop(lab), *faulty(lab)], namespace=namespace)
    drawn = k8sext(lab, "graph", "-n", namespace)
    assert drawn.code == 0, drawn.err
    assert drawn.out.startswith("flowchart LR\n")
    for label in ("CronJob/nightly", "Deployment/shop", "redis-svc", "198.51.100.21:26379"):
        assert label in drawn.out
    assert "lonely" not in drawn.out
    assert "passes redis-svc by" in drawn.out
    assert k8sext(lab, "graph", "-n", namespace).out == drawn.out
    assert k8sext(lab, "graph", "-n", namespace, "-o", "dot").out.startswith("digraph")


def test_with_the_printed_role_and_without_configmaps(
    lab: Lab, namespace: str, tmp_path: Path
) -> None:
    """No Secret is ever read; what may not be read is a named skip."""
    deploy(lab, namespace, [REDIS, RABBIT])
    lab.apply([config(namespace), shop(lab)], namespace=namespace)
    token = service_account(lab, namespace, without="configmaps", purpose="workloads")
    kubeconfig = with_token(lab, tmp_path / "kubeconfig", token, namespace)
    ran = k8sext(lab, "doctor", "-n", namespace, "-o", "json", "--workloads", "--image",
                 lab.probe_image, "--kubeconfig", kubeconfig)  # fmt: skip
    assert ran.code == 0, ran.out + ran.err
    assert ran.report["workloads"]["notes"] == ["configmaps were not read: Forbidden"]
    shown = items(ran)["Deployment/shop"]
    assert [b["service"] for b in shown["bridges"]] == ["redis-svc"]
    user = f"system:serviceaccount:{namespace}:ci"
    asked = [e["objectRef"]["resource"] for e in lab.audit()
             if e["user"]["username"] == user and "objectRef" in e]  # fmt: skip
    assert "deployments" in asked
    assert "secrets" not in asked


def test_the_report_is_the_same_offline(lab: Lab, namespace: str, tmp_path: Path) -> None:
    deploy(lab, namespace, [REDIS])
    lab.apply([config(namespace), shop(lab)], namespace=namespace)
    file = tmp_path / "run.json"
    ran = doctor(lab, namespace, "--workloads")
    file.write_text(ran.out)
    again = k8sext(lab, "report", str(file), "-o", "json")
    assert json.loads(again.out)["workloads"] == ran.report["workloads"]


def test_how_pods_find_a_bridge(lab: Lab, namespace: str) -> None:
    """Images, variables of Services, the node's DNS, policies and a mesh's names: all real ones."""
    redis = ("redis", *REDIS[1:])
    deploy(lab, namespace, [redis])
    lab.kubectl("label", "namespace", namespace, "istio-injection=enabled")
    named = {"op": "replace", "path": "/spec/ports/0/name", "value": "http"}
    renamed = {**named, "path": "/ports/0/name"}
    for kind, name, step in (("service", "redis", named), ("endpointslice", "redis-1", renamed)):
        patch = json.dumps([step])
        lab.kubectl("patch", kind, name, "-n", namespace, "--type=json", "-p", patch)
    image = pod(lab, {})
    image["spec"]["containers"][0]["image"] = f"redis.{namespace}:26379/shop:1"
    on_node = pod(lab, {"CACHE_ADDRESS": "redis:26379"})
    on_node["spec"]["hostNetwork"] = True
    reads = pod(lab, {"PORT": "$(REDIS_PORT)"}, args=["$(REDIS_PORT)"])
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "narrow"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "narrow"}},
            "policyTypes": ["Egress"],
            "egress": [{"to": [{"ipBlock": {"cidr": "198.51.100.21/32"}}]}],
        },
    }
    made = [
        workload("Deployment", "pulled", image),
        workload("Deployment", "host", on_node),
        workload("Deployment", "reads", reads),
        workload("Deployment", "narrow", pod(lab, {"CACHE_ADDRESS": "redis:26379"})),
        policy,
    ]
    lab.apply(made, namespace=namespace)
    ready(lab, namespace, "deploy/host", "deploy/reads")
    assert "CACHE_ADDRESS failed gaierror" in said(lab, namespace, "deploy/host")
    ran = doctor(lab, namespace, "--workloads")
    assert codes(ran) == {
        "Deployment/host": ["KX156"],
        "Deployment/narrow": ["KX157"],
        "Deployment/pulled": ["KX154"],
        "Deployment/reads": ["KX155"],
    }
    assert ("KX158", "manifest") in ran.said("redis")
    commands = {d["code"]: d["command"] for d in ran.bridge("redis")["diagnoses"]}
    commands |= {f["code"]: f["command"] for f in ran.report["findings"] if "command" in f}
    for code in ("KX156", "KX158"):
        assert lab.run(["bash", "-c", commands[code]]).returncode == 0, commands[code]
    mended = doctor(lab, namespace, "--workloads")
    assert codes(mended)["Deployment/host"] == []
    assert ("KX158", "manifest") not in mended.said("redis")
    # The kubelet and the node agree.
    links = said_by(lab, namespace, "deploy/reads", "env")
    assert "REDIS_PORT=tcp://" in links


def said_by(lab: Lab, namespace: str, name: str, command: str) -> str:
    return lab.kubectl("exec", name, "-n", namespace, "--", command)
