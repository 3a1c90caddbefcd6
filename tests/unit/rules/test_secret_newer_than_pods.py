"""KX618: which pods hold an old login, by what the API says of the Secret and of the containers."""

from dataclasses import replace
from typing import Any

import pytest

from k8sext.lint import run as lint
from k8sext.model.bridge import CredentialRef
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Objects, Subject
from k8sext.model.words import Severity
from k8sext.workloads import held
from k8sext.workloads.view import view
from tests.support.seen import bridge

STARTED, BEFORE, AFTER = "2026-11-30T10:00:00Z", "2026-11-30T09:00:00Z", "2026-11-30T11:30:00Z"
BRIDGE = bridge("orders-db", credentials=CredentialRef(secret="orders-db-auth"))
ENV = {"env": [{"name": "DB_PASSWORD", "valueFrom": {
    "secretKeyRef": {"name": "orders-db-auth", "key": "password"}}}]}  # fmt: skip
HOST = {"name": "DB_HOST", "value": "orders-db"}


def entry(time: str, *keys: str, labels: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"f:data": {f"f:{k}": {} for k in keys}} if keys else {}
    if labels:
        fields["f:metadata"] = {"f:labels": {f"f:{k}": {} for k in labels}}
    return {"manager": "m", "operation": "Update", "time": time, "fieldsV1": fields, **more}


def secret(*entries: dict[str, Any], name: str = "orders-db-auth") -> dict[str, Any]:
    return {"metadata": {"namespace": "dev", "name": name, "managedFields": list(entries)}}


def pod(
    name: str, container: dict[str, Any], started: str = STARTED, **spec: Any
) -> dict[str, Any]:
    state = {"running": {"startedAt": started}} if started else {"waiting": {"reason": "Crash"}}
    owner = {"kind": "ReplicaSet", "name": "shop-5d9", "controller": True}
    env = [HOST, *container.get("env", [])]
    one = {**container, "name": "app", "env": env}
    return {
        "metadata": {"namespace": "dev", "name": name, "ownerReferences": [owner],
                     "labels": {"pod-template-hash": "5d9"}},
        "spec": {"containers": [one], "nodeName": "node1", **spec},
        "status": {"phase": "Running", "containerStatuses": [{"name": "app", "state": state}]},
    }  # fmt: skip


class Snapshot:
    """What the view reads."""

    namespace = "dev"
    configmaps = ()

    def __init__(self, pods: list[dict[str, Any]], annotations: dict[str, str]) -> None:
        meta = {"namespace": "dev", "name": "shop", "annotations": annotations}
        spec = {"template": {"spec": pods[0]["spec"]}} if pods else {}
        self.workloads = ({"kind": "Deployment", "metadata": meta, "spec": spec},)
        self.services = ({"metadata": {"namespace": "dev", "name": "orders-db"}},)
        self.pods = tuple(pods)


def found(
    pods: list[dict[str, Any]], known: dict[str, Any], annotations: dict[str, str] | None = None
) -> tuple[Finding, ...]:
    snapshot: Any = Snapshot(pods, annotations or {})
    workloads = view(snapshot, [BRIDGE]).workloads
    objects = Objects(secrets=(known,))
    subject = Subject(bridges=(BRIDGE,), workloads=workloads, objects=objects)
    return tuple(f for f in lint.findings(subject) if f.code == "KX618")


def test_it_names_the_pods_and_the_command() -> None:
    pods = [pod("shop-a", ENV), pod("shop-b", ENV), pod("shop-new", ENV, AFTER)]
    changed = secret(
        entry(BEFORE, "username", "password"), entry("2026-11-30T11:00:00Z", "password")
    )
    (said,) = found(pods, changed)
    assert said.severity is Severity.WARN
    assert said.object == "Deployment/dev/shop"
    assert said.bridge == "dev/orders-db"
    assert "shop-a, shop-b" in said.summary
    assert "shop-new" not in said.summary
    assert "2026-11-30T11:00:00Z" in said.summary
    assert said.command == "kubectl rollout restart -n dev deployment/shop"


@pytest.mark.parametrize(
    ("container", "volumes", "holds"),
    [
        (ENV, [], True),
        ({"envFrom": [{"secretRef": {"name": "orders-db-auth"}}]}, [], True),
        ({"volumeMounts": [{"name": "v", "mountPath": "/p", "subPath": "password"}]},
         [{"name": "v", "secret": {"secretName": "orders-db-auth"}}], True),
        ({"volumeMounts": [{"name": "v", "mountPath": "/p", "subPath": "password"}]},
         [{"name": "v", "projected": {"sources": [{"secret": {"name": "orders-db-auth"}}]}}], True),
        ({"volumeMounts": [{"name": "v", "mountPath": "/p"}]},
         [{"name": "v", "secret": {"secretName": "orders-db-auth"}}], False),
        ({"envFrom": [{"secretRef": {"name": "another"}}]}, [], False),
        ({}, [], False),
    ],
)  # fmt: skip
def test_what_is_read_once(container: dict[str, Any], volumes: list[Any], holds: bool) -> None:
    said = found([pod("shop-a", container, volumes=volumes)], secret(entry(AFTER, "password")))
    assert bool(said) is holds


@pytest.mark.parametrize(
    "known",
    [
        secret(entry(BEFORE, "username", "password")),
        secret(entry(STARTED, "password")),
        secret(entry("2026-11-30T10:00:01Z", "password")),  # clocks of two machines
        secret(entry(BEFORE, "password"), entry(AFTER, labels=("team",))),  # its labels only
        secret(entry(BEFORE, "password"), entry(AFTER, "ca.crt")),  # a key that nobody here reads
        secret(),
        secret(entry(AFTER, "password"), name="another"),
    ],
)
def test_a_secret_that_has_not_changed_since(known: dict[str, Any]) -> None:
    assert found([pod("shop-a", ENV)], known) == ()


def test_a_secret_that_was_made_after_the_pods() -> None:
    """Deleted and made again, or optional and missing when they started."""
    assert found([pod("shop-a", ENV)], secret(entry(AFTER, "username", "password")))


def test_labels_of_a_release_in_the_same_entry_make_it_a_note() -> None:
    known = secret(entry(AFTER, "password", labels=("helm.sh/chart",)))
    (said,) = found([pod("shop-a", ENV)], known)
    assert said.severity is Severity.NOTE
    assert "labels of a new release" in said.summary


@pytest.mark.parametrize(
    "key", ["reloader.stakater.com/auto", "secret.reloader.stakater.com/reload"]
)
def test_what_somebody_restarts_anyway_is_left_to_him(key: str) -> None:
    known = secret(entry(AFTER, "password"))
    assert found([pod("shop-a", ENV)], known, {key: "true"}) == ()


def test_a_container_that_waits_to_start_again_reads_it_anew() -> None:
    assert found([pod("shop-a", ENV, "")], secret(entry(AFTER, "password"))) == ()


def test_a_pod_that_nobody_restarts_is_to_be_deleted() -> None:
    alone = pod("job-x", ENV)
    del alone["metadata"]["ownerReferences"]
    snapshot: Any = Snapshot([], {})
    snapshot.pods = (alone,)
    workloads = view(snapshot, [BRIDGE]).workloads
    objects = Objects(secrets=(secret(entry(AFTER, "password")),))
    subject = Subject(bridges=(BRIDGE,), workloads=workloads, objects=objects)
    (said,) = (f for f in lint.findings(subject) if f.code == "KX618")
    assert said.command == ""
    assert "delete the pods (job-x)" in said.fix


def test_another_bridge_s_secret_is_not_this_one_s() -> None:
    snapshot: Any = Snapshot([pod("shop-a", ENV)], {})
    other = replace(BRIDGE, credentials=CredentialRef(secret="ledger-auth"))
    objects = Objects(secrets=(secret(entry(AFTER, "password")),))
    workloads = view(snapshot, [other]).workloads
    subject = Subject(bridges=(other,), workloads=workloads, objects=objects)
    assert "KX618" not in {f.code for f in lint.findings(subject)}


@pytest.mark.parametrize("odd", [{}, {"spec": None}, {"spec": {"containers": [{}]}, "status": {}}])
def test_pods_without_what_is_usual(odd: dict[str, Any]) -> None:
    assert list(held.of_pod(odd)) == []
