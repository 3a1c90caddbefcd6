"""A Secret demands TLS: what arrives at servers that have none, or another's certificate."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from k8sext.agent.login.credentials import HeldSecrets
from k8sext.agent.main import load_checks
from k8sext.agent.net.resolver import Config
from k8sext.agent.run.runner import Runner
from k8sext.model.bridge import CredentialRef
from k8sext.model.plan import Budget, Plan, Target
from k8sext.model.result import Observation
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Route, Stage
from tests.support import certificates, trails
from tests.support.tls_table import CASES, Server, server_context

CANARY = "canary-4711"
NAMES = ("redis-svc", "redis-svc.dev")


@dataclass
class Redis:
    """Takes any password, over TLS or not, and keeps what it was sent."""

    context: ssl.SSLContext | None
    got: bytearray = field(default_factory=bytearray)

    def __call__(self, connection: socket.socket) -> None:
        if not self.context:
            self.talk(connection)
            return
        with self.context.wrap_socket(connection, server_side=True) as encrypted:
            self.talk(encrypted)

    def talk(self, connection: socket.socket) -> None:
        """Until the other side has enough."""
        while data := connection.recv(4096):
            self.got += data
            asks = b"PING" in data and b"AUTH" not in self.got
            connection.sendall(b"-NOAUTH no\r\n" if asks else b"+OK\r\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("certificates")
    certificates.make(root)
    return root


@pytest.fixture
def talk(folder: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Redis, int]]:
    kinds = {c.name: c for c in CASES}
    one = Redis(None if request.param == "clear" else server_context(kinds[request.param], folder))
    server = Server(one)
    yield one, server.port
    server.close()


def auth(port: int, secret: dict[str, str], tls: TlsSpec, others: dict[str, str]) -> Observation:
    seen: list[Observation] = []
    one = Target(
        id="o1", service="redis-svc", port_key="p", protocol="redis", route=Route.ENDPOINT,
        host="127.0.0.1", port=port, tls=tls, tls_names=NAMES,
        credentials=CredentialRef(secret="s"), trail=trails.to_endpoint("127.0.0.1"),
    )  # fmt: skip
    budget = Budget(stage_s=3, probe_s=8, run_s=15)
    plan = Plan(run_id="t", namespace="dev", targets=(one,), modules=("redis",),
                budget=budget)  # fmt: skip
    held = {
        "s": {k: Secret(v) for k, v in {"password": CANARY, **secret}.items()},
        "theirs": {k: Secret(v) for k, v in others.items()},
    }
    checks, logins = load_checks(plan.modules), HeldSecrets(held)
    asyncio.run(Runner(plan, checks, logins, seen.append, Config()).run())
    return seen[0]


OWNER = {"k8sext.service": "redis-svc"}
ATTACKS: list[tuple[str, str, TlsSpec, bool]] = [
    # the server, what the Secret demands, what the Service asks for, whether its CA is its own
    ("clear", "require", TlsSpec(), False),
    ("clear", "require", TlsSpec(mode=TlsMode.DISABLE), False),
    ("clear", "verify-full", TlsSpec(), True),
    ("self-signed", "verify-full", TlsSpec(), True),
    ("self-signed", "verify-full", TlsSpec(mode=TlsMode.REQUIRE), True),
    ("self-signed", "verify-full", TlsSpec(), False),
    ("good", "verify-full", TlsSpec(), False),  # by a CA that neither it nor the system knows
    ("good", "verify-full", TlsSpec(mode=TlsMode.VERIFY_FULL, ca_secret="theirs",
                                    ca_key="ca.crt"), False),
    ("good", "verify-full", TlsSpec(server_name="evil.example"), True),
    ("outside name asked for", "verify-full", TlsSpec(), True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("talk", "demand", "asked", "own_ca"), ATTACKS, indirect=["talk"],
)  # fmt: skip
def test_nothing_of_the_login_arrives(
    talk: tuple[Redis, int], demand: str, asked: TlsSpec, own_ca: bool, folder: Path
) -> None:
    server, port = talk
    authority = (folder / "ca.crt").read_text()
    secret = {**OWNER, "k8sext.tls": demand, "username": "user-canary"}
    if own_ca:
        secret["ca.crt"] = authority
    seen = auth(port, secret, asked, {"ca.crt": authority})
    assert CANARY.encode() not in server.got
    assert b"user-canary" not in server.got
    stage = seen.stage(Stage.AUTH)
    assert stage
    assert stage.reason in (Reason.TLS_DEMANDED, Reason.NOT_REACHED)


@pytest.mark.parametrize(
    ("talk", "demand", "asked", "own_ca"),
    [
        ("good", "require", TlsSpec(), False),
        ("self-signed", "require", TlsSpec(), False),
        ("good", "verify-full", TlsSpec(), True),
        ("good", "verify-full", TlsSpec(mode=TlsMode.REQUIRE), True),
        ("clear", "any", TlsSpec(mode=TlsMode.DISABLE), False),
    ],
    indirect=["talk"],
)
def test_a_connection_that_is_good_enough(
    talk: tuple[Redis, int], demand: str, asked: TlsSpec, own_ca: bool, folder: Path
) -> None:
    server, port = talk
    secret = {**OWNER, "k8sext.tls": demand}
    if own_ca:
        secret["ca.crt"] = (folder / "ca.crt").read_text()
    auth(port, secret, asked, {})
    assert CANARY.encode() in server.got
