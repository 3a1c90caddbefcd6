"""The article's own Sentinel experiment with the real dashboard and the real client (issue 6).

A dashboard outside, its bridge, the client in pods: in the article's placement nothing is shown,
and doctor says why; in the placement that it advises everything works. Then `--reverse`: without
any application, does the dashboard find its way into the cluster?
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gym.__main__ import CASES
from tests.gym.case import load
from tests.gym.run import Gym
from tests.lab import firewall, guise, wire
from tests.lab.guise import Guise, Wardrobe
from tests.lab.lab import Lab
from tests.support.cluster import Run, doctor, service, slice_of

pytestmark = pytest.mark.lab
ARTICLE, ADVISED = "sentinel-dashboard-pod-address", "control-sentinel-dashboard-host-port"
REVERSE = ("--active", "--reverse", "--reverse-app", "k8sext-probe")


@pytest.fixture(scope="module", autouse=True)
def cleared(lab: Lab) -> Iterator[None]:
    yield
    guise.clear(lab.place)


@pytest.fixture(scope="module")
def dashboard(lab: Lab) -> Guise:
    """The real one, outside the cluster, knowing nobody."""
    return Wardrobe(lab.place).get("sentinel", {}, {})


def bridged(lab: Lab, namespace: str, server: Guise) -> None:
    bridge = ("sentinel-svc", "sentinel", server.address, server.port)
    made = service(bridge)
    del made["metadata"]["annotations"]["k8sext.io/credentials"]
    lab.apply([made, slice_of(bridge)], namespace=namespace)
    lab.await_rules(namespace)


def known(lab: Lab, server: Guise) -> Any:
    """The applications that the dashboard knows."""
    path = "/app/names.json"
    reply = wire.http_request(lab.place, server.name, server.address, server.port, path)
    return json.loads(reply.body)["data"]


def called_back(report: Any) -> list[dict[str, Any]]:
    """What a report says of the addresses that the dashboard calls, by the bridge's name."""
    (bridge,) = report["bridges"]
    stages = [s for o in bridge["observations"] if o["route"] == "name" for s in o["stages"]]
    evidence = next(s["evidence"] for s in stages if s["stage"] == "verify")
    entries: list[dict[str, Any]] = evidence["callbacks"]["entries"]
    return entries


def kept(file: Path) -> Any:
    """A report that the gym has kept; what was said on standard error stands behind it."""
    return json.JSONDecoder().raw_decode(file.read_text())[0]


def test_the_articles_experiment_fails_and_is_told_why(lab: Lab, tmp_path: Path) -> None:
    """Its pods announce their own addresses; on the nodes' network the same case is healthy."""
    said: list[str] = []
    (case,) = load(CASES / f"{ARTICLE}.yaml")
    board = Gym.on(lab, said.append, tmp_path).run([case])
    assert [r.ok for r in board.results] == [True], said
    report = kept(tmp_path / f"{ARTICLE}.json")
    (entry,) = called_back(report)
    assert (entry["state"], entry["reached"]) == ("down", True)
    assert entry["address"].startswith("198.18.")
    (found,) = report["bridges"][0]["diagnoses"]
    assert (found["code"], found["culprit"]) == ("KX805", "callback")
    assert "csp.sentinel.heartbeat.client.ip" in found["fix"]
    assert "one replica of the dashboard inside the cluster" in found["fix"]
    twin = kept(tmp_path / f"{ARTICLE}.twin.json")
    assert [e["state"] for e in called_back(twin)] == ["up"]


def test_the_advised_placement_works(lab: Lab) -> None:
    said: list[str] = []
    (case,) = load(CASES / f"{ADVISED}.yaml")
    board = Gym.on(lab, said.append).run([case])
    assert [r.ok for r in board.results] == [True], said


def test_without_leave_nothing_is_written(lab: Lab, namespace: str, dashboard: Guise) -> None:
    bridged(lab, namespace, dashboard)
    ran = doctor(lab, namespace)
    assert ran.code == 0, ran
    assert called_back(ran.report) == []
    assert known(lab, dashboard) == []


def test_a_dashboard_without_a_way_back(lab: Lab, namespace: str, dashboard: Guise) -> None:
    """No application is needed to know it, nothing is registered, and nothing stays."""
    bridged(lab, namespace, dashboard)
    ran = doctor(lab, namespace, *REVERSE)
    assert ran.code == 1, ran
    assert ran.said("sentinel-svc") == [("KX805", "callback")]
    assert reverse_of(ran) == ("k8sext-probe", "down")
    assert known(lab, dashboard) == []


def test_a_dashboard_that_finds_its_way(lab: Lab, namespace: str, dashboard: Guise) -> None:
    bridged(lab, namespace, dashboard)
    with firewall.routed_to_pods(lab.place, dashboard.address):
        ran = doctor(lab, namespace, *REVERSE)
    assert ran.code == 0, ran
    assert reverse_of(ran) == ("k8sext-probe", "up")
    assert known(lab, dashboard) == []


def reverse_of(ran: Run) -> tuple[str, str]:
    (entry,) = called_back(ran.report)
    return entry["app"], entry["state"]
