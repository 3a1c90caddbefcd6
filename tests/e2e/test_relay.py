"""The port-forward way in the lab: same verdicts as from the pod, drivers, rights, ends."""

import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_ends import await_job, forms, left, our_processes
from tests.lab.lab import Lab
from tests.support import cluster
from tests.support.cluster import FIVE, PG, REDIS, Bridge, deploy, doctor, service_account
from tests.support.cluster import with_token as kubeconfig
from tests.support.watch import watched

pytestmark = pytest.mark.lab
RELAY = ("--from", "relay", "--credentials", "cluster")
BOTH = ("--from", "pod,relay", "--credentials", "cluster")
GET_SECRETS = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}


def wire(ran: cluster.Run, name: str) -> list[dict[str, Any]]:
    return [o for o in ran.bridge(name)["observations"] if not o.get("client")]


def drivers(ran: cluster.Run) -> dict[str, str]:
    """Service to the status of its driver's probe."""
    seen = [o for b in ran.report["bridges"] for o in b["observations"] if o.get("client")]
    return {o["service"]: o["status"] for o in seen}


def test_all_five_pass_with_their_drivers(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace)
    ran = doctor(lab, namespace, *RELAY)
    assert ran.code == 0, ran.out + ran.err
    assert {b["depth"] for b in ran.report["bridges"]} == {"verify"}
    tried = drivers(ran)
    assert {b for b, status in tried.items() if status == "pass"} == {
        b[0] for b in FIVE if b[1] != "elasticsearch"
    }
    assert ran.said("elasticsearch-svc") == [("KX520", "wrong-target")]  # 8.x refuses 7.1.1
    for name, _, address, port in FIVE:
        ends = {o["stages"][1]["evidence"]["peer"] for o in wire(ran, name)}
        assert f"{address}:{port}" in ends
    assert left(lab, namespace) == [] or _going(lab, namespace)


def test_an_image_with_the_drivers_tries_them_in_the_pod(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace)
    ran = doctor(lab, namespace, "--client", "--image", lab.drivers_image)
    assert ran.code == 0, ran.out + ran.err
    tried = drivers(ran)
    assert set(tried) == {b[0] for b in FIVE}
    assert [b for b, status in tried.items() if status != "pass"] == ["elasticsearch-svc"]
    assert ran.said("elasticsearch-svc") == [("KX520", "wrong-target")]
    bare = doctor(lab, namespace, "--client", "--image", lab.probe_image)
    assert set(drivers(bare).values()) == {"skip"}
    assert bare.code == 0


def _going(lab: Lab, namespace: str) -> bool:
    """Whether whatever is left has been deleted already, and only ends."""
    found = lab.get("jobs,pods", "-l", "k8sext.io/run", "-n", namespace)["items"]
    return all("deletionTimestamp" in i["metadata"] for i in found)


def verdict(ran: cluster.Run, name: str) -> tuple[Any, ...]:
    ends = [(o["route"], o["target"], _ended(o)) for o in wire(ran, name)]
    return ran.code, ran.said(name), ran.bridge(name)["status"], sorted(ends, key=str)


def _ended(seen: dict[str, Any]) -> tuple[Any, ...]:
    bad = next((s for s in seen["stages"] if s["status"] in ("fail", "inconclusive")), None)
    if bad is None:
        return ()
    return bad["stage"], bad["reason"], (bad.get("evidence") or {}).get("errno")


def same_from_pod_and_relay(lab: Lab, namespace: str, bridge: Bridge, code: str) -> None:
    pod, relay = doctor(lab, namespace), doctor(lab, namespace, *RELAY)
    assert [c for c, _ in pod.said(bridge[0])] == [code]
    assert verdict(relay, bridge[0]) == verdict(pod, bridge[0])


def test_a_stopped_server(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, [REDIS, PG])
    with lab.server("redis").stopped():
        same_from_pod_and_relay(lab, namespace, REDIS, "KX301")


def test_a_firewall_that_drops(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, [REDIS, PG])
    with lab.firewall("DROP", destination="198.51.100.21", port=26379):
        same_from_pod_and_relay(lab, namespace, REDIS, "KX302")


def test_a_name_that_does_not_resolve(lab: Lab, namespace: str) -> None:
    spec = {"type": "ExternalName", "externalName": "nowhere.corp.example"}
    objects = [cluster.service(REDIS, **spec), *cluster.logins(lab, namespace, [REDIS])]
    lab.apply(objects, namespace=namespace)
    same_from_pod_and_relay(lab, namespace, REDIS, "KX201")


def test_names_are_the_clusters(lab: Lab, namespace: str) -> None:
    """The laptop cannot resolve this name, nor reach the address behind it by cluster IP."""
    name = "redis.corp.example"
    made = cluster.service(REDIS, type="ExternalName", externalName=name)
    login = cluster.secret_of("redis-auth", password=lab.passwords["redis"], host=name)
    lab.apply([made, login], namespace=namespace)
    ran = doctor(lab, namespace, *RELAY)
    assert ran.code == 0, ran.out + ran.err
    assert {o["route"] for o in wire(ran, "redis-svc")} == {"name", "endpoint"}
    assert drivers(ran) == {"redis-svc": "pass"}


def test_one_table_of_both(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, [REDIS, PG])
    with lab.firewall("DROP", destination="198.51.100.21", port=26379):
        ran = doctor(lab, namespace, *BOTH)
        table = cluster.k8sext(lab, "doctor", "-n", namespace, "--image", lab.probe_image, *BOTH)
    assert ran.code == 1, ran.out + ran.err
    assert [v["vantage"] for v in ran.report["vantages"]] == ["pod", "relay"]
    assert [b["service"] for b in ran.report["bridges"]] == ["postgresql-svc", "redis-svc"]
    assert ran.said("redis-svc") == [("KX302", "path")]  # once, not for each vantage
    assert {o["vantage"] for o in wire(ran, "redis-svc")} == {"pod", "relay"}
    ids = [o["id"] for b in ran.report["bridges"] for o in b["observations"]]
    assert len(ids) == len(set(ids))
    assert sum("postgresql-svc " in line for line in table.out.splitlines()) == 2  # with driver


def test_a_rejected_login_is_not_tried_from_the_second_vantage(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, [PG])
    lab.apply([cluster.secret_of("postgresql-auth", password="wrong-1")], namespace=namespace)
    before = lab.server("postgresql").log.count("password authentication failed")
    ran = doctor(lab, namespace, *BOTH)
    assert ran.said("postgresql-svc") == [("KX601", "credentials")]
    after = lab.server("postgresql").log.count("password authentication failed")
    assert after - before == 1


def test_without_the_right_to_forward(lab: Lab, namespace: str, tmp_path: Path) -> None:
    deploy(lab, namespace, [REDIS])
    token = service_account(lab, namespace)  # the Role of the vantage pod
    config = kubeconfig(lab, tmp_path / "c", token, namespace)
    ran = doctor(lab, namespace, "--kubeconfig", config, *RELAY)
    assert (ran.code, ran.overall()) == (3, ["KX902"]), ran.out + ran.err
    assert "pods/portforward" in ran.out
    assert "k8sext rbac --for relay" in ran.out
    assert left(lab, namespace) == []


@pytest.mark.parametrize("secrets", [True, False])
def test_the_printed_role_is_enough(
    lab: Lab, namespace: str, tmp_path: Path, secrets: bool
) -> None:
    deploy(lab, namespace, [REDIS])
    more = [GET_SECRETS] if secrets else []
    token = service_account(lab, namespace, purpose="relay", more=more)
    config = kubeconfig(lab, tmp_path / "c", token, namespace)
    ran = doctor(lab, namespace, "--kubeconfig", config, *RELAY)
    assert ran.code == 0, ran.out + ran.err
    expected = [] if secrets else [("KX614", "credentials")]
    assert ran.said("redis-svc") == expected
    assert ran.bridge("redis-svc")["depth"] == ("verify" if secrets else "handshake")


def test_a_secret_without_consent_is_sent_nowhere(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, [REDIS])
    lab.kubectl("delete", "secret", "redis-auth", "-n", namespace)
    bare = cluster.secret_of("redis-auth", password=lab.passwords["redis"])
    lab.apply([bare], namespace=namespace)
    assert doctor(lab, namespace, *RELAY).said("redis-svc") == [("KX612", "credentials")]
    vouched = doctor(lab, namespace, *RELAY, "--credentials-from", "redis-auth")
    assert (vouched.code, vouched.said("redis-svc")) == (0, [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_deletes_the_job(lab: Lab, namespace: str, number: signal.Signals) -> None:
    deploy(lab, namespace, [REDIS])
    with lab.firewall("DROP", destination="198.51.100.21"):
        process = cluster.started(lab, "doctor", "-n", namespace, *RELAY)
        await_job(lab, namespace)
        time.sleep(1.5)
        process.send_signal(number)
        ran = cluster.ended(process, timeout=20)
    assert ran.code == 130
    assert "Traceback" not in ran.err
    assert _going(lab, namespace)


def test_a_killed_run_leaves_nothing(lab: Lab, namespace: str) -> None:
    """The relay has nobody to serve and ends itself; then the Job's time to live runs."""
    deploy(lab, namespace, [REDIS])
    short = ("--pod-ttl", "2", "--stage-timeout", "1", "--timeout", "60")
    with lab.firewall("DROP", destination="198.51.100.21"):
        process = cluster.started(lab, "doctor", "-n", namespace, *RELAY, *short)
        await_job(lab, namespace)
        time.sleep(2)
        process.kill()
        process.communicate(timeout=10)
    began = time.monotonic()
    while left(lab, namespace) and time.monotonic() - began < 60:
        time.sleep(1)
    assert left(lab, namespace) == []


def test_the_canary_password_appears_nowhere(lab: Lab, namespace: str, tmp_path: Path) -> None:
    """Objects, processes and output; the relay's pod is given no Secret at all."""
    deploy(lab, namespace)
    wrong = f"canary-{random.Random().getrandbits(64):x}"
    lab.apply([cluster.secret_of("mysql-auth", password=wrong)], namespace=namespace)
    canaries = [wrong, *(lab.passwords[n] for n in ("postgresql", "mysql", "rabbitmq", "redis"))]
    processes: list[str] = []
    with watched(lab, namespace, tmp_path) as seen:
        argv = ["doctor", "-n", namespace, *RELAY, "-o", "json", "--debug", "-v"]
        process = cluster.started(lab, *argv)
        while process.poll() is None:
            processes += our_processes()
        ran = cluster.ended(process)
    assert ran.said("mysql-svc") == [("KX601", "credentials")]
    assert any("K8SEXT_PLAN_0" in p for p in processes), "the relay was never looked at"
    pods = [p for p in seen.objects("pods") if "spec" in p]
    assert pods
    assert not [v for p in pods for v in p["spec"].get("volumes") or []]
    places = {"output": ran.out + ran.err, "processes": "\n".join(processes), **seen.text}
    found = [(k, c) for k, text in places.items() for c in canaries if any(
        form in text for form in forms(c))]  # fmt: skip
    assert found == []


def test_a_relay_that_is_killed_blames_no_server(lab: Lab, namespace: str) -> None:
    """Whatever was under way is untested, and said to be."""
    deploy(lab, namespace, [REDIS])
    argv = ["doctor", "-n", namespace, *RELAY, "-o", "json", "--stage-timeout", "20"]
    with lab.firewall("DROP", destination="198.51.100.21", port=26379):
        process = cluster.started(lab, *argv)
        await_job(lab, namespace)
        chosen = ("pods", "-l", "k8sext.io/run", "-n", namespace)
        lab.kubectl("wait", "--for=jsonpath={.status.phase}=Running", *chosen, "--timeout=30s")
        time.sleep(2)
        lab.kubectl("delete", *chosen, "--grace-period=0", "--force")
        ran = cluster.ended(process)
    assert ran.code == 3, ran.out + ran.err
    assert ran.bridge("redis-svc")["status"] == "inconclusive"
    assert {c for c in ran.overall() if c in ("KX911", "KX913")}
    assert not [d for d in ran.bridge("redis-svc")["diagnoses"] if d["severity"] == "fail"]
