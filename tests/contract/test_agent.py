"""The shipped archive carries out a real plan, as in the pod: isolated, standard library only."""

import json
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k8sext import registry
from k8sext.agent.net import relay_wire
from k8sext.model.bridge import CredentialRef, Kind
from k8sext.model.codec import from_json
from k8sext.model.plan import Budget, Plan, Target, Trail
from k8sext.model.result import Observation
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import STAGES, Reason, Route, Stage, Status
from k8sext.vantage import pack
from k8sext.vantage.ledger import Ledger
from k8sext.vantage.relay import pod_part
from tests.support import certificates, pythons, rootfs, tls_table
from tests.support.tls_table import CASES, Server, redis_over_tls, server_context

CHECKS = registry.wire_checks()
PASSWORD = "canary-4711"
NONCE = "5eed5eed5eed5eed"
INFO = b"redis_version:7.0.15\r\nrun_id:abc\r\nrole:master\r\nredis_mode:standalone\r\n"
IMAGES = ("3.11", "3.13")
Done = subprocess.CompletedProcess[str]
Run = Callable[[list[str], Mapping[str, str]], Done]


def redis(connection: Any) -> None:
    """A server with a password, as far as the check asks."""
    while data := connection.recv(4096):
        if b"INFO" in data:
            connection.sendall(b"$%d\r\n%s\r\n" % (len(INFO), INFO))
        elif b"AUTH" in data and PASSWORD.encode() not in data:
            connection.sendall(b"-WRONGPASS no\r\n")
        else:
            connection.sendall(b"+PONG\r\n" if b"PING" in data else b"+OK\r\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lies under /tmp: certificates, the table's script, mounted Secrets, the archive."""
    root = tmp_path_factory.mktemp("files")
    (root / "certificates").mkdir()
    certificates.make(root / "certificates")
    shutil.copy(tls_table.__file__, root / "tls_table.py")
    (root / "agent.zip").write_bytes(pack.bundle(["redis"]))
    for secret, values in {
        "redis-auth": {"password": PASSWORD, "k8sext.service": "redis-svc"},
        "stolen": {"password": PASSWORD, "k8sext.service": "another-svc"},
        "ca-secret": {"ca.crt": (root / "certificates" / "ca.crt").read_text()},
    }.items():
        (root / "secrets" / secret).mkdir(parents=True)
        for key, value in values.items():
            (root / "secrets" / secret / key).write_text(value)
    return root


@pytest.fixture
def servers(folder: Path) -> Iterator[dict[str, Server]]:
    good = next(case for case in CASES if case.name == "good")
    made = {
        "redis": Server(redis),
        "tls": Server(redis_over_tls(server_context(good, folder / "certificates"))),
        "closes": Server(lambda _: None),
    }
    yield made
    for server in made.values():
        server.close()


def plan(servers: Mapping[str, Server]) -> Plan:
    def target(id: str, server: str, **more: Any) -> Target:
        port = servers[server].port
        base: dict[str, Any] = {
            "id": id,
            "service": "redis-svc",
            "port_key": "redis",
            "protocol": "redis",
            "route": Route.ENDPOINT,
            "host": "127.0.0.1",
            "port": port,
            "server": f"127.0.0.1:{port}",
            "tls_names": ("redis-svc",),
            "trail": Trail(namespace="dev", kind=Kind.SELECTORLESS, people=True),
        }
        return Target(**{**base, **more})

    tls = TlsSpec(mode=TlsMode.VERIFY_FULL, ca_secret="ca-secret", ca_key="ca.crt")
    targets = [
        target("login", "redis", credentials=CredentialRef(secret="redis-auth")),
        target("stolen", "redis", credentials=CredentialRef(secret="stolen")),
        target("absent", "redis", credentials=CredentialRef(secret="no-such")),
        target("tls", "tls", tls=tls),
        target("name", "redis", route=Route.NAME, host="no-such-name.invalid"),
        *(target(f"c-{name}", "closes", protocol=name) for name in sorted(CHECKS)),
    ]
    modules = tuple(sorted({e.in_plan for e in CHECKS.values()}))
    budget = Budget(stage_s=8, resolve_s=1, probe_s=20, run_s=40)
    return Plan(
        run_id="abcd1234",
        namespace="dev",
        targets=tuple(targets),
        modules=modules,
        budget=budget,
        nonce=NONCE,
    )


def carried_out(run: Run, servers: Mapping[str, Server], secrets: str, log: str) -> None:
    """Every target exactly once, with every stage, and the verdicts that the servers deserve."""
    made = plan(servers)
    env = {**pack.environment(made), "K8SEXT_SECRETS": secrets, "K8SEXT_TERMINATION_LOG": log}
    done = run(["-S", *pack.COMMAND[1:]], env)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert PASSWORD not in done.stdout
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [r["seq"] for r in records] == list(range(len(records)))
    assert (records[0]["type"], records[-1]["type"]) == ("hello", "end")
    assert records[-1]["records"] == len(records)
    ledger = Ledger(NONCE)
    assert all(ledger.take(line.encode()) for line in done.stdout.splitlines())
    assert ledger.whole
    found = [from_json(Observation, r["observation"]) for r in records if "observation" in r]
    seen = {o.id: o for o in found}
    assert sorted(o.id for o in found) == sorted(t.id for t in made.targets)
    assert all(tuple(s.stage for s in o.stages) == STAGES for o in found)
    assert not [o for o in found if o.ended_by and o.ended_by.reason is Reason.INTERNAL_ERROR]
    assert seen["login"].status in (Status.PASS, Status.WARN)
    assert (seen["login"].depth, seen["login"].fact("identity")) == (Stage.VERIFY, "abc")
    assert auth(seen["stolen"]) is Reason.NO_CONSENT
    assert auth(seen["absent"]) is Reason.SECRET_MISSING
    assert seen["tls"].fact("verified") is True
    ended = seen["name"].ended_by
    assert ended is not None
    assert ended.stage is Stage.RESOLVE


def auth(seen: Observation) -> Reason | None:
    stage = seen.stage(Stage.AUTH)
    return stage.reason if stage else None


@pytest.mark.parametrize("version", pythons.SUPPORTED)
def test_the_archive_carries_out_a_plan(
    version: str, folder: Path, servers: dict[str, Server], tmp_path: Path
) -> None:
    python = pythons.find(version)
    if not python:
        pytest.skip(f"no Python {version} on this machine; the lab test below brings its own")

    def run(argv: list[str], env: Mapping[str, str]) -> Done:
        return subprocess.run(
            [python, *argv], capture_output=True, text=True, env=dict(env), check=False
        )

    carried_out(run, servers, str(folder / "secrets"), str(tmp_path / "word"))
    told = json.loads((tmp_path / "word").read_text())
    (summary,) = (r for r in told if r["type"] == "summary")
    assert summary["total"] == len(summary["seen"]) == len(plan(servers).targets)


# -- in the root file systems of the lab's images: there whatever the machine has -----------------


def image(version: str) -> Path:
    from tests.lab.building import images

    made = {"3.11": images.PYTHON_311, "3.13": images.PYTHON_313}[version]
    return made.artifact.need() / "rootfs"


@pytest.mark.lab
@pytest.mark.parametrize("version", IMAGES)
def test_the_archive_carries_out_a_plan_in_the_image(
    version: str, folder: Path, servers: dict[str, Server]
) -> None:
    def run(argv: list[str], env: Mapping[str, str]) -> Done:
        return rootfs.run(image(version), folder, [f"python{version}", *argv], env)

    carried_out(run, servers, "/tmp/secrets", "/tmp/word")


@pytest.mark.lab
@pytest.mark.parametrize("version", IMAGES)
def test_the_tls_verdicts_are_the_same_in_the_image(version: str, folder: Path) -> None:
    argv = [f"python{version}", "-I", "-S", "/tmp/tls_table.py", "/tmp/agent.zip"]
    done = rootfs.run(image(version), folder, [*argv, "/tmp/certificates"])
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["python"].startswith(version)
    for case in CASES:
        said = told["cases"][case.name]
        assert said["ends"] == case.ends, (case.name, said)
        assert case.says in said["says"], (case.name, said)
        assert {k: said["facts"].get(k) for k in case.facts} == dict(case.facts), case.name


# -- the relay -----------------------------------------------------------------------------------


def relay_env(port: int) -> dict[str, str]:
    """A plan for the relay with one redis behind it."""
    one = Target(
        id="r1",
        service="redis-svc",
        port_key="redis",
        protocol="redis",
        route=Route.ENDPOINT,
        host="127.0.0.1",
        port=port,
    )
    made = Plan(run_id="abcd", namespace="dev", targets=(one,), modules=("redis",), vantage="relay")
    made = replace(made, nonce=NONCE)
    return pack.environment(pod_part(made))


@pytest.mark.parametrize("version", pythons.SUPPORTED)
def test_the_relay_travels_and_serves(version: str, servers: dict[str, Server]) -> None:
    python = pythons.find(version)
    if not python:
        pytest.skip(f"no Python {version} on this machine")
    argv = [python, "-S", *pack.command(pack.RELAY)[1:]]
    env = relay_env(servers["redis"].port)
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        hello, ready = (json.loads(process.stdout.readline()) for _ in range(2))
        try:
            assert hello["nonce"] == ready["nonce"] == NONCE
            assert (hello["type"], hello["seq"], ready["type"]) == ("hello", 0, "ready")
            with socket.create_connection(("127.0.0.1", ready["port"]), timeout=10) as made:
                asked: dict[str, Any] = {"op": "connect", "address": "127.0.0.1", "within": 5}
                made.sendall(relay_wire.line({**asked, "port": servers["redis"].port}))
                stream = made.makefile("rb")
                assert "peer" in json.loads(stream.readline())
                made.sendall(relay_wire.frame(relay_wire.FrameKind.DATA, b"PING\r\n"))
                assert stream.read(12) == relay_wire.frame(relay_wire.FrameKind.DATA, b"+PONG\r\n")
        finally:
            process.terminate()
        end = json.loads(process.stdout.read().splitlines()[-1])
    assert (end["type"], end["why"], end["records"]) == ("end", "stopped", end["seq"] + 1)


def test_the_relay_carries_no_check_and_little_else() -> None:
    sources = pack.sources((), pack.RELAY)
    assert "k8sext/agent/relay.py" in sources
    others = {"main", "run/runner", "tls/target", "login/credentials", "wire/http", "wire/sql"}
    assert not {f"k8sext/agent/{name}.py" for name in others} & set(sources)
    checks = [path for path in sources if path.startswith("k8sext/checks/")]
    assert all(path.endswith("/__init__.py") for path in checks)
    assert len(pack.packed((), pack.RELAY)) < 34_000
