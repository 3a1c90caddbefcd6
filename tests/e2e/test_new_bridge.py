"""A bridge that is newer than what its node has programmed."""

import re
import time
from contextlib import ExitStack

import pytest

from tests.lab.hosts import NODES, inside
from tests.lab.lab import Lab
from tests.support.cluster import REDIS, Run, ended, logins, service, slice_of, started

pytestmark = pytest.mark.lab


def refusals(lab: Lab, address: str) -> int:
    """How many packets to a cluster IP the nodes have refused since their rules were written."""
    rule = rf"^\[(\d+):\d+\] -A KUBE-SERVICES -d {re.escape(address)}/32 .* -j REJECT"
    saved = (inside(lab.place, n.name, ["iptables-save", "-c", "-t", "filter"]) for n in NODES)
    return sum(int(n) for text in saved for n in re.findall(rule, text, re.M))


def late_by(lab: Lab, namespace: str, *, catches_up: bool) -> Run:
    """Doctor on a Service that refuses, while kube-proxy has not seen yet that it has a slice."""
    lab.apply([service(REDIS), *logins(lab, namespace, [REDIS])], namespace=namespace)
    lab.await_rules(namespace)
    address = lab.get("service", REDIS[0], "-n", namespace)["spec"]["clusterIP"]
    with ExitStack() as frozen:
        for node in NODES:
            frozen.enter_context(lab.server(f"kube-proxy-{node.name}").frozen())
        lab.apply([slice_of(REDIS)], namespace=namespace)
        doctor = started(lab, "doctor", "-n", namespace, "-o", "json")
        give_up = time.monotonic() + 60
        while catches_up and not refusals(lab, address):
            assert time.monotonic() < give_up, "the name was never tried"
            time.sleep(0.05)
        if catches_up:
            frozen.close()
        return ended(doctor)


def test_a_name_that_is_refused_until_the_node_catches_up_passes(lab: Lab, namespace: str) -> None:
    ran = late_by(lab, namespace, catches_up=True)
    assert ran.code == 0, ran
    (connect,) = (
        stage
        for seen in ran.bridge(REDIS[0])["observations"]
        for stage in seen["stages"]
        if (seen["route"], stage["stage"]) == ("name", "connect")
    )
    assert connect["evidence"]["refused_before"] >= 1


def test_a_node_that_does_not_catch_up_is_at_fault(lab: Lab, namespace: str) -> None:
    ran = late_by(lab, namespace, catches_up=False)
    assert ran.said(REDIS[0]) == [("KX303", "cluster-network")]
    (said,) = ran.bridge(REDIS[0])["diagnoses"]
    assert "kube-proxy" in said["fix"] and "is new" in said["fix"]
