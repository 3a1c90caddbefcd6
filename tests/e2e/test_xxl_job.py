"""XXL-JOB as in the article: real executors in pods. The admin is a stand-in, in a pod or outside.

Article, 3.1: the admin is a Deployment behind a node port, its schema lies in a MySQL outside,
three replicas of an executor register the addresses of their pods, and each is called.
"""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import firewall
from tests.lab.cluster import apps
from tests.lab.guise import Guise, Wardrobe
from tests.lab.hosts import NODE1
from tests.lab.lab import Lab
from tests.lab.place import PROJECT
from tests.support import cluster
from tests.support.cluster import MYSQL, Bridge, Run, doctor, secret_of, service, slice_of
from tests.support.xxl_job import eventually

pytestmark = pytest.mark.lab
STANDIN = PROJECT / "tests" / "lab" / "standins" / "xxl_job_admin"
APP, GIVEN_UP = "msa-ext-job", "k8sext-test"
NODE_PORT = 30880


def deployment(name: str, replicas: int, pod: dict[str, Any]) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": name}}, "spec": pod}
    selector = {"matchLabels": {"app": name}}
    spec = {"replicas": replicas, "selector": selector, "template": template}
    meta = {"name": name}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def config(name: str, **files: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": files}


def admin_in_a_pod(lab: Lab, namespace: str) -> list[dict[str, Any]]:
    """The stand-in behind a node port, with admin and its password and without a token."""
    database = {"host": f"mysql-svc.{namespace}.svc", "port": 3306, "schema": "shop"}
    database |= {"user": "shop", "password": lab.passwords["mysql"]}
    jobs = [{"app": APP, "route": "ROUND", "every_s": 0.5}]
    settings = {"database": database, "jobs": jobs, "monitor_s": 1}
    sources = {file.name: file.read_text() for file in sorted(STANDIN.glob("*.py"))}
    container = {
        "name": "xxl-job",
        "image": lab.probe_image,
        "imagePullPolicy": "Never",
        "command": ["python3", "-S", "-m", "xxl_job_admin", "/settings/settings.json"],
        "env": [{"name": "PYTHONPATH", "value": "/standin"}],
        "volumeMounts": [
            {"name": "code", "mountPath": "/standin/xxl_job_admin"},
            {"name": "settings", "mountPath": "/settings"},
        ],
        "readinessProbe": {
            "httpGet": {"path": "/xxl-job-admin/actuator/health", "port": 8080},
            "periodSeconds": 1,
        },
    }
    volumes = [
        {"name": "code", "configMap": {"name": "xxl-job-standin"}},
        {"name": "settings", "secret": {"secretName": "xxl-job-settings"}},
    ]
    pod = {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 0}
    ports = [{"port": 8080, "targetPort": 8080, "nodePort": NODE_PORT}]
    front = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "xxl-job"},
        "spec": {"type": "NodePort", "ports": ports, "selector": {"app": "xxl-job"}},
    }
    return [
        config("xxl-job-standin", **sources),
        secret_of("xxl-job-settings", **{"settings.json": json.dumps(settings)}),
        deployment("xxl-job", 1, pod),
        front,
    ]


def executors(lab: Lab, admin: str, replicas: int, token: str = "") -> dict[str, Any]:
    """The real executor, as msa-ext-job of the article."""
    apps.provide(lab.place, "xxljob")
    told = {"ADMIN_ADDRESSES": admin, "ACCESS_TOKEN": token, "EXECUTOR_APPNAME": APP}
    container = {
        "name": "executor",
        "image": apps.references(["xxljob"])["image.xxljob"],
        "imagePullPolicy": "Never",
        "env": [{"name": f"XXL_JOB_{k}", "value": v} for k, v in told.items()],
        "readinessProbe": {"tcpSocket": {"port": 9999}, "periodSeconds": 1},
    }
    return deployment(APP, replicas, {"containers": [container], "enableServiceLinks": False})


def bridge(to: Bridge, login: dict[str, str], **expect: Any) -> list[dict[str, Any]]:
    """A bridge to the admin, with its login. Headless: a node port is not reached through another
    Service of the same cluster from its own node.
    """
    made = service(to, clusterIP="None")
    notes = made["metadata"]["annotations"]
    notes["k8sext.io/expect"] = json.dumps(expect)
    secret = secret_of("xxl-job-auth", **{"k8sext.service": to[0], **login})
    return [secret, slice_of(to), made]


def ready(lab: Lab, namespace: str, name: str) -> None:
    lab.kubectl("rollout", "status", f"deployment/{name}", "-n", namespace, "--timeout=90s")


def called(lab: Lab, namespace: str) -> dict[str, bool]:
    """Every pod of the executor, and whether its job has run."""
    found = lab.get("pods", "-n", namespace, "-l", f"app={APP}")["items"]
    names = [p["metadata"]["name"] for p in found]
    return {n: "job one: called" in lab.kubectl("logs", "-n", namespace, n) for n in names}


def entries(ran: Run, name: str) -> list[dict[str, Any]]:
    """The addresses that the admin would call, as one of the probes saw them."""
    stages = (s for o in ran.bridge(name)["observations"] for s in o["stages"])
    seen = (s.get("evidence", {}).get("callbacks") for s in stages)
    found = [facts["entries"] for facts in seen if facts]
    assert found, ran.out
    return list(found[0])


def test_three_replicas_work_as_in_the_article(lab: Lab, namespace: str) -> None:
    cluster.deploy(lab, namespace, (MYSQL,))
    lab.apply(admin_in_a_pod(lab, namespace), namespace=namespace)
    url = f"http://xxl-job.{namespace}.svc.cluster.local:8080/xxl-job-admin"
    lab.apply([executors(lab, url, 3)], namespace=namespace)
    entrance: Bridge = ("xxl-job-admin", "xxl-job", NODE1.address, NODE_PORT)
    login = {"username": "admin", "password": "123456"}
    lab.apply(bridge(entrance, login, applications=[APP], executors=3), namespace=namespace)
    for name in ("xxl-job", APP):
        ready(lab, namespace, name)
    assert eventually(lambda: len(seen := called(lab, namespace)) == 3 and all(seen.values()), 60)
    ran = doctor(lab, namespace, "--include", "internal")
    assert ran.code == 0, ran.out + ran.err
    # As it ships: nothing else is said of it.
    assert ran.said("xxl-job-admin") == [("KX615", "credentials")]
    assert ran.bridge("mysql-svc")["status"] == "pass"
    found = entries(ran, "xxl-job-admin")
    pods = lab.get("pods", "-n", namespace, "-l", f"app={APP}")["items"]
    addresses = {f"{p['status']['podIP']}:9999" for p in pods}
    assert {e["address"] for e in found} == addresses
    assert {e["state"] for e in found} == {"up"}


@pytest.fixture
def outside(lab: Lab) -> Generator[Guise]:
    """An admin outside, with a job group that is given up to the test."""
    wardrobe = Wardrobe(lab.place)
    made = wardrobe.get("xxl-job", {"settings": {"jobs": [{"app": GIVEN_UP}]}}, {}, "e2e")
    try:
        yield made
    finally:
        wardrobe.forget([made])


def asked(lab: Lab, admin: Guise) -> list[str]:
    """What the admin was asked to change: every request of its log that is no GET."""
    text = Path(lab.place.log / f"{admin.component_name}.log").read_text()
    words = [line.partition('"')[2].split(" ") for line in text.splitlines() if '"' in line]
    return [path.removeprefix("/xxl-job-admin") for method, path, *_ in words if method != "GET"]


def listed(lab: Lab, admin: Guise) -> list[str]:
    """The addresses in the lists of all job groups."""
    told = admin.role.tell(lab.place, admin, "/jobgroup/pageList length=100")
    return [address for g in json.loads(told)["data"] for address in g["registryList"] or ()]


def test_reverse_shows_that_pods_are_not_reached_and_leaves_nothing(
    lab: Lab, namespace: str, outside: Guise
) -> None:
    """KX805 of the probe's own listener; with a route to pods the same call arrives."""
    to: Bridge = ("xxl-job-svc", "xxl-job", outside.address, outside.port)
    lab.apply(bridge(to, outside.role.login(lab.place)), namespace=namespace)
    lab.await_rules(namespace)
    earlier = len(asked(lab, outside))  # a guise of that name, of a test before
    options = ("--active", "--reverse", "--reverse-app", GIVEN_UP)

    quiet = doctor(lab, namespace)
    assert quiet.code == 0, quiet.out + quiet.err
    assert set(asked(lab, outside)[earlier:]) == {"/login", "/api/k8sext"}

    walled = doctor(lab, namespace, *options)
    assert walled.said("xxl-job-svc") == [("KX805", "callback")], walled.out + walled.err
    for words in ("xxl-rpc remoting error(", "xxl.job.executor.address"):
        assert words in walled.out

    with firewall.routed_to_pods(lab.place, outside.address):
        free = doctor(lab, namespace, *options)
    assert (free.code, free.said("xxl-job-svc")) == (0, []), free.out + free.err
    (mine,) = (e for e in entries(free, "xxl-job-svc") if e["app"] == GIVEN_UP)
    assert (mine["state"], mine["app"], mine["ours"]) == ("up", GIVEN_UP, True)

    done = [
        path
        for path in asked(lab, outside)[earlier:]
        if path.startswith(("/api/registry", "/jobinfo"))
    ]
    assert done == ["/api/registry", "/jobinfo/trigger", "/api/registryRemove"] * 2
    assert eventually(lambda: not listed(lab, outside))  # its monitor rebuilds the lists at times
