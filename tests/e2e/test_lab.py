"""The lab itself: what the other e2e tests stand on must be true, and must go away."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import cgroups, instance, wire
from tests.lab.building.images import python313_rootfs
from tests.lab.lab import Lab, down, up
from tests.lab.place import PROJECT, Place

pytestmark = pytest.mark.lab

IMAGES = ("lab.k8sext.io/python:3.11", "lab.k8sext.io/python:3.13")
SERVERS = {
    "postgresql": ("198.51.100.9", 5432),
    "mysql": ("198.51.100.9", 3306),
    "rabbitmq": ("198.51.100.32", 5672),
    "redis": ("198.51.100.21", 26379),
    "elasticsearch": ("198.51.100.32", 9200),
    "nginx": ("198.51.100.31", 80),
}
CONNECT = """
import json, socket, sys, time
def attempt(address, port):
    began = time.monotonic()
    try:
        socket.create_connection((address, port), 2).close()
        return "open"
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "silent"
    except OSError as problem:
        return problem.strerror
print(json.dumps([attempt(a, p) for a, p in json.loads(sys.argv[1])]))
"""


@pytest.fixture(scope="module")
def lab() -> Lab:
    return up()


@pytest.fixture(scope="module")
def namespace(lab: Lab) -> Iterator[str]:
    with lab.namespace() as name:
        enforce = "pod-security.kubernetes.io/enforce=restricted"
        lab.kubectl("label", "namespace", name, enforce)
        yield name


def in_pod(lab: Lab, namespace: str, code: str, *args: str, image: str = IMAGES[0]) -> str:
    """Run Python in a pod that Pod Security `restricted` admits; what it printed."""
    name = f"p{time.monotonic_ns()}"
    container = {
        "name": "main",
        "image": image,
        "command": ["python3", "-c", code, *args],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
    metadata = {"name": name, "namespace": namespace}
    lab.apply([{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}])
    done = "--for=jsonpath={.status.phase}=Succeeded"
    lab.kubectl("wait", done, f"pod/{name}", "-n", namespace, "--timeout=30s")
    return lab.kubectl("logs", name, "-n", namespace)


def from_laptop(lab: Lab, *targets: tuple[str, int]) -> list[str]:
    done = lab.run([sys.executable, "-c", CONNECT, json.dumps(targets)], check=True)
    result: list[str] = json.loads(done.stdout)
    return result


def test_every_component_is_well(lab: Lab) -> None:
    found = instance.health(lab.place, instance.components())
    assert [h.component.name for h in found if not h.ready] == []


def test_up_again_says_so(lab: Lab) -> None:
    assert "already up" in command("up").stderr


@pytest.mark.parametrize(("image", "version"), [(IMAGES[0], "3.11"), (IMAGES[1], "3.13")])
def test_images_run_restricted(lab: Lab, namespace: str, image: str, version: str) -> None:
    code = "import json, ssl, sys; print(*sys.version_info[:2], sep='.')"
    assert in_pod(lab, namespace, code, image=image).strip() == version


def test_image_313_has_no_bytecode() -> None:
    assert not list(python313_rootfs().rglob("__pycache__"))
    shown = subprocess.run(
        ["chroot", str(python313_rootfs()), "python3", "-B", "-V"], capture_output=True, text=True
    )
    assert shown.stdout.startswith("Python 3.13.")


def test_a_bridge_leads_a_pod_to_the_outside_name(lab: Lab, namespace: str) -> None:
    bridge = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "db", "namespace": namespace},
        "spec": {"type": "ExternalName", "externalName": "db.corp.example"},
    }
    lab.apply([bridge])
    ask = "import socket, sys; print(*(socket.gethostbyname(name) for name in sys.argv[1:]))"
    answer = in_pod(lab, namespace, ask, "db", "kubernetes.default").split()
    assert answer == ["198.51.100.9", "198.19.0.1"]


def test_pods_reach_every_server_with_their_nodes_address(lab: Lab, namespace: str) -> None:
    targets = [*SERVERS.values(), ("198.51.100.23", 80), ("198.51.100.22", 80)]
    found = json.loads(in_pod(lab, namespace, CONNECT, json.dumps(targets)))
    assert found == ["open"] * len(SERVERS) + ["refused", "silent"]
    get = "import urllib.request as u; print(u.urlopen('http://web.corp.example/').status)"
    assert in_pod(lab, namespace, get).strip() == "200"
    last = [line for line in lab.server("nginx").log.splitlines() if "Python-urllib" in line][-1]
    assert last.split()[0] in ("192.0.2.11", "192.0.2.12")


def test_logins_of_the_shop(lab: Lab) -> None:
    secret = lab.passwords
    sql = "select current_user, current_setting('server_version_num')::int / 10000"
    psql = ["psql", "-h", "198.51.100.9", "-U", "shop", "-d", "shop", "-Atc", sql]
    done = lab.run(psql, env={"PGPASSWORD": secret["postgresql"]})
    assert done.stdout.strip() == "shop|15", done.stderr
    client = ["mariadb", "-h", "198.51.100.9", "-u", "shop", "-N", "-e", "select @@version", "shop"]
    done = lab.run(client, env={"MYSQL_PWD": secret["mysql"]})
    assert done.stdout.startswith("10.11."), done.stderr
    redis = ["redis-cli", "-h", "198.51.100.21", "-p", "26379", "ping"]
    assert lab.run(redis, env={"REDISCLI_AUTH": secret["redis"]}).stdout.strip() == "PONG"
    assert "NOAUTH" in lab.run(redis).stdout
    place, basic = lab.place, {"Authorization": _basic("shop", secret["rabbitmq"])}
    who = wire.http_request(place, "laptop", "198.51.100.32", 15672, "/api/whoami", headers=basic)
    assert json.loads(who.body)["name"] == "shop"
    search = wire.http_request(place, "laptop", "198.51.100.32", 9200)
    assert json.loads(search.body)["version"]["number"] == "7.1.1"


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_no_password_is_in_a_command_line(lab: Lab) -> None:
    files = (lab.place.state / "secrets").iterdir()
    secrets = [file.read_text() for file in files]
    assert len(secrets) >= 4
    lines: list[str] = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(process.read_text(errors="replace"))
        except OSError:
            continue  # ended meanwhile
    assert not [line for line in lines if any(secret in line for secret in secrets)]
    assert all(file.stat().st_mode & 0o077 == 0 for file in (lab.place.state / "secrets").iterdir())


def test_firewall(lab: Lab) -> None:
    target = SERVERS["postgresql"]
    address, port = target
    with lab.firewall("DROP", destination=address, port=port):
        assert from_laptop(lab, target, SERVERS["mysql"]) == ["silent", "open"]
    with lab.firewall("RESET", destination=address, port=port):
        assert from_laptop(lab, target) == ["refused"]
    with lab.firewall("REJECT", destination=address):
        assert from_laptop(lab, target) == ["No route to host"]
    assert from_laptop(lab, target) == ["open"]


def test_a_server_stops_starts_and_hangs(lab: Lab) -> None:
    redis, target = lab.server("redis"), SERVERS["redis"]
    with redis.stopped():
        assert from_laptop(lab, target) == ["refused"]
    assert from_laptop(lab, target) == ["open"]
    with redis.frozen():
        assert from_laptop(lab, target) == ["open"]
        assert not redis.ready
    assert redis.ready


def test_an_outside_name_changes_and_vanishes(lab: Lab) -> None:
    ask = ["getent", "ahostsv4", "db.corp.example"]
    with lab.name_set_to("db.corp.example", "198.51.100.23"):
        assert lab.run(ask).stdout.split()[0] == "198.51.100.23"
    with lab.name_set_to("db.corp.example"):
        assert lab.run(ask).returncode == 2
    assert lab.run(ask).stdout.split()[0] == "198.51.100.9"


def test_audit_log_tells_who_wrote(lab: Lab, namespace: str) -> None:
    made = [
        event
        for event in lab.audit()
        if event["verb"] == "patch" and event["objectRef"].get("name") == namespace
    ]
    assert made[0]["user"]["username"] == "admin"


def test_run_passes_input_and_exit_code(lab: Lab) -> None:
    done = command("run", "redis", "--", "sh", "-c", "cat; hostname; exit 3", say="hello\n")
    assert (done.returncode, done.stdout) == (3, "hello\nredis\n")
    with lab.popen(["sh", "-c", "echo on; exec sleep 60"]) as there:
        assert there.stdout is not None and there.stdout.readline() == "on\n"
        there.send_signal(signal.SIGINT)
        assert there.wait(5) == -signal.SIGINT


def command(
    *args: str, name: str | None = None, say: str | None = None
) -> subprocess.CompletedProcess[str]:
    chosen = {"K8SEXT_LAB_INSTANCE": name} if name else {}
    return subprocess.run(
        [sys.executable, "-m", "tests.lab", *args],
        cwd=PROJECT,
        env={**os.environ, **chosen},
        input=say,
        capture_output=True,
        text=True,
    )


def leftovers(place: Place, before: set[str]) -> list[str]:
    """What of an instance is still on this machine."""
    found = [str(h / place.cgroup) for h in cgroups.hierarchies() if (h / place.cgroup).exists()]
    found += [str(place.state)] if place.state.exists() else []
    found += sorted(machine() - before)
    return found + sorted(processes_of(place))


def processes_of(place: Place) -> set[str]:
    """Processes whose command line or working folder names the instance's folder."""
    found: set[str] = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_text(errors="replace")
            if str(place.root) in line or f"/{place.cgroup}/" in (process / "cgroup").read_text():
                found.add(line.replace("\0", " "))
        except OSError:
            continue
    return found


def machine() -> set[str]:
    """Mounts, interfaces and firewall rules of the machine itself."""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True).stdout
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True).stdout
    names = [line.split(":")[1] for line in links.splitlines()]
    kept = [line for line in rules.splitlines() if line.startswith("-")]
    spaces = [p.name for p in Path("/run/netns").glob("*")]
    return {*mounts, *names, *kept, *spaces}


@pytest.mark.parametrize("moment", [0.05, 0.25, 0.7, 3.0])
def test_down_clears_what_a_killed_up_left(lab: Lab, moment: float) -> None:
    """A second instance beside the first one: the same addresses, killed on its way up."""
    name = f"t{os.getpid() % 10000}"
    place, before = Place(name), machine()
    coming = subprocess.Popen(
        [sys.executable, "-m", "tests.lab", "--instance", name, "up", "--only", "kubernetes"],
        cwd=PROJECT,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(moment + 0.15)
    coming.kill()
    coming.wait()
    assert command("down", name=name).returncode == 0
    assert leftovers(place, before) == []
    shutil.rmtree(place.root, ignore_errors=True)  # killed early, it had not made it yet
    assert lab.kubectl("get", "--raw", "/readyz") == "ok"


def test_up_works_on_leftovers_and_beside_another(lab: Lab) -> None:
    name = f"u{os.getpid() % 10000}"
    before = machine()
    try:
        second = up(name, only=["coredns", "redis"])
        assert second.passwords["redis"] != lab.passwords["redis"]
        cgroups.end(cgroups.tracking() / second.place.cgroup / "apiserver")
        cgroups.end(cgroups.tracking() / second.place.cgroup / "host-node2")
        again = up(name, only=["coredns", "redis"])
        assert again.kubectl("get", "--raw", "/readyz") == "ok"
        assert lab.kubectl("get", "nodes", "-o", "name").split() == ["node/node1", "node/node2"]
        assert again.kubectl("get", "nodes", "-o", "name") == ""
        cgroups.freeze(again.server("redis").component.group(again.place), frozen=True)
    finally:
        assert down(name)
    assert leftovers(second.place, before) == []
    shutil.rmtree(second.place.root)
