"""Doctor against real servers in the lab's cluster: healthy, and with one fault at a time."""

import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.lab.lab import Lab
from tests.support import cluster
from tests.support.cluster import (
    ELASTIC,
    FIVE,
    MYSQL,
    PG,
    REDIS,
    Bridge,
    deploy,
    doctor,
    k8sext,
    secret_of,
    service_account,
    with_token,
)  # fmt: skip

pytestmark = pytest.mark.lab


def jobs(lab: Lab, namespace: str) -> list[str]:
    found = lab.get("jobs", "-n", namespace, "-l", "app.kubernetes.io/managed-by=k8sext")
    return [j["metadata"]["name"] for j in found["items"]]


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_all_five_pass_to_verify_by_both_routes(lab: Lab, namespace: str, python: str) -> None:
    deploy(lab, namespace)
    image = f"lab.k8sext.io/python:{python}"
    ran = doctor(lab, namespace, "--image", image)
    assert ran.code == 0, ran.out + ran.err
    assert {b["depth"] for b in ran.report["bridges"]} == {"verify"}
    routes = {(o["service"], o["route"]) for b in ran.report["bridges"] for o in b["observations"]}
    assert routes == {(b[0], r) for b in FIVE for r in ("name", "endpoint")}
    assert jobs(lab, namespace) == []


@pytest.mark.parametrize("bridge", [PG, MYSQL, cluster.RABBIT, REDIS])
def test_a_wrong_password_is_the_credentials_fault(
    lab: Lab, namespace: str, bridge: Bridge
) -> None:
    deploy(lab, namespace, [bridge])
    name = f"{bridge[1]}-auth"
    wrong = secret_of(name, password="not-the-password-7131")
    lab.apply([wrong], namespace=namespace)
    ran = doctor(lab, namespace)
    assert ran.code == 1
    assert ran.said(bridge[0]) == [("KX601", "credentials")]
    assert "not-the-password-7131" not in ran.out + ran.err


def test_a_stopped_server_is_the_hosts_fault(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, [REDIS, PG])
    with lab.server("redis").stopped():
        ran = doctor(lab, namespace)
    assert ran.code == 1
    assert ran.said("redis-svc") == [("KX301", "server-host")]
    assert ran.bridge("postgresql-svc")["status"] == "pass"


def test_a_firewall_that_drops_is_the_paths_fault(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, [REDIS, PG])
    with lab.firewall("DROP", destination="198.51.100.21", port=26379):
        ran = doctor(lab, namespace)
    assert ran.code == 1
    assert ran.said("redis-svc") == [("KX302", "path")]
    assert "26379" in ran.bridge("redis-svc")["diagnoses"][0]["fix"]


def test_port_names_that_differ_are_the_manifests_fault(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, [REDIS])
    lab.apply([cluster.slice_of(REDIS, port_name="tcp")], namespace=namespace)
    ran = doctor(lab, namespace)
    assert ran.code == 1
    assert ran.said("redis-svc") == [("KX304", "manifest")]


def test_a_missing_slice_is_the_manifests_fault(lab: Lab, namespace: str) -> None:
    lab.apply([cluster.service(REDIS)], namespace=namespace)
    ran = doctor(lab, namespace)
    assert ran.code == 1
    assert ("KX305", "manifest") in ran.said("redis-svc")


def test_one_dead_address_of_two_is_named(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, [ELASTIC])
    two = cluster.slice_of(ELASTIC, "198.51.100.32", "198.51.100.23")
    lab.apply([two], namespace=namespace)
    ran = doctor(lab, namespace)
    assert ran.code == 1
    assert ran.said("elasticsearch-svc") == [("KX307", "server-host")]
    assert "198.51.100.23" in ran.bridge("elasticsearch-svc")["diagnoses"][0]["summary"]


@pytest.mark.parametrize(
    ("target", "code", "expected"),
    [
        ("redis.corp.example", 0, None),
        ("nowhere.corp.example", 1, ("KX201", "manifest")),
    ],
)
def test_external_names(
    lab: Lab, namespace: str, target: str, code: int, expected: tuple[str, str] | None
) -> None:
    login = cluster.secret_of("redis-auth", password=lab.passwords["redis"], host=target)
    made = cluster.service(REDIS, type="ExternalName", externalName=target)
    lab.apply([login, made], namespace=namespace)
    ran = doctor(lab, namespace)
    assert ran.code == code, ran.out
    assert ran.said("redis-svc") == ([expected] if expected else [])


def test_legacy_endpoints_are_read_once(lab: Lab, namespace: str) -> None:
    name, protocol, address, port = REDIS
    legacy = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": name},
        "subsets": [{"addresses": [{"ip": address}], "ports": [{"name": protocol, "port": port}]}],
    }
    objects = [cluster.service(REDIS), legacy, *cluster.logins(lab, namespace, [REDIS])]
    lab.apply(objects, namespace=namespace)
    time.sleep(1)  # the mirroring controller writes its slice
    ran = doctor(lab, namespace)
    assert ran.code == 0, ran.out
    assert len(ran.bridge(name)["endpoints"]) == 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (None, ("KX610", "credentials")),
        ({"username": "x", "k8sext.service": "redis-svc"}, ("KX611", "credentials")),
        ({"password": "x"}, ("KX612", "credentials")),
    ],
    ids=["missing", "key-missing", "no-consent"],
)
def test_trouble_with_one_secret_fails_one_bridge(
    lab: Lab, namespace: str, change: dict[str, str] | None, expected: tuple[str, str]
) -> None:
    deploy(lab, namespace, [REDIS, PG])
    lab.kubectl("delete", "secret", "redis-auth", "-n", namespace)
    if change is not None:
        lab.apply([secret_of("redis-auth", **change)], namespace=namespace)
    ran = doctor(lab, namespace)
    assert expected in ran.said("redis-svc")
    assert ran.bridge("postgresql-svc")["status"] == "pass"
    assert ran.code == (0 if expected[0] == "KX612" else 1)


def test_a_secret_without_consent_can_be_vouched_for(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, [REDIS])
    lab.kubectl("delete", "secret", "redis-auth", "-n", namespace)
    lab.apply([secret_of("redis-auth", password=lab.passwords["redis"])], namespace=namespace)
    assert doctor(lab, namespace, "--credentials-from", "redis-auth").code == 0


def test_an_image_that_cannot_be_pulled_is_inconclusive(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, [REDIS])
    image = "lab.k8sext.io/absent:1"
    ran = doctor(lab, namespace, "--image", image, "--pod-start-timeout", "6")
    assert ran.code == 3
    assert ran.overall() == ["KX904"]
    assert jobs(lab, namespace) == []


def test_a_namespace_that_enforces_restricted_is_fine(lab: Lab) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    with lab.namespace(labels=labels) as name:
        deploy(lab, name, [REDIS])
        assert doctor(lab, name).code == 0


def test_an_exhausted_quota_is_inconclusive(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, [REDIS])
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "compute"},
        "spec": {"hard": {"pods": "0"}},
    }
    lab.apply([quota], namespace=namespace)
    time.sleep(1)
    ran = doctor(lab, namespace)
    assert ran.code == 3
    assert ran.overall() == ["KX903"]


def test_default_deny_policies_are_named_when_a_path_is_silent(lab: Lab, namespace: str) -> None:
    """No policy engine runs in the lab: the firewall plays the CNI's part."""
    deploy(lab, namespace, [REDIS])  # another bridge that works would prove it unenforced
    deny = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "default-deny"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
    }
    lab.apply([deny], namespace=namespace)
    with lab.firewall("DROP", destination="198.51.100.21", port=26379):
        ran = doctor(lab, namespace)
    assert ran.said("redis-svc") == [("KX309", "cluster-network")]
    assert "default-deny" in ran.bridge("redis-svc")["diagnoses"][0]["summary"]


def test_the_printed_role_is_enough(lab: Lab, namespace: str, tmp_path: Path) -> None:
    deploy(lab, namespace, [REDIS])
    config = with_token(lab, tmp_path / "c", service_account(lab, namespace), namespace)
    ran = doctor(lab, namespace, "--kubeconfig", config)
    assert ran.code == 0, ran.out + ran.err


def test_a_missing_verb_is_named_with_the_role_to_ask_for(
    lab: Lab, namespace: str, tmp_path: Path
) -> None:
    deploy(lab, namespace, [REDIS])
    token = service_account(lab, namespace, without="pods/log")
    config = with_token(lab, tmp_path / "c", token, namespace)
    ran = doctor(lab, namespace, "--kubeconfig", config)
    assert ran.code == 3
    assert ran.overall() == ["KX902"]
    assert "pods/log" in ran.out
    assert jobs(lab, namespace) == []


def test_one_forbidden_namespace_does_not_stop_the_others(lab: Lab, namespace: str) -> None:
    """All namespaces at once, as a user who may create no Job in one of them.

    What else is in the lab is not looked at: it may be broken on purpose.
    """
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none"},
        "spec": {"hard": {"count/jobs.batch": "0"}},
    }
    ours = f"test={namespace}"
    with lab.namespace() as other:
        lab.apply([quota], namespace=other)
        for name in (namespace, other):
            deploy(lab, name, [REDIS])
            lab.kubectl("label", "services", "--all", "-n", name, ours)
        lab.await_rules(namespace, other)
        ran = k8sext(lab, "doctor", "-A", "-l", ours, "-o", "json", "--image", lab.probe_image)
    by = {b["namespace"]: b["status"] for b in ran.report["bridges"]}
    assert by == {namespace: "pass", other: "inconclusive"}
    assert ran.code == 3


def test_nothing_to_check_is_exit_5(lab: Lab, namespace: str) -> None:
    assert doctor(lab, namespace).code == 5
    assert doctor(lab, namespace, "--allow-empty").code == 0


@pytest.mark.parametrize(
    "arguments", [("--from", "moon"), ("--fail-on", "maybe"), ("--pod-patch", "/nonexistent")]
)
def test_bad_input_is_exit_2(lab: Lab, arguments: tuple[str, ...]) -> None:
    ran = k8sext(lab, "doctor", "-n", "default", *arguments)
    assert ran.code == 2
    assert ran.err.startswith("k8sext: ")


def test_a_run_that_cannot_start_still_writes_junit(lab: Lab, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(lab.kubeconfig.read_text().replace("6443", "6444"))
    file = tmp_path / "out.xml"
    ran = k8sext(lab, "doctor", "--kubeconfig", str(config), "-n", "default", "--junit", str(file))
    assert ran.code == 3
    root = ET.parse(file).getroot()
    assert [e.get("type") for e in root.iter("error")] == ["KX901"]
    assert not root.findall(".//failure")


def test_junit_agrees_with_the_exit_code(lab: Lab, namespace: str, tmp_path: Path) -> None:
    deploy(lab, namespace, [REDIS, PG])
    file = tmp_path / "out.xml"
    with lab.server("redis").stopped():
        ran = doctor(lab, namespace, "--junit", str(file))
    root = ET.parse(file).getroot()
    assert ran.code == 1
    assert root.findall(".//failure")
    names = [(c.get("classname"), c.get("name")) for c in root.iter("testcase")]
    assert len(names) == len(set(names))


def test_require_makes_a_shallow_bridge_fail(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, [ELASTIC])
    note = "k8sext.io/protocol=tcp"
    lab.kubectl("annotate", "service", "elasticsearch-svc", "-n", namespace, note, "--overwrite")
    assert doctor(lab, namespace).code == 0
    assert doctor(lab, namespace, "--require", "verify").code == 1
