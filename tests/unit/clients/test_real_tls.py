"""TLS of real servers: drivers and wire checks trust, and refuse, the same certificates."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from k8sext import registry
from k8sext.agent.check import Login
from k8sext.agent.drive.client import Dial
from k8sext.agent.drive.drivers import watched
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Stage, Status
from tests.support import drivers, real_servers
from tests.support.authority import Pair, serving_itself
from tests.support.real_servers import PASSWORD, Server

LOGIN = {"username": "shop", "password": PASSWORD}
DRIVEN = ("mysql", "postgresql", "redis")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return serving_itself(tmp_path_factory.mktemp("tls"), "svc")


def started(protocol: str, pair: Pair) -> AbstractContextManager[Server]:
    if protocol == "redis":
        return real_servers.redis_server(pair)
    return real_servers.mariadb(pair) if protocol == "mysql" else real_servers.postgresql(pair)


@pytest.fixture(scope="module", params=DRIVEN)
def served(request: pytest.FixtureRequest, pair: Pair) -> Iterator[tuple[str, Server]]:
    with started(request.param, pair) as server:
        yield request.param, server


def both(
    served: tuple[str, Server], mode: TlsMode | None, ca: str = "", name: str = ""
) -> drivers.Pair:
    protocol, server = served
    login = {"password": PASSWORD} if protocol == "redis" else LOGIN
    where = {"ca_secret": "svc", "ca_key": "ca.crt"} if ca else {}
    spec = TlsSpec(mode=mode, server_name=name, **where)
    return drivers.both(protocol, server.port, login, ca=ca, tls=spec)


def test_verified_by_the_bridges_name(served: tuple[str, Server], pair: Pair) -> None:
    good = both(served, TlsMode.VERIFY_FULL, pair.text)
    assert (good.reasons, good.client.depth) == ((None, None), Stage.VERIFY)
    tls = good.client.stage(Stage.TLS)
    assert tls is not None
    assert tls.status is Status.PASS
    assert PASSWORD not in repr(good)


def refused(served: tuple[str, Server], pair: drivers.Pair, reason: Reason) -> None:
    """MySQL counts broken handshakes (max_connect_errors): its driver adds no second one."""
    assert pair.reasons == (reason, None if served[0] == "mysql" else reason)
    assert pair.client.status is (Status.SKIP if served[0] == "mysql" else Status.FAIL)


def test_another_name(served: tuple[str, Server], pair: Pair) -> None:
    other = both(served, TlsMode.VERIFY_FULL, pair.text, name="other.example")
    refused(served, other, Reason.CERTIFICATE_NAME_MISMATCH)


NAMES = [("svc", None), ("other.example", Reason.CERTIFICATE_NAME_MISMATCH)]


@pytest.mark.parametrize(("name", "reason"), NAMES)
def test_the_driver_alone_asks_for_the_name_and_not_for_what_it_dials(
    served: tuple[str, Server], pair: Pair, name: str, reason: Reason | None
) -> None:
    protocol, server = served
    login = {"password": PASSWORD} if protocol == "redis" else LOGIN
    dial = Dial(
        host="127.0.0.1",
        port=server.port,
        server_name=name,
        protocol=protocol,
        tls=TlsMode.VERIFY_FULL,
        verified=True,
        named=True,
        ca=pair.text,
        login=Login({k: Secret(v) for k, v in login.items()}),
        seconds=5,
    )
    stages = watched(registry.clients_by_protocol()[protocol](), dial, 20)
    ended = next((s for s in stages if s.status is Status.FAIL), None)
    assert (ended.reason if ended else None) is reason
    assert ended is None or ended.stage is Stage.TLS


def test_another_authority(served: tuple[str, Server], tmp_path: Path) -> None:
    stranger = serving_itself(tmp_path, "svc").text
    other = both(served, TlsMode.VERIFY_FULL, stranger)
    refused(served, other, Reason.CERTIFICATE_UNTRUSTED)


def test_encrypted_and_not_verified(served: tuple[str, Server]) -> None:
    pair = both(served, TlsMode.REQUIRE)
    assert (pair.reasons, pair.client.depth) == ((None, None), Stage.VERIFY)
