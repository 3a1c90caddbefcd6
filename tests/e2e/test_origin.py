"""A bridge that holds the addresses of an outside name: made by looking it up, and compared."""

import secrets
from collections.abc import Iterator

import pytest

from tests.lab.lab import Lab
from tests.support.cluster import Run, doctor, k8sext

pytestmark = pytest.mark.lab
FIRST, SECOND = "198.51.100.21", "198.51.100.77"


@pytest.fixture
def origin(lab: Lab) -> Iterator[str]:
    """An outside name that leads to the lab's Redis."""
    name = f"redis-{secrets.token_hex(3)}.gym.example"
    with lab.name_set_to(name, FIRST):
        yield name


def provision(lab: Lab, namespace: str, host: str, *more: str) -> Run:
    argv = ["--to", f"{host}:26379", "--protocol", "redis", "--resolve"]
    argv += ["--image", lab.probe_image, "-n", namespace]
    return k8sext(lab, "provision", "redis-svc", *argv, *more)


def held(lab: Lab, namespace: str) -> list[str]:
    found = lab.get("endpointslices", "-n", namespace)["items"]
    return [a for s in found for e in s["endpoints"] for a in e["addresses"]]


def jobs(lab: Lab, namespace: str) -> list[str]:
    return [j["metadata"]["name"] for j in lab.get("jobs", "-n", namespace)["items"]]


def test_a_name_is_looked_up_compared_and_looked_up_again(
    lab: Lab, namespace: str, origin: str
) -> None:
    made = provision(lab, namespace, origin)
    assert made.code == 0, made
    assert held(lab, namespace) == [FIRST]
    service = lab.get("service", "redis-svc", "-n", namespace)
    assert service["metadata"]["annotations"]["k8sext.io/origin"] == origin
    assert service["spec"]["type"] == "ClusterIP"
    assert jobs(lab, namespace) == []
    ran = doctor(lab, namespace)
    assert (ran.code, ran.said("redis-svc")) == (0, [("KX602", "credentials")])
    with lab.name_set_to(origin, SECOND):
        moved = doctor(lab, namespace).said("redis-svc")
        assert ("KX207", "manifest") in moved
        assert provision(lab, namespace, origin, "--diff").code == 1
        assert held(lab, namespace) == [FIRST]
        assert provision(lab, namespace, origin).code == 0
        assert held(lab, namespace) == [SECOND]


def test_a_name_without_an_address_writes_nothing(lab: Lab, namespace: str) -> None:
    ran = provision(lab, namespace, "nobody.gym.example")
    assert ran.code == 3
    assert "nobody.gym.example has no address in the cluster" in ran.err
    assert lab.get("services", "-n", namespace)["items"] == []
    assert jobs(lab, namespace) == []


def test_a_dry_run_looks_up_and_writes_no_bridge(lab: Lab, namespace: str, origin: str) -> None:
    ran = provision(lab, namespace, origin, "--dry-run=server", "-o", "yaml")
    assert ran.code == 0, ran
    assert f"- {FIRST}" in ran.out
    assert lab.get("services", "-n", namespace)["items"] == []
