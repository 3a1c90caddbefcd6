"""The Elasticsearch check against real servers on loopback, with the official client as the oracle.

7.1.1 comes with the lab's build; 8.19.21 and OpenSearch run with `-m lab` where
`python -m tests.lab.building.search` has fetched them.
"""

import json
import ssl
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator

import elasticsearch
import pytest

from k8sext.model.result import Observation, StageResult
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Stage, Status
from tests.support.converse import end_of, observe
from tests.support.drivers import alone
from tests.support.drivers import ended as end
from tests.support.search_servers import ARTIFACTS, PASSWORD, Node, running

PRODUCTS = {
    "elasticsearch-7": ("elasticsearch", "7.1.1"),
    "elasticsearch-8": ("elasticsearch", "8.19.21"),
    "opensearch": ("opensearch", "2.11.1"),
}


def started(kind: str) -> Iterator[Node]:
    artifact = ARTIFACTS[kind]
    if not artifact.made():
        how = " build" if kind == "elasticsearch-7" else ".building.search"
        name = f"{artifact.name} {artifact.version}"
        pytest.skip(f"{name} is not in the lab's cache; `python -m tests.lab{how}` fetches it")
    with running(kind) as node:
        yield node


# The two that no default build has run with the lab's tests only: each takes some 15 s to start.
KINDS = [
    "elasticsearch-7",
    pytest.param("elasticsearch-8", marks=pytest.mark.lab),
    pytest.param("opensearch", marks=pytest.mark.lab),
]


@pytest.fixture(scope="module", params=KINDS)
def node(request: pytest.FixtureRequest) -> Iterator[Node]:
    yield from started(request.param)


def ask(node: Node, method: str, path: str, body: object = None) -> tuple[int, object]:
    """A request of the administrator, to bring about what the check shall find."""
    scheme, context = "http", None
    headers = {"Content-Type": "application/json"}
    if node.ca:
        scheme, context = "https", ssl.create_default_context(cadata=node.ca)
        headers["Authorization"] = "Basic " + b64encode(f"shop:{PASSWORD}".encode()).decode()
    request = urllib.request.Request(
        f"{scheme}://{node.address}:{node.http}{path}",
        json.dumps(body).encode() if body is not None else None,
        headers,
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=20, context=context) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, None


def see(node: Node, login: dict[str, str] | None = None, **expect: object) -> Observation:
    seen = observe(
        "elastic",
        "elasticsearch",
        node.address,
        node.http,
        login=login if login is not None else node.login,
        tls=TlsSpec(mode=TlsMode.REQUIRE if node.ca else TlsMode.DISABLE),
        expect=expect,
    )
    assert PASSWORD not in repr(seen)
    return seen


def ended(seen: Observation) -> Reason | None:
    end = end_of(seen)
    return end.reason if end else None


def driver(node: Node) -> elasticsearch.Elasticsearch:
    if not node.ca:
        return elasticsearch.Elasticsearch(f"http://{node.address}:{node.http}", max_retries=0)
    return elasticsearch.Elasticsearch(
        f"https://{node.address}:{node.http}",
        basic_auth=("shop", PASSWORD),
        ssl_context=ssl.create_default_context(cadata=node.ca),
        max_retries=0,
    )


def test_who_it_is_and_whether_the_official_client_agrees(node: Node) -> None:
    seen = see(node)
    assert (seen.depth, seen.status) == (Stage.VERIFY, Status.PASS)
    assert (seen.fact("product"), seen.fact("version")) == PRODUCTS[node.kind]
    clients = seen.fact("clients")
    assert isinstance(clients, dict)
    client = driver(node)
    if "accepts" in str(clients["8"]):
        assert client.cluster.health()["status"] == "green"
    else:
        with pytest.raises(elasticsearch.UnsupportedProductError):
            client.cluster.health()
    client.close()
    status, health = ask(node, "GET", "/_cluster/health")
    assert status == 200
    assert isinstance(health, dict)
    assert seen.fact("nodes") == health["number_of_nodes"]


WRONG = {"username": "shop", "password": "wrong-4711"}
# Where the official client of major 8 ends; None: it gets through.
REFUSES = (Stage.HANDSHAKE, Reason.UNSUPPORTED_VERSION)
DRIVER = {"elasticsearch-7": REFUSES, "elasticsearch-8": (None, None), "opensearch": REFUSES}


def by_driver(node: Node, login: dict[str, str]) -> tuple[StageResult, ...]:
    tls = TlsMode.REQUIRE if node.ca else TlsMode.DISABLE
    return alone("elasticsearch", node.http, login or None, tls=tls)


def test_wire_and_official_client_come_to_the_same_verdict(node: Node) -> None:
    """Each in a run of its own. Equal on 8.19; the documented refusal on 7.1.1 and OpenSearch."""
    healthy = by_driver(node, node.login)
    assert ended(see(node)) is None
    assert end(healthy) == DRIVER[node.kind]
    if DRIVER[node.kind] == REFUSES:
        refusal = next(s for s in healthy if s.reason is Reason.UNSUPPORTED_VERSION)
        assert "the server is not Elasticsearch" in refusal.detail
    rejected = by_driver(node, WRONG)
    if node.ca:  # the login is judged first, whatever the product
        wire = see(node, WRONG).ended_by
        assert wire is not None
        assert end(rejected) == (wire.stage, wire.reason) == (Stage.AUTH, Reason.AUTH_REJECTED)
    else:  # no logins: a wrong one makes no difference
        assert ended(see(node, WRONG)) is None
        assert end(rejected) == REFUSES
    assert PASSWORD not in repr((healthy, rejected))
    assert WRONG["password"] not in repr(rejected)


def test_the_build_for_tests_of_8_does_not_answer_who_it_is(node: Node) -> None:
    """`client.info()` raises 405 there, and `ping()` is false; that is not the client's refusal.

    Its answers do name the product, so that every other call of the official client works. A
    whole Elasticsearch answers `GET /`: the stand-ins of tests/unit/clients play that.
    """
    client = driver(node)
    with pytest.raises(elasticsearch.ApiError) as caught:
        client.info()
    if node.kind == "elasticsearch-8":
        assert type(caught.value) is elasticsearch.ApiError
        assert caught.value.meta.status == 405
        answer = client.cluster.health()
        assert answer["status"] == "green"
        assert answer.meta.headers["x-elastic-product"] == "Elasticsearch"
    else:
        assert type(caught.value) is elasticsearch.UnsupportedProductError
        assert caught.value.meta.status == 200
    assert client.ping() is False
    client.close()


def test_client_9_is_refused_by_server_8(node: Node) -> None:
    """The one thing in the table that a server, not a client, refuses."""
    expected = Reason.UNSUPPORTED_VERSION
    assert ended(see(node, client="9")) is expected
    assert ended(see(node, client="8")) is (None if node.kind == "elasticsearch-8" else expected)


def test_logins(node: Node) -> None:
    if not node.ca:
        assert ended(see(node, {"username": "shop", "password": "wrong-4711"})) is None
        return  # it has no logins and ignores one
    assert ended(see(node, {"username": "shop", "password": "wrong-4711"})) is Reason.AUTH_REJECTED
    assert ended(see(node, {"token": "wrong-4711"})) is Reason.AUTH_REJECTED
    assert ended(see(node, {})) is Reason.AUTH_REQUIRED
    poor = see(node, {"username": "poor", "password": PASSWORD})
    assert (poor.depth, poor.status) == (Stage.VERIFY, Status.PASS)  # a note limits the depth


def test_a_login_that_may_only_read_its_index(node: Node) -> None:
    if node.kind != "elasticsearch-8":
        pytest.skip("only the node of Elasticsearch 8 has such a role")
    ask(node, "PUT", "/orders", {"settings": {"number_of_replicas": 0}})
    reader = {"username": "reader", "password": PASSWORD}
    assert ended(see(node, reader, index="orders")) is None
    # It does not tell whether the index is there to those without a right to it.
    assert ended(see(node, reader, index="absent")) is Reason.PERMISSION_DENIED
    ask(node, "DELETE", "/orders")


def test_yellow_red_and_why(node: Node) -> None:
    ask(node, "PUT", "/twice", {"settings": {"number_of_replicas": 1, "number_of_shards": 1}})
    yellow = see(node)
    verify = yellow.stage(Stage.VERIFY)
    assert verify is not None
    assert (verify.status, verify.reason) == (Status.WARN, Reason.DEGRADED)
    assert "replica of twice (INDEX_CREATED)" in verify.detail
    assert see(node, health="yellow").status is Status.PASS
    assert ended(see(node, health="green")) is Reason.DEGRADED
    nowhere = {"number_of_replicas": 0, "index.routing.allocation.require._name": "nowhere"}
    ask(node, "PUT", "/lost?wait_for_active_shards=0", {"settings": nowhere})
    red = see(node, health="yellow").ended_by
    assert red is not None
    assert red.reason is Reason.UNHEALTHY
    assert "primary of lost (INDEX_CREATED)" in red.detail
    ask(node, "DELETE", "/lost")
    ask(node, "DELETE", "/twice")
    assert see(node).status is Status.PASS


def test_indices_and_what_holds_back_writes(node: Node) -> None:
    ask(node, "PUT", "/orders-1", {"settings": {"number_of_replicas": 0}})
    ask(node, "PUT", "/orders-1/_alias/orders")
    assert see(node, index="orders").fact("indices") == ["orders-1"]
    assert ended(see(node, index="orders-*")) is None
    assert ended(see(node, index="absent")) is Reason.OBJECT_MISSING
    assert ended(see(node, index="absent-*")) is Reason.OBJECT_MISSING
    ask(node, "PUT", "/orders-1/_settings", {"index.blocks.read_only_allow_delete": True})
    assert see(node).status is Status.WARN
    assert ended(see(node, index="orders")) is Reason.READ_ONLY
    ask(node, "PUT", "/orders-1/_settings", {"index.blocks.read_only_allow_delete": None})
    ask(node, "PUT", "/_cluster/settings", {"transient": {"cluster.blocks.read_only": True}})
    assert ended(see(node)) is Reason.READ_ONLY
    ask(node, "PUT", "/_cluster/settings", {"transient": {"cluster.blocks.read_only": None}})
    ask(node, "POST", "/orders-1/_close")
    assert ended(see(node, index="orders")) is Reason.READ_ONLY
    ask(node, "DELETE", "/orders-1")


def test_the_wrong_way_to_speak_to_it(node: Node) -> None:
    def other(port: int, mode: TlsMode) -> Reason | None:
        tls = TlsSpec(mode=mode)
        return ended(observe("elastic", "elasticsearch", node.address, port, tls=tls))

    if node.ca:
        assert other(node.http, TlsMode.DISABLE) is Reason.TLS_REQUIRED
        assert other(node.transport, TlsMode.DISABLE) is Reason.TLS_REQUIRED
        return
    assert other(node.http, TlsMode.REQUIRE) is Reason.TLS_NOT_OFFERED
    assert other(node.transport, TlsMode.DISABLE) is Reason.WRONG_PROTOCOL


def test_a_node_that_finds_no_master() -> None:
    """Its name for the cluster is no identity: any two such nodes have it in common."""
    kind = "elasticsearch-7"
    if not ARTIFACTS[kind].made():
        pytest.skip("Elasticsearch 7.1.1 is not in the lab's cache: python -m tests.lab build")
    alone: dict[str, object] = {"discovery__type": "zen", "discovery__seed_hosts": ["127.0.0.1:1"]}
    alone["discovery__initial_state_timeout"] = "1s"
    with running(kind, **alone) as node:
        seen = see(node)
    assert (seen.depth, ended(seen)) == (Stage.HANDSHAKE, Reason.UNHEALTHY)
    assert seen.fact("identity") == ""
    assert seen.ended_by is not None
    assert "no master" in seen.ended_by.detail
