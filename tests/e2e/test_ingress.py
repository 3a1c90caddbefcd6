"""Provision a bridge with its Ingress, and see the page come through a controller (a stand-in)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.lab import guise, wire
from tests.lab.guise import Guise, Wardrobe
from tests.lab.guises.ingress import CLASS
from tests.lab.lab import K8SEXT, Lab, up

pytestmark = pytest.mark.lab

WEB = "198.51.100.31"  # the lab's nginx
Doctor = tuple[int, dict[str, Any]]


@pytest.fixture(scope="module")
def lab() -> Lab:
    return up()


@pytest.fixture(scope="module")
def controller(lab: Lab) -> Iterator[Guise]:
    guise.clear(lab.place)
    wardrobe = Wardrobe(lab.place)
    made = wardrobe.get("ingress", {}, {})
    yield made
    wardrobe.forget([made])


def provision(lab: Lab, namespace: str, *more: str) -> str:
    argv = ["provision", "kibana-svc", "--to", f"{WEB}:80", "--port", "5601", "--protocol", "http"]
    done = lab.run([K8SEXT, *argv, "-n", namespace, *more])
    assert done.returncode == 0, done.stderr
    lab.await_rules(namespace)
    return done.stdout


def doctor(lab: Lab, namespace: str, *more: str) -> Doctor:
    argv = ["doctor", "-n", namespace, "--image", lab.probe_image, "-o", "json", *more]
    done = lab.run([K8SEXT, *argv])
    return done.returncode, json.loads(done.stdout)


def await_address(lab: Lab, namespace: str) -> None:
    give_up = time.monotonic() + 20
    while True:
        found = lab.get("ingress", "kibana-svc", "-n", namespace)
        if found.get("status", {}).get("loadBalancer"):
            return
        assert time.monotonic() < give_up, "the controller does not take the Ingress"
        time.sleep(0.2)


def front(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """The page's observation."""
    (bridge,) = report["bridges"]
    (found,) = (o for o in bridge["observations"] if o["route"] == "ingress")
    return dict(found)


def test_provisioned_taken_and_green_through_it(lab: Lab, controller: Guise) -> None:
    with lab.namespace() as name:
        host = f"{name}.example.com"
        options = ["--ingress", host, "--ingress-class", CLASS]
        assert f" + Ingress/{name}/kibana-svc" in provision(lab, name, *options)
        await_address(lab, name)
        code, report = doctor(lab, name, "--fail-on", "warn", "--require", "verify")
        assert code == 0, report["bridges"]
        page = front(report)
        assert (page["target"], page["via"]) == (
            f"{controller.address}:80",
            f"Ingress/kibana-svc {host}",
        )
        assert report["bridges"][0]["fronts"][0]["addresses"] == [controller.address]
        answer = wire.http_request(
            lab.place, "laptop", controller.address, 80, headers={"Host": host}
        )
        straight = wire.http_request(lab.place, "laptop", WEB, 80, headers={"Host": host})
        assert (answer.status, answer.body) == (straight.status, straight.body)
        assert "3 unchanged" in provision(lab, name, *options)


def test_without_the_option_our_ingress_goes_and_another_s_stays(lab: Lab) -> None:
    with lab.namespace() as name:
        provision(lab, name, "--ingress", f"{name}.example.com")
        assert " - kibana-svc" in provision(lab, name)
        assert lab.get("ingress", "-n", name)["items"] == []
        backend = {"service": {"name": "kibana-svc", "port": {"number": 5601}}}
        theirs = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": "kibana-svc", "namespace": name},
            "spec": {"defaultBackend": backend},
        }
        lab.apply([theirs])
        provision(lab, name)
        assert len(lab.get("ingress", "-n", name)["items"]) == 1
        argv = ["--to", f"{WEB}:80", "--port", "5601", "--protocol", "http", "-n", name]
        done = lab.run([K8SEXT, "provision", "kibana-svc", *argv, "--ingress", "a.example.com"])
        assert done.returncode == 2
        assert "exists and is managed by" in done.stderr
        provision(lab, name, "--ingress", "a.example.com", "--adopt")


def test_the_ingress_goes_with_its_service(lab: Lab) -> None:
    with lab.namespace() as name:
        provision(lab, name, "--ingress", f"{name}.example.com")
        lab.kubectl("delete", "service", "kibana-svc", "-n", name)
        give_up = time.monotonic() + 30
        while lab.get("ingress", "-n", name)["items"]:
            assert time.monotonic() < give_up, "the garbage collector leaves the Ingress"
            time.sleep(0.3)


def test_a_host_that_nobody_leads_is_told_by_what_was_asked_for(lab: Lab) -> None:
    with lab.namespace() as name:
        provision(lab, name, "--ingress", f"{name}.example.com", "--ingress-class", CLASS)
        lab.kubectl("delete", "ingress", "kibana-svc", "-n", name)
        code, report = doctor(lab, name)
        assert code == 1
        (said,) = report["bridges"][0]["diagnoses"]
        assert (said["code"], said["culprit"]) == ("KX332", "manifest")


def test_who_may_not_read_ingresses_gets_the_rest_and_a_note(lab: Lab) -> None:
    """The Role without them: everything else is judged, and the skip has a name."""
    with lab.namespace() as name:
        provision(lab, name, "--ingress", f"{name}.example.com")
        role = lab.run([K8SEXT, "rbac", "--for", "doctor", "-n", name]).stdout
        bare = role.replace('"ingresses"', '"nothing"').replace('"ingressclasses"', '"nothing"')
        lab.apply(bare)
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "k8sext-doctor"}
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "ada", "namespace": name},
            "roleRef": ref,
            "subjects": [{"kind": "User", "name": "ada"}],
        }
        lab.apply([binding])
        code, report = doctor(lab, name, "--as", "ada")
        assert code == 0, report
        notes = report["vantages"][0]["notes"]
        assert "ingresses were not read: Forbidden" in notes
        assert not [o for o in report["bridges"][0]["observations"] if o["route"] == "ingress"]
